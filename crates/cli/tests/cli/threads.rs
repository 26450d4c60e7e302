//! `--threads` is how many there are: nothing works on threads that nobody asked for.

use super::scan::SMALL;
use super::{program, text};
use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

/// The most threads that the program had while it lived, if this system tells. Work outside its pool would start another one, of
/// ninety.
fn most(args: &[&str]) -> Option<usize> {
    let mut child = (program().args(args).env("RAYON_NUM_THREADS", "90"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let tasks = format!("/proc/{}/task", child.id());
    let mut most = None;
    loop {
        most = most.max(fs::read_dir(&tasks).map(Iterator::count).ok());
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(
                ended.code().is_some_and(|c| c == 0 || c == 4),
                "{args:?}: {ended}"
            );
            return most;
        }
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn every_command_uses_the_requested_threads() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&dir.path().join(name)).to_owned();
    let data = at("scan.npz");
    SMALL.write(data.as_ref());
    let simulated =
        "--scenario gs1_ideal --base-total-images 24 --group-count 12 --nepochs 2 --buffer 140";
    for (command, more) in [
        (format!("run {simulated} --group-limit 4 -o"), "run"),
        (format!("compare {simulated} --iterations 3 -o"), "page"),
        (
            format!("reconstruct {data} --engine lsqml --iterations 3 -o"),
            "engine",
        ),
        (format!("doctor {data} --output-json"), "doctor.json"),
    ] {
        let out = at(more);
        let mut args: Vec<&str> = command.split(' ').collect();
        args.extend([&out, "--threads", "2"]);
        let Some(most) = most(&args) else {
            return super::skip(
                super::SkipReason::Machine,
                "this system does not tell a program's threads",
            );
        };
        // those, the first, one that hears the signals; a comparison keeps its own while engine and network have others, whose end
        // nobody waits for
        assert!((1..=8).contains(&most), "{command}: {most} threads");
    }
}
