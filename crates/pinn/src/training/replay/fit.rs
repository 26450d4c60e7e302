//! Validation of the tensors of a file as inputs of an operation.

use std::collections::BTreeMap;

use super::Bench;
use crate::network::architecture::OUTER_CHANNELS;
use crate::training::sentinel::SavedTensor;
use ptyproof::error::{Error, Result};
use ptyproof::geometry::PatchSize;
use ptyproof::records::event::Operation;

/// Upper bound of the offsets: no canvas that grouping allows is as wide.
const MAX_OFFSET_PX: f64 = 4096.0;

/// The extents of the letters of a [`form`].
type Extents<'a> = BTreeMap<&'a str, usize>;

/// The inputs of an operation, each by its extents, with a `z` for complex pairs. Equal letters are equal extents, `2h` is
/// an even one, `N` is the side of the patterns. `None` if any common shape is valid.
fn form(operation: &Operation, count: usize) -> Option<Vec<String>> {
    let some: &[&str] = match operation {
        Operation::Given => &[],
        Operation::Normalize => &["n N N c"],
        Operation::Estimate => &["n N N c", "n c 2", "N N z"],
        Operation::Convolution { .. } => &["n y y x", "3 3 i o", "o"],
        Operation::LedConvolution { .. } => &["n y y x", "3 3 i o", "o", "n N N 2o"],
        Operation::MaxPool => &["n 2h 2h c"],
        Operation::Upsample => &["n y y c"],
        Operation::Activate { .. } if count == 1 => &["n 2q 2q c"],
        Operation::Activate { .. } | Operation::ActivationGradient { .. } => {
            &["n 2q 2q c", "n 4q 4q c"]
        }
        Operation::OuterGradient { .. } => &["n 4q 4q c", "n 4q 4q c"],
        Operation::Combine => &["n N N c", "n N N c"],
        Operation::Cover => &["n c 2", "N N z"],
        Operation::Assemble => &["n c N N z", "n m m", "n c 2", "N N z"],
        Operation::Illuminate => &["n m m z", "N N z", "n c 2"],
        Operation::Propagate | Operation::Detect => &["n c N N z"],
        Operation::Likelihood | Operation::LikelihoodGradient => {
            &["n c N N", "n c N N z", "n N N c"]
        }
        Operation::MapGradient { .. } => {
            &["n c N N z", "N N z", "n m m", "n c 2", "n N N c", "n N N c"]
        }
        Operation::MaxPoolGradient => &["n 2h 2h c", "n h h c"],
        Operation::UpsampleGradient => &["n h h c", "n 2h 2h c"],
        Operation::InputGradient { first, gated } => {
            let pair = |k| [format!("n y y o{k}"), format!("3 3 i{k} o{k}")];
            let pairs = (0..first.len()).flat_map(pair);
            return Some(pairs.chain(gated.then(|| "n y y x".into())).collect());
        }
        Operation::WeightGradient { .. } => &["n y y x", "n y y o"],
        Operation::BiasGradient => &["n y y o"],
        Operation::FirstMoment | Operation::SecondMoment | Operation::Update { .. } => return None,
    };
    Some(some.iter().map(|&s| s.to_owned()).collect())
}

/// Binds the letters of `form` to the extents of a tensor; whether it is consistent with earlier ones.
fn fits<'a>(form: &'a str, tensor: &SavedTensor, extents: &mut Extents<'a>) -> bool {
    let mut axes = tensor.shape.iter();
    let mut pairs = false;
    for axis in form.split(' ') {
        if axis == "z" {
            pairs = true;
            continue;
        }
        let letter = axis.trim_start_matches(|c: char| c.is_ascii_digit());
        let factor = axis[..axis.len() - letter.len()].parse().unwrap_or(1);
        let same = axes.next().is_some_and(|&extent| {
            let rest = extent / factor;
            let known = if letter.is_empty() {
                1
            } else {
                *extents.entry(letter).or_insert(rest)
            };
            rest > 0 && extent.is_multiple_of(factor) && rest == known
        });
        if !same {
            return false;
        }
    }
    axes.next().is_none() && pairs == tensor.complex
}

impl Bench<'_> {
    /// Refuses inputs that the operation cannot read.
    pub(super) fn check(&self, operation: &Operation) -> Result<()> {
        if PatchSize::new(self.setting.side).is_ok() && self.fit(operation) {
            return Ok(());
        }
        let shapes: Vec<String> = self
            .inputs
            .iter()
            .map(|i| format!("{} {:?}", i.name, i.shape))
            .collect();
        Err(Error::input("replaying an operation")
            .at(operation)
            .got(shapes.join(", "))
            .need("the inputs of the operation, as saved with the event"))
    }

    fn fit(&self, operation: &Operation) -> bool {
        let whole = |i: &SavedTensor| {
            let count = i.shape.iter().try_fold(1usize, |a, &b| a.checked_mul(b));
            count.and_then(|c| c.checked_mul(1 + usize::from(i.complex))) == Some(i.values.len())
        };
        if !self.inputs.iter().all(|i| !i.values.is_empty() && whole(i)) {
            return false;
        }
        let Some(forms) = form(operation, self.inputs.len()) else {
            let count = 1 + usize::from(matches!(operation, Operation::Update { .. }));
            let shape = |i: &SavedTensor| (i.shape.clone(), i.complex);
            return self.inputs.len() == count
                && self
                    .inputs
                    .iter()
                    .all(|i| shape(i) == shape(&self.inputs[0]));
        };
        // the network input has another layout than the maps
        let reads_input = |k: usize| match operation {
            Operation::Convolution { .. } | Operation::WeightGradient { .. } => k == 0,
            Operation::LedConvolution { .. } => k == 3,
            _ => false,
        };
        let is_input = |i: &SavedTensor| i.name == "network.input";
        let named = (self.inputs.iter().enumerate()).all(|(k, i)| !is_input(i) || reads_input(k));
        let mut extents = Extents::from([("N", self.setting.side)]);
        named
            && forms.len() == self.inputs.len()
            && forms
                .iter()
                .zip(self.inputs)
                .all(|(form, input)| fits(form, input, &mut extents))
            && self.reaches(operation, &extents)
            && self.near(&forms)
    }

    /// Channels that are read, and the margin of a canvas or of a head.
    fn reaches(&self, operation: &Operation, extents: &Extents<'_>) -> bool {
        let of = |letter: &str| extents.get(letter).copied().unwrap_or_default();
        let head = |k: usize| self.inputs[k].name.ends_with(".head.grad");
        let within = |first: usize, count: usize, all: usize| {
            first.checked_add(count).is_some_and(|end| end <= all)
        };
        let centered =
            |inner: usize, outer: usize| inner <= outer && (outer - inner).is_multiple_of(2);
        match operation {
            Operation::Convolution { first, .. } => within(*first, of("i"), of("x")),
            Operation::LedConvolution { .. } => of("i") <= of("x") && centered(of("y"), of("N")),
            Operation::Assemble | Operation::Illuminate | Operation::MapGradient { .. } => {
                centered(of("N"), of("m"))
            }
            Operation::InputGradient { first, gated } => {
                // the head reads fewer channels than there are
                let read = |k: usize| {
                    let more = if head(2 * k) { OUTER_CHANNELS } else { 0 };
                    self.inputs[2 * k + 1].shape[2] + more
                };
                let mut rest = first.iter().enumerate().skip(1);
                !first.is_empty()
                    && (!gated || of("x") == read(0))
                    && rest.all(|(k, from)| within(*from, read(k), read(0)))
            }
            Operation::WeightGradient { first } if head(1) => {
                of("x") > OUTER_CHANNELS && *first <= OUTER_CHANNELS
            }
            Operation::WeightGradient { first } => *first < of("x"),
            _ => true,
        }
    }

    /// Whether the offsets among the inputs need no larger canvas than there may be.
    fn near(&self, forms: &[String]) -> bool {
        let offsets = forms.iter().zip(self.inputs);
        offsets
            .filter(|(form, _)| *form == "n c 2")
            .flat_map(|(_, i)| &i.values)
            .all(|&v| f64::from(v).abs() < MAX_OFFSET_PX)
    }
}
