//! Tolerances under which two good runs agree.

use super::tolerance::{Allowed, Rule, Tolerances};
use super::{Report, Verdict};
use crate::json::Real;

impl Tolerances {
    /// These, and room for every number in which two good runs differ more: twice their distance.
    ///
    /// Only numbers can be given room; texts, counts and files that differ still do.
    pub fn widened(&self, report: &Report) -> Self {
        let mut made = Vec::new();
        let far = report.rows.iter().filter(|r| r.verdict == Verdict::Differs);
        for row in far.filter(|r| !r.place.is_empty()) {
            let (Ok(a), Ok(b)) = (row.a.parse::<f64>(), row.b.parse::<f64>()) else {
                continue;
            };
            if !(a.is_finite() && b.is_finite()) {
                continue;
            }
            made.push(Rule {
                file: row.file.clone(),
                place: row.place.clone(),
                allowed: Some(Allowed {
                    absolute: Real(2.0 * row.widest.get()),
                    relative: Real(0.0),
                    ulps: 0,
                }),
                band: None,
                ignore: false,
                reason: "twice the difference of two good runs".into(),
            });
        }
        // of the rules that fit the first counts: new ones go before those under which the pair differs
        let mut wider = self.clone();
        wider.rules.splice(0..0, made);
        if let Some(i) = &report.image {
            let rms = i
                .alignment
                .iter()
                .map(|x| x.aligned.rms)
                .chain(i.exchanged_rms);
            let most = rms
                .map(Real::get)
                .filter(|r| r.is_finite())
                .fold(0.0, f64::max);
            wider.image_rms = Real(wider.image_rms.get().max(2.0 * most));
        }
        wider
    }
}
