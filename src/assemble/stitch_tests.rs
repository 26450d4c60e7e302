use super::*;
use crate::assemble::Placement;
use ndarray::{Array3, s};
use proptest::prelude::*;
use ptyproof_testkit::compare::{all_finite, zip_eq};
use ptyproof_testkit::tolerance::F32_COORDINATE;

fn value(i: usize) -> Complex32 {
    let t = (i as f32).mul_add(0.618_034, 0.3);
    Complex32::new(t.sin() + 1.5, (1.7 * t).cos())
}

fn patches(k: usize, n: usize) -> Array3<Complex32> {
    Array3::from_shape_fn((k, n, n), |(k, r, c)| value((k * n + r) * n + c))
}

fn positions(xy: &[(f64, f64)]) -> Vec<Position> {
    xy.iter().map(|(x, y)| Position::new(*x, *y)).collect()
}

fn refusal(p: (usize, usize, usize), offsets: &[(f64, f64)], m: usize) -> String {
    let e = stitch(Array3::zeros(p).view(), &positions(offsets), m).unwrap_err();
    format!("{e}\n")
}

#[test]
fn invalid_stitch_input_is_refused() {
    let two = [(0.0, 0.0), (1.0, 1.0)];
    let message = [
        refusal((0, 8, 8), &[], 4),
        refusal((2, 8, 6), &two, 4),
        refusal((2, 8, 8), &two[..1], 4),
        refusal((2, 8, 8), &two, 0),
        refusal((2, 8, 8), &two, 9),
        refusal((2, 8, 8), &[(0.0, 0.0), (1.0, f64::NAN)], 4),
        refusal((2, 8, 8), &[(0.0, 0.0), (1e6, 0.0)], 4),
        refusal((2, 8, 8), &[(-1e300, 0.0), (1e300, 0.0)], 4),
    ];
    insta::assert_snapshot!(message.concat(), @r"
    stitching patches: at patches: got 0 of 8 x 8, need at least one, square
    stitching patches: at patches: got 2 of 8 x 6, need at least one, square
    stitching patches: at offsets: got 1, need one for each of 2 patches
    stitching patches: at the side M of the central part of each patch: got 0, need 1 to 8, the side of a patch
    stitching patches: at the side M of the central part of each patch: got 9, need 1 to 8, the side of a patch
    stitching patches: at offset 1: got (1, NaN), need finite positions in object pixels
    computing the canvas size: at largest distance of a patch from the mean position: got 500000 pixels, need a canvas of at most 16384 pixels a side
    computing the canvas size: at largest distance of a patch from the mean position: got NaN pixels, need a canvas of at most 16384 pixels a side
    ");
}

#[test]
fn single_patch_is_stitched_unchanged() {
    // law: stitch({O}) = crop(O) / (1 + EPSILON), pad = 0, even at 1e6
    let o = patches(1, 8);
    let s = stitch(o.view(), &positions(&[(1e6, -1e6)]), 4).unwrap();
    assert_eq!((s.pad, s.canvas.dim(), s.dropped), (0, (4, 4), 0));
    assert_eq!(s.canvas, o.slice(s![0, 2..6, 2..6]));
    assert_eq!(s.object_position(2, 2), Position::new(1e6, -1e6));
    assert_eq!((s.covered(), s.seen()), (16, 16));
}

#[test]
fn sixty_four_groups_take_a_few_milliseconds() {
    let o = patches(64, 64);
    let at: Vec<Position> = (0..64)
        .map(|k| {
            Position::new(
                5.9 * f64::from(k),
                190.0 + 190.0 * (f64::from(k) * 0.7).sin(),
            )
        })
        .collect();
    let start = std::time::Instant::now();
    let s = stitch(o.view(), &at, 20).unwrap();
    let took = start.elapsed();
    println!("64 groups on {:?}: {took:?}", s.canvas.dim());
    assert_eq!(s.dropped, 0);
    assert!(took.as_millis() < 200, "{took:?}");
}

fn offsets(span: f64) -> impl Strategy<Value = Vec<(f64, f64)>> {
    proptest::collection::vec((-span..span, -span..span), 1..10)
}

proptest! {
    #[test]
    fn constant_patches_stitch_to_the_constant(xy in offsets(25.0), re in -3.0f32..3.0, im in -3.0f32..3.0) {
        // law: O_k = c  =>  R = c W / (W + 1e-9), that is c within 1e-9/W + rounding where W >= MIN_COVERAGE_WEIGHT
        let c = Complex32::new(re, im);
        let o = Array3::from_elem((xy.len(), 12, 12), c);
        let s = stitch(o.view(), &positions(&xy), 6)?;
        prop_assert_eq!(s.dropped, 0);
        prop_assert!(all_finite(s.coverage.iter().copied()) && s.seen() > 0);
        for (v, w) in zip_eq(&s.canvas, &s.coverage) {
            if *w >= MIN_COVERAGE_WEIGHT {
                // 4 taps of up to 10 patches: 40 roundings of f32 on either side of the fraction
                prop_assert!((v - c).norm() <= (EPSILON / w + 80.0 * f32::EPSILON) * c.norm());
            } else if *w == 0.0 {
                prop_assert_eq!(*v, Complex32::new(0.0, 0.0));
            }
        }
    }

    #[test]
    fn stitching_is_thread_independent_and_chunk_independent_up_to_rounding(xy in offsets(60.0), cut in 0usize..10) {
        // law: stitch(A then B) = stitch(A and B) + O(eps), each the same for 1 and 3 threads
        let (o, at) = (patches(xy.len(), 9), positions(&xy));
        let cut = cut.min(xy.len());
        let stitched = |threads| -> Result<[Stitched; 2]> {
            crate::par::Pool::new(threads)?.run(|| {
                let mut s = Stitcher::new(&at, 9, 7)?;
                s.add(o.slice(s![..cut, .., ..]))?;
                s.add(o.slice(s![cut.., .., ..]))?;
                Ok([stitch(o.view(), &at, 7)?, s.finish()?])
            })
        };
        let both = stitched(1)?;
        prop_assert_eq!(&both, &stitched(3)?);
        let [whole, parts] = both;
        for ((a, b), (w, v)) in zip_eq(zip_eq(&whole.canvas, &parts.canvas), zip_eq(&whole.coverage, &parts.coverage)) {
            // up to 2 addends of 10 patches, in another order, with values below 3
            prop_assert!((w - v).abs() <= 40.0 * f32::EPSILON * w, "{w} {v}");
            prop_assert!((a - b).norm() <= 3.0 * 120.0 * f32::EPSILON, "{a} {b}");
        }
    }

    #[test]
    fn stitching_is_order_independent_up_to_rounding(xy in offsets(15.0)) {
        // law: stitch(P O) = stitch(O) + O(eps)
        let o = patches(xy.len(), 10);
        let a = stitch(o.view(), &positions(&xy), 8)?;
        let back: Vec<_> = xy.iter().rev().copied().collect();
        let b = stitch(o.slice(s![..;-1, .., ..]), &positions(&back), 8)?;
        prop_assert_eq!(a.pad, b.pad);
        prop_assert!(all_finite(a.coverage.iter().copied()) && a.seen() > 0);
        for ((x, y), w) in zip_eq(zip_eq(&a.canvas, &b.canvas), &a.coverage) {
            if *w >= MIN_COVERAGE_WEIGHT {
                // The mean itself may move by a rounding unit of an offset, times a slope of 3 / pixel.
                prop_assert!((x - y).norm() <= 200.0 * f32::EPSILON * 4.0 * (1.0 + 1.0 / w), "{x} {y} {w}");
            }
        }
    }

    #[test]
    fn stitching_extracted_patches_returns_the_canvas(half in proptest::collection::vec((-9i32..=9, -9i32..=9), 1..5)) {
        // law: whole-pixel offsets with mean 0  =>  stitch(take(x)) = x on covered pixels
        let m = 6;
        let xy: Vec<(f64, f64)> = half.iter().flat_map(|(x, y)| {
            let (x, y) = (f64::from(*x), f64::from(*y));
            [(x, y), (-x, -y)]
        }).collect();
        let at = positions(&xy);
        let shifts: Vec<[f32; 2]> = at.iter().map(|p| shift(*p, mean(&at))).collect();
        let (pad, side) = room(&shifts, m)?;
        let x = Array2::from_shape_fn((side.get(), side.get()), |(r, c)| value(r * side.get() + c));
        let taken = Placement::new(m, pad, side, &shifts)?.take(x.view())?;
        let s = stitch(taken.view(), &at, m)?;
        prop_assert_eq!(s.canvas.dim(), x.dim());
        prop_assert!(all_finite(s.coverage.iter().copied()) && s.covered() > 0);
        for ((v, x), w) in zip_eq(zip_eq(&s.canvas, &x), &s.coverage) {
            if *w > 0.0 {
                // up to 8 equal addends, each sum rounded, and one division
                prop_assert!((v - x).norm() <= 10.0 * f32::EPSILON * x.norm());
            }
        }
    }

    #[test]
    fn nan_patch_affects_only_its_footprint(xy in offsets(20.0), pick in 0usize..10) {
        // law: the pixels that are not finite are those where the weight of the bad patch is > 0
        let bad = pick % xy.len();
        let at = positions(&xy);
        let mut o = patches(xy.len(), 8);
        let good = stitch(o.view(), &at, 6)?;
        o.slice_mut(s![bad, .., ..]).fill(Complex32::new(f32::NAN, 0.0));
        let s = stitch(o.view(), &at, 6)?;
        let p = Placement::new(6, s.pad, CanvasSize::new(s.canvas.dim().0)?, &[shift(at[bad], mean(&at))])?;
        for ((v, g), w) in zip_eq(zip_eq(&s.canvas, &good.canvas), &p.coverage()) {
            prop_assert_eq!(v.is_nan(), *w > 0.0);
            if *w == 0.0 {
                prop_assert_eq!(v, g);
            }
        }
    }

    #[test]
    fn stitched_canvas_records_its_origin(xy in offsets(30.0), m in 1usize..9) {
        // law: the corner of the crop of patch k shows the object at offset_k - M/2, within a pixel
        let o = patches(xy.len(), 8);
        let s = stitch(o.view(), &positions(&xy), m)?;
        for (x, y) in xy {
            let first = s.object_position(0, 0);
            let (c, r) = (x - first.x, y - first.y);
            let half = (m / 2) as f64;
            prop_assert!(c >= half - F32_COORDINATE.absolute && r >= half - F32_COORDINATE.absolute);
            prop_assert!(c <= s.canvas.dim().1 as f64 && r <= s.canvas.dim().0 as f64);
        }
    }
}
