//! The first non-finite event: told, written, and done again.

use super::{checkpoint, names, run, said, text, tiny};
use serde_json::Value;
use std::fs;

/// So bright that the square of the first gradient is beyond float32, on any machine.
const BLINDING: [&str; 4] = ["--nphotons", "1e30", "--seed", "2"];

/// So bright that the square of one gradient is just below float32 in the first epoch, and beyond it in the second.
pub(super) const AMID: [&str; 4] = ["--nphotons", "1.3e26", "--seed", "5"];

#[test]
fn event_is_reported_written_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("a hub");
    let ran = said(tiny(&hub, 3, &BLINDING));
    ran.ended(
        3,
        &[
            "first non-finite event: step 1 (epoch 0)",
            "overflow of the squared gradient",
        ],
    );
    let event: Value =
        serde_json::from_slice(&fs::read(hub.join("nonfinite_event.json")).unwrap()).unwrap();
    assert_eq!(event["schema"], "ptyproof.nonfinite_event/1");
    assert_eq!(
        (&event["cause"], &event["stage"]),
        (&"overflow_of_squared_gradient".into(), &"optimizer".into())
    );
    // the checkpoint before the event stays, the others go
    let kept = names(&hub.join("train_outputs/checkpoints"));
    assert_eq!(
        kept,
        [0, 3].map(|e| checkpoint(e).rsplit('/').next().unwrap().to_owned())
    );

    let again = said(["replay", text(&hub)]);
    again.ended(0, &[]);
    let rows: Vec<Vec<&str>> = again
        .out
        .lines()
        .filter(|l| l.starts_with("  float"))
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 4, "{}", again.out);
    for row in rows {
        // the square overflows in float32 only, whatever the numerics
        assert_eq!(row[3] != "0", row[0] == "float32", "{row:?}");
    }
    for threads in ["1", "3"] {
        let step = said(["replay", text(&hub), "--step", "--threads", threads]);
        step.ended(0, &[]);
        assert!(
            step.out.contains("as in the hub, to the bit"),
            "{}",
            step.out
        );
        assert!(!step.out.contains("different bits"), "{}", step.out);
    }
}

#[test]
fn event_is_replayed_at_its_planned_learning_rate() {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("hub");
    said(tiny(&hub, 6, &AMID)).ended(3, &["step 4 (epoch 1)"]);
    let step = said(["replay", text(&hub), "--step"]);
    step.ended(0, &[]);
    assert!(step.out.contains("as in the hub, to the bit"), "{step:?}");
    assert!(!step.out.contains("different bits"), "{step:?}");
}

#[test]
fn tampered_event_is_not_reproduced() {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("hub");
    said(tiny(&hub, 1, &BLINDING)).ended(3, &[]);
    let steps = hub.join("train_outputs/history_steps.json");
    let event = hub.join("nonfinite_event.json");
    let edit = |path: &std::path::Path, change: &dyn Fn(&mut Value)| {
        let mut v: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        change(&mut v);
        fs::write(path, v.to_string()).unwrap();
    };
    let before = fs::read(&steps).unwrap();
    edit(&steps, &|v| v["columns"]["gradient_norm"][0] = 1.0.into());
    let step = said(["replay", text(&hub), "--step"]);
    step.ended(1, &[]);
    assert!(step.out.contains("differ from step 1 on"), "{}", step.out);
    fs::write(&steps, before).unwrap();

    let before = fs::read(&event).unwrap();
    for change in [
        &|v: &mut Value| v["tensor"] = "loss.foo".into(),
        &|v: &mut Value| v["output"]["pos_inf"] = 7.into(),
        &|v: &mut Value| v["members"] = Value::Array(Vec::new()),
    ] as [&dyn Fn(&mut Value); 3]
    {
        edit(&event, change);
        let step = said(["replay", text(&hub), "--step"]);
        step.ended(1, &[]);
        assert!(step.out.contains("not the recorded one"), "{}", step.out);
        fs::write(&event, &before).unwrap();
    }
    edit(&event, &|v| v["output"]["pos_inf"] = 7.into());
    let told = said(["replay", text(&hub)]);
    told.ended(1, &[]);
    assert!(told.out.contains("the event tells of"), "{}", told.out);
    edit(&event, &|v| v["step"] = 0.into());
    said(["replay", text(&hub), "--step"]).ended(2, &["a checkpoint after step 0"]);
    edit(&event, &|v| v["schema"] = "other/2".into());
    said(["replay", text(&hub)]).ended(2, &["other/2"]);
    fs::write(&event, &before).unwrap();

    edit(&event, &|v| v["configuration_hash"] = "0".into());
    said(["replay", text(&hub), "--step"]).ended(2, &["an event of configuration 0"]);
    fs::remove_file(hub.join("nonfinite_event.npz")).unwrap();
    said(["replay", text(&hub)]).ended(2, &["nonfinite_event.npz"]);
    fs::write(&event, "{").unwrap();
    said(["replay", text(&hub)]).ended(2, &["reading an event"]);
}

#[test]
fn healthy_hub_has_nothing_to_replay() {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("hub");
    run(&hub, 1, &[]);
    said(["replay", text(&hub)]).ended(2, &["no nonfinite_event.json"]);
    said(["replay", "/does/not/exist"]).ended(2, &["/does/not/exist"]);
    said(["replay", text(&hub), "--threads", "2"]).ended(2, &["--step"]);
}
