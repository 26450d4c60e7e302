//! What the trials say, in sentences: supported, contradicted, or not to be decided.

use super::beam_center::BeamCenter;
use super::facts::overlap_of;
use super::finding::{Finding, Severity};
use super::held_out::MIN_PATTERNS;
use super::hypothesis::Power;
use super::neighbor_similarity::NeighborSimilarity;
use super::orientation::Orientation;
use super::ranking::{EXPLAINED, Margin, Ranking, Rescaled};
use super::sample::Sample;
use crate::io::inspect::Inspection;

/// Offset of the beam center from the detector center above which a warning is given, pixels.
const MAX_BEAM_OFFSET_PX: f64 = 0.5;
/// Self-twins above this are the same probe.
const OWN_TWIN: f64 = 0.97;

fn factor(m: &Margin) -> String {
    if m.factor.get() > 1e3 {
        return "more than 1000 times".to_owned();
    }
    format!(
        "{:.3} times (scatter {:.3}) the best held-out error",
        m.factor.get(),
        m.scatter.get()
    )
}

/// Where DC is.
pub(super) fn centre(light: &BeamCenter, file: &Inspection) -> Vec<Finding> {
    let [y, x] = light.offset.map(|v| v.get());
    let [cy, cx] = light.concentration.map(|v| v.get());
    let evidence = format!(
        "beam center at row {y:+.2}, col {x:+.2} px from [N/2, N/2] (concentration {cy:.2}, {cx:.2})"
    );
    match light.half_away {
        [false, false] => {}
        [true, true] => {
            return vec![
                Finding::new(
                    Severity::Fault,
                    "centre",
                    "DC is not where it is declared: the beam center is half a detector away, in the corner if the center was declared",
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
                    format!("the beam center is half a detector away along the {axis} alone"),
                    evidence,
                )
                .advise("an fftshift over one axis only, or over the axis of the patterns too"),
            ];
        }
    }
    if !(cy > 0.1 && cx > 0.1) {
        return vec![Finding::new(
            Severity::Undecided,
            "centre",
            "the intensity is spread over the detector: it does not show where DC is",
            evidence,
        )];
    }
    let Some(com) = file
        .patterns
        .as_ref()
        .map(|p| p.centre_of_mass.map(|v| v.get()))
    else {
        return Vec::new();
    };
    let mass = format!(
        "{evidence}; centre of mass row {:+.3}, col {:+.3}",
        com[0], com[1]
    );
    if y.abs() < MAX_BEAM_OFFSET_PX && x.abs() < MAX_BEAM_OFFSET_PX {
        let says = "the beam center agrees with the declared DC";
        return vec![Finding::new(Severity::Note, "centre", says, mass)];
    }
    vec![
        Finding::new(
            Severity::Warning,
            "centre",
            format!("beam center is {} the detector center", away([y, x])),
            mass,
        )
        .advise(
            "no residual can tell: it is a ramp of 2 pi / N a pixel on the probe. If the beam is tilted, or the object a wedge, \
             it is real; else roll the patterns by as much the other way",
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

/// What of the file the trials do not use.
pub(super) fn unused(sample: &Sample) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(why) = &sample.probe_refused {
        all.push(
            Finding::new(
                Severity::Warning,
                "probe",
                "the probe of the file cannot be used, and was not",
                why,
            )
            .advise("give the probe of these patterns (key probeGuess)"),
        );
    }
    if sample.apart > 0 {
        all.push(Finding::new(
            Severity::Warning,
            "dose",
            "patterns with no light, or far more or less than the others, were left out of the trials",
            format!("{} of {} near the middle of the scan", sample.apart, sample.apart + sample.len()),
        ));
    }
    all
}

/// Why nothing was tried.
pub(super) fn no_trials(file: &Inspection, sample: Option<&Sample>) -> Finding {
    let says = "nothing could be tried: orientation, unit and scale stay open";
    let why = match (&file.patterns, sample) {
        (None, _) => "there are no patterns".to_owned(),
        (Some(p), _) if p.dark_patterns == p.count => "there is no light".to_owned(),
        (Some(p), _) if p.size[0] != p.size[1] || p.size[0] % 2 != 0 || p.size[0] < 8 => {
            format!(
                "patterns are {} x {}, and not square of an even side from 8",
                p.size[0], p.size[1]
            )
        }
        (Some(_), Some(s)) if s.len() < MIN_PATTERNS => {
            format!("{} patterns can be used, {MIN_PATTERNS} are needed", s.len())
        }
        (Some(_), Some(s)) if s.extent() < 1.0 => "positions do not move".to_owned(),
        (Some(_), Some(_)) => {
            "every trial failed: patterns are all alike, values overflow, or the canvas would be too large".to_owned()
        }
        (Some(p), None) => format!(
            "{} patterns, {} positions",
            p.count,
            file.scan.as_ref().map_or(0, |s| s.count)
        ),
    };
    Finding::new(Severity::Undecided, "orientation", says, why)
}

/// What to do so that positions are in these axes.
fn repair(o: Orientation) -> String {
    let mut steps = Vec::new();
    if o.swap {
        steps.push("exchange x and y");
    }
    match (o.negate_x, o.negate_y) {
        (true, true) => steps.push("negate both"),
        (true, false) => steps.push("negate x"),
        (false, true) => steps.push("negate y"),
        (false, false) => {}
    }
    let detector = match (o.swap, o.negate_x, o.negate_y) {
        (false, true, true) => "turn the patterns by 180 degrees, or conjugate the probe",
        (false, true, false) => "mirror the patterns left to right",
        (false, false, true) => "mirror the patterns top to bottom",
        (true, false, false) => "transpose the patterns",
        (true, true, true) => "transpose the patterns along the other diagonal",
        _ => "turn the patterns by 90 degrees",
    };
    format!(
        "the patterns' (x, y) are the positions' {o}: {}; or {detector}",
        steps.join(", then ")
    )
}

/// Whether the trials decide anything: whether the best predicts better than the mean pattern does, and than positions in random
/// order do.
pub(super) fn decides(r: &Ranking) -> bool {
    r.best.held_out_error.get() < EXPLAINED && r.null.is_worse()
}

/// All that the trials say.
pub(super) fn of(
    r: &Ranking,
    sample: &Sample,
    file: &Inspection,
    kinship: Option<&NeighborSimilarity>,
    self_twin: Option<f64>,
) -> Vec<Finding> {
    let mut all = Vec::new();
    let explained = decides(r);
    let related = kinship.is_none_or(NeighborSimilarity::holds);
    let unrelated = kinship.is_some_and(|k| k.fails(sample.len())) && !explained;
    if let Some(k) = kinship {
        let evidence = format!(
            "nearest neighbours differ by {:.3} of what pairs at random do, {:.1} standard deviations below it",
            k.ratio.get(),
            k.sigma.get()
        );
        all.push(if related {
            let says = "patterns of neighboring positions are similar";
            Finding::new(Severity::Note, "positions", says, evidence)
        } else if explained {
            let says = "patterns of neighboring positions are hardly more similar than any two, and yet predict one another";
            Finding::new(Severity::Note, "positions", says, evidence)
        } else if !unrelated {
            let says = "whether positions and patterns belong together: neighbours are no more alike than chance may make so few";
            Finding::new(Severity::Undecided, "positions", says, evidence)
                .advise("examine more of the scan; a probe (key probeGuess) decides it sooner")
        } else {
            let evidence = format!(
                "{evidence}; the best of all hypotheses has a held-out error of {:.3}, positions in random order {:.3}, the mean \
                 pattern 1",
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
    // where the data's probe is not known, the one found tells how much neighbours share
    if sample.probe.is_none()
        && let Some(s) = &file.scan
        && let Some(pitch) = s.pitch
    {
        let diameter = sample.shrink * diameter(&r.outcome.estimate.probes);
        let overlap = 1.0 - pitch.mean.get() / diameter;
        all.extend(overlap_of(overlap, s, diameter, "the probe found"));
    }
    all
}

/// The diameter of a disc as large as a probe, pixels.
fn diameter(probe: &[num_complex::Complex32]) -> f64 {
    let light = || probe.iter().map(|z| f64::from(z.norm_sqr()));
    let area = light().sum::<f64>().powi(2) / light().map(|l| l * l).sum::<f64>();
    2.0 * (area / std::f64::consts::PI).sqrt()
}

fn shuffled(file: &Inspection, evidence: String) -> Finding {
    // patterns that share no light are never alike
    let overlap = file.scan.as_ref().and_then(|s| s.linear_overlap);
    if overlap.is_some_and(|o| o.get() < 0.1) {
        let says =
            "neighbouring patterns are not alike: they share no light, or are in another order";
        return Finding::new(Severity::Undecided, "positions", says, evidence);
    }
    let says = "positions and patterns do not belong together: those of neighbours are hardly more alike than any two (one random order in 160 reaches 2.5 standard deviations)";
    Finding::new(Severity::Fault, "positions", says, evidence).advise(
        "look for an order that was lost: sorted file names (2 after 10), a shift by one frame, another scan's positions",
    )
}

fn nothing(r: &Ranking, sample: &Sample) -> Finding {
    let evidence = format!(
        "the best of {} hypotheses, {}, leaves {:.3} of what the mean pattern leaves; positions in random order leave {:.3}",
        r.rows.len(),
        r.best.hypothesis,
        r.best.held_out_error.get(),
        r.shuffled
    );
    let advice = if sample.probe.is_some() {
        "the data's probe may be far from the true one, the scale of the positions wrong, the overlap too small, or the noise too large"
    } else {
        "the data have no probe, and the guess from the mean pattern may be far from the true one: give one (key probeGuess)"
    };
    let says = "no hypothesis predicts patterns from their neighbors: orientation, unit and scale stay open";
    Finding::new(Severity::Undecided, "orientation", says, evidence).advise(advice)
}

fn orientation(r: &Ranking, self_twin: Option<f64>) -> Vec<Finding> {
    let best = r.best.hypothesis.orientation;
    let own = best == Orientation::IDENTITY || best == Orientation::IDENTITY.twin();
    let evidence = format!(
        "of all eight the patterns fit best to {best}, held-out error {:.3}; the next pair of twins leaves {}",
        r.best.held_out_error.get(),
        factor(&r.orientation)
    );
    if !r.orientation.is_worse() {
        let says =
            "the orientation of the positions: the best two of the eight are within their scatter";
        return vec![Finding::new(
            Severity::Undecided,
            "orientation",
            says,
            evidence,
        )];
    }
    let mut all = Vec::new();
    // the sign within a pair of twins
    let twin = r.twin.filter(|_| self_twin.is_some_and(|t| t < OWN_TWIN));
    let signed = twin.filter(|t| t.decided);
    // the twin may be the better one from the data's probe, and the best of all from the guess
    let truth = match signed {
        Some(t) if t.factor.get() < 1.0 => best.twin(),
        _ => best,
    };
    let how = |t: Option<Margin>| match (t, self_twin) {
        (_, None) => "the data have no probe".to_owned(),
        (_, Some(s)) if s >= OWN_TWIN => {
            format!("the data's probe is its own twin (correlation {s:.3})")
        }
        (None, Some(_)) => "the data's probe explains nothing by itself".to_owned(),
        (Some(t), Some(s)) => format!(
            "from the data's probe (correlation with its twin {s:.3}) the twin leaves {}",
            factor(&t)
        ),
    };
    if own {
        let says = "neither axis of the positions alone is negated, and they are not exchanged";
        all.push(Finding::new(Severity::Note, "orientation", says, &evidence));
    } else {
        let says =
            format!("the orientation of the positions is contradicted: they look like {truth}");
        let what = if signed.is_some() {
            evidence
        } else {
            format!("{evidence}; its twin {} would do as well", truth.twin())
        };
        let f = Finding::new(Severity::Fault, "orientation", says, what);
        all.push(f.advise(repair(truth)));
    }
    match signed {
        None => {
            let says = "whether both axes of the positions are negated";
            all.push(
                Finding::new(Severity::Undecided, "twin", says, how(twin)).advise(
                    "patterns alone cannot tell: it comes with a probe whose defocus has a known sign, or from the stage",
                ),
            );
        }
        Some(t) if own && truth != Orientation::IDENTITY => {
            let says = "both axes of the positions are negated, or the probe is the conjugate of the true one";
            let f = Finding::new(Severity::Fault, "twin", says, how(Some(t)));
            all.push(f.advise(repair(truth)));
        }
        Some(t) => {
            let says = if own {
                "the sign of both axes together agrees with the data's probe"
            } else {
                "the sign of both axes together was decided by the data's probe"
            };
            all.push(Finding::new(Severity::Note, "twin", says, how(Some(t))));
        }
    }

    all
}

/// What a unit is called, given what was declared.
fn unit_name(power: Power) -> [&'static str; 2] {
    match power {
        Power::Declared => [
            "the unit is supported: values are what they are declared to be",
            "",
        ],
        Power::Root => [
            "counts were declared amplitude: the values are the square of an amplitude",
            "read them as counts: --unit counts, or measurement_domain = counts",
        ],
        Power::Square => [
            "amplitude was declared counts: a root was taken once too often",
            "read them as amplitude: --unit amplitude, or measurement_domain = amplitude",
        ],
    }
}

/// What whole numbers say of the unit.
fn said_by_values(sample: &Sample) -> String {
    let w = sample.whole;
    let share = |n: usize| 100.0 * n as f64 / w.looked_at.max(1) as f64;
    format!(
        "of {} values above 1, {:.1} % are whole as amplitude, {:.1} % squared, {:.1} % to the fourth",
        w.looked_at,
        share(w.amplitude),
        share(w.square),
        share(w.fourth)
    )
}

/// The unit where no hypothesis explains anything.
fn unit_by_values(sample: &Sample) -> Option<Finding> {
    let power = sample.whole.power()?;
    let [says, advice] = unit_name(power);
    let severity = match power {
        Power::Declared => Severity::Note,
        _ => Severity::Fault,
    };
    Some(Finding::new(severity, "unit", says, said_by_values(sample)).advise(advice))
}

fn unit(r: &Ranking, sample: &Sample) -> Option<Finding> {
    let (best, values) = (r.best.hypothesis.power, sample.whole.power());
    let evidence = format!(
        "the next unit leaves {}; {}",
        factor(&r.power),
        said_by_values(sample)
    );
    let decided = r.power.is_worse().then_some(best);
    let (severity, power) = match (decided, values) {
        (Some(a), Some(b)) if a != b => {
            let says = "the unit: the overlap and the values themselves disagree";
            return Some(Finding::new(Severity::Undecided, "unit", says, evidence));
        }
        (None, None) => {
            let says = "the unit: amplitude or counts explain the patterns equally well";
            return Some(Finding::new(Severity::Undecided, "unit", says, evidence));
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
    let [says, advice] = unit_name(power);
    Some(Finding::new(severity, "unit", says, evidence).advise(advice))
}

/// So many times as much must be left beside the best factor before it is believed.
const STEEP: f64 = 1.04;

fn scale(r: &Ranking, explained: bool) -> Option<Finding> {
    let range = match (r.scales.first(), r.scales.last()) {
        (Some(a), Some(b)) => format!("{} to {}", a.scale.get(), b.scale.get()),
        _ => return None,
    };
    // where nothing is explained as it is, a factor must explain much to be believed
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
            let says = "the scale of the positions is supported";
            let evidence =
                format!("of factors from {range} none is better than 1 beyond its scatter");
            Finding::new(Severity::Note, "scale", says, evidence)
        });
    };
    let evidence = format!(
        "of factors from {range} the best is {s:.4}, and {rise:.3} times as much is left beside it; as they are, positions leave {}",
        factor(&margin)
    );
    let (severity, how) = if margin.is_worse() && rise >= STEEP {
        (Severity::Fault, "is contradicted")
    } else {
        (Severity::Warning, "may be wrong")
    };
    let or = if rise < STEEP {
        "; or the object is smooth, which positions closer together explain the better"
    } else {
        ""
    };
    let says = format!(
        "the scale of the positions {how}: they look {:.4} times too large",
        1.0 / s
    );
    Some(
        Finding::new(severity, "scale", says, evidence).advise(format!(
            "multiply them by {s:.4}: the size of an object pixel may be wrong{or}"
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::away;

    #[test]
    fn the_beam_center_is_named_by_direction() {
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
