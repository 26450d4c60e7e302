//! Examples in the help of each command. A test parses every line.

/// Lines below the help of a command; the name is as typed, without `ptyproof`.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "ptyproof run --scenario gs1_ideal -o hubs/gs1_ideal",
            "ptyproof doctor scan.npz",
            "ptyproof help hub verify",
        ],
    ),
    (
        "run",
        &[
            "ptyproof run --scenario gs1_ideal -o hubs/gs1_ideal",
            "ptyproof run --data scan.npz --nepochs 20 -o hubs/scan",
            "ptyproof run --scenario gs1_ideal --resume run1.partial -o run1",
        ],
    ),
    (
        "reconstruct",
        &[
            "ptyproof reconstruct scan.npz --engine rpie -o hubs/rpie",
            "ptyproof reconstruct scan.cxi --engine lsqml --modes 3 -o hubs/lsqml",
            "ptyproof reconstruct scan.npz --engine epie --start hubs/rpie -o hubs/epie",
        ],
    ),
    (
        "scenarios",
        &[
            "ptyproof scenarios",
            "ptyproof scenarios --snapshot mine.json",
        ],
    ),
    (
        "canvas-check",
        &[
            "ptyproof canvas-check --scenario gs2_ideal",
            "ptyproof canvas-check --data scan.npz --output-json -",
        ],
    ),
    (
        "history",
        &[
            "ptyproof history hubs/gs1_ideal/train_outputs/history.json",
            "ptyproof history metrics.csv --junit history.xml",
            "ptyproof history - --output-json -",
        ],
    ),
    (
        "replay",
        &[
            "ptyproof replay hubs/nan",
            "ptyproof replay hubs/nan --step --threads 2",
        ],
    ),
    (
        "hub",
        &[
            "ptyproof hub verify hubs/gs1_ideal",
            "ptyproof hub diff golden/gs1_tiny hubs/gs1_tiny",
        ],
    ),
    (
        "hub verify",
        &[
            "ptyproof hub verify hubs/gs1_ideal",
            "ptyproof hub verify hubs/gs1_ideal --output-json - --junit verify.xml",
        ],
    ),
    (
        "hub diff",
        &[
            "ptyproof hub diff golden/gs1_tiny hubs/gs1_tiny",
            "ptyproof hub diff run1 run2 --tolerances tolerances.json --junit diff.xml",
        ],
    ),
    (
        "hub bless",
        &["ptyproof hub bless hubs/gs1_tiny --reason \"the loss has a floor\""],
    ),
    (
        "scale-audit",
        &[
            "ptyproof scale-audit hubs/gs1_ideal",
            "ptyproof scale-audit scan.npz --output-markdown scales.md",
        ],
    ),
    (
        "convert",
        &[
            "ptyproof convert a.npz a.cxi --energy 8000 --distance 2 --pixel-size 20e-9",
            "ptyproof convert scan.cxi scan.npz --store",
        ],
    ),
    (
        "inspect",
        &[
            "ptyproof inspect scan.npz",
            "ptyproof inspect scan.cxi --output-json - --picture scan.png",
        ],
    ),
    (
        "compare",
        &[
            "ptyproof compare --data scan.npz -o hubs/both",
            "ptyproof compare --scenario gs2_ideal --engine lsqml -o hubs/both",
        ],
    ),
    (
        "score",
        &[
            "ptyproof score hubs/rpie --data scan.npz",
            "ptyproof score object.npy --truth truth.npy --at-most nrmse=0.05",
            "ptyproof score hubs/gs1_ideal --output-json -",
        ],
    ),
    (
        "doctor",
        &[
            "ptyproof doctor scan.npz",
            "ptyproof doctor scan.cxi --strict --picture doctor.png",
        ],
    ),
    (
        "completions",
        &["ptyproof completions bash", "ptyproof completions zsh"],
    ),
    (
        "man",
        &["ptyproof man", "ptyproof man --output-dir man/man1"],
    ),
];

/// The examples of a command, as its help shows them; nothing if it has none.
pub(super) fn of(command: &str) -> String {
    let found = EXAMPLES.iter().find(|(name, _)| *name == command);
    found.map_or_else(String::new, |(_, lines)| {
        format!("Examples:\n  {}\n\n", lines.join("\n  "))
    })
}
