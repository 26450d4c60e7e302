//! The first difference of two runs: the settings that differ, and the first tensor, step or value that differs.

use serde::Serialize;
use serde_json::Value;

use super::side::{Leaf, Side, Values};
use super::tolerance::{Step, written};
use crate::hub::dir;
use crate::records::stage::{Stage, Stages};

/// Fields of the metadata that define the run.
const SETTINGS: [&str; 20] = [
    "buffer",
    "configuration",
    "group_count",
    "group_limit",
    "neighbor_count",
    "nepochs",
    "nphotons",
    "numerics",
    "object_seed",
    "probe_mode",
    "probe_scale",
    "profile",
    "scenario",
    "seeds",
    "sim_seed",
    "split",
    "split_fraction",
    "test_count",
    "total_images",
    "train_count",
];

/// The stages that training comes after.
const BEFORE_TRAINING: [&str; 7] = [
    "specimen",
    "scan",
    "diffraction",
    "grouping",
    "normalization",
    "labels",
    "initial weights",
];

/// Metrics of a step in the order in which a step makes them.
const METRICS: [&str; 10] = [
    "batch_size",
    "learning_rate",
    "loss",
    "pred_intensity_loss",
    "intensity_scaler_inv_loss",
    "non_finite_prediction",
    "gradient_norm",
    "non_finite_gradient",
    "update_norm",
    "non_finite_parameters",
];

/// Where two runs part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct First {
    /// Settings that differ: place, first hub's, second's.
    pub settings: Vec<[String; 3]>,
    /// Stages that are bit-identical before the place.
    pub identical: Vec<Tensor>,
    /// The first thing that differs in any bit.
    pub place: Option<Place>,
}

/// Bit-identical stages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tensor {
    /// The stage of the run.
    pub stage: String,
    /// Tensor, or how much of a training.
    pub tensor: String,
}

impl Tensor {
    /// A tensor at a stage.
    pub fn new(stage: &str, tensor: &str) -> Self {
        Self {
            stage: stage.into(),
            tensor: tensor.into(),
        }
    }
}

/// The first thing that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    /// The stage of the run.
    pub stage: String,
    /// Tensor or metric.
    pub tensor: String,
    /// Step, or epoch where steps are not recorded.
    pub step: Option<String>,
    /// Description of the difference.
    pub how: String,
    /// Whether nothing random or iterated came before: then no tolerance is due.
    pub deterministic: bool,
}

/// Looks for it. `None` for the place if nothing that both recorded differs.
pub(super) fn first(a: &Side, b: &Side) -> First {
    let mut found = First {
        settings: settings(a, b),
        identical: Vec::new(),
        place: None,
    };
    let [sa, sb] = [a, b].map(|s| stages(s).unwrap_or_default());
    let early = |s: &Stage| BEFORE_TRAINING.contains(&s.stage.as_str());
    found.place = part(&sa, &sb, early, &mut found.identical)
        .or_else(|| training(a, b, &mut found.identical))
        .or_else(|| part(&sa, &sb, |s| !early(s), &mut found.identical));
    found
}

fn settings(a: &Side, b: &Side) -> Vec<[String; 3]> {
    let empty = Values::new();
    let [x, y] = [a, b].map(|s| s.values.get(dir::METADATA).unwrap_or(&empty));
    let own = a.own && b.own;
    let mut all: Vec<&Vec<Step>> = x.keys().chain(y.keys()).collect();
    all.sort();
    all.dedup();
    let chosen =
        |p: &&Vec<Step>| matches!(p.first(), Some(Step::Name(n)) if SETTINGS.contains(&n.as_str()));
    all.into_iter()
        .filter(chosen)
        .filter_map(|p| {
            let (u, v) = (x.get(p), y.get(p));
            let both = u.is_some() && v.is_some();
            let same = match (u, v) {
                (Some(u), Some(v)) => u.is(v),
                _ => u == v,
            };
            let show = |l: Option<&Leaf>| l.map_or("absent".into(), ToString::to_string);
            (!same && (both || own)).then(|| [written(p, false), show(u), show(v)])
        })
        .collect()
}

/// The stage digests of a hub, if it has them.
fn stages(side: &Side) -> Option<Vec<Stage>> {
    let text = std::fs::read_to_string(side.path.join(dir::STAGES)).ok()?;
    let value: Value = crate::json::from_text(&text).ok()?;
    serde_json::from_value::<Stages>(value)
        .ok()
        .map(|s| s.stages)
}

fn part(
    a: &[Stage],
    b: &[Stage],
    which: impl Fn(&Stage) -> bool,
    identical: &mut Vec<Tensor>,
) -> Option<Place> {
    for s in a.iter().filter(|s| which(s)) {
        let Some(t) = b
            .iter()
            .find(|t| t.stage == s.stage && t.tensor == s.tensor)
        else {
            continue;
        };
        if s.sha256 == t.sha256 && s.shape == t.shape && s.dtype == t.dtype {
            identical.push(Tensor::new(&s.stage, &s.tensor));
            continue;
        }
        let how = if (&s.shape, &s.dtype) == (&t.shape, &t.dtype) {
            let pairs = [
                ("2-norm", s.norm, t.norm),
                ("smallest", s.min, t.min),
                ("largest", s.max, t.max),
            ];
            let differences: Vec<String> = pairs
                .iter()
                .filter(|(_, u, v)| u != v)
                .map(|(name, u, v)| format!("{name} {:?} and {:?}", u.get(), v.get()))
                .collect();
            let bad = (s.non_finite != t.non_finite)
                .then(|| format!("not finite {} and {}", s.non_finite, t.non_finite));
            let differences: Vec<String> = differences.into_iter().chain(bad).collect();
            if differences.is_empty() {
                "different bits or order; norm and range are equal".into()
            } else {
                differences.join(", ")
            }
        } else {
            format!("{} {:?} and {} {:?}", s.dtype, s.shape, t.dtype, t.shape)
        };
        return Some(Place {
            stage: s.stage.clone(),
            tensor: s.tensor.clone(),
            step: None,
            how,
            deterministic: BEFORE_TRAINING.contains(&s.stage.as_str()),
        });
    }
    None
}

/// The first step, else the first epoch, in which a metric has other bits.
fn training(a: &Side, b: &Side, identical: &mut Vec<Tensor>) -> Option<Place> {
    for (file, root, unit, metrics) in [
        (dir::HISTORY_STEPS, "columns", "step", true),
        (dir::HISTORY, "metrics", "epoch", false),
    ] {
        let (Some(x), Some(y)) = (a.values.get(file), b.values.get(file)) else {
            continue;
        };
        let mut series: Vec<String> = METRICS.map(str::to_owned).to_vec();
        if !metrics {
            for p in x.keys() {
                if let [Step::Name(r), Step::Name(m), ..] = &p[..]
                    && r == root
                    && !series.contains(m)
                {
                    series.push(m.clone());
                }
            }
        }
        let value = |v: &Values, m: &str, k: usize| {
            let base = [
                Step::Name(root.into()),
                Step::Name(m.into()),
                Step::Entry(k),
            ];
            let inner = [&base[..], &[Step::Name("value".into())]].concat();
            v.get(&base[..]).or_else(|| v.get(&inner)).cloned()
        };
        for k in 0.. {
            let mut any = false;
            for m in &series {
                let (u, v) = (value(x, m, k), value(y, m, k));
                any |= u.is_some() || v.is_some();
                let same = match (&u, &v) {
                    (Some(u), Some(v)) => u.is(v),
                    _ => u == v,
                };
                if !same {
                    let show = |l: Option<Leaf>| l.map_or("absent".into(), |l| l.to_string());
                    if k > 0 {
                        identical.push(Tensor::new("training", &format!("{k} {unit}s")));
                    }
                    return Some(Place {
                        stage: "training".into(),
                        tensor: m.clone(),
                        step: Some(format!("{unit} {}", if unit == "step" { k + 1 } else { k })),
                        how: format!("{} and {}", show(u), show(v)),
                        deterministic: false,
                    });
                }
            }
            if !any {
                if k > 0 {
                    identical.push(Tensor::new("training", &format!("all {k} {unit}s")));
                }
                break;
            }
        }
        return None;
    }
    None
}
