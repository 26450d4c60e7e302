//! What `cargo bench` measured, as fractions of what the machine can do: a table in Markdown on the terminal, and the roofline
//! picture `docs/roofline.png`.
//!
//! `cargo bench && cargo run --release -p ptyproof-harness --example roofline` reads `target/criterion`. The roof is the multiply-add peak of one core
//! and the read bandwidth, both measured in the same run by the benches `peak` and `memory`. Convolutions are drawn at the
//! operations of the definition; Winograd needs a quarter of them, so its points lie above the roof of the direct method.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a table to look at"
)]

use std::collections::BTreeMap;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::register_font;
use serde_json::Value;

/// One bench: median in seconds, and what it did in that time.
struct Bench {
    name: String,
    seconds: f64,
    amount: f64,
    bytes: bool,
}

impl Bench {
    /// Billions of operations, bytes or elements a second.
    fn rate(&self) -> f64 {
        self.amount / self.seconds / 1e9
    }
}

fn main() {
    let mut benches = Vec::new();
    collect(Path::new("target/criterion"), &mut benches);
    benches.sort_by(|a, b| a.name.cmp(&b.name));
    let rates: BTreeMap<&str, f64> = benches
        .iter()
        .map(|b| (b.name.as_str(), b.rate()))
        .collect();
    let rate = |name: &str| {
        *rates
            .get(name)
            .unwrap_or_else(|| panic!("no bench '{name}': run `cargo bench` first"))
    };
    let peak = |threads: &str| rate(&format!("peak/{threads} threads/fused multiply-adds"));
    let bandwidth = rate("memory/read");
    println!("| bench | median | rate | of the machine's best |\n|---|---|---|---|");
    let mut points = Vec::new();
    for b in &benches {
        let threads = if b.name.contains("/2 threads") {
            "2"
        } else {
            "1"
        };
        let flops = ["conv3x3/", "fft2", "peak"]
            .iter()
            .any(|k| b.name.starts_with(k));
        let (rate, share) = if flops {
            let share = b.rate() / peak(threads);
            (format!("{:.0} GFLOP/s", b.rate()), Some(share))
        } else if b.bytes {
            let share = b.rate() / bandwidth;
            (format!("{:.1} GB/s", b.rate()), Some(share))
        } else {
            (format!("{:.0} /s", 1e9 * b.rate()), None)
        };
        let share = share.map_or("-".into(), |s| format!("{:.0} %", 100.0 * s));
        println!(
            "| {} | {:.3} ms | {rate} | {share} |",
            b.name,
            1e3 * b.seconds
        );
        if let Some(bytes) = traffic(&b.name) {
            points.push((b.amount / bytes, b.rate(), b.name.clone()));
        }
    }
    draw(&points, peak("1"), bandwidth);
}

/// Reads every `new` result below `dir`.
fn collect(dir: &Path, benches: &mut Vec<Bench>) {
    let read = |file: &str| -> Option<Value> {
        let text = std::fs::read(dir.join("new").join(file)).ok()?;
        serde_json::from_slice(&text).ok()
    };
    if let (Some(about), Some(found)) = (read("benchmark.json"), read("estimates.json")) {
        let throughput = &about["throughput"];
        let bytes = throughput["Bytes"].as_f64();
        benches.push(Bench {
            name: about["full_id"].as_str().unwrap().into(),
            seconds: found["median"]["point_estimate"].as_f64().unwrap() / 1e9,
            amount: bytes.or(throughput["Elements"].as_f64()).unwrap_or(1.0),
            bytes: bytes.is_some(),
        });
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), benches);
        }
    }
}

/// The bytes that a kernel must move if it moves each value once: `conv3x3/.../IMAGES of SIDExSIDE IN-OUT`, and transforms of
/// 256 images.
fn traffic(name: &str) -> Option<f64> {
    let last = name.rsplit('/').next()?;
    if name.starts_with("fft2 of 256/1 threads") {
        let n: f64 = last.parse().ok()?;
        return Some(256.0 * n * n * 16.0);
    }
    if !name.starts_with("conv3x3/") {
        return None;
    }
    let (images, rest) = last.split_once(" of ")?;
    let (side, channels) = rest.split_once(' ')?;
    let (inputs, outputs) = channels.split_once('-')?;
    let number = |s: &str| s.parse::<f64>().ok();
    let side = number(side.split('x').next()?)?;
    let (images, inputs, outputs) = (number(images)?, number(inputs)?, number(outputs)?);
    // channels are stored in sixteens, but for the network's input
    let stored = |c: f64| {
        if c < 16.0 {
            c
        } else {
            (c / 16.0).ceil() * 16.0
        }
    };
    let maps = images * side * side * (stored(inputs) + stored(outputs));
    Some(4.0 * (maps + 9.0 * inputs * outputs))
}

const WIDTH: u32 = 1100;
const HEIGHT: u32 = 700;
const BLUE: RGBColor = RGBColor(31, 90, 160);
const ORANGE: RGBColor = RGBColor(214, 104, 22);
const GREEN: RGBColor = RGBColor(40, 130, 70);
const GRAY: RGBColor = RGBColor(110, 110, 110);

fn draw(points: &[(f64, f64, String)], peak: f64, bandwidth: f64) {
    let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    let mut pixels = vec![255; (WIDTH * HEIGHT * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&WHITE).unwrap();
        // room above the fastest, whatever the machine
        let highest = points.iter().map(|p| p.1).fold(peak, f64::max);
        let (x, y) = ((0.5..400.0).log_scale(), (5.0..1.5 * highest).log_scale());
        let mut chart = ChartBuilder::on(&area)
            .caption(
                format!(
                    "One core: {peak:.0} GFLOP/s of multiply-adds, {bandwidth:.0} GB/s read by two"
                ),
                ("sans-serif", 22),
            )
            .margin(20)
            .x_label_area_size(50)
            .y_label_area_size(80)
            .build_cartesian_2d(x, y)
            .unwrap();
        chart
            .configure_mesh()
            .x_desc("floating-point operations of the definition per byte that must move")
            .y_desc("GFLOP/s")
            .label_style(("sans-serif", 15))
            .light_line_style(RGBColor(240, 240, 240))
            .draw()
            .unwrap();
        // one core alone reads nearly as fast as two: the memory, not the core, is the bound
        let roof = |x: f64| (x * bandwidth).min(peak);
        // from where it enters the picture, over its corner, to the right
        let line = [f64::max(0.5, 5.0 / bandwidth), peak / bandwidth, 400.0];
        let line = line.map(|x| (x, roof(x)));
        let roofline = PathElement::new(line, GRAY.stroke_width(2));
        chart
            .draw_series(std::iter::once(roofline))
            .unwrap()
            .label("roof: memory, then multipliers")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], GRAY.stroke_width(2)));
        let kinds = [
            ("convolution, forward", "conv3x3/forward", BLUE),
            ("its gradients", "gradient", ORANGE),
            ("transforms", "fft2", GREEN),
        ];
        for (label, key, color) in kinds {
            let chosen = points.iter().filter(|p| p.2.contains(key));
            let dots = chosen.map(|p| Circle::new((p.0, p.1), 5, color.filled()));
            chart
                .draw_series(dots)
                .unwrap()
                .label(label)
                .legend(move |(x, y)| Circle::new((x + 9, y), 5, color.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .label_font(("sans-serif", 16))
            .background_style(WHITE)
            .border_style(GRAY)
            .draw()
            .unwrap();
        area.present().unwrap();
    }
    let file = std::fs::File::create("docs/roofline.png").unwrap();
    let mut encoder = png::Encoder::new(file, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
}
