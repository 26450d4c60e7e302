//! A checkpoint: the state that training needs to continue without a difference.
//!
//! *Format.* safetensors: the weights under their names, Adam's moments under `adam.m.<name>` and `adam.v.<name>`, float32
//! little-endian; the rest is strict JSON in the header's metadata under the key `ptyproof`. *Law.* Writing and reading
//! back is bit-exact, including NaN. *Memory.* Tensors are written in place, so that a checkpoint needs no copy of the
//! training state.

use std::io::{self, Write};

use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use super::train::Progress;
use crate::network::architecture::Architecture;
use crate::network::parameters::tensors;
use ptyproof::error::{Error, Result};
use ptyproof::json;
use ptyproof::records::health::EpochHealth;
use ptyproof::records::history::History;
use ptyproof::records::steps::StepHistory;
use ptyproof_kernels::adam::Adam;

/// The metadata key.
const KEY: &str = "ptyproof";

const ACTION_WRITE: &str = "writing a checkpoint";

/// The state of a training at the end of an epoch.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Hash of the configuration that the run was made with, epochs excepted.
    pub config: String,
    /// Epochs, learning rate, histories.
    pub progress: Progress,
    /// The weights, flat.
    pub weights: Vec<f32>,
    /// The optimizer.
    pub adam: Adam<f32>,
}

#[derive(Serialize, Deserialize)]
struct State {
    config: String,
    epochs: u64,
    schedule: Schedule,
    adam_steps: u64,
    history: String,
    steps: String,
    #[serde(default)]
    vitals: Vec<EpochHealth>,
}

/// A checkpoint to be written, which borrows the tensors of the training.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Length, names, shapes and places of all tensors, and the state.
    header: Vec<u8>,
    /// In the order of the file.
    tensors: Vec<&'a [f32]>,
}

impl<'a> Draft<'a> {
    /// Of a training of this configuration; see [`Checkpoint`].
    ///
    /// # Errors
    /// If the weights are not the architecture's.
    pub fn new(
        config: &str,
        progress: &Progress,
        weights: &'a [f32],
        adam: &'a Adam<f32>,
        architecture: &Architecture,
    ) -> Result<Self> {
        let bug = || Error::bug(ACTION_WRITE);
        let sources = [("", weights), ("adam.m.", &adam.m), ("adam.v.", &adam.v)];
        for (_, values) in sources {
            if values.len() != architecture.parameters() {
                return Err(bug()
                    .got(format!("{} values", values.len()))
                    .need(architecture.parameters()));
            }
        }
        let state = State {
            config: config.to_owned(),
            epochs: progress.epochs,
            schedule: progress.schedule.clone(),
            adam_steps: adam.t,
            history: progress.history.to_text()?,
            steps: progress.steps.to_text()?,
            vitals: progress.vitals.clone(),
        };
        let all = tensors(architecture);
        let mut named: Vec<_> = (sources.iter())
            .flat_map(|&(prefix, values)| {
                all.iter().map(move |t| {
                    let part: &'a [f32] = &values[t.range.clone()];
                    (format!("{prefix}{}", t.name), t.shape.clone(), part)
                })
            })
            .collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let tensors: Vec<&[f32]> = named.iter().map(|n| n.2).collect();
        let mut end = 0;
        let infos = named.into_iter().map(|(name, shape, part)| {
            let begin = end;
            end += size_of_val(part);
            let info = TensorInfo {
                dtype: Dtype::F32,
                shape,
                data_offsets: (begin, end),
            };
            (name, info)
        });
        let metadata = [(KEY.to_owned(), json::to_text(&state)?)].into();
        let header =
            Metadata::new(Some(metadata), infos.collect()).map_err(|e| bug().because(e))?;
        let mut text = serde_json::to_vec(&header).map_err(|e| bug().because(e))?;
        // the format's way to let data begin at a multiple of eight bytes
        text.resize(text.len().next_multiple_of(8), b' ');
        let length = text.len() as u64;
        Ok(Self {
            header: [&length.to_le_bytes()[..], &text].concat(),
            tensors,
        })
    }

    /// Writes it.
    ///
    /// # Errors
    /// If `out` refuses.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        const BLOCK: usize = 1 << 14;
        out.write_all(&self.header)?;
        let mut bytes = Vec::with_capacity(4 * BLOCK);
        for block in self.tensors.iter().flat_map(|t| t.chunks(BLOCK)) {
            bytes.clear();
            bytes.extend(block.iter().flat_map(|v| v.to_le_bytes()));
            out.write_all(&bytes)?;
        }
        Ok(())
    }
}

impl Checkpoint {
    /// The checkpoint as a file's bytes.
    ///
    /// # Errors
    /// If the weights are not the architecture's.
    pub fn to_bytes(&self, architecture: &Architecture) -> Result<Vec<u8>> {
        let Self {
            config,
            progress,
            weights,
            adam,
        } = self;
        let mut bytes = Vec::new();
        (Draft::new(config, progress, weights, adam, architecture)?)
            .write(&mut bytes)
            .map_err(|e| Error::bug(ACTION_WRITE).because(e))?;
        Ok(bytes)
    }

    /// Reads a checkpoint of this architecture.
    ///
    /// # Errors
    /// If the bytes are not a checkpoint, or a tensor is missing or has another shape.
    pub fn from_bytes(bytes: &[u8], architecture: &Architecture) -> Result<Self> {
        let action = "reading a checkpoint";
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| {
            Error::input(action)
                .because(e)
                .help("the file is damaged; use an earlier checkpoint")
        })?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| Error::input(action).because(e))?;
        let text = header
            .metadata()
            .as_ref()
            .and_then(|m| m.get(KEY))
            .ok_or_else(|| {
                Error::input(action)
                    .at("metadata")
                    .got(format!("no key '{KEY}'"))
                    .need("a checkpoint written by this program")
            })?;
        let state: State = json::from_text(text)?;
        let read = |prefix: &str| -> Result<Vec<f32>> {
            let mut values = Vec::with_capacity(architecture.parameters());
            for t in tensors(architecture) {
                let name = format!("{prefix}{}", t.name);
                let other = "the checkpoint belongs to another network";
                let view = file
                    .tensor(&name)
                    .map_err(|e| Error::input(action).at(&name).because(e).help(other))?;
                if view.shape() != t.shape || view.dtype() != Dtype::F32 {
                    return Err(Error::input(action)
                        .at(name)
                        .got(format!("{:?} {:?}", view.dtype(), view.shape()))
                        .need(format!("F32 {:?}", t.shape))
                        .help(other));
                }
                let (words, _) = view.data().as_chunks::<4>();
                values.extend(words.iter().map(|&w| f32::from_le_bytes(w)));
            }
            Ok(values)
        };
        Ok(Self {
            config: state.config,
            progress: Progress {
                epochs: state.epochs,
                schedule: state.schedule,
                history: History::from_text(&state.history)?,
                steps: StepHistory::from_text(&state.steps)?,
                vitals: state.vitals,
            },
            weights: read("")?,
            adam: Adam::resumed(read("adam.m.")?, read("adam.v.")?, state.adam_steps),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof::records::steps::StepRecord;

    fn checkpoint(a: &Architecture) -> Checkpoint {
        let wave = |f: f32| {
            (0..a.parameters())
                .map(|k| (k as f32 * f).sin())
                .collect::<Vec<_>>()
        };
        let mut progress = Progress {
            epochs: 2,
            ..Progress::default()
        };
        progress.schedule.after_epoch(-1.25, Some(f64::NAN));
        progress
            .history
            .push(0.0, [("loss", -0.1), ("val_loss", f64::NAN)]);
        progress.steps.push(StepRecord {
            step: 1,
            loss: f64::INFINITY,
            ..StepRecord::default()
        });
        let mut weights = wave(0.7);
        weights[3] = f32::NAN;
        Checkpoint {
            config: "abc".into(),
            progress,
            weights,
            adam: Adam::resumed(wave(0.3), wave(0.1), 62),
        }
    }

    #[test]
    fn checkpoint_round_trips_bit_for_bit() {
        let a = Architecture {
            n: 16,
            channels: 1,
            encoder: vec![3, 5],
            decoder: vec![6],
            outer: None,
            estimates: false,
        };
        let c = checkpoint(&a);
        let bytes = c.to_bytes(&a).unwrap();
        assert_eq!(bytes, c.to_bytes(&a).unwrap(), "the same bytes twice");
        // the output of the safetensors library for these tensors
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let expected = safetensors::serialize(file.tensors(), header.metadata().clone()).unwrap();
        assert!(bytes == expected, "not as safetensors writes it");
        let back = Checkpoint::from_bytes(&bytes, &a).unwrap();
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back.weights), bits(&c.weights));
        assert_eq!(
            (bits(&back.adam.m), bits(&back.adam.v)),
            (bits(&c.adam.m), bits(&c.adam.v))
        );
        assert_eq!(back.adam.t, 62);
        assert!(back.progress.history.same(&c.progress.history));
        assert_eq!(
            back.progress.steps.to_text().unwrap(),
            c.progress.steps.to_text().unwrap()
        );
        assert_eq!(
            back.progress.schedule.learning_rate,
            c.progress.schedule.learning_rate
        );
    }

    #[test]
    fn damaged_or_foreign_checkpoint_is_refused() {
        let a = Architecture {
            n: 16,
            channels: 1,
            encoder: vec![3, 5],
            decoder: vec![6],
            outer: None,
            estimates: false,
        };
        let bytes = checkpoint(&a).to_bytes(&a).unwrap();
        for cut in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
            assert!(
                Checkpoint::from_bytes(&bytes[..cut], &a).is_err(),
                "cut at {cut}"
            );
        }
        let other = Architecture { channels: 4, ..a };
        let e = Checkpoint::from_bytes(&bytes, &other)
            .unwrap_err()
            .to_string();
        assert!(e.contains("encoder.conv1.weight"), "{e}");
    }
}
