//! What the program writes to: streams that are gone or full, devices, links, and two writers of one file.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Stdio};

use super::scan::{SMALL, Scan};
use super::{program, said, text, tiny};

/// A device that answers every write with "no space left", where there is one.
fn full() -> Option<Stdio> {
    let file = OpenOptions::new().write(true).open("/dev/full");
    if file.is_err() {
        super::skip(super::SkipReason::Machine, "this system has no /dev/full");
    }
    file.ok().map(Stdio::from)
}

fn measured(dir: &Path) -> std::path::PathBuf {
    let data = dir.join("scan.npz");
    SMALL.write(&data);
    data
}

#[test]
fn closed_log_pipe_does_not_stop_the_run() {
    let Some(full) = full() else { return };
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    let mut run = program();
    let done = run.args(tiny(&hub, 1, &[])).stderr(full).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    said(["hub", "verify", text(&hub)]).ended(0, &[]);
}

#[test]
fn closed_stderr_keeps_the_exit_code() {
    let Some(full) = full() else { return };
    let done = program()
        .args(["inspect", "nothing.npz"])
        .stderr(full)
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2), "{done:?}");
}

#[test]
fn full_disk_fails_the_report_but_broken_pipe_does_not() {
    let Some(full) = full() else { return };
    let done = program().arg("scenarios").stdout(full).output().unwrap();
    assert_eq!(done.status.code(), Some(74), "{done:?}");
    assert!(
        String::from_utf8_lossy(&done.stderr).contains("standard output"),
        "{done:?}"
    );
    let mut child: Child = program()
        .arg("scenarios")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn non_utf8_paths_work_except_in_hub_metadata() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let data = measured(dir.path());
    let odd = dir.path().join(std::ffi::OsStr::from_bytes(b"r\xff.npz"));
    let done = program()
        .arg("convert")
        .arg(&data)
        .arg(&odd)
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(odd.is_file());
    for command in [
        &["reconstruct", "--engine", "epie"][..],
        &["run", "--data"],
        &["compare", "--data"],
    ] {
        let out = text(dir.path()).to_owned() + "/hub";
        let done = program()
            .args(command)
            .arg(&odd)
            .args(["-o", &out])
            .output()
            .unwrap();
        assert_eq!(done.status.code(), Some(2), "{done:?}");
        assert!(
            String::from_utf8_lossy(&done.stderr).contains("not UTF-8"),
            "{done:?}"
        );
        assert!(!Path::new(&out).exists());
    }
}

#[cfg(unix)]
#[test]
fn output_may_be_a_device_and_links_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let data = measured(dir.path());
    let done = said(["inspect", text(&data), "--output-json", "/dev/stdout"]);
    done.ended(0, &[]);
    assert!(done.out.starts_with('{'), "{done:#?}");
    // a file under standard output is the same stream
    let both = dir.path().join("both.txt");
    let mut inspect = program();
    inspect.args(["inspect", text(&data), "--output-json", "/dev/stdout"]);
    let file = fs::File::create(&both).unwrap();
    assert!(inspect.stdout(file).status().unwrap().success());
    assert_eq!(fs::read_to_string(&both).unwrap(), done.out);
    let (target, link) = (dir.path().join("target.json"), dir.path().join("link.json"));
    fs::write(&target, "old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    said(["inspect", text(&data), "--output-json", text(&link)]).ended(0, &[]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&target).unwrap().starts_with('{'));
}

#[test]
fn report_never_overwrites_its_input() {
    let dir = tempfile::tempdir().unwrap();
    let data = measured(dir.path());
    let before = fs::read(&data).unwrap();
    for args in [
        ["inspect", text(&data), "--output-json"],
        ["doctor", text(&data), "--picture"],
        ["scale-audit", text(&data), "--output-markdown"],
        ["history", text(&data), "--output-json"],
        ["score", text(&data), "--output-json"],
    ] {
        said(args.iter().copied().chain([text(&data)])).ended(2, &["the file that is read"]);
    }
    let limits = [
        "canvas-check",
        "--data",
        text(&data),
        "--output-json",
        text(&data),
    ];
    said(limits).ended(2, &["the file that is read"]);
    assert!(fs::read(&data).unwrap() == before);
    let hub = dir.path().join("hub");
    super::run(&hub, 1, &["-q"]);
    let manifest = hub.join("manifest.json");
    let within = hub.join("new.json");
    let history = hub.join("train_outputs/history.json");
    let (hub, manifest, within, history) =
        (text(&hub), text(&manifest), text(&within), text(&history));
    for args in [
        vec!["scale-audit", hub, "--output-json", manifest],
        vec!["scale-audit", hub, "--output-json", within],
        vec!["hub", "verify", hub, "--output-json", manifest],
        vec!["hub", "diff", hub, hub, "--output-json", within],
        vec!["hub", "diff", hub, hub, "--junit", manifest],
        vec!["hub", "diff", hub, hub, "--write-tolerances", within],
        vec!["history", history, "--output-markdown", within],
        vec!["inspect", text(&data), "--output-json", within],
        vec!["hub", "bless", hub, "--golden", hub, "--reason", "x"],
    ] {
        said(&args).ended(2, &["the hub"]);
    }
    said(tiny(&dir.path().join("hub/x"), 1, &[])).ended(2, &["the hub"]);
    said(["hub", "verify", hub]).ended(0, &[]);
}

#[test]
fn two_reports_cannot_share_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let data = measured(dir.path());
    let same = dir.path().join("same");
    let (data, same) = (text(&data), text(&same));
    for args in [
        ["inspect", data, "--output-json", same, "--picture", same],
        ["doctor", data, "--output-json", same, "--picture", same],
        [
            "scale-audit",
            data,
            "--output-json",
            same,
            "--output-markdown",
            same,
        ],
    ] {
        said(args).ended(2, &["two reports for one file"]);
    }
    assert!(!Path::new(same).exists());
    // a stream takes all that it is given
    let both = [
        "inspect",
        data,
        "--output-json",
        "/dev/null",
        "--picture",
        "/dev/null",
    ];
    if Path::new("/dev/null").exists() {
        said(both).ended(0, &[]);
    }
}

#[test]
fn concurrent_conversions_leave_one_complete_file() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (measured(dir.path()), dir.path().join("other.npz"));
    Scan {
        object: !SMALL.object,
        ..SMALL
    }
    .write(&other);
    let out = dir.path().join("out.npz");
    for _ in 0..4 {
        let begin = |from| {
            program()
                .args(["convert", text(from), text(&out)])
                .spawn()
                .unwrap()
        };
        let both = [begin(&one), begin(&other)];
        for mut child in both {
            assert_eq!(child.wait().unwrap().code(), Some(0));
        }
        said(["inspect", text(&out)]).ended(0, &[]);
    }
    let left = super::names(dir.path());
    assert!(
        !left.iter().any(|n| n.ends_with(".being-written")),
        "{left:?}"
    );
}

#[cfg(unix)]
#[test]
fn interrupted_conversion_leaves_no_partial_file() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("in.npz"), dir.path().join("out.npz"));
    // large enough to be met on its way
    let scan = Scan {
        n: 128,
        side: 20,
        ..SMALL
    };
    scan.write(&data);
    for wait in [5, 40, 200] {
        let mut child = program()
            .args(["convert", text(&data), text(&out)])
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let kill = std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let code = child.wait().unwrap().code();
        // before it listens the signal itself ends it, and after it is done there is nothing to end
        assert!([None, Some(0), Some(130)].contains(&code), "{code:?}");
        let left = super::names(dir.path());
        assert!(
            !left.iter().any(|n| n.ends_with(".being-written")),
            "{code:?} {left:?}"
        );
        let _ = fs::remove_file(&out);
    }
}
