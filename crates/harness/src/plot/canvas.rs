//! A sheet to draw on: ink is drawn three times as large and averaged down, pixels are set as they are.
//!
//! *Conventions.* Coordinates are picture pixels, origin at the top left, y downwards. Ink (text, lines)
//! is smooth; blocks of array pixels are laid over it at the end and stay exact. Ink is 27 bytes a picture pixel, so a sheet
//! remembers its marks and is drawn at the end, some rows at a time: the same picture, however many those are.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, register_font};
use plotters_backend::{BackendColor, BackendCoord, DrawingErrorKind};
use ptyproof::error::{Error, Result};
use std::ops::Range;
use std::sync::OnceLock;

/// A color, 8 bits per channel.
pub type Rgb = [u8; 3];

/// Text, frames, ticks.
pub(super) const INK: Rgb = [38, 38, 38];
/// Captions and grid labels that should step back.
pub(super) const GRAY: Rgb = [102, 102, 102];
/// Grid lines.
pub(super) const FAINT: Rgb = [225, 225, 225];

const FINER: u32 = 3; // ink pixels per picture pixel and axis: nine gray levels an edge
/// Bytes of ink that are drawn at once.
const INK_BYTES: usize = 4 << 20;

/// Where a text lies relative to its point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
    /// Centered, reading upwards.
    Upwards,
}

/// What is drawn in ink. Coordinates and lengths are ink pixels.
enum Mark {
    Text {
        at: BackendCoord,
        align: Align,
        size: f64,
        ink: Rgb,
        text: String,
    },
    Path {
        points: Vec<BackendCoord>,
        width: u32,
        ink: Rgb,
    },
    Disc {
        at: BackendCoord,
        radius: i32,
        ink: Rgb,
    },
    Fill {
        corners: [BackendCoord; 2],
        ink: Rgb,
    },
}

impl Mark {
    /// The rows that it may touch: all, if that is for plotters to know (corners of a path reach as far as they are sharp, a disc over
    /// the edge of the sheet is more than a disc).
    fn rows(&self) -> Range<i32> {
        let around = |y: i32, far: i32| y.saturating_sub(far)..y.saturating_add(far);
        match self {
            Self::Text {
                at, align, size, ..
            } if *align != Align::Upwards => around(at.1, 2 * size.ceil() as i32),
            Self::Fill { corners, .. } => span(corners, 1),
            Self::Path { points, width, .. } if points.len() == 2 => {
                span(points, i32::try_from(*width).unwrap_or(i32::MAX))
            }
            Self::Text { .. } | Self::Path { .. } | Self::Disc { .. } => i32::MIN..i32::MAX,
        }
    }

    fn draw(&self, area: &DrawingArea<Band<'_>, Shift>) -> Result<()> {
        match self {
            Self::Text {
                at,
                align,
                size,
                ink,
                text,
            } => {
                let ink = color(*ink);
                let h = match align {
                    Align::Left => HPos::Left,
                    Align::Right => HPos::Right,
                    Align::Center | Align::Upwards => HPos::Center,
                };
                let turn = match align {
                    Align::Upwards => FontTransform::Rotate270,
                    _ => FontTransform::None,
                };
                let style = lettering(*size).color(&ink).transform(turn);
                area.draw_text(text, &style.pos(Pos::new(h, VPos::Top)), *at)
                    .map_err(refused)
            }
            Self::Path { points, width, ink } => {
                let stroke = color(*ink).stroke_width(*width);
                area.draw(&PathElement::new(points.clone(), stroke))
                    .map_err(refused)
            }
            Self::Disc { at, radius, ink } => area
                .draw(&Circle::new(*at, *radius, color(*ink).filled()))
                .map_err(refused),
            Self::Fill { corners, ink } => area
                .draw(&Rectangle::new(*corners, color(*ink).filled()))
                .map_err(refused),
        }
    }
}

/// The rows from the first to the last of `points`, and `far` more.
fn span(points: &[BackendCoord], far: i32) -> Range<i32> {
    let ys = || points.iter().map(|p| p.1);
    let (low, high) = (ys().min().unwrap_or(0), ys().max().unwrap_or(0));
    low.saturating_sub(far)..high.saturating_add(far)
}

/// Some rows of the ink. Marks are drawn in the coordinates of the whole sheet, so that each has the same pixels in every band.
struct Band<'a> {
    sheet: (u32, u32),
    top: i32,
    rows: BitMapBackend<'a>,
}

impl<'a> DrawingBackend for Band<'a> {
    type ErrorType = <BitMapBackend<'a> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.sheet
    }

    fn ensure_prepared(&mut self) -> std::result::Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.rows.ensure_prepared()
    }

    fn present(&mut self) -> std::result::Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.rows.present()
    }

    fn draw_pixel(
        &mut self,
        (x, y): BackendCoord,
        ink: BackendColor,
    ) -> std::result::Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.rows.draw_pixel((x, y.saturating_sub(self.top)), ink)
    }
}

/// A white sheet.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    marks: Vec<Mark>,
    blocks: Vec<(u32, u32, u32, Vec<Rgb>)>,
}

fn refused(e: impl std::fmt::Display) -> Error {
    Error::bug("drawing a picture").got(e)
}

/// The font is compiled in, so that pictures do not depend on what a machine has installed.
fn font() -> Result<()> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let register =
        || register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).is_ok();
    if *DONE.get_or_init(register) {
        Ok(())
    } else {
        Err(refused("a font that cannot be read"))
    }
}

/// Letters of `size` ink pixels.
fn lettering(size: f64) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size).into_font())
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Result<Self> {
        font()?;
        // A picture of more than 2^26 pixels is a mistake: it has 200 MB.
        if width == 0 || height == 0 || u64::from(width) * u64::from(height) > 1 << 26 {
            return Err(refused(format!("a picture of {width} by {height} pixels")));
        }
        Ok(Self {
            width,
            height,
            marks: Vec::new(),
            blocks: Vec::new(),
        })
    }

    /// A text of `size` picture pixels; `y` is the middle of its capitals.
    pub(super) fn text(&mut self, at: (f64, f64), align: Align, size: f64, ink: Rgb, text: &str) {
        // plotters puts the base line half a size below the point; capitals are 0.63 sizes high.
        let shift = (0.5 - 0.63 / 2.0) * size;
        let at = match align {
            Align::Upwards => (at.0 - shift, at.1),
            _ => (at.0, at.1 - shift),
        };
        self.marks.push(Mark::Text {
            at: fine(at),
            align,
            size: size * f64::from(FINER),
            ink,
            text: text.to_owned(),
        });
    }

    /// How wide a text of `size` will be, picture pixels.
    pub(super) fn width_of(size: f64, text: &str) -> Result<f64> {
        font()?;
        let style = lettering(size * f64::from(FINER));
        let (wide, _) = style.font.box_size(text).map_err(refused)?;
        Ok(f64::from(wide) / f64::from(FINER))
    }

    /// A line through `points`, `width` picture pixels wide.
    pub(super) fn line(&mut self, points: &[(f64, f64)], width: f64, ink: Rgb) {
        self.marks.push(Mark::Path {
            points: points.iter().map(|&p| fine(p)).collect(),
            width: ((width * f64::from(FINER)).round() as u32).max(1),
            ink,
        });
    }

    /// A line of dashes between two points.
    pub(super) fn dashes(&mut self, from: (f64, f64), to: (f64, f64), width: f64, ink: Rgb) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let n = (dx.hypot(dy) / 6.0).ceil().max(1.0);
        let at = |k: f64| (from.0 + dx * k / n, from.1 + dy * k / n);
        for k in (0..n as u32).step_by(2) {
            let k = f64::from(k);
            self.line(&[at(k), at((k + 1.0).min(n))], width, ink);
        }
    }

    /// A disc.
    pub(super) fn dot(&mut self, at: (f64, f64), radius: f64, ink: Rgb) {
        self.marks.push(Mark::Disc {
            at: fine(at),
            radius: (radius * f64::from(FINER)).round() as i32,
            ink,
        });
    }

    /// A filled rectangle.
    pub(super) fn fill(&mut self, from: (f64, f64), to: (f64, f64), ink: Rgb) {
        self.marks.push(Mark::Fill {
            corners: [fine(from), fine(to)],
            ink,
        });
    }

    /// The outline of a rectangle, one picture pixel wide, just outside it.
    pub(super) fn frame(&mut self, from: (f64, f64), to: (f64, f64)) {
        let ((x0, y0), (x1, y1)) = ((from.0 - 0.5, from.1 - 0.5), (to.0 + 0.5, to.1 + 0.5));
        for pair in [
            [(x0 - 0.5, y0), (x1 + 0.5, y0)],
            [(x0 - 0.5, y1), (x1 + 0.5, y1)],
            [(x0, y0), (x0, y1)],
            [(x1, y0), (x1, y1)],
        ] {
            self.line(&pair, 1.0, INK);
        }
    }

    /// A block of exact pixels, `width` to a row, over all ink; it must fit on the sheet.
    pub(super) fn block(&mut self, x: u32, y: u32, width: u32, pixels: Vec<Rgb>) {
        self.blocks.push((x, y, width, pixels));
    }

    /// The sheet as PNG.
    pub(super) fn png(self) -> Result<Vec<u8>> {
        let row = (self.width * FINER * FINER) as usize * 3;
        let rgb = self.pixels((INK_BYTES / row).max(1))?;
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(refused)?;
        writer.write_image_data(&rgb).map_err(refused)?;
        writer.finish().map_err(refused)?;
        Ok(out)
    }

    /// The sheet as `[row][col][channel]`, drawn `rows` at a time.
    fn pixels(&self, rows: usize) -> Result<Vec<u8>> {
        let (w, h) = (self.width as usize, self.height as usize);
        let mut rgb = vec![0u8; w * h * 3];
        let mut ink = Vec::new();
        for (k, band) in rgb.chunks_mut(rows * w * 3).enumerate() {
            self.ink(k * rows..k * rows + band.len() / (w * 3), &mut ink)?;
            average(&ink, w, band);
        }
        for (x, y, width, pixels) in &self.blocks {
            for (k, row) in pixels.chunks_exact(*width as usize).enumerate() {
                let start = ((*y as usize + k) * w + *x as usize) * 3;
                rgb[start..start + row.len() * 3].copy_from_slice(row.as_flattened());
            }
        }
        Ok(rgb)
    }

    /// The ink of some picture rows.
    fn ink(&self, rows: Range<usize>, ink: &mut Vec<u8>) -> Result<()> {
        let (width, height) = (self.width * FINER, rows.len() as u32 * FINER);
        ink.clear();
        ink.resize(width as usize * height as usize * 3, 255);
        let top = (rows.start as u32 * FINER) as i32;
        let area = Band {
            sheet: (width, self.height * FINER),
            top,
            rows: BitMapBackend::with_buffer(ink, (width, height)),
        }
        .into_drawing_area();
        let bottom = top + height as i32;
        for mark in &self.marks {
            let touched = mark.rows();
            if touched.start <= bottom && touched.end >= top {
                mark.draw(&area)?;
            }
        }
        area.present().map_err(refused)
    }
}

/// Averages ink down to a picture of `w` pixels a row.
fn average(ink: &[u8], w: usize, picture: &mut [u8]) {
    let finer = FINER as usize;
    for (y, row) in picture.chunks_exact_mut(w * 3).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            let mut sum = [0u32; 3];
            for sy in 0..finer {
                let start = ((y * finer + sy) * w * finer + x * finer) * 3;
                for cell in ink[start..start + finer * 3].chunks_exact(3) {
                    for (s, &c) in sum.iter_mut().zip(cell) {
                        *s += u32::from(c);
                    }
                }
            }
            let n = FINER * FINER;
            for (c, s) in pixel.iter_mut().zip(sum) {
                *c = ((s + n / 2) / n) as u8;
            }
        }
    }
}

fn fine(p: (f64, f64)) -> (i32, i32) {
    let f = |v: f64| (v * f64::from(FINER)).round() as i32;
    (f(p.0), f(p.1))
}

fn color(c: Rgb) -> RGBColor {
    RGBColor(c[0], c[1], c[2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn banded_drawing_equals_full_drawing(
            places in prop::collection::vec((-40.0f64..160.0, -40.0f64..120.0), 2..12),
            size in 3.0f64..40.0,
            rows in 1usize..70,
        ) {
            let mut sheet = Canvas::new(120, 70).unwrap();
            for (k, &at) in places.iter().enumerate() {
                let ink = [[38, 38, 38], [213, 94, 0], [0, 114, 178]][k % 3];
                let next = places[(k + 1) % places.len()];
                match k % 7 {
                    0 => sheet.line(&places, size / 10.0, ink),
                    1 => sheet.text(at, Align::Left, size, ink, "gy|"),
                    2 => sheet.text(at, Align::Upwards, size, ink, "y (px)"),
                    3 => sheet.dot(at, size / 2.0, ink),
                    4 => sheet.fill(at, (at.0 + size, at.1 + size), ink),
                    5 => sheet.dashes(at, next, 1.0, ink),
                    _ => sheet.frame(at, (at.0 + size, at.1 + size)),
                }
            }
            sheet.block(3, 5, 4, vec![[1, 2, 3]; 12]);
            prop_assert!(sheet.pixels(70).unwrap() == sheet.pixels(rows).unwrap());
        }
    }
}
