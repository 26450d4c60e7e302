//! Network and engine on one page: of a scenario, of a file, and what cannot be compared.

use super::scan::Scan;
use super::{said, text};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// A network that is ready in a second.
const SHORT: [&str; 12] = [
    "--nepochs",
    "1",
    "--base-total-images",
    "24",
    "--group-count",
    "12",
    "--batch-size",
    "4",
    "--iterations",
    "10",
    "--threads",
    "1",
];

#[test]
fn a_scenario_is_simulated_learned_solved_and_compared_with_its_truth() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("one page");
    let args = ["compare", "--scenario", "gs1_ideal", "-q", "-o", text(&out)];
    let done = said(args.iter().chain(&SHORT).copied());
    assert_eq!(done.code, 0, "{done:#?}");
    let page = fs::read_to_string(out.join("comparison.html")).unwrap();
    for picture in [
        "amplitude.png",
        "phase.png",
        "difference.png",
        "residuals.png",
    ] {
        assert!(page.contains(picture), "{page}");
        assert!(fs::read(out.join(picture)).unwrap().starts_with(b"\x89PNG"));
    }
    let found: Value =
        serde_json::from_str(&fs::read_to_string(out.join("comparison.json")).unwrap()).unwrap();
    let side = |name: &str| &found[name]["fidelity"];
    // both on the same pixels of the same region
    assert_eq!(side("network")["region"], side("engine")["region"]);
    assert!(side("network")["pixels"].as_u64().unwrap() > 100);
    // the engine has the probe, and noise is small: it explains what it was given
    assert!(
        found["engine"]["detector"]["residual"].as_f64().unwrap() < 0.2,
        "{found}"
    );
    // the hubs and the data stand on their own
    for hub in ["network", "engine"] {
        let done = said(["hub", "verify", text(&out.join(hub))]);
        assert_eq!(done.code, 0, "{done:#?}");
    }
    let done = said(["inspect", text(&out.join("gs1_ideal.npz"))]);
    assert!(done.out.contains("24"), "{done:#?}");
    // and never onto what is there
    let done = said(args.iter().chain(&SHORT).copied());
    done.ended(1, &["there already"]);
}

#[test]
fn a_measured_file_without_truth_is_compared_with_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("scan.npz"), dir.path().join("page"));
    Scan {
        n: 64,
        side: 6,
        origin: 40.0,
        object: false,
        probe: true,
    }
    .write(&data);
    let args = ["compare", "--data", text(&data), "-q", "-o", text(&out)];
    let short: Vec<&str> = SHORT
        .iter()
        .copied()
        .filter(|a| !["--base-total-images", "24"].contains(a))
        .collect();
    let done = said(args.iter().copied().chain(short));
    assert_eq!(done.code, 0, "{done:#?}");
    assert!(
        !done.out.contains("(truth)") && done.out.contains("network against engine"),
        "{done:#?}"
    );
    let page = fs::read_to_string(out.join("comparison.html")).unwrap();
    assert!(
        page.contains("difference.png") && !page.contains("truth"),
        "{page}"
    );
    // the network learned with the probe that the engine refined, unless told otherwise
    let told = |out: &Path| {
        let text = fs::read_to_string(out.join("network/run_metadata.json")).unwrap();
        text.contains("custom_probe")
    };
    assert!(out.join("probe.npz").is_file() && told(&out));
    let out = dir.path().join("given");
    let args = ["compare", "--data", text(&data), "-q", "-o", text(&out)];
    let given = ["--network-probe", "given"];
    let short = SHORT.iter().skip(4).copied();
    let done = said(
        args.iter()
            .chain(&given)
            .copied()
            .chain(["--nepochs", "1"])
            .chain(short),
    );
    assert_eq!(done.code, 0, "{done:#?}");
    assert!(!out.join("probe.npz").exists());
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("page");
    for (args, code, words) in [
        (vec!["--scenario", "no_such"], 2, "no_such"),
        (vec!["--data", "no such.npz"], 1, "no such.npz"),
        (
            vec!["--scenario", "gs1_ideal", "--iterations", "0"],
            2,
            "--iterations",
        ),
        (vec![], 2, "--data"),
    ] {
        let done = said(["compare", "-o", text(&out)].into_iter().chain(args));
        done.ended(code, &[words]);
        assert!(!out.exists());
    }
}
