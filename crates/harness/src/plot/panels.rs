//! Arrays side by side, each with its color bar, its axes and a count of what is not finite.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a view is a pointer and a shape: it is passed as one"
)]

use super::NOT_FINITE;
use super::axis::{self, Ticks};
use super::canvas::{Align, Canvas, GRAY, INK, Rgb};
use super::color::{ColorMap, Range};
use ndarray::ArrayView2;
use ptyproof::error::{Error, Result};
use ptyproof::finite::Census;

/// One array of a figure.
#[derive(Debug, Clone)]
pub struct Panel<'a> {
    /// Above the array.
    pub title: &'a str,
    /// `[row, col]`, any domain.
    pub array: ArrayView2<'a, f32>,
    /// Which colors.
    pub map: ColorMap,
    /// Their range.
    pub range: Range,
    /// Beside the color bar: quantity and unit.
    pub unit: &'a str,
    /// What its pixels count, from left to right and from top to bottom.
    pub axes: [PanelAxis<'a>; 2],
}

/// What the pixels of a panel count along one side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PanelAxis<'a> {
    /// Quantity and unit.
    pub label: &'a str,
    /// Its value at the middle of the first pixel.
    pub first: f64,
    /// And from pixel to pixel; above zero.
    pub step: f64,
}

impl PanelAxis<'static> {
    /// Those of an array that begins at this row and column of another.
    fn pixels(row: usize, col: usize) -> [Self; 2] {
        let axis = |label, first| Self {
            label,
            first,
            step: 1.0,
        };
        [axis("x (px)", col as f64), axis("y (px)", row as f64)]
    }
}

impl<'a> Panel<'a> {
    /// An amplitude, from 0 to its maximum.
    pub fn amplitude(title: &'a str, array: ArrayView2<'a, f32>) -> Self {
        let range = Range::amplitude(array);
        Self {
            title,
            array,
            map: ColorMap::Magma,
            range,
            unit: "amplitude",
            axes: PanelAxis::pixels(0, 0),
        }
    }

    /// A phase in radians, from `-pi` to `pi`.
    pub fn phase(title: &'a str, array: ArrayView2<'a, f32>) -> Self {
        let range = Range::phase();
        Self {
            title,
            array,
            map: ColorMap::Twilight,
            range,
            unit: "phase (rad)",
            axes: PanelAxis::pixels(0, 0),
        }
    }

    /// A signed difference, symmetric about 0.
    pub fn difference(title: &'a str, array: ArrayView2<'a, f32>) -> Self {
        let range = Range::symmetric(array);
        Self {
            title,
            array,
            map: ColorMap::Difference,
            range,
            unit: "difference",
            axes: PanelAxis::pixels(0, 0),
        }
    }

    /// The same, of an array that begins at this row and column of another.
    #[must_use]
    pub fn from(mut self, row: usize, col: usize) -> Self {
        self.axes = PanelAxis::pixels(row, col);
        self
    }

    /// The same with another range.
    #[must_use]
    pub fn with_range(mut self, range: Range) -> Self {
        self.range = range;
        self
    }

    /// What the picture cannot show by color: pixels not finite, pixels outside the range.
    fn caption(&self) -> (Census, String) {
        let census = Census::of(self.array.iter().map(|&v| f64::from(v)));
        let mut text = if census.is_finite() {
            "all pixels finite".to_string()
        } else {
            let share = 100.0 * census.non_finite() as f64 / census.count as f64;
            let mut kinds = Vec::new();
            for (n, name) in [
                (census.nan, "NaN"),
                (census.pos_inf, "+inf"),
                (census.neg_inf, "\u{2212}inf"),
            ] {
                if n > 0 {
                    kinds.push(format!("{n} {name}"));
                }
            }
            format!("{} of {} px ({share:.1} %)", kinds.join(", "), census.count)
        };
        // A range is rounded to float32 before it is compared: its own maximum is not outside.
        let (low, high) = (self.range.low as f32, self.range.high as f32);
        let outside = self
            .array
            .iter()
            .filter(|v| v.is_finite() && (**v < low || **v > high))
            .count();
        if outside > 0 {
            text = format!("{text}; {outside} px beyond the color bar");
        }
        (census, text)
    }
}

/// Arrays whose longer side is above this are averaged down.
const LARGEST: usize = 1100;
/// Picture pixels around an array: left (axis), gap and width of the color bar, right (its labels),
/// above (title; factor of the color bar) and below (axis, caption).
const LEFT: u32 = 78;
const GAP: u32 = 16;
const BAR: u32 = 20;
const RIGHT: u32 = 104;
const ABOVE: u32 = 58;
const BELOW: u32 = 104;
const HEADING: u32 = 46;
/// The least height of a color bar that can be read, and the least width of a caption.
const LEAST: u32 = 200;
const TEXT: f64 = 17.0;

/// How an array is laid out: `zoom` picture pixels per cell, a cell being `merge` array pixels wide.
struct Layout {
    merge: usize,
    zoom: usize,
    rows: usize,
    cols: usize,
}

impl Layout {
    fn new(panel: &Panel<'_>, aim: usize) -> Result<Self> {
        let (h, w) = panel.array.dim();
        if h == 0 || w == 0 {
            return Err(Error::input("drawing an array")
                .at(panel.title)
                .got(format!("{h} by {w} pixels"))
                .need("at least one pixel"));
        }
        let side = h.max(w);
        let merge = side.div_ceil(LARGEST);
        let zoom = ((aim as f64 / side.div_ceil(merge) as f64).round() as usize).max(1);
        let (rows, cols) = (h.div_ceil(merge), w.div_ceil(merge));
        Ok(Self {
            merge,
            zoom,
            rows,
            cols,
        })
    }

    fn width(&self) -> u32 {
        (self.cols * self.zoom) as u32
    }

    fn height(&self) -> u32 {
        (self.rows * self.zoom) as u32
    }

    /// Width and height of the panel with everything around it.
    fn outer(&self) -> (u32, u32) {
        let (w, h) = (self.width().max(LEAST), self.height().max(LEAST));
        (LEFT + w + GAP + BAR + RIGHT, ABOVE + h + BELOW)
    }

    /// The color of cell `(row, col)`: of the mean of its pixels, unless one of them is not finite.
    fn cell(&self, panel: &Panel<'_>, row: usize, col: usize) -> Rgb {
        let (h, w) = panel.array.dim();
        let (mut sum, mut n) = (0.0, 0.0);
        for r in row * self.merge..((row + 1) * self.merge).min(h) {
            for c in col * self.merge..((col + 1) * self.merge).min(w) {
                let v = f64::from(panel.array[[r, c]]);
                if !v.is_finite() {
                    return NOT_FINITE;
                }
                sum += v;
                n += 1.0;
            }
        }
        let Range { low, high } = panel.range;
        panel.map.color((sum / n - low) / (high - low))
    }
}

/// A figure of `panels` from left to right, as PNG; no heading if `heading` is empty.
///
/// # Errors
/// If there is no panel, an array is empty, or the figure would have more than 2^26 pixels.
pub fn panels(heading: &str, panels: &[Panel<'_>]) -> Result<Vec<u8>> {
    let aim = if panels.len() > 1 { 420 } else { 640 };
    let layouts: Vec<Layout> = panels
        .iter()
        .map(|p| Layout::new(p, aim))
        .collect::<Result<_>>()?;
    let width = layouts.iter().map(|l| l.outer().0).sum();
    let height = layouts.iter().map(|l| l.outer().1).max().unwrap_or(0);
    let top = if heading.is_empty() { 0 } else { HEADING };
    let mut canvas = Canvas::new(width, height + top)?;
    if top > 0 {
        canvas.text((f64::from(LEFT), 32.0), Align::Left, 23.0, INK, heading);
    }
    let mut x = 0;
    for (panel, layout) in panels.iter().zip(&layouts) {
        draw(&mut canvas, panel, layout, x + LEFT, top + ABOVE)?;
        x += layout.outer().0;
    }
    canvas.png()
}

fn draw(canvas: &mut Canvas, panel: &Panel<'_>, layout: &Layout, x: u32, y: u32) -> Result<()> {
    let (w, h) = (layout.width(), layout.height());
    let (x0, y0) = (f64::from(x), f64::from(y));
    let (x1, y1) = (f64::from(x + w), f64::from(y + h));
    canvas.text((x0, y0 - 20.0), Align::Left, 20.0, INK, panel.title);

    canvas.frame((x0, y0), (x1, y1));
    let mut pixels = Vec::with_capacity((w * h) as usize);
    for row in 0..layout.rows {
        let cells = (0..layout.cols)
            .flat_map(|col| std::iter::repeat_n(layout.cell(panel, row, col), layout.zoom));
        let line: Vec<Rgb> = cells.collect();
        for _ in 0..layout.zoom {
            pixels.extend_from_slice(&line);
        }
    }
    canvas.block(x, y, w, pixels);

    // Axes: a tick stands at the middle of the pixel that it names.
    let (rows, cols) = panel.array.dim();
    let scale = layout.zoom as f64 / layout.merge as f64;
    for (k, label) in pixel_ticks(cols, panel.axes[0], 48.0 / scale) {
        let at = x0 + (k + 0.5) * scale;
        canvas.line(&[(at, y1 + 1.0), (at, y1 + 6.0)], 1.0, INK);
        canvas.text((at, y1 + 17.0), Align::Center, TEXT, INK, &label);
    }
    for (k, label) in pixel_ticks(rows, panel.axes[1], 20.0 / scale) {
        let at = y0 + (k + 0.5) * scale;
        canvas.line(&[(x0 - 6.0, at), (x0 - 1.0, at)], 1.0, INK);
        canvas.text((x0 - 11.0, at), Align::Right, TEXT, INK, &label);
    }
    canvas.text(
        ((x0 + x1) / 2.0, y1 + 40.0),
        Align::Center,
        TEXT,
        INK,
        panel.axes[0].label,
    );
    canvas.text(
        (x0 - 58.0, (y0 + y1) / 2.0),
        Align::Upwards,
        TEXT,
        INK,
        panel.axes[1].label,
    );

    bar(canvas, panel, x + w + GAP, y, h.max(LEAST))?;

    let (census, mut text) = panel.caption();
    if layout.merge > 1 {
        text = format!("{text}; shown at 1/{}", layout.merge);
    }
    let (mut left, line) = (x0, y0 + f64::from(h.max(LEAST)) + 76.0);
    if !census.is_finite() {
        canvas.fill((left, line - 6.0), (left + 12.0, line + 6.0), NOT_FINITE);
        left += 19.0;
    }
    canvas.text((left, line), Align::Left, 15.0, GRAY, &text);
    Ok(())
}

/// Ticks of an axis of `n` pixels, as pixels and their labels, none nearer to the one before than `apart` pixels.
fn pixel_ticks(n: usize, axis: PanelAxis<'_>, apart: f64) -> Vec<(f64, String)> {
    let PanelAxis { first, step, .. } = axis;
    if n < 2 {
        return vec![(0.0, format!("{first}"))];
    }
    // pixels are counted in whole numbers
    let counted = step == 1.0 && first.fract() == 0.0;
    let mut marks = axis::plain(first, first + step * (n - 1) as f64, 5, counted);
    let mut before = f64::NEG_INFINITY;
    marks.iter_mut().for_each(|(v, _)| *v = (*v - first) / step);
    marks.retain(|(at, _)| {
        let clear = at - before >= apart;
        if clear {
            before = *at;
        }
        clear
    });
    marks
}

fn bar(canvas: &mut Canvas, panel: &Panel<'_>, x: u32, y: u32, h: u32) -> Result<()> {
    let (x0, y0, y1) = (f64::from(x), f64::from(y), f64::from(y + h));
    let x1 = f64::from(x + BAR);
    canvas.frame((x0, y0), (x1, y1));
    let shade = |k: u32| panel.map.color(1.0 - (f64::from(k) + 0.5) / f64::from(h));
    let pixels = (0..h)
        .flat_map(|k| std::iter::repeat_n(shade(k), BAR as usize))
        .collect();
    canvas.block(x, y, BAR, pixels);
    let Range { low, high } = panel.range;
    let Ticks { marks, factor } = axis::ticks(low, high, 5);
    let mut longest: f64 = 0.0;
    for (v, label) in marks {
        let at = y1 - (v - low) / (high - low) * f64::from(h);
        canvas.line(&[(x1 + 1.0, at), (x1 + 6.0, at)], 1.0, INK);
        canvas.text((x1 + 11.0, at), Align::Left, TEXT, INK, &label);
        longest = longest.max(Canvas::width_of(TEXT, &label)?);
    }
    canvas.text((x0, y0 - 18.0), Align::Left, 15.0, INK, &factor);
    let beside = x1 + 11.0 + longest + 20.0;
    canvas.text(
        (beside, (y0 + y1) / 2.0),
        Align::Upwards,
        TEXT,
        INK,
        panel.unit,
    );
    Ok(())
}

/// Prediction, truth and their difference side by side; the first two share one range.
///
/// Where one of the two is not finite, neither is the difference.
///
/// # Errors
/// If the arrays differ in size or are empty.
pub fn comparison(
    heading: &str,
    unit: &str,
    map: ColorMap,
    prediction: ArrayView2<'_, f32>,
    truth: ArrayView2<'_, f32>,
) -> Result<Vec<u8>> {
    if prediction.dim() != truth.dim() {
        return Err(Error::input("drawing a comparison")
            .at(heading)
            .got(format!("a prediction of {:?} pixels", prediction.dim()))
            .need(format!("the {:?} of the truth", truth.dim())));
    }
    let difference = match map {
        ColorMap::Twilight => ndarray::Zip::from(prediction)
            .and(truth)
            .map_collect(|&p, &t| {
                let d = p - t;
                d.sin().atan2(d.cos()) // the phase difference, wrapped
            }),
        _ => &prediction - &truth,
    };
    let range = match map {
        ColorMap::Twilight => Range::phase(),
        ColorMap::Magma => {
            let (a, b) = (Range::amplitude(prediction), Range::amplitude(truth));
            Range::new(0.0, a.high.max(b.high))
        }
        ColorMap::Difference => {
            let (a, b) = (Range::symmetric(prediction), Range::symmetric(truth));
            let m = a.high.max(b.high);
            Range::new(-m, m)
        }
    };
    let panel = |title, array| Panel {
        title,
        array,
        map,
        range,
        unit,
        axes: PanelAxis::pixels(0, 0),
    };
    let last = Panel::difference("prediction \u{2212} truth", difference.view());
    panels(
        heading,
        &[panel("prediction", prediction), panel("truth", truth), last],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn decode(png: &[u8]) -> (usize, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png))
            .read_info()
            .unwrap();
        let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut buffer).unwrap();
        (info.width as usize, buffer)
    }

    fn count(png: &[u8], color: Rgb) -> usize {
        decode(png)
            .1
            .chunks_exact(3)
            .filter(|p| *p == color)
            .count()
    }

    #[test]
    fn every_nonfinite_pixel_is_visible() {
        let mut a = Array2::<f32>::zeros((64, 64));
        let one = panels("", &[Panel::amplitude("a", a.view())]).unwrap();
        assert_eq!(count(&one, NOT_FINITE), 0);
        a[[3, 60]] = f32::NAN;
        a[[10, 10]] = f32::NEG_INFINITY;
        let two = panels("", &[Panel::amplitude("a", a.view())]).unwrap();
        assert!(count(&two, NOT_FINITE) >= 2 * 10 * 10); // zoom 10, and the swatch of the caption
    }

    #[test]
    fn one_bad_pixel_stays_visible_after_downsampling() {
        let mut a = Array2::<f32>::zeros((1500, 30));
        a[[1499, 29]] = f32::NAN;
        let png = panels("", &[Panel::phase("a", a.view())]).unwrap();
        let swatch = 12 * 12;
        assert!(count(&png, NOT_FINITE) > swatch - 30);
    }

    #[test]
    fn constant_and_all_nan_arrays_are_drawn() {
        for v in [0.0, 1e30, -1e-30, f32::NAN, f32::INFINITY] {
            for dim in [(1, 1), (3, 200), (64, 64)] {
                let a = Array2::from_elem(dim, v);
                let p = [
                    Panel::amplitude("a", a.view()),
                    Panel::phase("p", a.view()),
                    Panel::difference("d", a.view()),
                ];
                panels("h", &p).unwrap();
            }
        }
        let none = Array2::<f32>::zeros((0, 5));
        assert!(panels("", &[Panel::amplitude("a", none.view())]).is_err());
        assert!(panels("", &[]).is_err());
    }

    #[test]
    fn png_bytes_are_deterministic() {
        let a = Array2::from_shape_fn((20, 30), |(r, c)| (r * c) as f32);
        let draw = || panels("h", &[Panel::amplitude("a", a.view())]).unwrap();
        assert_eq!(draw(), draw());
    }
}
