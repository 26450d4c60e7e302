//! Translation, propagation, and a group's object against the reference's vectors, in float32.
//!
//! The reference subtracts the shift from each pixel's coordinate in float32 and takes the bilinear weights
//! from what is left, so that they are off by up to half a unit in the last place of the coordinate: 2e-6 at
//! 40 pixels, 4e-6 at 78. This library takes one exact pair of weights for all pixels. Where that difference
//! exceeds a tolerance the library is asked for the shift that each pixel of the reference really had.

use ptyproof_testkit::tolerance::{
    F32_COORDINATE, F32_FFT_64, F32_STEPS_16, F32_SUM_1024, assert_within,
};
use std::collections::BTreeMap;
use std::slice;

use ndarray::{Array2, Array4, ArrayView2, Axis, Ix2, Ix4, s};
use num_complex::{Complex, Complex32};
use ptyproof::geometry::{PatchSize, Position};
use ptyproof::optics::propagate::{from_far_field, intensity, pixels, to_far_field};
use ptyproof::optics::simulate;
use ptyproof::optics::translate::translate_add;
use ptyproof::records::event::{Operation, Setting};
use ptyproof_kernels::fft::{Fft2, Scratch};
use ptyproof_pinn::physics::forward::{GroupState, Physics};
use ptyproof_pinn::physics::merge::COVERAGE_EPSILON;
use ptyproof_pinn::physics::object::{Combination, Numerics};
use ptyproof_pinn::training::replay::{numerics, replay};
use ptyproof_pinn::training::sentinel::SavedTensor;

use super::compare::{Largest, non_empty, scale, zip_eq};
use super::specimen::lines;
use super::vectors;
use super::{compare, load, parts, worst};

/// The translate of a square by `[tx, ty]`, on a square of side `to` with equal center.
fn translated(image: &ArrayView2<'_, Complex32>, t: [f32; 2], to: usize) -> Vec<Complex32> {
    let image: Vec<Complex32> = image.iter().copied().collect();
    let side = image.len().isqrt();
    let mut out = vec![Complex32::default(); to * to];
    translate_add(&image, side, &mut out, to, t);
    out
}

/// The shift that the reference's float32 coordinates gave each pixel of an axis.
fn shifts_held(t: f32, side: usize) -> Vec<f32> {
    (0..side).map(|i| i as f32 - (i as f32 - t)).collect()
}

/// As [`translated`], with the shift of each pixel in the coordinates of the reference.
fn translated_as_held(image: &ArrayView2<'_, Complex32>, t: [f32; 2], to: usize) -> Vec<Complex32> {
    let [x, y] = t.map(|t| shifts_held(t, to));
    let mut done = BTreeMap::new();
    (0..to * to)
        .map(|k| {
            let held = [x[k % to], y[k / to]];
            done.entry(held.map(f32::to_bits))
                .or_insert_with(|| translated(image, held, to))[k]
        })
        .collect()
}

/// Image `b` of a stack `[image, row, col, channel]`, channel `c`.
fn plane<T>(stack: &Array4<T>, b: usize, c: usize) -> ArrayView2<'_, T> {
    stack.slice(s![b, .., .., c])
}

/// `[x, y]` of group `b`, channel `c` of `[group, 1, axis, channel]`.
fn offset(stack: &Array4<f32>, b: usize, c: usize) -> [f32; 2] {
    [stack[[b, 0, 0, c]], stack[[b, 0, 1, c]]]
}

/// The largest modulus.
fn largest<'a>(z: impl IntoIterator<Item = &'a Complex32>) -> f64 {
    scale(z.into_iter().map(|z| z.norm()))
}

fn wide<'a>(v: impl IntoIterator<Item = &'a f32>) -> impl Iterator<Item = f64> {
    v.into_iter().map(|&v| f64::from(v))
}

#[test]
fn translation_and_gradient_match_the_reference() {
    let Some(_) = vectors::folder() else { return };
    const FILE: &str = "translation_bilinear.npz";
    let get = |key| load::<Complex32, Ix4>(FILE, key);
    let t = load::<f32, Ix2>(FILE, "translations_xy");
    let (image, output) = (get("image"), get("output"));
    let (cotangent, gradient) = (get("cotangent"), get("grad_image"));
    let mut off = [Largest::default(); 3];
    for b in 0..t.nrows() {
        let (by, back) = ([t[[b, 0]], t[[b, 1]]], [-t[[b, 0]], -t[[b, 1]]]);
        let (image, output) = (plane(&image, b, 0), plane(&output, b, 0));
        for (k, got) in [
            (0, translated_as_held(&image, by, 40)),
            (1, translated(&image, by, 40)),
        ] {
            off[k].add(worst(parts(&got), parts(&output)));
        }
        let got = translated(&plane(&cotangent, b, 0), back, 40);
        off[2].add(worst(parts(&got), parts(&plane(&gradient, b, 0))));
    }
    let off = off.map(Largest::get);
    println!(
        "translation: worst {:e} with the shifts held, {:e} with the exact ones, gradient {:e}",
        off[0], off[1], off[2]
    );
    assert_within!(off[0], F32_STEPS_16);
    assert_within!(off[1], F32_COORDINATE);
    assert_within!(off[2], F32_COORDINATE);
}

#[test]
fn far_field_and_gradient_match_the_reference() {
    let Some(_) = vectors::folder() else { return };
    const FILE: &str = "diffract.npz";
    const N: usize = 64;
    let field = load::<Complex32, Ix4>(FILE, "field");
    let amplitude = load::<f32, Ix4>(FILE, "amplitude");
    let cotangent = load::<f32, Ix4>(FILE, "cotangent");
    let gradient = load::<Complex32, Ix4>(FILE, "grad_field");
    let fft = Fft2::<f32>::new(N);
    let mut off = [Largest::default(); 2];
    for b in 0..field.dim().0 {
        let mut f: Vec<Complex32> = plane(&field, b, 0).iter().copied().collect();
        to_far_field(&fft, &mut f, &mut Scratch::default());
        let cot: Vec<f32> = plane(&cotangent, b, 0).iter().copied().collect();
        let mut a = vec![0.0f32; N * N];
        for (corner, centered) in pixels(N) {
            a[centered] = intensity(f[corner], N).sqrt();
            // da/dF = F / (N^2 a)
            f[corner] *= cot[centered] / ((N * N) as f32 * a[centered]);
        }
        from_far_field(&fft, &mut f, &mut Scratch::default());
        let want = plane(&amplitude, b, 0);
        off[0].add(worst(wide(&a), wide(&want)) / scale(wide(&want)));
        let want = plane(&gradient, b, 0);
        off[1].add(worst(parts(&f), parts(&want)) / largest(want));
    }
    let off = off.map(Largest::get);
    println!(
        "far field: amplitude worst {:e}, gradient {:e}, of the maximum",
        off[0], off[1]
    );
    assert_within!(off[0], F32_FFT_64);
    assert_within!(off[1], F32_SUM_1024);
}

#[test]
fn group_patches_match_the_reference() {
    let Some(_) = vectors::folder() else { return };
    const FILE: &str = "group_ops_gs2.npz";
    let object = load::<Complex32, Ix4>(FILE, "object");
    let rel = load::<f32, Ix4>(FILE, "offsets");
    let want = load::<Complex32, Ix4>(FILE, "extracted");
    let mut off = Largest::default();
    for (k, want) in want.axis_iter(Axis(0)).enumerate() {
        let (b, c) = (k / 4, k % 4);
        let got = translated(&plane(&object, b, 0), offset(&rel, b, c), 64);
        off.add(worst(parts(&got), parts(&want)));
    }
    let off = off.get() / largest(&want);
    println!("extracted: worst {off:e} of the maximum");
    assert_within!(off, F32_COORDINATE);
}

/// Coverage and object of a group on a canvas, placed with `place`.
fn placed(
    patches: &Array4<Complex32>,
    rel: &Array4<f32>,
    b: usize,
    canvas: usize,
    place: fn(&ArrayView2<'_, Complex32>, [f32; 2], usize) -> Vec<Complex32>,
) -> (Vec<f32>, Vec<Complex32>) {
    let n = patches.dim().1;
    let on_canvas = |image: ArrayView2<'_, Complex32>| {
        let mut wide = Array2::<Complex32>::zeros((canvas, canvas));
        let from = (canvas - n) / 2;
        wide.slice_mut(s![from..from + n, from..from + n])
            .assign(&image);
        wide
    };
    let mut center = Array2::<Complex32>::zeros((n, n));
    center
        .slice_mut(s![n / 4..n - n / 4, n / 4..n - n / 4])
        .fill(Complex32::new(1.0, 0.0));
    let center = on_canvas(center.view());
    let mut weight = vec![0.0f32; canvas * canvas];
    let mut sum = vec![Complex32::default(); canvas * canvas];
    for c in 0..patches.dim().3 {
        let t = offset(rel, b, c).map(|t| -t);
        let one = place(&center.view(), t, canvas);
        weight.iter_mut().zip(one).for_each(|(w, z)| *w += z.re);
        let one = place(&on_canvas(plane(patches, b, c)).view(), t, canvas);
        sum.iter_mut().zip(one).for_each(|(s, z)| *s += z);
    }
    weight
        .iter_mut()
        .for_each(|w| *w += COVERAGE_EPSILON as f32);
    let object = sum.iter().zip(&weight).map(|(s, w)| s / w).collect();
    (weight, object)
}

#[test]
fn group_object_matches_the_reference() {
    let Some(_) = vectors::folder() else { return };
    const FILE: &str = "group_ops_gs2.npz";
    const CANVAS: usize = 78;
    let patches = load::<Complex32, Ix4>(FILE, "patches");
    let rel = load::<f32, Ix4>(FILE, "offsets");
    let objects = load::<Complex32, Ix4>(FILE, "reassembled");
    let norms = load::<f32, Ix4>(FILE, "norm");
    for b in non_empty(0..patches.dim().0) {
        let (want, norm) = (plane(&objects, b, 0), plane(&norms, b, 0));
        let errors = |(weight, object): (Vec<f32>, Vec<Complex32>)| {
            let off = zip_eq(&weight, &norm).map(|(got, want)| (got - want).abs() / want);
            let off = compare::largest(off);
            // uncovered pixels are a thousand times larger: each kind against its own maximum
            let [covered, bare] = [true, false].map(|covered| {
                let of_kind = |z: &mut dyn Iterator<Item = &Complex32>| -> Vec<Complex32> {
                    zip_eq(z, &norm)
                        .filter(|(_, w)| (**w > 1.5e-3) == covered)
                        .map(|(z, _)| *z)
                        .collect()
                };
                let (got, want) = (of_kind(&mut object.iter()), of_kind(&mut want.iter()));
                worst(parts(&got), parts(&want)) / largest(&want)
            });
            [off, covered, bare]
        };
        let held = errors(placed(&patches, &rel, b, CANVAS, translated_as_held));
        let exact = errors(placed(&patches, &rel, b, CANVAS, translated));
        println!(
            "group {b}: norm, covered, uncovered: worst {held:?} with the shifts held, {exact:?} with the exact ones"
        );
        for off in held {
            assert_within!(off, F32_COORDINATE, "{held:?}");
        }
    }
}

#[test]
fn model_group_equals_its_composed_parts() {
    let Some(_) = vectors::folder() else { return };
    const FILE: &str = "group_ops_gs2.npz";
    const N: usize = 64;
    let patches = load::<Complex32, Ix4>(FILE, "patches");
    let offsets = load::<f32, Ix4>(FILE, "offsets");
    // the combination that takes any complex value: amplitude and phase are its real and imaginary part
    let numerics = Numerics::reference();
    assert_eq!(numerics.combination, Combination::Cartesian);
    let probe = vec![Complex::new(0.1, 0.0); N * N];
    let n = PatchSize::new(N).unwrap();
    let physics = Physics::<f32>::new(n, &probe, 1.0, numerics).unwrap();
    for b in non_empty(0..patches.dim().0) {
        let of = patches.index_axis(Axis(0), b);
        let re: Vec<f32> = of.iter().map(|z| z.re).collect();
        let im: Vec<f32> = of.iter().map(|z| z.im).collect();
        let rel: Vec<[f32; 2]> = (0..4).map(|c| offset(&offsets, b, c)).collect();
        let mut state = GroupState::default();
        physics.assemble(&re, &im, &rel, &mut state);
        let (weight, object) = placed(&patches, &offsets, b, state.canvas, translated);
        let off = worst(wide(&state.coverage), wide(&weight));
        assert_within!(off, F32_STEPS_16);
        let off = worst(parts(&state.object), parts(&object)) / largest(&object);
        println!("group {b}: the model's object {off:e} of the maximum from its parts");
        assert_within!(off, F32_STEPS_16);
    }
}

#[test]
fn true_group_patches_match_the_reference() {
    let Some(_) = vectors::folder() else { return };
    let object = lines();
    for gs in [1, 2] {
        let file = format!("normalized_gs{gs}.npz");
        let amplitude = load::<f32, Ix4>(&file, "Y_I");
        let phase = load::<f32, Ix4>(&file, "Y_phi");
        let (_, _, g) = &super::data::run(gs)[0];
        let mut off = [Largest::default(); 2];
        let mut patch = vec![Complex32::default(); 64 * 64];
        for b in 0..amplitude.dim().0 {
            for c in 0..g.channels {
                // the reference adds the negated offset: positions mirrored in the group's center
                let (o, r) = (g.centers[b], g.relative[b * g.channels + c]);
                let at = simulate::single(Position::new(o.x + r.x, o.y + r.y));
                simulate::patch(&object.view(), at, 64, &mut patch);
                let own = patch.iter().map(|z| f64::from(z.norm()));
                off[0].add(worst(own, wide(&plane(&amplitude, b, c))));
                let own = patch.iter().map(|z| f64::from(z.arg()));
                off[1].add(worst(own, wide(&plane(&phase, b, c))));
            }
        }
        let off = off.map(Largest::get);
        println!("gs{gs}: |patch| worst {:e}, phase {:e}", off[0], off[1]);
        for off in off {
            assert_within!(off, F32_COORDINATE, "gs{gs}");
        }
    }
}

#[test]
fn channel_centering_matches_the_reference() {
    let Some(_) = vectors::folder() else { return };
    for gs in [1, 2] {
        let file = format!("center_channels_gs{gs}.npz");
        let images = load::<f32, Ix4>(&file, "Y_I").mapv(|v| Complex32::new(v, 0.0));
        let coords = load::<f32, Ix4>(&file, "coords");
        let want = load::<f32, Ix4>(&file, "centered");
        let mut off = Largest::default();
        for b in 0..images.dim().0 {
            for c in 0..gs * gs {
                let [x, y] = offset(&coords, b, c);
                let got = translated(&plane(&images, b, c), [-x, -y], 64);
                let got = got.iter().map(|z| f64::from(z.re));
                off.add(worst(got, wide(&plane(&want, b, c))));
            }
        }
        let off = off.get();
        println!("gs{gs}: centered channels worst {off:e}");
        assert_within!(off, F32_COORDINATE, "gs{gs}");
    }
}

/// Exact zeros of a far field's amplitude, exact zeros in its Nyquist row and column, and their largest
/// value relative to the maximum; amplitude with DC at `[N/2, N/2]`, so Nyquist is row 0 and column 0.
fn darkness(amplitude: &[f32], n: usize) -> (usize, usize, f64) {
    let most = scale(wide(amplitude));
    let nyquist = || (0..n * n).filter(|k| k / n == 0 || k % n == 0);
    (
        amplitude.iter().filter(|a| **a == 0.0).count(),
        nyquist().filter(|&k| amplitude[k] == 0.0).count(),
        compare::largest(nyquist().map(|k| amplitude[k])) / most,
    )
}

#[test]
fn constant_object_is_zero_at_nyquist() {
    let Some(_) = vectors::folder() else { return };
    const FILE: &str = "nan_case_gs1.npz";
    const N: usize = 64;
    let probe = load::<Complex32, Ix2>(FILE, "probe");
    let mask = load::<u8, Ix2>(FILE, "mask").mapv(f32::from);
    let fft = Fft2::<f32>::new(N);
    let mut found = Vec::new();
    for (object, amplitude) in [
        ("object", "amplitude"),
        ("object_shifted", "amplitude_shifted"),
    ] {
        let object = load::<Complex32, Ix2>(FILE, object);
        let mut f: Vec<Complex32> = (object * &probe * &mask).iter().copied().collect();
        to_far_field(&fft, &mut f, &mut Scratch::default());
        let mut a = vec![0.0f32; N * N];
        for (corner, centered) in pixels(N) {
            a[centered] = intensity(f[corner], N).sqrt();
        }
        let want = load::<f32, Ix2>(FILE, amplitude);
        let off = worst(wide(&a), wide(&want)) / scale(wide(&want));
        let theirs: Vec<f32> = want.iter().copied().collect();
        let (own, theirs) = (darkness(&a, N), darkness(&theirs, N));
        println!(
            "{amplitude}: zeros, zeros at Nyquist, largest there: {own:?}, reference {theirs:?}; worst {off:e}"
        );
        assert_within!(off, F32_FFT_64);
        found.push(own);
    }
    // how many of the dark pixels are exactly zero depends on the transform's rounding
    let ((_, dark, largest), (_, moved, _)) = (found[0], found[1]);
    assert!(dark > N, "{dark} zeros, {largest:e}");
    assert_within!(largest, F32_STEPS_16);
    assert!(moved < 8, "{moved} zeros after the shift");
}

#[test]
fn reference_nan_case_fails_in_reference_numerics_only() {
    let Some(_) = vectors::folder() else { return };
    const FILE: &str = "nan_case_gs1.npz";
    const N: usize = 64;
    let lit = load::<Complex32, Ix2>(FILE, "object")
        * load::<Complex32, Ix2>(FILE, "probe")
        * load::<u8, Ix2>(FILE, "mask").mapv(f32::from);
    let setting = Setting {
        numerics: "reference".into(),
        side: N,
        scale: 988.0,
        weight: 1.0 / (N * N) as f64,
        guarded_ceiling: 3.0,
        guarded_floor: 1e-6,
    };
    let kept = |name: &str, shape: Vec<usize>, complex, values: Vec<f32>| SavedTensor {
        name: name.into(),
        shape,
        complex,
        values,
    };
    let (shape, wave) = (
        vec![1, 1, N, N],
        lit.iter().flat_map(|z| [z.re, z.im]).collect(),
    );
    let wave = [kept("physics.exit_wave", shape.clone(), true, wave)];
    let labels = kept("data.amplitude", vec![1, N, N, 1], false, vec![1.0; N * N]);
    let of = |name| numerics(&setting, name);
    let far: Vec<f32> = replay(&Operation::Propagate, &wave, &setting, of("reference")).unwrap();
    let far = kept("physics.far_field", shape.clone(), true, far);
    let mut counts = BTreeMap::new();
    for name in ["reference", "guarded"] {
        let amplitude: Vec<f32> = replay(
            &Operation::Detect,
            slice::from_ref(&far),
            &setting,
            of(name),
        )
        .unwrap();
        let zeros = amplitude.iter().filter(|a| **a == 0.0).count();
        let inputs = [
            kept("physics.amplitude", shape.clone(), false, amplitude),
            far.clone(),
            labels.clone(),
        ];
        for operation in [Operation::Likelihood, Operation::LikelihoodGradient] {
            let narrow: Vec<f32> = replay(&operation, &inputs, &setting, of(name)).unwrap();
            let bad = non_empty(&narrow).filter(|v| !v.is_finite()).count();
            println!("{name}: {zeros} zero amplitudes, {operation}: {bad} not finite");
            counts.insert((name, operation.to_string()), (zeros, bad));
        }
    }
    for ((name, operation), (zeros, bad)) in counts {
        // a likelihood is one value per pixel, its gradient a pair
        let each = if operation == Operation::Likelihood.to_string() {
            1
        } else {
            2
        };
        let want = if name == "reference" { each * zeros } else { 0 };
        assert!(
            zeros > N && bad == want,
            "{name}: {operation}: {bad} of {zeros}"
        );
    }
}
