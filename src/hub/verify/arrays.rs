//! Arrays of a hub: readable, finite, and consistent with the recorded statistics and digests.

use std::fs;
use std::path::Path;

use super::Checker;
use crate::finite::{Census, PlaneCensus};
use crate::hub::dir;
use crate::hub::stats::{ArrayStats, Stats};
use crate::io::npz::{Values, npy_header, read_npy, read_plane};
use crate::records::stage::Stages;

impl Checker<'_> {
    pub(super) fn pictures(&mut self) {
        for file in self.with(".png") {
            if let Err(e) = picture(&self.hub.join(&file)) {
                self.problem(&file, format!("not a complete image: {e}"));
            }
        }
    }

    /// Compares amplitude and phase with their statistics; counts pixels that are not finite.
    pub(super) fn image(&mut self) -> usize {
        let mut shapes = Vec::new();
        let mut bad = 0;
        let stats: Option<Stats> = self.parsed(dir::STATS);
        for (file, part) in [(dir::AMPLITUDE, 0), (dir::PHASE, 1)] {
            if !self.files.contains(file) {
                continue;
            }
            let array = match read_plane(self.hub.join(file)) {
                Ok(array) => array,
                Err(e) => {
                    self.problem(file, e.to_string());
                    continue;
                }
            };
            let census = PlaneCensus::of_real(&array.view());
            self.values += census.pixels;
            if census.pixels == 0 {
                self.problem(file, format!("no pixels: shape {:?}", array.dim()));
            } else if !census.is_finite() {
                self.event(file, census.to_string());
            } else if part == 0 && array.iter().all(|v| *v == 0.0) {
                self.problem(file, "no pixel is covered: all amplitudes are zero");
            }
            bad = bad.max(census.non_finite());
            shapes.push((file, array.dim()));
            if let Some(stats) = &stats {
                let narrow: Vec<f32> = array.iter().map(|&v| v as f32).collect();
                let now = ArrayStats::of(&narrow);
                let then = if part == 0 {
                    &stats.amplitude
                } else {
                    &stats.phase
                };
                if now != *then {
                    self.problem(
                        dir::STATS,
                        format!("contradicts {file}: {}", differing(then, &now)),
                    );
                }
            }
        }
        self.shapes_of_stages(&shapes);
        if let [(_, a), (file, b)] = shapes[..]
            && a != b
        {
            self.problem(file, format!("shape {b:?}, but the amplitude has {a:?}"));
        }
        bad
    }

    /// Reads every other array: it must be whole and finite.
    pub(super) fn other_arrays(&mut self) {
        for file in self.with(".npy") {
            if [dir::AMPLITUDE, dir::PHASE].contains(&file.as_str()) {
                continue;
            }
            let path = self.hub.join(&file);
            let read = npy_header(&path).and_then(|(_, shape)| Ok((shape, read_npy(&path)?)));
            match read {
                Err(e) => self.problem(&file, e.to_string()),
                Ok((shape, values)) => {
                    let census = match values {
                        Values::Real(a) => Census::of(a.iter().map(|v| f64::from(*v))),
                        Values::Complex(a) => {
                            Census::of(a.iter().flat_map(|z| [z.re, z.im].map(f64::from)))
                        }
                    };
                    self.values += census.count;
                    if census.count == 0 {
                        self.problem(&file, format!("no values: shape {shape:?}"));
                    } else if !census.is_finite() {
                        self.event(&file, format!("not finite: {census}"));
                    }
                }
            }
        }
    }

    /// Holds the arrays to the shape that the stitched object had.
    fn shapes_of_stages(&mut self, shapes: &[(&'static str, (usize, usize))]) {
        let Some(stages) = self.parsed::<Stages>(dir::STAGES) else {
            return;
        };
        if stages.stages.is_empty() {
            self.problem(dir::STAGES, "no stages");
        }
        for s in stages.stages.iter().filter(|s| s.non_finite > 0) {
            let what = format!("{}, {}: {} values", s.stage, s.tensor, s.non_finite);
            self.event(dir::STAGES, what);
        }
        let mut all = stages.stages.iter();
        let object = all.find(|s| s.stage == "stitching" && s.tensor == "object");
        for (file, (rows, cols)) in shapes {
            if let Some(o) = object.filter(|o| o.shape != [*rows, *cols]) {
                let then = &o.shape;
                self.problem(
                    file,
                    format!("shape ({rows}, {cols}), but the stitched object had {then:?}"),
                );
            }
        }
    }
}

/// The fields that differ between two statistics.
fn differing(then: &ArrayStats, now: &ArrayStats) -> String {
    let pairs = [
        ("min", then.min, now.min),
        ("max", then.max, now.max),
        ("mean", then.mean, now.mean),
        ("std", then.std, now.std),
    ];
    let mut all: Vec<String> = pairs
        .iter()
        .filter(|(_, a, b)| a != b)
        .map(|(name, a, b)| format!("{name} was {} and is now {}", a.get(), b.get()))
        .collect();
    if then.nan_count != now.nan_count {
        all.push(format!(
            "nan_count was {} and is now {}",
            then.nan_count, now.nan_count
        ));
    }
    all.join(", ")
}

/// Decodes a picture to its last pixel.
fn picture(path: &Path) -> Result<(), String> {
    let file = fs::File::open(path).map_err(|e| e.to_string())?;
    let mut reader = png::Decoder::new(std::io::BufReader::new(file))
        .read_info()
        .map_err(|e| e.to_string())?;
    let size = reader.output_buffer_size().ok_or("larger than memory")?;
    if size > 1 << 30 {
        return Err(format!("{size} bytes of pixels"));
    }
    reader
        .next_frame(&mut vec![0; size])
        .map_err(|e| e.to_string())?;
    reader.finish().map_err(|e| e.to_string())
}
