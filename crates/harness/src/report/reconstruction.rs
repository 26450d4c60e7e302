//! A reconstruction's iterations as people see them.

use crate::plot::{Chart, Curve, charts};
use ptyproof::error::Result;
use ptyproof::records::history::History;

/// The picture of the iterations: the residual, what moved, and the probe's power.
///
/// # Errors
/// None that a history can cause.
pub fn picture(name: &str, history: &History) -> Result<Vec<u8>> {
    let curve = |metric: &str, label: &str| {
        let values = history.metrics.get(metric);
        let points = values.into_iter().flatten().enumerate();
        Curve {
            label: label.into(),
            points: points.map(|(k, v)| (k as f64, *v)).collect(),
        }
    };
    let chart = |title: &str, curves: Vec<Curve>| Chart {
        title: title.into(),
        x: "iteration".into(),
        curves,
    };
    let moved = vec![
        curve("object_update", "object, relative"),
        curve("position_update", "positions (px)"),
    ];
    let all = [
        chart("residual", vec![curve("residual", "all patterns")]),
        chart("change per iteration", moved),
        chart("probe power", vec![curve("probe_power", "all modes")]),
    ];
    charts(&format!("{name}: iterations"), &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_history_is_drawn() {
        let mut h = History::default();
        picture("empty", &h).unwrap();
        h.push(
            0.0,
            [("residual", f64::NAN), ("probe_power", f64::INFINITY)],
        );
        picture("bad", &h).unwrap();
    }
}
