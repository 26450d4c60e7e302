use super::*;
use crate::assemble::Placement;
use crate::error::Error;
use crate::par::Pool;
use ndarray::{Array3, ArrayView3, Zip, s};
use proptest::prelude::*;
use ptyproof_testkit::compare::zip_eq;

/// The expected result of [`ParallelPlace`], tap by tap: sums and weights.
fn plain(
    m: usize,
    pad: usize,
    side: usize,
    shifts: &[[f32; 2]],
    crops: &ArrayView3<'_, Complex32>,
) -> (Array2<Complex32>, Array2<f32>) {
    let (mut sums, mut weights) = (Array2::zeros((side, side)), Array2::zeros((side, side)));
    let mut order: Vec<usize> = (0..shifts.len()).collect();
    order.sort_by_key(|k| {
        Reach::of(m, pad, side, f64::from(shifts[*k][0]))
            .unwrap()
            .from
    });
    for k in order {
        let [cols, rows] = shifts[k].map(|d| line(m, pad, side, d).unwrap().taps);
        for row in &rows {
            for col in &cols {
                let at = [row.out, col.out];
                for (r, weight) in row.parts() {
                    let between = col.parts().fold(Complex32::default(), |sum, (c, w)| {
                        fused(crops[[k, r, c]], w, sum)
                    });
                    sums[at] = fused(between, weight, sums[at]);
                }
                let [col, row] = [col, row].map(|tap| tap.weight[0] + tap.weight[1]);
                weights[at] = f32::mul_add(col, row, weights[at]);
            }
        }
    }
    (sums, weights)
}

proptest! {
    #[test]
    fn banded_placement_is_bit_identical_to_the_loop(
        n in prop_oneof![1usize..14, 30usize..50], cut in 0usize..14, pad in 0usize..80, grain in 0i32..3, bad in 0usize..40,
        shifts in proptest::collection::vec([-90.0f32..90.0, -90.0f32..90.0], 1..30),
    ) {
        // law: for 1 and 3 threads, a NaN included
        let m = n - cut.min(n - 1);
        let shifts: Vec<[f32; 2]> = shifts.iter().map(|d| d.map(|v| match grain {
            0 => v,
            1 => v.floor(),
            _ => v.floor() + 1e-9 * v,
        })).collect();
        let side = CanvasSize::new(m + 2 * pad)?;
        let mut x = Array3::from_shape_fn((shifts.len(), n, n), |(k, r, c)| {
            let t = ((k * n + r) * n + c) as f32;
            Complex32::new(t.sin(), (1.3 * t).cos())
        });
        if let Some(z) = x.get_mut([bad, 0, 0]) {
            z.re = f32::NAN;
        }
        let corner = n / 2 - m / 2;
        let crops = x.slice(s![.., corner..corner + m, corner..corner + m]);
        let (sums, weights) = plain(m, pad, side.get(), &shifts, &crops);
        let want = Zip::from(&sums).and(&weights).map_collect(|v, w| v / (1.0 + w));
        let bits = |a: &Array2<Complex32>| -> Vec<[u32; 2]> {
            let bit = |v: f32| if v.is_nan() { u32::MAX } else { v.to_bits() };
            a.iter().map(|z| [bit(z.re), bit(z.im)]).collect()
        };
        let placement = Placement::new(m, pad, side, &shifts)?;
        for threads in [1, 3] {
            let (quotients, coverage, dropped) = Pool::new(threads)?.run(|| {
                let mut b = ParallelPlace::new(m, pad, side);
                b.add(x.as_slice().expect("contiguous"), n, &shifts)?;
                Ok::<_, Error>(b.finish(1.0))
            })?;
            prop_assert_eq!(bits(&quotients), bits(&want));
            prop_assert_eq!(&coverage, &weights);
            prop_assert_eq!(dropped, placement.dropped());
        }
        // of k patches a sum has up to 4 k addends here and 2 k there, each a product rounded up to twice
        let rounding = (6.0 * shifts.len() as f32 + 8.0) * f32::EPSILON;
        let sizes = placement.place(crops.mapv(Complex32::norm).view())?;
        let (sums, covered) = (placement.place(crops)?, placement.coverage());
        for ((v, (z, size)), (w, got)) in zip_eq(zip_eq(&want, zip_eq(&sums, &sizes)), zip_eq(&covered, &weights)) {
            let exact = z / (1.0 + w);
            prop_assert_eq!(v.is_nan(), exact.is_nan());
            prop_assert!(v.is_nan() || (v - exact).norm() <= 3.0 * rounding * size / (1.0 + w), "{v} {exact}");
            prop_assert!((got - w).abs() <= rounding * w, "{got} {w}");
        }
    }
}

#[test]
fn nan_outside_the_canvas_has_no_effect() {
    // the second patch has no column on the canvas; those of the first must not be taken for its own
    let side = CanvasSize::new(23).expect("a side");
    let mut b = ParallelPlace::new(1, 11, side);
    let values = [Complex32::new(1.0, 0.0), Complex32::new(f32::NAN, 0.0)];
    let shifts = [[0.0, 0.0], [37.5, 0.0]];
    b.add(&values, 1, &shifts).expect("two patches");
    let (quotients, ..) = b.finish(1.0);
    assert!(quotients.iter().all(|z| z.re.is_finite()));
    assert_eq!(quotients.iter().map(|z| z.re).sum::<f32>(), 0.5);
}
