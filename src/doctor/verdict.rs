//! The verdicts of the trials as findings: supported, contradicted or undecided.

use super::beam_center::BeamCenter;
use super::facts::overlap_of;
use super::finding::{Finding, Severity};
use super::held_out::MIN_PATTERNS;
use super::hypothesis::Power;
use super::neighbor_similarity::NeighborSimilarity;
use super::orientation::Orientation;
use super::ranking::{MAX_DECISIVE_ERROR, Margin, Ranking, Rescaled};
use super::sample::Sample;
use crate::io::inspect::Inspection;

/// Offset of the beam center from the detector center above which a warning is given, pixels.
const MAX_BEAM_OFFSET_PX: f64 = 0.5;
/// A probe with a higher correlation with its twin equals its twin.
const MIN_SELF_TWIN_CORRELATION: f64 = 0.97;

fn factor(m: &Margin) -> String {
    if m.factor.get() > 1e3 {
        return "more than 1000 times the best held-out error".to_owned();
    }
    format!(
        "{:.3} times (scatter {:.3}) the best held-out error",
        m.factor.get(),
        m.scatter.get()
    )
}

/// Findings about the beam center.
pub(super) fn center(beam: &BeamCenter, file: &Inspection) -> Vec<Finding> {
    let [y, x] = beam.offset.map(|v| v.get());
    let [cy, cx] = beam.concentration.map(|v| v.get());
    let evidence = format!(
        "beam center at row {y:+.2}, col {x:+.2} px from [N/2, N/2] (concentration {cy:.2}, {cx:.2})"
    );
    match beam.off_by_half {
        [false, false] => {}
        [true, true] => {
            return vec![
                Finding::new(
                    Severity::Fault,
                    "centre",
                    "DC is not at its declared place: the beam center is off by half the detector along both axes",
                    evidence,
                )
                .advise("shift each pattern by half its size along both axes (fftshift over the last two axes)"),
            ];
        }
        [rows, _] => {
            let axis = if rows { "rows" } else { "columns" };
            return vec![
                Finding::new(
                    Severity::Fault,
                    "centre",
                    format!("the beam center is off by half the detector along the {axis} only"),
                    evidence,
                )
                .advise(
                    "probable cause: fftshift over one axis only, or over the pattern axis too",
                ),
            ];
        }
    }
    if !(cy > 0.1 && cx > 0.1) {
        return vec![Finding::new(
            Severity::Undecided,
            "centre",
            "the mean pattern has no clear center: the place of DC is undecided",
            evidence,
        )];
    }
    let Some(com) = file
        .patterns
        .as_ref()
        .map(|p| p.center_of_mass.map(|v| v.get()))
    else {
        return Vec::new();
    };
    let mass = format!(
        "{evidence}; center of mass row {:+.3}, col {:+.3}",
        com[0], com[1]
    );
    if y.abs() < MAX_BEAM_OFFSET_PX && x.abs() < MAX_BEAM_OFFSET_PX {
        let message = "the beam center agrees with the declared DC";
        return vec![Finding::new(Severity::Note, "centre", message, mass)];
    }
    vec![
        Finding::new(
            Severity::Warning,
            "centre",
            format!("beam center is {} the detector center", away([y, x])),
            mass,
        )
        .advise(
            "the offset equals a phase ramp of 2 pi / N per pixel on the probe, so no residual shows it. If the beam is tilted or the object is a wedge, it is real; otherwise roll the patterns back by this offset",
        ),
    ]
}

/// `3 columns right of`, `2 rows below and 1 column left of`; `less than a pixel from` where both round to zero.
fn away([y, x]: [f64; 2]) -> String {
    let part = |v: f64, unit: &str, [less, more]: [&str; 2]| {
        let count = v.round().abs();
        let side = if v < 0.0 { less } else { more };
        let plural = if count == 1.0 { "" } else { "s" };
        (count > 0.0).then(|| format!("{count} {unit}{plural} {side}"))
    };
    let parts = [
        part(y, "row", ["above", "below"]),
        part(x, "column", ["left of", "right of"]),
    ];
    match parts {
        [None, None] => "less than a pixel from".to_owned(),
        [Some(rows), Some(columns)] => format!("{rows} and {columns}"),
        [Some(part), None] | [None, Some(part)] => part,
    }
}

/// Findings about the parts of the file that the trials ignored.
pub(super) fn unused(sample: &Sample) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(why) = &sample.probe_refused {
        all.push(
            Finding::new(
                Severity::Warning,
                "probe",
                "the probe of the file is invalid and was ignored",
                why,
            )
            .advise("store the probe of these patterns (key probeGuess)"),
        );
    }
    if sample.excluded > 0 {
        all.push(Finding::new(
            Severity::Warning,
            "dose",
            "zero patterns and patterns of unusual dose were excluded from the trials",
            format!(
                "{} of {} near the center of the scan",
                sample.excluded,
                sample.excluded + sample.len()
            ),
        ));
    }
    all
}

/// The reason why no trial ran.
pub(super) fn no_trials(file: &Inspection, sample: Option<&Sample>) -> Finding {
    let message = "no trial could run: orientation, unit and scale are undecided";
    let why = match (&file.patterns, sample) {
        (None, _) => "there are no patterns".to_owned(),
        (Some(p), _) if p.dark_patterns == p.count => "all patterns are zero".to_owned(),
        (Some(p), _) if p.size[0] != p.size[1] || p.size[0] % 2 != 0 || p.size[0] < 8 => {
            format!(
                "patterns are {} x {}; trials need square patterns of an even side of at least 8",
                p.size[0], p.size[1]
            )
        }
        (Some(_), Some(s)) if s.len() < MIN_PATTERNS => {
            format!("{} usable patterns, {MIN_PATTERNS} needed", s.len())
        }
        (Some(_), Some(s)) if s.extent() < 1.0 => "all usable positions are within one pixel".to_owned(),
        (Some(_), Some(_)) => {
            "every trial failed: all patterns are equal, values overflow, or the canvas would be too large".to_owned()
        }
        (Some(p), None) => format!(
            "{} patterns, {} positions",
            p.count,
            file.scan.as_ref().map_or(0, |s| s.count)
        ),
    };
    Finding::new(Severity::Undecided, "orientation", message, why)
}

/// The correction that brings positions into these axes.
fn repair(o: Orientation) -> String {
    let mut steps = Vec::new();
    if o.swap {
        steps.push("swap x and y");
    }
    match (o.negate_x, o.negate_y) {
        (true, true) => steps.push("negate both"),
        (true, false) => steps.push("negate x"),
        (false, true) => steps.push("negate y"),
        (false, false) => {}
    }
    let detector = match (o.swap, o.negate_x, o.negate_y) {
        (false, true, true) => "rotate the patterns by 180 degrees, or conjugate the probe",
        (false, true, false) => "mirror the patterns left to right",
        (false, false, true) => "mirror the patterns top to bottom",
        (true, false, false) => "transpose the patterns",
        (true, true, true) => "transpose the patterns along the other diagonal",
        _ => "rotate the patterns by 90 degrees",
    };
    format!(
        "the (x, y) of the patterns is {o} of the positions: {}; or {detector}",
        steps.join(", then ")
    )
}

/// Whether the trials are decisive: the best hypothesis predicts better than the mean pattern and than shuffled positions.
pub(super) fn decides(r: &Ranking) -> bool {
    r.best.held_out_error.get() < MAX_DECISIVE_ERROR && r.null.is_worse()
}

/// All findings of the trials.
pub(super) fn of(
    r: &Ranking,
    sample: &Sample,
    file: &Inspection,
    similarity: Option<&NeighborSimilarity>,
    self_twin: Option<f64>,
) -> Vec<Finding> {
    let mut all = Vec::new();
    let explained = decides(r);
    let related = similarity.is_none_or(NeighborSimilarity::holds);
    let unrelated = similarity.is_some_and(|k| k.fails(sample.len())) && !explained;
    if let Some(k) = similarity {
        let evidence = format!(
            "patterns of nearest neighbors differ by {:.3} of the difference of random pairs, {:.1} standard deviations below 1",
            k.ratio.get(),
            k.sigma.get()
        );
        all.push(if related {
            let message = "patterns of neighboring positions are similar";
            Finding::new(Severity::Note, "positions", message, evidence)
        } else if explained {
            let message = "patterns of neighboring positions are hardly more similar than random pairs, but they predict each other";
            Finding::new(Severity::Note, "positions", message, evidence)
        } else if !unrelated {
            let message = "whether positions and patterns match: so few neighbors are not significantly more similar than random pairs";
            Finding::new(Severity::Undecided, "positions", message, evidence)
                .advise("use more of the scan, or add a probe (key probeGuess)")
        } else {
            let evidence = format!(
                "{evidence}; held-out error: best hypothesis {:.3}, shuffled positions {:.3}, mean pattern 1",
                r.best.held_out_error.get(),
                r.shuffled
            );
            shuffled(file, evidence)
        });
    }
    all.extend(scale(r, explained));
    if !explained {
        if !unrelated {
            all.push(nothing(r, sample));
        }
        all.extend(unit_by_values(sample));
        return all;
    }
    all.extend(orientation(r, self_twin));
    all.extend(unit(r, sample));
    // without a probe in the file, the reconstructed probe gives the overlap
    if sample.probe.is_none()
        && let Some(s) = &file.scan
        && let Some(pitch) = s.pitch
    {
        let diameter = sample.shrink * diameter(&r.outcome.estimate.probes);
        let overlap = 1.0 - pitch.mean.get() / diameter;
        all.extend(overlap_of(overlap, s, diameter, "the reconstructed probe"));
    }
    all
}

/// The diameter of a disc with the effective area of a probe, pixels.
fn diameter(probe: &[num_complex::Complex32]) -> f64 {
    let intensity = || probe.iter().map(|z| f64::from(z.norm_sqr()));
    let area = intensity().sum::<f64>().powi(2) / intensity().map(|l| l * l).sum::<f64>();
    2.0 * (area / std::f64::consts::PI).sqrt()
}

fn shuffled(file: &Inspection, evidence: String) -> Finding {
    // patterns that do not overlap are never similar
    let overlap = file.scan.as_ref().and_then(|s| s.linear_overlap);
    if overlap.is_some_and(|o| o.get() < 0.1) {
        let message =
            "neighboring patterns are not similar: they do not overlap, or their order is wrong";
        return Finding::new(Severity::Undecided, "positions", message, evidence);
    }
    let message = "positions and patterns do not match: patterns of neighbors are hardly more similar than random pairs (one random order in 160 reaches 2.5 standard deviations)";
    Finding::new(Severity::Fault, "positions", message, evidence).advise(
        "check the order: sorted file names (2 after 10), a shift by one frame, positions of another scan",
    )
}

fn nothing(r: &Ranking, sample: &Sample) -> Finding {
    let evidence = format!(
        "best of {} hypotheses: {}, held-out error {:.3} (1 = mean pattern); shuffled positions {:.3}",
        r.rows.len(),
        r.best.hypothesis,
        r.best.held_out_error.get(),
        r.shuffled
    );
    let advice = if sample.probe.is_some() {
        "possible causes: a probe far from the true one, a wrong scale of the positions, too little overlap, too much noise"
    } else {
        "the file has no probe, and the guess from the mean pattern may be wrong: add a probe (key probeGuess)"
    };
    let message = "no hypothesis predicts patterns from their neighbors: orientation, unit and scale are undecided";
    Finding::new(Severity::Undecided, "orientation", message, evidence).advise(advice)
}

fn orientation(r: &Ranking, self_twin: Option<f64>) -> Vec<Finding> {
    let best = r.best.hypothesis.orientation;
    let own = best == Orientation::IDENTITY || best == Orientation::IDENTITY.twin();
    let evidence = format!(
        "the best of eight orientations is {best}, held-out error {:.3}; the next pair of twins has {}",
        r.best.held_out_error.get(),
        factor(&r.orientation)
    );
    if !r.orientation.is_worse() {
        let message = "the orientation of the positions: the two best orientations differ by less than their scatter";
        return vec![Finding::new(
            Severity::Undecided,
            "orientation",
            message,
            evidence,
        )];
    }
    let mut all = Vec::new();
    // the sign of both axes
    let twin = r
        .twin
        .filter(|_| self_twin.is_some_and(|t| t < MIN_SELF_TWIN_CORRELATION));
    let signed = twin.filter(|t| t.decided);
    // the twin may be better with the probe of the file even if the best of all used the guess
    let truth = match signed {
        Some(t) if t.factor.get() < 1.0 => best.twin(),
        _ => best,
    };
    let how = |t: Option<Margin>| match (t, self_twin) {
        (_, None) => "the file has no probe".to_owned(),
        (_, Some(s)) if s >= MIN_SELF_TWIN_CORRELATION => {
            format!("the probe of the file equals its twin (correlation {s:.3})")
        }
        (None, Some(_)) => {
            "the probe of the file alone predicts no pattern better than the mean".to_owned()
        }
        (Some(t), Some(s)) => format!(
            "with the probe of the file (correlation with its twin {s:.3}) the twin has {}",
            factor(&t)
        ),
    };
    if own {
        let message = "the axes of the positions are not swapped, and no single axis is negated";
        all.push(Finding::new(
            Severity::Note,
            "orientation",
            message,
            &evidence,
        ));
    } else {
        let message = format!("the orientation of the positions is wrong: the data fit {truth}");
        let what = if signed.is_some() {
            evidence
        } else {
            format!("{evidence}; its twin {} fits equally well", truth.twin())
        };
        let f = Finding::new(Severity::Fault, "orientation", message, what);
        all.push(f.advise(repair(truth)));
    }
    match signed {
        None => {
            let message = "whether both axes of the positions are negated";
            all.push(
                Finding::new(Severity::Undecided, "twin", message, how(twin)).advise(
                    "patterns alone cannot decide this: use a probe whose defocus has a known sign, or the convention of the stage",
                ),
            );
        }
        Some(t) if own && truth != Orientation::IDENTITY => {
            let message = "both axes of the positions are negated, or the probe is the conjugate of the true one";
            let f = Finding::new(Severity::Fault, "twin", message, how(Some(t)));
            all.push(f.advise(repair(truth)));
        }
        Some(t) => {
            let message = if own {
                "the common sign of both axes agrees with the probe of the file"
            } else {
                "the common sign of both axes follows from the probe of the file"
            };
            all.push(Finding::new(Severity::Note, "twin", message, how(Some(t))));
        }
    }

    all
}

/// Message and advice for a unit.
fn unit_name(power: Power) -> [&'static str; 2] {
    match power {
        Power::Declared => ["the declared unit is supported", ""],
        Power::Root => [
            "counts were declared as amplitude: the values are squared amplitudes",
            "set `unit` to counts, or store measurement_domain = counts",
        ],
        Power::Square => [
            "amplitude was declared as counts: the square root was taken twice",
            "set `unit` to amplitude, or store measurement_domain = amplitude",
        ],
    }
}

/// The evidence of the integer test.
fn integer_evidence(sample: &Sample) -> String {
    let w = sample.whole;
    let share = |n: usize| 100.0 * n as f64 / w.looked_at.max(1) as f64;
    format!(
        "of {} values above 1, {:.1} % are integers as amplitude, {:.1} % squared, {:.1} % to the fourth power",
        w.looked_at,
        share(w.amplitude),
        share(w.square),
        share(w.fourth)
    )
}

/// The unit if the trials are not decisive.
fn unit_by_values(sample: &Sample) -> Option<Finding> {
    let power = sample.whole.power()?;
    let [message, advice] = unit_name(power);
    let severity = match power {
        Power::Declared => Severity::Note,
        _ => Severity::Fault,
    };
    Some(Finding::new(severity, "unit", message, integer_evidence(sample)).advise(advice))
}

fn unit(r: &Ranking, sample: &Sample) -> Option<Finding> {
    let (best, values) = (r.best.hypothesis.power, sample.whole.power());
    let evidence = format!(
        "the next unit has {}; {}",
        factor(&r.power),
        integer_evidence(sample)
    );
    let decided = r.power.is_worse().then_some(best);
    let (severity, power) = match (decided, values) {
        (Some(a), Some(b)) if a != b => {
            let message = "the unit: the trials and the integer test of the values disagree";
            return Some(Finding::new(Severity::Undecided, "unit", message, evidence));
        }
        (None, None) => {
            let message = "the unit: amplitude and counts fit equally well";
            return Some(Finding::new(Severity::Undecided, "unit", message, evidence));
        }
        (Some(a), _) | (None, Some(a)) => {
            let severity = if a == Power::Declared {
                Severity::Note
            } else {
                Severity::Fault
            };
            (severity, a)
        }
    };
    let [message, advice] = unit_name(power);
    Some(Finding::new(severity, "unit", message, evidence).advise(advice))
}

/// Minimum ratio of the error of neighboring factors to that of the best one for a fault.
const MIN_SCALE_ERROR_RATIO: f64 = 1.04;

fn scale(r: &Ranking, explained: bool) -> Option<Finding> {
    let range = match (r.scales.first(), r.scales.last()) {
        (Some(a), Some(b)) => format!("{} to {}", a.scale.get(), b.scale.get()),
        _ => return None,
    };
    // if the declared scale predicts nothing, another factor needs a low error
    let believed = |m: &Margin| explained || r.best.held_out_error.get() / m.factor.get() < 0.85;
    let other = r
        .scale
        .filter(|o| o.margin.is_suspect() && believed(&o.margin));
    let Some(Rescaled {
        scale: s,
        margin,
        rise,
    }) = other
    else {
        return explained.then(|| {
            let message = "the declared scale of the positions is supported";
            let evidence =
                format!("no factor from {range} is better than 1 by more than its scatter");
            Finding::new(Severity::Note, "scale", message, evidence)
        });
    };
    let evidence = format!(
        "the best factor from {range} is {s:.4}, and its neighbors have {rise:.3} times its error; the declared scale has {}",
        factor(&margin)
    );
    let (severity, how) = if margin.is_worse() && rise >= MIN_SCALE_ERROR_RATIO {
        (Severity::Fault, "is wrong")
    } else {
        (Severity::Warning, "may be wrong")
    };
    let or = if rise < MIN_SCALE_ERROR_RATIO {
        "; a smooth object has this effect too, because it favors closer positions"
    } else {
        ""
    };
    let message = format!(
        "the scale of the positions {how}: they seem {:.4} times too large",
        1.0 / s
    );
    Some(
        Finding::new(severity, "scale", message, evidence).advise(format!(
            "multiply them by {s:.4}: the object pixel size may be wrong{or}"
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::away;

    #[test]
    fn beam_center_offset_is_named_by_direction() {
        let cases = [
            ([0.0, 3.2], "3 columns right of"),
            ([0.4, -1.0], "1 column left of"),
            ([2.0, 0.0], "2 rows below"),
            ([-2.0, 1.0], "2 rows above and 1 column right of"),
            ([-0.2, 0.3], "less than a pixel from"),
        ];
        for (offset, words) in cases {
            assert_eq!(away(offset), words, "{offset:?}");
        }
    }
}
