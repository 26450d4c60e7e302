//! Network and engine on one page: of a scenario, of a file, and what cannot be compared.

use super::scan::{SMALL, Scan};
use super::{json, said, text};
use std::fs;
use std::path::Path;

/// A network that is ready in a second.
const SHORT: [&str; 14] = [
    "--nepochs",
    "1",
    // close together, or most of the time goes into the holes between them
    "--buffer",
    "140",
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

/// The same for a file, which holds what it holds.
fn short_of_file<'a>() -> impl Iterator<Item = &'a str> {
    let displaced = ["--base-total-images", "24", "--buffer", "140"];
    SHORT.into_iter().filter(move |a| !displaced.contains(a))
}

#[test]
fn scenario_is_compared_with_its_ground_truth() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("one page");
    let args = ["compare", "--scenario", "gs1_ideal", "-q", "-o", text(&out)];
    // twelve groups cover a fifth of what the scan covers, and a ninth of its patterns
    let sparse = ["--known-at-least", "0.1"];
    let done = said(args.iter().chain(&SHORT).chain(&sparse).copied());
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
    let found = json(&out.join("comparison.json"));
    let side = |name: &str| &found[name]["fidelity"];
    // both on the same pixels of the same region
    assert!(side("network")["region"].is_array());
    assert_eq!(side("network")["region"], side("engine")["region"]);
    assert!(side("network")["pixels"].as_u64().unwrap() > 100);
    // half of the groups were asked for, to train and to infer, each drawn of all patterns: what was not trained on is counted
    let seen = &found["network_seen"];
    assert_eq!(
        [&seen["trained"], &seen["inferred"], &seen["both"]],
        [12, 12, 6]
    );
    let told =
        "trained on 12 patterns and inferred 12, 6 of which it had seen; the engine used all 24";
    assert!(page.contains(told) && done.out.contains(told), "{page}");
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
    done.ended(2, &["there already"]);
}

#[test]
fn file_without_ground_truth_is_compared_with_the_engine() {
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
    let args = [
        "compare",
        "--data",
        text(&data),
        "-q",
        "-o",
        text(&out),
        "--split",
        "halves",
    ];
    let done = said(args.iter().copied().chain(short_of_file()));
    // the network reconstructs no pattern completely: no detector figure can be computed
    done.ended(4, &[]);
    let verdict = "UNDECIDED: network on the detector: 0 of 36 non-zero patterns";
    assert!(done.out.contains(verdict), "{done:#?}");
    let figures = json(&out.join("comparison.json"));
    assert_eq!(figures["network"]["detector"]["residual"], "NaN");
    let log = fs::read_to_string(out.join("network/runner.log")).unwrap();
    assert!(log.contains("phases of overlapping objects"), "{log}");
    assert!(
        !done.out.contains("ground truth") && done.out.contains("network against engine"),
        "{done:#?}"
    );
    let page = fs::read_to_string(out.join("comparison.html")).unwrap();
    assert!(
        page.contains("difference.png") && !page.contains("truth"),
        "{page}"
    );
    // the network learned with the probe that the engine refined
    assert_eq!(probe_of(&out), (true, "engine".into()));
    assert!(page.contains("the probe that the engine refined"), "{page}");
    let told = "inferred 16, none of which it had seen; the engine used all 36";
    assert!(page.contains(told), "{page}");
}

#[test]
fn defaults_match_the_help() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("scan.npz"), dir.path().join("page"));
    let scan = Scan {
        n: 64,
        // the fewest that have seven neighbors
        side: 3,
        origin: 40.0,
        object: true,
        probe: true,
    };
    scan.write(&data);
    // its forty epochs alone are typed otherwise: they take half a minute
    let short = [
        "--iterations",
        "2",
        "--threads",
        "1",
        "-q",
        "--nepochs",
        "2",
    ];
    let args = ["compare", "--data", text(&data), "-o", text(&out)];
    let done = said(args.into_iter().chain(short));
    // of three by three patterns the network reconstructs the center, and none completely
    done.ended(4, &[]);
    let verdict = "UNDECIDED: network on the detector: 0 of 9 non-zero patterns";
    assert!(done.out.contains(verdict), "{done:#?}");
    let told = |file: &str| json(&out.join(file));
    let run = told("network/run_metadata.json");
    let settings = &run["configuration"]["settings"];
    assert_eq!(
        [
            &run["group_count"],
            &run["group_limit"],
            &settings["gridsize"],
            &settings["batch_size"]
        ],
        [9, 9, 2, 4]
    );
    assert_eq!(settings["split"], "none");
    assert_eq!(run["cli_args"]["reassemble_m"], 24);
    assert_eq!(run["cli_args"]["phases"], "overlaps");
    let seen = &told("comparison.json")["network_seen"];
    assert_eq!(seen["trained"], 9);
    assert!(
        done.out
            .contains("have seen the same patterns, all of them"),
        "{done:#?}"
    );
    // everything that reads such a run: its files, its score, itself
    let hub = out.join("network");
    for (args, code) in [
        (&["hub", "verify", text(&hub)][..], 0),
        (&["score", text(&hub)], 4),
        (&["scale-audit", text(&hub)], 0),
        (&["hub", "diff", text(&hub), text(&hub)], 0),
    ] {
        let done = said(args.iter().copied());
        assert_eq!(done.code, code, "{args:?}: {done:#?}");
    }
    // an account that does not add up is told
    let file = hub.join("run_metadata.json");
    let corrupted = fs::read_to_string(&file)
        .unwrap()
        .replace("\"train_count\": 9", "\"train_count\": 8");
    fs::write(&file, corrupted).unwrap();
    said(["hub", "verify", text(&hub)]).ended(1, &[]);
    assert!(
        said(["hub", "verify", text(&hub)])
            .out
            .contains("8 training and 9 test images are not 9 in total")
    );
}

/// Whether the network was told a probe, as a custom one without a mask, and whence the page says it has it.
fn probe_of(out: &Path) -> (bool, String) {
    let read = |file: &str| json(&out.join(file));
    let told = &read("network/run_metadata.json")["cli_args"];
    let named = told["custom_probe"].is_string();
    let resolved = read("network/run_metadata.json").to_string();
    assert!(
        !named || resolved.contains("\"probe_mode\":\"custom\""),
        "{resolved}"
    );
    let of = read("comparison.json")["network_probe"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(of.starts_with("engine"), out.join("probe.npz").is_file());
    (named, of)
}

#[test]
fn network_uses_the_probe_chosen_by_the_flag() {
    let dir = tempfile::tempdir().unwrap();
    let scan = |probe| {
        let path = dir.path().join(format!("probe_{probe}.npz"));
        let scan = Scan {
            n: 64,
            side: 6,
            origin: 40.0,
            object: false,
            probe,
        };
        scan.write(&path);
        path
    };
    let (with, without) = (scan(true), scan(false));
    for (k, (data, more, named, of)) in [
        (&with, &["--network-probe", "file"][..], false, "given"),
        (&with, &["--probe-mode", "idealized"], false, "scenario"),
        (&with, &["--custom-probe", text(&with)], true, "custom"),
        (&with, &["--modes", "2"], true, "engine_of_one_mode"),
        (&with, &["--scenario", "gs1_ideal"], true, "engine"),
        (&without, &[], true, "engine"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = dir.path().join(k.to_string());
        let args = ["compare", "--data", text(data), "-q", "-o", text(&out)];
        let done = said(args.iter().chain(more).copied().chain(short_of_file()));
        // no pattern lies whole in what twelve groups reconstruct
        assert_eq!(done.code, 4, "{more:?}: {done:#?}");
        assert_eq!(probe_of(&out), (named, of.into()), "{more:?}");
        assert_eq!(
            out.join("engine_of_one_mode").exists(),
            of == "engine_of_one_mode"
        );
    }
}

#[test]
fn incomparable_input_is_refused_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("page");
    let small = dir.path().join("small.npz");
    SMALL.write(&small);
    let far = dir.path().join("far.npz");
    let wide = Scan {
        n: 64,
        side: 6,
        origin: 1e6,
        object: false,
        probe: true,
    };
    wide.write(&far);
    let engines = ["--network-probe", "engine"];
    for (args, code, words) in [
        (vec!["--scenario", "no_such"], 2, "no_such"),
        (vec!["--data", "no such.npz"], 2, "no such.npz"),
        (
            vec!["--scenario", "gs1_ideal", "--iterations", "0"],
            2,
            "--iterations",
        ),
        (vec![], 2, "--data"),
        // the network has no place for patterns of 16 pixels, which an engine would take
        (vec!["--data", text(&small)], 2, "16"),
        (
            [&["--scenario", "gs1_ideal"], &engines[..]].concat(),
            2,
            "a simulation, whose probe is known",
        ),
        (
            [
                &["--data", text(&small), "--probe-mode", "idealized"],
                &engines[..],
            ]
            .concat(),
            2,
            "a --probe-mode or --custom-probe as well",
        ),
        // an engine would take them, and the network's canvas is counted from the origin
        (vec!["--data", text(&far)], 2, "canvas"),
        (vec!["--scenario", "gs1_custom"], 2, "--custom-probe"),
    ] {
        let done = said(["compare", "-o", text(&out)].into_iter().chain(args));
        done.ended(code, &[words]);
        assert!(!out.exists());
    }
}

#[test]
fn small_simulation_with_a_custom_probe_is_compared() {
    let dir = tempfile::tempdir().unwrap();
    let (probe, out) = (dir.path().join("probe.npz"), dir.path().join("page"));
    let scan = Scan {
        n: 64,
        side: 3,
        origin: 40.0,
        object: false,
        probe: true,
    };
    scan.write(&probe);
    let args = [
        "compare",
        "--scenario",
        "gs1_custom",
        "--custom-probe",
        text(&probe),
    ];
    // fewer positions than the scenario has groups: as many groups as there are patterns
    let few = [
        "--base-total-images",
        "16",
        "--nepochs",
        "1",
        "--iterations",
        "2",
        "--threads",
        "1",
    ];
    let done = said(args.into_iter().chain(few).chain(["-q", "-o", text(&out)]));
    // four groups cover a twenty-fifth of what the scan covers
    done.ended(4, &[]);
    let verdict = "UNDECIDED: network against ground truth";
    assert!(done.out.contains(verdict), "{done:#?}");
    let run = json(&out.join("network/run_metadata.json"));
    assert_eq!([&run["group_count"], &run["group_limit"]], [16, 16]);
    // what the command chose is not said to have been typed
    let of = |field: &str| {
        let all = run["overrides"].as_array().unwrap();
        all.iter().find(|o| o["field"] == field).unwrap()["source"].clone()
    };
    assert_eq!([of("group_count"), of("nepochs")], ["command", "cli"]);
}

#[test]
fn diverged_network_sets_the_exit_code_and_both_hubs_are_complete() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("page");
    // at this dose the moments of the gradient leave float32 in the first step
    let args = [
        "compare",
        "--scenario",
        "gs1_ideal",
        "--nphotons",
        "1e30",
        "-q",
        "-o",
        text(&out),
    ];
    let done = said(args.iter().chain(&SHORT).copied());
    done.ended(3, &[]);
    // the page has no figure of it, and says so
    let figures = json(&out.join("comparison.json"));
    assert_eq!(figures["network"]["fidelity"]["nrmse"], "NaN", "{figures}");
    assert_eq!(figures["network"]["fidelity"]["known"], 0.0, "{figures}");
    said(["hub", "verify", text(&out.join("engine"))]).ended(0, &[]);
    let network = said(["hub", "verify", text(&out.join("network"))]);
    assert_eq!(network.code, 3, "{network:#?}");
    said(["replay", text(&out.join("network"))]).ended(0, &[]);
}
