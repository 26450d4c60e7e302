//! `ptyproof scenarios`: what is built in, and the counts each derives.

use super::args::ScenariosArgs;
use super::exit::Exit;
use super::fit::stdout_width;
use ptyproof::error::Result;
use ptyproof::number::{count, figure};
use ptyproof_harness::pipeline::request::snapshot;
use ptyproof_harness::report::columns::{Side, columns};
use ptyproof_harness::scenario::{Overrides, Scenario};

const HEAD: [(&str, Side); 13] = [
    ("scenario", Side::Left),
    ("N", Side::Right),
    ("gridsize", Side::Right),
    ("patterns", Side::Right),
    ("train", Side::Right),
    ("test", Side::Right),
    ("groups", Side::Right),
    ("inferred", Side::Right),
    ("batch", Side::Right),
    ("epochs", Side::Right),
    ("photons", Side::Right),
    ("probe", Side::Left),
    ("profile", Side::Left),
];

pub(super) fn run(args: &ScenariosArgs) -> Result<Exit> {
    let snapshot = snapshot(args.snapshot.as_deref())?;
    let mut rows = Vec::new();
    for name in snapshot.names() {
        let s = Scenario::resolve(&snapshot, name, &Overrides::default())?;
        let mut probe = format!("{}, scale {}", s.probe_mode.name(), s.probe_scale);
        for (set, word) in [(s.probe_big, "big"), (s.probe_mask, "masked")] {
            if set {
                probe = format!("{probe}, {word}");
            }
        }
        let profile = s.profile();
        rows.push(vec![
            s.name.clone(),
            s.n.get().to_string(),
            s.gridsize.get().to_string(),
            count(s.total_images),
            count(s.train_count),
            count(s.test_count),
            count(s.train_groups().used),
            count(s.inference_groups().used),
            s.batch_size.to_string(),
            s.nepochs.to_string(),
            figure(s.nphotons, 6),
            probe,
            if profile.active {
                "stable".into()
            } else {
                "-".to_owned()
            },
        ]);
    }
    out!("{}", columns(&HEAD, &rows, 0, stdout_width()));
    Ok(Exit::Success)
}
