//! Stopping and going on: the result is that of a run that was never stopped, byte for byte.

use super::{RESULTS, checkpoint, names, run, said, same, text, tiny};
use std::fs;
use std::path::Path;

#[test]
fn one_epoch_plus_one_resumed_equals_two() {
    let dir = tempfile::tempdir().unwrap();
    let hub = |name: &str| dir.path().join(name);
    // whose learning rate knows nothing of the epochs to come
    let reference = ["--numerics", "reference"];
    run(&hub("half"), 1, &reference);
    let resumed = run(
        &hub("resumed"),
        2,
        &[&reference[..], &["--resume", text(&hub("half"))]].concat(),
    );
    assert!(
        resumed.err.contains("resuming after epoch 1") && !resumed.err.contains("planned for"),
        "{resumed:?}"
    );
    run(&hub("straight"), 2, &reference);
    let trained = checkpoint(2);
    let mut files = RESULTS.to_vec();
    files.push(&trained);
    same(&hub("straight"), &hub("resumed"), &files);
    // and a checkpoint file will do as well as a hub
    let file = hub("half").join(checkpoint(1));
    run(
        &hub("again"),
        2,
        &[&reference[..], &["--resume", text(&file)]].concat(),
    );
    same(&hub("straight"), &hub("again"), &files);
}

#[test]
fn resuming_with_a_longer_schedule_warns() {
    let dir = tempfile::tempdir().unwrap();
    let (half, whole) = (dir.path().join("half"), dir.path().join("whole"));
    run(&half, 1, &[]);
    let resumed = run(&whole, 2, &["--resume", text(&half)]);
    let told = "planned for `nepochs` 1, and is for `nepochs` 2 from here on";
    assert!(resumed.err.contains(told), "{resumed:?}");
    let log = fs::read_to_string(whole.join("runner.log")).unwrap();
    assert!(log.contains(told), "{log}");
}

#[test]
fn checkpoint_of_another_seed_or_scenario_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    run(&old, 1, &[]);
    let from = text(&old);
    let words = [
        "another configuration",
        "the same scenario, flags, seed",
        &checkpoint(1),
    ];
    for other in [
        &["--seed", "2"][..],
        &["--sim-seed", "5"],
        &["--numerics", "reference"],
        &["--nphotons", "1e6"],
        &["--probe-big"],
    ] {
        let args = [&["--resume", from], other].concat();
        let refused = said(tiny(&new, 2, &args));
        if other == ["--probe-big"] || other == ["--numerics", "reference"] {
            refused.ended(2, &["another network"]); // its weights do not even fit
        } else {
            refused.ended(2, &words);
        }
        assert_eq!(names(dir.path()), ["old"], "{other:?}");
    }
}

#[test]
fn resume_needs_at_least_the_epochs_of_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    run(&old, 2, &[]);
    let from = ["--resume", text(&old)];
    said(tiny(&new, 1, &from)).ended(
        2,
        &["after epoch 2, and --nepochs 1", "--nepochs 2 or more"],
    );
    assert_eq!(names(dir.path()), ["old"]);
    run(&new, 2, &from);
    same(&old, &new, &RESULTS);
    said(["hub", "verify", text(&new)]).ended(0, &[]);
}

#[test]
fn invalid_checkpoint_is_refused_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("new");
    let garbage = dir.path().join("garbage.safetensors");
    fs::write(&garbage, [0xA5; 5000]).unwrap();
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let missing = dir.path().join("missing");
    let resume = |path| said(tiny(&new, 2, &["--resume", text(path)]));
    resume(&garbage).ended(2, &["reading a checkpoint", text(&garbage), "damaged"]);
    resume(&empty).ended(
        2,
        &[text(&empty), "no checkpoint", "train_outputs/checkpoints"],
    );
    resume(&missing).ended(2, &[text(&missing), "no checkpoint"]);
    assert_eq!(names(dir.path()), ["empty", "garbage.safetensors"]);
}

#[test]
fn truncated_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    run(&old, 1, &[]);
    let bytes = fs::read(old.join(checkpoint(1))).unwrap();
    let cut = dir.path().join("cut.safetensors");
    for length in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&cut, &bytes[..length]).unwrap();
        said(tiny(&new, 2, &["--resume", text(&cut)])).ended(2, &[text(&cut), "damaged"]);
    }
}

/// Starts a tiny run, presses Ctrl-C at the line that says `until`, and gives what it said from there on.
#[cfg(unix)]
fn interrupted(hub: &Path, epochs: u32, until: &str, more: &[&str]) -> String {
    use super::program;
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    let mut child = program()
        .args(tiny(hub, epochs, more))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(until) {
        line.clear();
        assert!(
            err.read_line(&mut line).unwrap() > 0,
            "no `{until}` was told"
        );
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    rest
}

#[cfg(unix)]
#[test]
fn event_before_an_interruption_is_replayed_after_resume() {
    use super::replay::AMID;

    let dir = tempfile::tempdir().unwrap();
    let (hub, partial) = (dir.path().join("hub"), dir.path().join("hub.partial"));
    interrupted(&hub, 12, "epoch 2/12", &AMID);
    // a longer plan, whose rates are not those that the event came at
    let more = [&AMID[..], &["--resume", text(&partial)]].concat();
    said(tiny(&hub, 16, &more)).ended(3, &["planned for `nepochs` 12"]);
    let step = said(["replay", text(&hub), "--step"]);
    step.ended(0, &[]);
    assert!(step.out.contains("as in the hub, to the bit"), "{step:?}");
}

#[cfg(unix)]
#[test]
fn interrupted_run_resumes_to_the_uninterrupted_result() {
    let epochs = 5;
    let dir = tempfile::tempdir().unwrap();
    let (hub, partial) = (dir.path().join("hub"), dir.path().join("hub.partial"));
    let rest = interrupted(&hub, epochs, "epoch 1/5", &[]);
    for word in ["stopping after this step", "--resume", text(&partial)] {
        assert!(rest.contains(word), "no `{word}` in {rest}");
    }

    assert!(!hub.exists());
    let read = |file: &str| fs::read_to_string(partial.join(file)).unwrap();
    let note: serde_json::Value = serde_json::from_str(&read("INCOMPLETE.json")).unwrap();
    assert_eq!(note["status"], "interrupted");
    assert!(note["command"].as_str().unwrap().contains("gs1_ideal"));
    let history: serde_json::Value =
        serde_json::from_str(&read("train_outputs/history.json")).unwrap();
    let done = history["epochs"].as_array().unwrap().len();
    assert!((1..5).contains(&done), "{history}");
    let saved = names(&partial.join("train_outputs/checkpoints"));
    assert_eq!(saved, [format!("epoch_{done:04}.safetensors")]);

    // into the same place from the partial hub itself
    run(&hub, epochs, &["--resume", text(&partial)]);
    assert!(!partial.exists());
    let problems = ptyproof::hub::manifest::verify(&hub).unwrap();
    assert_eq!(problems, []);
    let straight = dir.path().join("straight");
    run(&straight, epochs, &[]);
    let trained = checkpoint(epochs);
    let mut files = RESULTS.to_vec();
    files.push(&trained);
    same(&straight, &hub, &files);
}

#[cfg(unix)]
#[test]
fn interrupted_inference_is_done_on_resume() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, hub) = (folder.path().join("whole"), folder.path().join("hub"));
    run(&whole, 1, &[]);
    let rest = interrupted(&hub, 1, "epoch 1/1", &[]);
    assert!(rest.contains("error: inferring"), "{rest}");
    let partial = folder.path().join("hub.partial");
    assert!(partial.join("INCOMPLETE.json").is_file());
    run(&hub, 1, &["--resume", text(&partial)]);
    same(&whole, &hub, &RESULTS);
}
