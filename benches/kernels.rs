//! The hot loops: convolution, transform and translation, with the peak performance of the cores for comparison.
//! Elements are floating-point operations, so that `Gelem/s` reads GFLOP/s; of the translation they are pixels.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use num_complex::{Complex, Complex32};
use ptyproof::geometry::{GridSize, PatchSize};
use ptyproof::optics::translate::translate_add;
use ptyproof::par::Pool;
use ptyproof_kernels::conv::{Aligned, Arithmetic, Direction, Epilogue, Kernels, Packed};
use ptyproof_kernels::fft::Fft2;
use ptyproof_kernels::isa::Isa;
use ptyproof_kernels::map::FeatureMap;
use ptyproof_kernels::peak::multiply_adds;
use ptyproof_pinn::network::architecture::Architecture;
use rayon::prelude::*;

fn wave(k: usize) -> f32 {
    (k as f32 * 0.7).sin()
}

fn filled(images: usize, side: usize, channels: usize) -> FeatureMap<f32> {
    fill(FeatureMap::new(images, side, side, channels))
}

fn fill(mut m: FeatureMap<f32>) -> FeatureMap<f32> {
    let (images, side, channels) = (m.images(), m.width(), m.channels());
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

/// Peak performance of the cores, for comparison.
fn calibration(c: &mut Criterion) {
    let rounds = 1_000_000;
    for threads in [1, 2] {
        let pool = Pool::new(threads).unwrap();
        let mut group = c.benchmark_group(format!("peak/{threads} threads"));
        group.sample_size(10);
        let operations = multiply_adds(Isa::best(), rounds).0 * threads as u64;
        group.throughput(Throughput::Elements(operations));
        group.bench_function("fused multiply-adds", |b| {
            b.iter(|| {
                pool.run(|| {
                    (0..threads)
                        .into_par_iter()
                        .for_each(|_| _ = black_box(multiply_adds(Isa::best(), black_box(rounds))));
                });
            });
        });
        group.finish();
    }
}

/// Bandwidth of one core for the maps of the first layer and the heads, which fit the last-level cache at best.
fn maps(c: &mut Criterion) {
    let mut group = c.benchmark_group("memory/1 thread");
    group.sample_size(20);
    for (name, side) in [("2.4 MB", 34), ("8.9 MB", 66)] {
        let mut map = vec![0.5f32; 8 * side * side * 64];
        group.throughput(Throughput::Bytes(4 * map.len() as u64));
        group.bench_function(format!("read {name}"), |b| {
            b.iter(|| {
                let mut lanes = [0.0; 64];
                for v in map.chunks_exact(64) {
                    lanes.iter_mut().zip(v).for_each(|(s, v)| *s += v);
                }
                black_box(lanes)
            });
        });
        group.bench_function(format!("write {name}"), |b| {
            b.iter(|| black_box(&mut map).fill(black_box(0.25)));
        });
    }
    group.finish();
}

/// Every shape of the networks of N = 64 and 128 once: side, inputs, outputs.
fn layers() -> BTreeSet<(usize, usize, usize)> {
    let sizes = [(64, 1), (64, 2), (128, 1)];
    sizes
        .into_iter()
        .flat_map(|(n, gridsize)| {
            let (n, gridsize) = (PatchSize::new(n).unwrap(), GridSize::new(gridsize).unwrap());
            let a = Architecture::reference(n, gridsize, 2, false).unwrap();
            a.convolutions()
                .iter()
                .map(|c| (c.side, c.inputs, c.outputs))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Forward, input gradient and weight gradient on one core, timed on the thread of the pool, because waking it takes as
/// long as a small layer. Operations are those of the definition, two for each product, however few the method needs.
fn convolutions(c: &mut Criterion) {
    let pool = Pool::new(1).unwrap();
    let isa = Isa::best();
    let mut group = c.benchmark_group("conv3x3");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    for (side, inputs, outputs) in layers() {
        let images = if side > 64 { 2 } else { 8 };
        // the network's own input is stored densely
        let x = match inputs {
            1..16 => fill(FeatureMap::dense(images, side, side, inputs)),
            _ => filled(images, side, inputs),
        };
        let y = filled(images, side, outputs);
        let kernel: Vec<f32> = (0..9 * inputs * outputs).map(wave).collect();
        let bias = vec![0.1; outputs];
        let operations = 2 * images * side * side * 9 * inputs * outputs;
        group.throughput(Throughput::Elements(operations as u64));
        let name = format!("{images} of {side}x{side} {inputs}-{outputs}");

        let method = f32::method(Arithmetic::Fast, inputs, outputs, side);
        let mut packed = Packed::new(method, inputs, outputs);
        f32::pack(isa, &mut packed, &kernel, Direction::Forward);
        let mut out = y.clone();
        group.bench_function(BenchmarkId::new("forward", &name), |b| {
            let epilogue = Epilogue::BiasRelu(&bias);
            pool.run(|| b.iter(|| f32::conv(isa, &x, 0, &packed, epilogue, &mut out)));
        });

        let (mut dw, mut db) = (kernel.clone(), bias.clone());
        let mut scratch = Aligned::default();
        group.bench_function(BenchmarkId::new("weight gradient", &name), |b| {
            pool.run(|| {
                b.iter(|| {
                    let out = (&mut dw[..], &mut db[..]);
                    f32::conv_weights(isa, method, &x, 0, &y, out, &mut scratch);
                });
            });
        });

        // nothing is in front of the first layer
        if inputs <= 9 {
            continue;
        }
        let back = f32::method(Arithmetic::Fast, outputs, inputs, side);
        let mut adjoint = Packed::new(back, outputs, inputs);
        f32::pack(isa, &mut adjoint, &kernel, Direction::Adjoint);
        let mut dx = x.clone();
        group.bench_function(BenchmarkId::new("input gradient", &name), |b| {
            // as the network does: no rectifier is in front of a head
            let epilogue = if outputs <= 9 {
                Epilogue::Plain
            } else {
                Epilogue::Gate(&x)
            };
            pool.run(|| b.iter(|| f32::conv(isa, &y, 0, &adjoint, epilogue, &mut dx)));
        });
    }
    group.finish();
}

fn transforms(c: &mut Criterion) {
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
            // as FFTs are counted: 5 P log2 P for P points
            let operations = 5 * stack.len() * 2 * n.ilog2() as usize;
            group.throughput(Throughput::Elements(operations as u64));
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

criterion_group!(kernels, calibration, maps, convolutions, transforms);
criterion_main!(kernels);
