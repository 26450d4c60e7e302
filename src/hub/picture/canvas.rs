//! A sheet to draw on: ink is drawn three times as large and averaged down, pixels are set as they are.
//!
//! *Conventions.* Coordinates are picture pixels, origin at the top left, y downwards. Ink (text, lines)
//! is smooth; blocks of array pixels are laid over it at the end and stay exact.

use crate::error::{Error, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, register_font};
use std::sync::OnceLock;

/// A colour, 8 bits per channel.
pub type Rgb = [u8; 3];

/// Text, frames, ticks.
pub(super) const INK: Rgb = [38, 38, 38];
/// Captions and grid labels that should step back.
pub(super) const GREY: Rgb = [102, 102, 102];
/// Grid lines.
pub(super) const FAINT: Rgb = [225, 225, 225];

const FINER: u32 = 3; // ink pixels per picture pixel and axis: nine grey levels an edge

/// Where a text lies relative to its point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
    /// Centred, reading upwards.
    Upwards,
}

/// A white sheet.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    ink: Vec<u8>,
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

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Result<Self> {
        font()?;
        // A picture of more than 2^26 pixels is a mistake; its ink would need 1.8 GB.
        if width == 0 || height == 0 || u64::from(width) * u64::from(height) > 1 << 26 {
            return Err(refused(format!("a picture of {width} by {height} pixels")));
        }
        let ink = vec![255; (width * FINER) as usize * (height * FINER) as usize * 3];
        Ok(Self {
            width,
            height,
            ink,
            blocks: Vec::new(),
        })
    }

    fn draw(
        &mut self,
        what: impl FnOnce(&DrawingArea<BitMapBackend<'_>, plotters::coord::Shift>) -> Result<()>,
    ) -> Result<()> {
        let size = (self.width * FINER, self.height * FINER);
        let area = BitMapBackend::with_buffer(&mut self.ink, size).into_drawing_area();
        what(&area)?;
        area.present().map_err(refused)
    }

    /// A text of `size` picture pixels; `y` is the middle of its capitals.
    pub(super) fn text(
        &mut self,
        at: (f64, f64),
        align: Align,
        size: f64,
        ink: Rgb,
        text: &str,
    ) -> Result<()> {
        let h = match align {
            Align::Left => HPos::Left,
            Align::Right => HPos::Right,
            Align::Centre | Align::Upwards => HPos::Center,
        };
        // plotters puts the base line half a size below the point; capitals are 0.63 sizes high.
        let shift = (0.5 - 0.63 / 2.0) * size;
        let (x, y, turn) = match align {
            Align::Upwards => (at.0 - shift, at.1, FontTransform::Rotate270),
            _ => (at.0, at.1 - shift, FontTransform::None),
        };
        self.draw(|area| {
            let ink = colour(ink);
            let style = TextStyle::from(("sans-serif", size * f64::from(FINER)).into_font())
                .color(&ink)
                .transform(turn)
                .pos(Pos::new(h, VPos::Top));
            area.draw_text(text, &style, fine((x, y))).map_err(refused)
        })
    }

    /// How wide a text of `size` will be, picture pixels.
    pub(super) fn width_of(&mut self, size: f64, text: &str) -> Result<f64> {
        let mut wide = 0;
        self.draw(|area| {
            let style = TextStyle::from(("sans-serif", size * f64::from(FINER)).into_font());
            wide = area.estimate_text_size(text, &style).map_err(refused)?.0;
            Ok(())
        })?;
        Ok(f64::from(wide) / f64::from(FINER))
    }

    /// A line through `points`, `width` picture pixels wide.
    pub(super) fn line(&mut self, points: &[(f64, f64)], width: f64, ink: Rgb) -> Result<()> {
        let points: Vec<_> = points.iter().map(|&p| fine(p)).collect();
        let wide = ((width * f64::from(FINER)).round() as u32).max(1);
        self.draw(|area| {
            let path = PathElement::new(points, colour(ink).stroke_width(wide));
            area.draw(&path).map_err(refused)
        })
    }

    /// A line of dashes between two points.
    pub(super) fn dashes(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        width: f64,
        ink: Rgb,
    ) -> Result<()> {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let n = (dx.hypot(dy) / 6.0).ceil().max(1.0);
        let at = |k: f64| (from.0 + dx * k / n, from.1 + dy * k / n);
        for k in (0..n as u32).step_by(2) {
            let k = f64::from(k);
            self.line(&[at(k), at((k + 1.0).min(n))], width, ink)?;
        }
        Ok(())
    }

    /// A disc.
    pub(super) fn dot(&mut self, at: (f64, f64), radius: f64, ink: Rgb) -> Result<()> {
        let r = (radius * f64::from(FINER)).round() as i32;
        self.draw(|area| {
            area.draw(&Circle::new(fine(at), r, colour(ink).filled()))
                .map_err(refused)
        })
    }

    /// A filled rectangle.
    pub(super) fn fill(&mut self, from: (f64, f64), to: (f64, f64), ink: Rgb) -> Result<()> {
        self.draw(|area| {
            let corners = [fine(from), fine(to)];
            area.draw(&Rectangle::new(corners, colour(ink).filled()))
                .map_err(refused)
        })
    }

    /// The outline of a rectangle, one picture pixel wide, just outside it.
    pub(super) fn frame(&mut self, from: (f64, f64), to: (f64, f64)) -> Result<()> {
        let ((x0, y0), (x1, y1)) = ((from.0 - 0.5, from.1 - 0.5), (to.0 + 0.5, to.1 + 0.5));
        for pair in [
            [(x0 - 0.5, y0), (x1 + 0.5, y0)],
            [(x0 - 0.5, y1), (x1 + 0.5, y1)],
            [(x0, y0), (x0, y1)],
            [(x1, y0), (x1, y1)],
        ] {
            self.line(&pair, 1.0, INK)?;
        }
        Ok(())
    }

    /// A block of exact pixels, `width` to a row, over all ink; it must fit on the sheet.
    pub(super) fn block(&mut self, x: u32, y: u32, width: u32, pixels: Vec<Rgb>) {
        self.blocks.push((x, y, width, pixels));
    }

    /// The sheet as PNG.
    pub(super) fn png(self) -> Result<Vec<u8>> {
        let (w, h) = (self.width as usize, self.height as usize);
        let finer = FINER as usize;
        let mut rgb = vec![0u8; w * h * 3];
        for y in 0..h {
            for x in 0..w {
                let mut sum = [0u32; 3];
                for sy in 0..finer {
                    let start = ((y * finer + sy) * w * finer + x * finer) * 3;
                    for cell in self.ink[start..start + finer * 3].chunks_exact(3) {
                        for (s, &c) in sum.iter_mut().zip(cell) {
                            *s += u32::from(c);
                        }
                    }
                }
                let n = FINER * FINER;
                for (c, s) in sum.into_iter().enumerate() {
                    rgb[(y * w + x) * 3 + c] = ((s + n / 2) / n) as u8;
                }
            }
        }
        for (x, y, width, pixels) in &self.blocks {
            for (k, row) in pixels.chunks_exact(*width as usize).enumerate() {
                let start = ((*y as usize + k) * w + *x as usize) * 3;
                rgb[start..start + row.len() * 3].copy_from_slice(row.as_flattened());
            }
        }
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(refused)?;
        writer.write_image_data(&rgb).map_err(refused)?;
        writer.finish().map_err(refused)?;
        Ok(out)
    }
}

fn fine(p: (f64, f64)) -> (i32, i32) {
    let f = |v: f64| (v * f64::from(FINER)).round() as i32;
    (f(p.0), f(p.1))
}

fn colour(c: Rgb) -> RGBColor {
    RGBColor(c[0], c[1], c[2])
}
