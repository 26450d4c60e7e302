use super::*;
use crate::testing::on_threads;
use proptest::prelude::*;
use ptyproof_testkit::compare::zip_eq;

/// Numbers between -1 and 1 in every channel in use.
pub(super) fn fill(m: &mut FeatureMap<f32>, seed: u32) {
    let mut s = seed.wrapping_mul(2654435761).wrapping_add(12345);
    for image in 0..m.images() {
        for row in 0..m.height() {
            for col in 0..m.width() {
                let c = m.channels();
                for v in &mut m.pixel_mut(image, row, col)[..c] {
                    s = s.wrapping_mul(1664525).wrapping_add(1013904223);
                    *v = (s >> 8) as f32 / (1 << 23) as f32 - 1.0;
                }
            }
        }
    }
}

pub(super) fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut m = FeatureMap::<f32>::dense(1, 1, n, 1);
    fill(&mut m, seed);
    m.row(0, 0).to_vec()
}

fn packed(
    method: Method,
    (inputs, outputs): (usize, usize),
    kernel: &[f32],
    isa: Isa,
) -> Packed<f32> {
    let mut packed = Packed::new(method, inputs, outputs);
    f32::pack(isa, &mut packed, kernel, Direction::Forward);
    packed
}

/// The same map in f64, or its absolute values.
fn wide(m: &FeatureMap<f32>, f: impl Fn(f64) -> f64) -> FeatureMap<f64> {
    let mut out = FeatureMap::dense(m.images(), m.height(), m.width(), m.stride());
    for image in 0..m.images() {
        for row in 0..m.height() {
            for col in 0..m.width() {
                let from = m.pixel(image, row, col);
                let to = out.pixel_mut(image, row, col);
                to.iter_mut()
                    .zip(from)
                    .for_each(|(t, &v)| *t = f(f64::from(v)));
            }
        }
    }
    out
}

fn finished<'a>(kind: usize, bias: &'a [f32], gate: &'a FeatureMap<f32>) -> Epilogue<'a, f32> {
    match kind {
        0 => Epilogue::Bias(bias),
        1 => Epilogue::BiasRelu(bias),
        2 => Epilogue::Gate(gate),
        _ => Epilogue::Plain,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn direct_kernel_is_bit_identical_on_every_instruction_set(
        images in 1usize..3, h in 1usize..9, w in 1usize..20,
        cin in 1usize..20, cout in 1usize..130, skip in 0usize..5, finish in 0usize..4, seed in 0u32..1000,
    ) {
        let mut x = FeatureMap::<f32>::dense(images, h, w, cin + skip);
        fill(&mut x, seed);
        let kernel = numbers(9 * cin * cout, seed + 1);
        let bias = numbers(cout, seed + 2);
        let mut gate = FeatureMap::new(images, h, w, cout);
        fill(&mut gate, seed + 3);
        let epilogue = finished(finish, &bias, &gate);
        let mut want = FeatureMap::new(images, h, w, cout);
        let weights = packed(Method::Direct, (cin, cout), &kernel, Isa::Portable);
        naive::conv(&x, skip, &weights, epilogue, &mut want);
        for isa in Isa::available() {
            let mut got = FeatureMap::new(images, h, w, cout);
            f32::conv(isa, &x, skip, &weights, epilogue, &mut got);
            prop_assert_eq!(&got, &want, "{}", isa);
        }
    }

    #[test]
    fn few_inputs_kernel_is_bit_identical_to_the_definition(
        images in 1usize..3, h in 1usize..20, w in 1usize..40, power in 0u32..4,
        cout in 1usize..130, head in proptest::bool::ANY, skip in 0usize..9, seed in 0u32..1000,
    ) {
        // the first layer, or what comes back through a head
        let cin = 2usize.pow(power);
        let (mut x, skip) = match head {
            false => (FeatureMap::<f32>::dense(images, h, w, cin), 0),
            true => (FeatureMap::dense(images, h, w, 16), skip),
        };
        fill(&mut x, seed);
        let kernel = numbers(9 * cin * cout, seed + 1);
        let bias = numbers(cout, seed + 2);
        let epilogue = if head { Epilogue::Plain } else { Epilogue::BiasRelu(&bias) };
        let weights = packed(Method::Direct, (cin, cout), &kernel, Isa::Portable);
        let mut want = FeatureMap::new(images, h, w, cout);
        naive::conv(&x, skip, &weights, epilogue, &mut want);
        for isa in Isa::available() {
            let mut got = FeatureMap::new(images, h, w, cout);
            f32::conv(isa, &x, skip, &weights, epilogue, &mut got);
            prop_assert_eq!(&got, &want, "{}", isa);
        }
    }

    #[test]
    fn weight_gradient_is_bit_identical_on_every_instruction_set(
        images in 1usize..3, h in 1usize..9, w in 1usize..20,
        cin in 1usize..70, cout in 1usize..40, few in proptest::bool::ANY, skip in 0usize..5, seed in 0u32..1000,
    ) {
        let cout = if few { cout % 8 + 1 } else { cout };
        // half of the cases have inputs in whole registers: the kernel that changes places
        let mut x = if few { FeatureMap::<f32>::new(images, h, w, cin) } else { FeatureMap::dense(images, h, w, cin + skip) };
        let skip = if few { 0 } else { skip };
        fill(&mut x, seed);
        let mut dy = FeatureMap::new(images, h, w, cout);
        fill(&mut dy, seed + 3);
        let (mut kw, mut bw) = (vec![0.0; 9 * cin * cout], vec![0.0; cout]);
        naive::conv_weights(&x, skip, &dy, &mut kw, &mut bw);
        let mut scratch = Aligned::zeros(100);
        scratch.fill(5.0);
        for isa in Isa::available() {
            let (mut k, mut b) = (vec![9.0; kw.len()], vec![9.0; cout]);
            f32::conv_weights(isa, Method::Direct, &x, skip, &dy, (&mut k, &mut b), &mut scratch);
            prop_assert_eq!(&k, &kw, "{}", isa);
            prop_assert_eq!(&b, &bw, "{}", isa);
        }
    }

    #[test]
    fn few_channel_weight_gradient_is_bit_identical(
        images in 1usize..3, h in 1usize..6, w in 1usize..20, power in 0u32..4, other in 16usize..130,
        layout in 0usize..3, threads in 1usize..4, seed in 0u32..1000,
    ) {
        // the first layer, its input stored densely or in sixteens; or a head
        let few = 2usize.pow(power);
        let (cin, cout) = if layout == 2 { (other, few) } else { (few, other) };
        let mut x = match layout {
            0 => FeatureMap::<f32>::dense(images, h, w, cin),
            _ => FeatureMap::new(images, h, w, cin),
        };
        let mut dy = FeatureMap::new(images, h, w, cout);
        fill(&mut x, seed);
        fill(&mut dy, seed + 3);
        let (mut kw, mut bw) = (vec![0.0; 9 * cin * cout], vec![0.0; cout]);
        naive::conv_weights(&x, 0, &dy, &mut kw, &mut bw);
        let mut scratch = Aligned::zeros(100);
        scratch.fill(5.0);
        for isa in Isa::available() {
            let (mut k, mut b) = (vec![9.0; kw.len()], vec![9.0; cout]);
            on_threads(threads, || {
                f32::conv_weights(isa, Method::Direct, &x, 0, &dy, (&mut k, &mut b), &mut scratch);
            });
            prop_assert_eq!(&k, &kw, "{}", isa);
            prop_assert_eq!(&b, &bw, "{}", isa);
        }
    }

    #[test]
    fn few_outputs_kernel_is_within_its_bound_and_bit_identical_across_instruction_sets(
        images in 1usize..3, h in 1usize..6, w in 1usize..20,
        cin in 16usize..70, cout in 1usize..9, finish in 0usize..4, seed in 0u32..1000,
    ) {
        let mut x = FeatureMap::<f32>::new(images, h, w, cin);
        fill(&mut x, seed);
        let kernel = numbers(9 * cin * cout, seed + 1);
        let bias = numbers(cout, seed + 2);
        let mut gate = FeatureMap::new(images, h, w, cout);
        fill(&mut gate, seed + 3);
        let thin = packed(Method::FewOutputs, (cin, cout), &kernel, Isa::Portable);
        let map = || FeatureMap::<f32>::new(images, h, w, cout);
        let (mut first, mut bits) = (map(), None);
        for isa in Isa::available() {
            let mut got = map();
            f32::conv(isa, &x, 0, &thin, finished(finish, &bias, &gate), &mut got);
            prop_assert_eq!(bits.get_or_insert_with(|| got.clone()), &got, "{}", isa);
        }
        f32::conv(Isa::best(), &x, 0, &thin, Epilogue::Plain, &mut first);
        within_the_bound((&x, &kernel, &first), (9 * cin / 16 + 5) as f64)?;
    }
}

/// `|got - conv(x)| <= terms eps conv(|x|)`, with the right sides in f64.
fn within_the_bound(
    (x, kernel, got): (&FeatureMap<f32>, &[f32], &FeatureMap<f32>),
    terms: f64,
) -> Result<(), TestCaseError> {
    let (cin, cout) = (x.channels(), got.channels());
    let sums = |f: fn(f64) -> f64| {
        let kernel: Vec<f64> = kernel.iter().map(|&k| f(k.into())).collect();
        let mut weights = Packed::new(Method::Direct, cin, cout);
        weights.pack_direct(&kernel, Direction::Forward);
        let mut out = FeatureMap::<f64>::new(x.images(), x.height(), x.width(), cout);
        naive::conv(&wide(x, f), 0, &weights, Epilogue::Plain, &mut out);
        out
    };
    let (want, scale) = (sums(|v| v), sums(f64::abs));
    for ((&g, &w), &s) in zip_eq(zip_eq(got.data(), want.data()), scale.data()) {
        let bound = terms * f64::from(f32::EPSILON) * s;
        prop_assert!(
            (f64::from(g) - w).abs() <= bound,
            "{g} for {w}, bound {bound}"
        );
    }
    Ok(())
}

#[test]
fn adjoint_packing_gives_the_adjoint_convolution() {
    // <A x, y> = <x, A* y>, with every method that has an adjoint
    for (cin, cout, h, w) in [(5, 20, 7, 9), (20, 40, 8, 12), (60, 1, 6, 7)] {
        let mut x = FeatureMap::<f32>::new(2, h, w, cin);
        let mut y = FeatureMap::<f32>::new(2, h, w, cout);
        fill(&mut x, 1);
        fill(&mut y, 2);
        let kernel = numbers(9 * cin * cout, 3);
        let forward = packed(
            Method::best(cin, cout, h, w),
            (cin, cout),
            &kernel,
            Isa::best(),
        );
        let mut adjoint = Packed::new(Method::best(cout, cin, h, w), cout, cin);
        f32::pack(Isa::best(), &mut adjoint, &kernel, Direction::Adjoint);
        let (mut ax, mut aty) = (y.clone(), x.clone());
        f32::conv(Isa::best(), &x, 0, &forward, Epilogue::Plain, &mut ax);
        f32::conv(Isa::best(), &y, 0, &adjoint, Epilogue::Plain, &mut aty);
        let dot = |a: &FeatureMap<f32>, b: &FeatureMap<f32>| -> f64 {
            zip_eq(a.data(), b.data())
                .map(|(&p, &q)| f64::from(p) * f64::from(q))
                .sum()
        };
        let norm = (dot(&ax, &ax) * dot(&y, &y)).sqrt();
        // eps times the length of a chain of fused multiply-adds
        let tol = f64::from(f32::EPSILON) * (9 * cout) as f64;
        assert!((dot(&ax, &y) - dot(&x, &aty)).abs() / norm < tol);
    }
}

#[test]
fn relu_gives_positive_zero_and_propagates_nan() {
    // 1e-30 * -1e-30 is rounded to -0, to which the bias adds -0; the definition writes +0
    // stored densely or not, and in rows of one tile or of several
    let maps = [FeatureMap::<f32>::dense, FeatureMap::new];
    for (width, map) in [1, 6, 15].into_iter().flat_map(|w| maps.map(|m| (w, m))) {
        let mut x = map(1, 1, width, 1);
        x.pixel_mut(0, 0, width / 2)[0] = 1e-30;
        let kernel = vec![-1e-30; 9 * 64];
        let mut bias = vec![-0.0; 64];
        bias[3] = f32::NAN;
        let weights = packed(Method::Direct, (1, 64), &kernel, Isa::Portable);
        for isa in Isa::available() {
            let mut got = FeatureMap::new(1, 1, width, 64);
            f32::conv(isa, &x, 0, &weights, Epilogue::BiasRelu(&bias), &mut got);
            for (o, v) in got.row(0, 0).iter().enumerate() {
                let nan = o % 64 == 3;
                assert!(
                    v.is_nan() == nan && (nan || v.to_bits() == 0),
                    "{isa}, {width}: {o} is {v}"
                );
            }
        }
    }
}
