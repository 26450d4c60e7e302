//! The hot loops: transform, translation, convolution, reassembly. Throughput is in elements: fused
//! multiply-adds for the convolutions, pixels elsewhere.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array3;
use num_complex::{Complex, Complex32};
use ptyproof::assemble::stitch::stitch;
use ptyproof::ground::geometry::Position;
use ptyproof::ground::par::Pool;
use ptyproof::kernel::conv::{Aligned, Arithmetic, Direction, Epilogue, Kernels, Packed};
use ptyproof::kernel::fft::{Fft2, Scratch};
use ptyproof::kernel::isa::Isa;
use ptyproof::kernel::map::FeatureMap;
use ptyproof::physics::translate::translate_add;

/// Side, input and output channels of the convolutions of the N = 64 network.
const LAYERS: [(usize, usize, usize); 9] = [
    (64, 1, 64),
    (64, 64, 64),
    (32, 64, 128),
    (32, 128, 128),
    (16, 128, 256),
    (16, 256, 256),
    (8, 256, 128),
    (16, 128, 64),
    (32, 60, 1),
];

fn wave(k: usize) -> f32 {
    (k as f32 * 0.7).sin()
}

fn filled(images: usize, side: usize, channels: usize) -> FeatureMap<f32> {
    let mut m = FeatureMap::new(images, side, side, channels);
    for i in 0..images {
        for p in 0..side * side {
            let pixel = &mut m.pixel_mut(i, p / side, p % side)[..channels];
            pixel
                .iter_mut()
                .enumerate()
                .for_each(|(c, v)| *v = wave(p * channels + c));
        }
    }
    m
}

fn convolutions(c: &mut Criterion) {
    let images = 8;
    for threads in [1, 2] {
        let pool = Pool::new(threads).unwrap();
        let mut group = c.benchmark_group(format!("conv3x3/{threads} threads"));
        group.sample_size(10);
        for (side, cin, cout) in LAYERS {
            let (x, y) = (filled(images, side, cin), filled(images, side, cout));
            let kernel: Vec<f32> = (0..9 * cin * cout).map(wave).collect();
            let bias = vec![0.1; cout];
            let method = f32::method(Arithmetic::Fast, cin, cout, side);
            let mut packed = Packed::new(method, cin, cout);
            f32::pack(Isa::best(), &mut packed, &kernel, Direction::Forward);
            let macs = images * side * side * 9 * cin * cout;
            group.throughput(Throughput::Elements(macs as u64));
            let name = format!("{side}x{side} {cin}->{cout}");
            let mut out = y.clone();
            group.bench_function(BenchmarkId::new("forward", &name), |b| {
                b.iter(|| {
                    pool.run(|| {
                        f32::conv(
                            Isa::best(),
                            &x,
                            0,
                            &packed,
                            Epilogue::BiasRelu(&bias),
                            &mut out,
                        );
                    });
                });
            });
            let (mut dw, mut db) = (kernel.clone(), bias.clone());
            let mut scratch = Aligned::default();
            group.bench_function(BenchmarkId::new("weights", &name), |b| {
                b.iter(|| {
                    pool.run(|| {
                        let out = (&mut dw[..], &mut db[..]);
                        f32::conv_weights(Isa::best(), method, &x, 0, &y, out, &mut scratch);
                    });
                });
            });
        }
        group.finish();
    }
}

fn transforms(c: &mut Criterion) {
    let mut group = c.benchmark_group("fft2");
    for n in [64, 128, 256] {
        let fft = Fft2::<f32>::new(n);
        let mut scratch = Scratch::default();
        let image: Vec<Complex32> = (0..n * n)
            .map(|k| Complex::new(wave(k), wave(k + 1)))
            .collect();
        let mut field = image.clone();
        group.throughput(Throughput::Elements((n * n) as u64));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| {
                field.copy_from_slice(&image);
                fft.forward(black_box(&mut field), &mut scratch);
            });
        });
    }
    group.finish();
    let images = 256;
    for threads in [1, 2] {
        let pool = Pool::new(threads).unwrap();
        let mut group = c.benchmark_group(format!("fft2 of {images}/{threads} threads"));
        group.sample_size(10);
        for n in [64, 128, 256] {
            let fft = Fft2::<f32>::new(n);
            let stack: Vec<Complex32> = (0..images * n * n)
                .map(|k| Complex::new(wave(k), wave(k + 1)))
                .collect();
            group.throughput(Throughput::Elements(stack.len() as u64));
            group.bench_function(BenchmarkId::from_parameter(n), |b| {
                b.iter_batched_ref(
                    || stack.clone(),
                    |fields| pool.run(|| fft.forward_all(black_box(fields))),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
    let mut group = c.benchmark_group("translate");
    for (name, t) in [("fraction", [1.3f32, -2.4]), ("whole", [1.0, -2.0])] {
        let src: Vec<Complex32> = (0..64 * 64)
            .map(|k| Complex::new(wave(k), wave(k + 1)))
            .collect();
        let mut dst = vec![Complex32::default(); 78 * 78];
        group.throughput(Throughput::Elements(64 * 64));
        group.bench_function(BenchmarkId::new("64 onto 78", name), |b| {
            b.iter(|| translate_add(black_box(&src), 64, &mut dst, 78, t));
        });
    }
    group.finish();
}

fn reassembly(c: &mut Criterion) {
    let mut group = c.benchmark_group("stitch");
    for (groups, side, m) in [(64, 380.0f64, 20), (1000, 1500.0, 64)] {
        let patches = Array3::from_shape_fn((groups, 64, 64), |(g, r, q)| {
            Complex32::new(wave(g + r * 64 + q), 1.0)
        });
        let offsets: Vec<Position> = (0..groups)
            .map(|k| {
                let at = |f: f64| side * (0.5 + 0.5 * (k as f64 * f).sin());
                Position::new(at(1.7), at(2.9))
            })
            .collect();
        group.throughput(Throughput::Elements((groups * m * m) as u64));
        group.bench_function(format!("{groups} patches, M = {m}"), |b| {
            b.iter(|| stitch(patches.view(), black_box(&offsets), m).unwrap());
        });
    }
    group.finish();
}

criterion_group!(kernels, convolutions, transforms, reassembly);
criterion_main!(kernels);
