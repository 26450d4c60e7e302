use super::super::tests::{fill, numbers};
use super::super::{Aligned, Direction, Epilogue, Kernels, Method, Packed};
use crate::isa::Isa;
use crate::map::FeatureMap;
use proptest::prelude::*;
use ptyproof_testkit::tolerance::{F64_STEPS_64, assert_close};

/// The three matrices, by their definition: Lagrange's interpolation at 0, +-5/8, +-3/2 and infinity.
struct Matrices {
    a: [[f64; 6]; 4],
    b: [[f64; 6]; 6],
    g: [[f64; 3]; 6],
}

/// The coefficients, lowest first, of the product of `x - p` over `points`.
fn product(points: impl Iterator<Item = f64>) -> Vec<f64> {
    points.fold(vec![1.0], |c, p| {
        let mut next = vec![0.0; c.len() + 1];
        for (k, &v) in c.iter().enumerate() {
            next[k + 1] += v;
            next[k] -= p * v;
        }
        next
    })
}

fn matrices() -> Matrices {
    let points = [0.0, 0.625, -0.625, 1.5, -1.5];
    let mut m = Matrices {
        a: [[0.0; 6]; 4],
        b: [[0.0; 6]; 6],
        g: [[0.0; 3]; 6],
    };
    for (j, &p) in points.iter().enumerate() {
        let others = || points.into_iter().filter(move |&q| q != p);
        let divisor: f64 = others().map(|q| p - q).product();
        for i in 0..4 {
            m.a[i][j] = p.powi(i as i32);
        }
        for i in 0..3 {
            m.g[j][i] = p.powi(i as i32) / divisor;
        }
        for (k, v) in product(others()).into_iter().enumerate() {
            m.b[j][k] = v;
        }
    }
    m.a[3][5] = 1.0;
    m.g[5][2] = 1.0;
    for (k, v) in product(points.into_iter()).into_iter().enumerate() {
        m.b[5][k] = v;
    }
    m
}

/// `L x L^T` for a square `x`.
fn both<const FROM: usize, const TO: usize>(
    l: &[[f64; FROM]; TO],
    x: &[[f64; FROM]; FROM],
) -> [[f64; TO]; TO] {
    std::array::from_fn(|r| {
        std::array::from_fn(|c| {
            let mut sum = 0.0;
            for i in 0..FROM {
                for j in 0..FROM {
                    sum += l[r][i] * x[i][j] * l[c][j];
                }
            }
            sum
        })
    })
}

fn turned<const A: usize, const B: usize>(m: &[[f64; A]; B]) -> [[f64; B]; A] {
    std::array::from_fn(|r| std::array::from_fn(|c| m[c][r]))
}

fn absolute<const A: usize, const B: usize>(m: &[[f64; A]; B]) -> [[f64; A]; B] {
    m.map(|row| row.map(f64::abs))
}

#[test]
fn winograd_equals_direct_convolution() {
    // y = A^T [(G g) . (B^T d)] in f64, one dimension, against four sums of three
    let m = matrices();
    let d: [f64; 6] = std::array::from_fn(|k| ((k + 1) as f64 * 1.7).sin());
    let g: [f64; 3] = std::array::from_fn(|k| ((k + 1) as f64 * 2.3).cos());
    let place = |j: usize| -> f64 {
        let gg: f64 = (0..3).map(|i| m.g[j][i] * g[i]).sum();
        gg * (0..6).map(|i| m.b[j][i] * d[i]).sum::<f64>()
    };
    for i in 0..4 {
        let y: f64 = (0..6).map(|j| m.a[i][j] * place(j)).sum();
        let want: f64 = (0..3).map(|k| g[k] * d[i + k]).sum();
        assert_close!(y, want, F64_STEPS_64, "output {i}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn winograd_error_is_bounded_and_bit_identical_across_instruction_sets(
        images in 1usize..4, h in 1usize..4, w in 1usize..5,
        cin in 16usize..70, cout in 16usize..100, relu in proptest::bool::ANY, seed in 0u32..1000,
    ) {
        let (h, w) = (4 * h, 4 * w);
        let mut x = FeatureMap::<f32>::new(images, h, w, cin);
        fill(&mut x, seed);
        let kernel = numbers(9 * cin * cout, seed + 1);
        let bias = numbers(cout, seed + 2);
        let mut got = None;
        for isa in Isa::available() {
            let mut weights = Packed::new(Method::Winograd, cin, cout);
            f32::pack(isa, &mut weights, &kernel, Direction::Forward);
            let mut out = FeatureMap::new(images, h, w, cout);
            let epilogue = if relu { Epilogue::BiasRelu(&bias) } else { Epilogue::Bias(&bias) };
            f32::conv(isa, &x, 0, &weights, epilogue, &mut out);
            prop_assert_eq!(got.get_or_insert_with(|| out.clone()), &out, "{}", isa);
        }
        let got = got.unwrap();
        let m = matrices();
        let terms = (cin + 32) as f64 * f64::from(f32::EPSILON);
        // a few tiles and outputs: the bound is a sum over all of a tile's inputs
        for (image, row, col, o) in [(0, 0, 0, 0), (images - 1, h - 4, w - 4, cout - 1), (images / 2, h / 8 * 4, 0, cout / 2)] {
            let mut sums = [[0.0; 6]; 6];
            let mut want = [[0.0; 4]; 4];
            for i in 0..cin {
                let corner = x.corner(image, row, col) + i;
                let d: [[f64; 6]; 6] = std::array::from_fn(|r| std::array::from_fn(|c| x.data()[corner + r * x.row_len() + c * x.stride()].into()));
                let g: [[f64; 3]; 3] = std::array::from_fn(|r| std::array::from_fn(|c| kernel[((3 * r + c) * cin + i) * cout + o].into()));
                let (bd, gg) = (both(&absolute(&m.b), &absolute(&d)), both(&absolute(&m.g), &absolute(&g)));
                for r in 0..6 { for c in 0..6 { sums[r][c] += bd[r][c] * gg[r][c]; } }
                for r in 0..4 { for c in 0..4 { for u in 0..3 { for v in 0..3 {
                    want[r][c] += d[r + u][c + v] * g[u][v];
                }}}}
            }
            let scale = both(&absolute(&m.a), &sums);
            for r in 0..4 { for c in 0..4 {
                let value = f64::from(got.pixel(image, row + r, col + c)[o]);
                let sum = want[r][c] + f64::from(bias[o]);
                let sum = if relu { sum.max(0.0) } else { sum };
                let bound = terms * (scale[r][c] + f64::from(bias[o]).abs());
                prop_assert!((value - sum).abs() <= bound, "{value} for {sum}, bound {bound}");
                // and the bound is no excuse: a tile of ordinary numbers is far inside it
                prop_assert!((value - sum).abs() <= 3e-5 * (cin as f64).sqrt(), "{value} for {sum}");
            }}
        }
    }

    #[test]
    fn winograd_weight_gradient_error_is_bounded(
        images in 1usize..4, h in 1usize..4, w in 1usize..5, cin in 16usize..40, cout in 16usize..70, seed in 0u32..1000,
    ) {
        let (h, w) = (4 * h, 4 * w);
        let (mut x, mut dy) = (FeatureMap::<f32>::new(images, h, w, cin), FeatureMap::<f32>::new(images, h, w, cout));
        fill(&mut x, seed);
        fill(&mut dy, seed + 1);
        let mut got = None;
        let mut scratch = Aligned::default();
        for isa in Isa::available() {
            let (mut k, mut b) = (vec![9.0; 9 * cin * cout], vec![9.0; cout]);
            f32::conv_weights(isa, Method::Winograd, &x, 0, &dy, (&mut k, &mut b), &mut scratch);
            for (o, &b) in b.iter().enumerate() {
                let pixels = (0..images * h * w).map(|p| f64::from(dy.pixel(p / (h * w), p / w % h, p % w)[o]));
                let (sum, size) = pixels.fold((0.0, 0.0), |(s, a), v| (s + v, a + v.abs()));
                // sixteen pixels of a tile, then the tiles
                let bound = (16 + images * h * w / 16) as f64 * f64::from(f32::EPSILON) * size;
                prop_assert!((f64::from(b) - sum).abs() <= bound, "bias {b} for {sum}");
            }
            prop_assert_eq!(got.get_or_insert_with(|| k.clone()), &k, "{}", isa);
        }
        let got = got.unwrap();
        let m = matrices();
        let tiles = images * h * w / 16;
        let terms = (tiles + 32) as f64 * f64::from(f32::EPSILON);
        for (i, o) in [(0, 0), (cin - 1, cout - 1), (cin / 2, cout / 3)] {
            let mut sums = [[0.0; 6]; 6];
            let mut want = [[0.0; 3]; 3];
            for image in 0..images { for row in (0..h).step_by(4) { for col in (0..w).step_by(4) {
                let corner = x.corner(image, row, col) + i;
                let d: [[f64; 6]; 6] = std::array::from_fn(|r| std::array::from_fn(|c| x.data()[corner + r * x.row_len() + c * x.stride()].into()));
                let y: [[f64; 4]; 4] = std::array::from_fn(|r| std::array::from_fn(|c| dy.pixel(image, row + r, col + c)[o].into()));
                let (bd, ay) = (both(&absolute(&m.b), &absolute(&d)), both(&absolute(&turned(&m.a)), &absolute(&y)));
                for r in 0..6 { for c in 0..6 { sums[r][c] += bd[r][c] * ay[r][c]; } }
                for u in 0..3 { for v in 0..3 { for r in 0..4 { for c in 0..4 {
                    want[u][v] += d[r + u][c + v] * y[r][c];
                }}}}
            }}}
            let scale = both(&absolute(&turned(&m.g)), &sums);
            for u in 0..3 { for v in 0..3 {
                let value = f64::from(got[((3 * u + v) * cin + i) * cout + o]);
                let bound = terms * scale[u][v];
                prop_assert!((value - want[u][v]).abs() <= bound, "{value} for {}, bound {bound}", want[u][v]);
            }}
        }
    }
}

#[test]
fn zero_input_stays_zero_and_nan_stays_in_its_tiles() {
    let kernel = numbers(9 * 16 * 16, 4);
    let mut weights = Packed::new(Method::Winograd, 16, 16);
    f32::pack(Isa::best(), &mut weights, &kernel, Direction::Forward);
    let mut x = FeatureMap::<f32>::new(1, 16, 16, 16);
    let mut out = x.clone();
    f32::conv(Isa::best(), &x, 0, &weights, Epilogue::Plain, &mut out);
    assert!(out.data().iter().all(|&v| v == 0.0));
    x.pixel_mut(0, 5, 5)[3] = f32::NAN;
    f32::conv(Isa::best(), &x, 0, &weights, Epilogue::Plain, &mut out);
    for (row, col) in (0..256).map(|k| (k / 16, k % 16)) {
        let bad = out.pixel(0, row, col).iter().any(|v| v.is_nan());
        // pixel (5, 5) is an input of the tile at (4, 4) alone: its neighbors end at 4 and begin at 7
        let tile = (4..8).contains(&row) && (4..8).contains(&col);
        assert_eq!(bad, tile, "({row}, {col})");
    }
}
