//! Training curves: a value that is not finite is a mark at the edge of the chart, never a gap.
//!
//! *Conventions.* Abscissae are epochs or optimizer steps, ordinates the metric in its own unit. The
//! first value of a chart that is not finite is named in the caption.

use super::NOT_FINITE;
use super::axis::{self, Ticks};
use super::canvas::{Align, Canvas, FAINT, GRAY, INK, Rgb};
use ptyproof::error::Result;

/// Blue and vermilion of the Okabe-Ito palette: told apart by all eyes.
const COLORS: [Rgb; 4] = [[0, 114, 178], [213, 94, 0], [0, 140, 105], [170, 80, 140]];

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Its name in the legend.
    pub label: String,
    /// `(x, y)` in ascending `x`.
    pub points: Vec<(f64, f64)>,
}

/// One chart of a figure.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Above the chart.
    pub title: String,
    /// What the abscissa counts.
    pub x: String,
    /// Its lines, at most four of which have a color of their own.
    pub curves: Vec<Curve>,
}

const WIDTH: u32 = 560;
const HEIGHT: u32 = 380;
const LEFT: u32 = 92;
const RIGHT: u32 = 32;
const ABOVE: u32 = 64;
const BELOW: u32 = 104;
const HEADING: u32 = 46;
const TEXT: f64 = 17.0;

/// A figure of charts from left to right, as PNG.
///
/// # Errors
/// If there is no chart, or so many that the figure would have more than 2^26 pixels.
pub fn charts(heading: &str, charts: &[Chart]) -> Result<Vec<u8>> {
    let each = LEFT + WIDTH + RIGHT;
    let count = u32::try_from(charts.len()).unwrap_or(u32::MAX);
    let height = HEADING + ABOVE + HEIGHT + BELOW;
    let mut canvas = Canvas::new(each.saturating_mul(count), height)?;
    canvas.text((f64::from(LEFT), 32.0), Align::Left, 23.0, INK, heading);
    for (k, chart) in (0u32..).zip(charts) {
        draw(
            &mut canvas,
            chart,
            f64::from(k * each + LEFT),
            f64::from(HEADING + ABOVE),
        )?;
    }
    canvas.png()
}

fn draw(canvas: &mut Canvas, chart: &Chart, x0: f64, y0: f64) -> Result<()> {
    let (x1, y1) = (x0 + f64::from(WIDTH), y0 + f64::from(HEIGHT));
    let points = || chart.curves.iter().flat_map(|c| c.points.iter().copied());
    let (left, right) = span(points().map(|p| p.0), 0.02);
    let (low, high) = span(points().map(|p| p.1), 0.06);
    let px = |x: f64| x0 + (x - left) / (right - left) * (x1 - x0);
    let py = |y: f64| y1 - (y - low) / (high - low) * (y1 - y0);

    canvas.text((x0, y0 - 36.0), Align::Left, 20.0, INK, &chart.title);
    let Ticks { marks, factor } = axis::ticks(low, high, 6);
    canvas.text((x0, y0 - 12.0), Align::Left, 15.0, INK, &factor);
    for (v, label) in marks {
        let at = py(v);
        canvas.line(&[(x0, at), (x1, at)], 1.0, FAINT);
        canvas.line(&[(x0 - 5.0, at), (x0, at)], 1.0, INK);
        canvas.text((x0 - 11.0, at), Align::Right, TEXT, INK, &label);
    }
    // epochs and steps are counted, shares are not
    let counted = points().all(|p| !p.0.is_finite() || p.0.fract() == 0.0);
    for (v, label) in axis::plain(left, right, 6, counted) {
        canvas.line(&[(px(v), y1), (px(v), y1 + 5.0)], 1.0, INK);
        canvas.text((px(v), y1 + 17.0), Align::Center, TEXT, INK, &label);
    }
    canvas.frame((x0, y0), (x1, y1));
    canvas.text(
        ((x0 + x1) / 2.0, y1 + 41.0),
        Align::Center,
        TEXT,
        INK,
        &chart.x,
    );

    let (mut lost, mut first) = (0usize, None::<(f64, &str, f64)>);
    for (k, curve) in chart.curves.iter().enumerate() {
        let ink = COLORS[k % COLORS.len()];
        let sparse = curve.points.len() <= 40;
        let mut run: Vec<(f64, f64)> = Vec::new();
        for &(x, y) in &curve.points {
            if x.is_finite() && y.is_finite() {
                run.push((px(x), py(y)));
                if sparse {
                    canvas.dot((px(x), py(y)), 3.5, ink);
                }
                continue;
            }
            canvas.line(&run, 2.0, ink);
            run.clear();
            lost += 1;
            if first.is_none_or(|(at, _, _)| x < at) {
                first = Some((x, &curve.label, y));
            }
            if x.is_finite() {
                cross(
                    canvas,
                    (px(x), y0 + 14.0 + 12.0 * k as f64),
                    sparse.then_some(ink),
                );
            }
        }
        canvas.line(&run, 2.0, ink);
    }
    if let Some((x, _, _)) = first
        && x.is_finite()
    {
        canvas.dashes((px(x), y0), (px(x), y1), 1.0, INK);
    }
    legend(canvas, chart, x1, y0 - 36.0)?;
    let caption = match first {
        None if points().next().is_none() => "no values".into(),
        None => "all values finite".into(),
        Some((x, label, v)) => {
            canvas.fill((x0, y1 + 68.0), (x0 + 12.0, y1 + 80.0), NOT_FINITE);
            let value = ptyproof::json::Real(v);
            format!(
                "{lost} values not finite, first at {} {x}: {label} is {value}",
                chart.x
            )
        }
    };
    let indent = if first.is_some() { 19.0 } else { 0.0 };
    canvas.text((x0 + indent, y1 + 74.0), Align::Left, 15.0, GRAY, &caption);
    Ok(())
}

/// A mark in the green of what is not finite; a cross on it where there is room.
fn cross(canvas: &mut Canvas, (x, y): (f64, f64), ink: Option<Rgb>) {
    canvas.fill((x - 5.0, y - 5.0), (x + 5.0, y + 5.0), NOT_FINITE);
    let Some(ink) = ink else { return };
    canvas.line(&[(x - 3.5, y - 3.5), (x + 3.5, y + 3.5)], 1.6, ink);
    canvas.line(&[(x - 3.5, y + 3.5), (x + 3.5, y - 3.5)], 1.6, ink);
}

/// Names of the curves, right-aligned above the chart.
fn legend(canvas: &mut Canvas, chart: &Chart, right: f64, y: f64) -> Result<()> {
    let mut x = right;
    for (k, curve) in chart.curves.iter().enumerate().rev() {
        let ink = COLORS[k % COLORS.len()];
        canvas.text((x, y), Align::Right, TEXT, INK, &curve.label);
        x -= Canvas::width_of(TEXT, &curve.label)? + 9.0;
        canvas.line(&[(x - 22.0, y), (x, y)], 2.5, ink);
        x -= 44.0;
    }
    Ok(())
}

/// The range of the finite values with `margin` of its width on both sides; never empty.
fn span(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
        (l.min(v), h.max(v))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let wide = (high - low).max(low.abs().max(high.abs()) * 1e-6).max(1e-9);
    (
        low - wide * margin,
        low + (high - low).max(wide) + wide * margin,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_curve_is_drawn() {
        let mut points = Vec::new();
        let values = [f64::NAN, f64::INFINITY, 0.0, 1e300, -1e300, 1e-320, 3.0];
        for (k, y) in (0u32..).zip(values) {
            let chart = Chart {
                title: "any".into(),
                x: "step".into(),
                curves: vec![Curve {
                    label: "y".into(),
                    points: points.clone(),
                }],
            };
            charts("any", &[chart]).unwrap();
            points.push((f64::from(k), y));
        }
        assert!(charts("none", &[]).is_err());
    }
}
