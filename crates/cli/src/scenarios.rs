//! `ptyproof scenarios`: what is built in, and the counts each derives.

use comfy_table::{CellAlignment, Table};

use super::args::ScenariosArgs;
use super::exit::Exit;
use super::run::snapshot;
use ptyproof::error::Result;
use ptyproof_harness::scenario::{Overrides, Scenario};

/// Columns of numbers, aligned to the right.
const NUMBERS: std::ops::Range<usize> = 1..11;

pub(super) fn run(args: &ScenariosArgs) -> Result<Exit> {
    let snapshot = snapshot(args.snapshot.as_deref())?;
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "scenario", "N", "gridsize", "patterns", "train", "test", "groups", "inferred", "batch",
        "epochs", "photons", "probe", "profile",
    ]);
    for name in snapshot.names() {
        let s = Scenario::resolve(&snapshot, name, &Overrides::default())?;
        let mut probe = format!("{}, scale {}", s.probe_mode.name(), s.probe_scale);
        for (set, word) in [(s.probe_big, "big"), (s.probe_mask, "masked")] {
            if set {
                probe = format!("{probe}, {word}");
            }
        }
        let profile = s.profile();
        table.add_row([
            s.name.clone(),
            s.n.get().to_string(),
            s.gridsize.get().to_string(),
            s.total_images.to_string(),
            s.train_count.to_string(),
            s.test_count.to_string(),
            s.train_groups().used.to_string(),
            s.inference_groups().used.to_string(),
            s.batch_size.to_string(),
            s.nepochs.to_string(),
            format!("{:e}", s.nphotons),
            probe,
            if profile.active {
                "stable".into()
            } else {
                "-".to_owned()
            },
        ]);
    }
    for k in NUMBERS {
        if let Some(column) = table.column_mut(k) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    outln!("{table}");
    Ok(Exit::Success)
}
