//! The first non-finite event of a run: into its hub, and back out of it for a replay.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use num_complex::Complex32;

use ptyproof::error::{Error, Result};
use ptyproof::hub::Hub;
pub use ptyproof::hub::dir::EVENT;
use ptyproof::io::npz::{Values, named_arrays, read_array};
use ptyproof::json;
use ptyproof::records::event::{Event, SCHEMA};
use ptyproof_pinn::training::sentinel::{Finding, SavedTensor};

/// The tensors of its operation: the inputs and, as `output`, what came of them.
pub const TENSORS: &str = "nonfinite_event.npz";
/// The output's name in [`TENSORS`].
const OUTPUT: &str = "output";

/// Writes an event and its tensors.
///
/// # Errors
/// If the hub cannot be written.
pub fn write(hub: &Hub, finding: Finding, config: &str, seed: u64) -> Result<()> {
    let Finding { mut event, kept } = finding;
    complete(&mut event, config, seed);
    let last = kept.len().saturating_sub(1);
    let arrays: Vec<(&str, Values)> = kept
        .iter()
        .enumerate()
        .map(|(k, t)| {
            let name = if k == last { OUTPUT } else { t.name.as_str() };
            values(t).map(|v| (name, v))
        })
        .collect::<Result<_>>()?;
    hub.write_bytes(TENSORS, &named_arrays(&arrays)?)?;
    hub.write_json(EVENT, &event)
}

/// What the run adds to what the step found.
pub(super) fn complete(event: &mut Event, config: &str, seed: u64) {
    event.seed = seed;
    config.clone_into(&mut event.configuration_hash);
    TENSORS.clone_into(&mut event.saved);
}

fn values(t: &SavedTensor) -> Result<Values> {
    let shape = IxDyn(&t.shape);
    let bug = |e| Error::bug("keeping an event").at(&t.name).because(e);
    Ok(if t.complex {
        let (pairs, _) = t.values.as_chunks::<2>();
        let all = pairs.iter().map(|[re, im]| Complex32::new(*re, *im));
        Values::Complex(ArrayD::from_shape_vec(shape, all.collect()).map_err(bug)?)
    } else {
        Values::Real(ArrayD::from_shape_vec(shape, t.values.clone()).map_err(bug)?)
    })
}

/// Reads the event of a hub: `None` if it has none.
///
/// # Errors
/// If the file is there and is no event.
pub fn read(hub: &Path) -> Result<Option<Event>> {
    let path = hub.join(EVENT);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && hub.is_dir() => return Ok(None),
        Err(e) => {
            return Err(Error::input("reading an event")
                .at(path.display())
                .because(e));
        }
    };
    if text.contains(ptyproof::solve::event::SCHEMA) {
        return Err(Error::input("reading an event")
            .at(path.display())
            .got("the event of an iterative engine")
            .need("that of a run with a network")
            .help("the file itself names iteration, pattern and field"));
    }
    let refuse = || Error::input("reading an event").at(path.display());
    let event: Event = json::from_text(&text).map_err(|e| refuse().because(e))?;
    if event.schema != SCHEMA {
        return Err(refuse().got(&event.schema).need(SCHEMA));
    }
    Ok(Some(event))
}

/// The tensors of an event: its inputs in order, then its output.
///
/// # Errors
/// If the file is not there or lacks one.
pub fn tensors(hub: &Path, event: &Event) -> Result<Vec<SavedTensor>> {
    // the name is the schema's: what a foreign event says could lead anywhere
    let path = hub.join(TENSORS);
    let names = event.inputs.iter().map(|s| s.tensor.as_str());
    names
        .chain([OUTPUT])
        .map(|name| {
            let (shape, complex, values) = match read_array(&path, name)? {
                Values::Real(a) => (a.shape().to_vec(), false, a.into_iter().collect()),
                Values::Complex(a) => {
                    let pairs = a.iter().flat_map(|z| [z.re, z.im]);
                    (a.shape().to_vec(), true, pairs.collect())
                }
            };
            Ok(SavedTensor {
                name: name.to_owned(),
                shape,
                complex,
                values,
            })
        })
        .collect()
}
