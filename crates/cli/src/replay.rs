//! `ptyproof replay`: the operation that first failed, done again.

use super::args::ReplayArgs;
use super::exit::Exit;
use super::session::cores;
use ptyproof::error::{Error, Result};
use ptyproof::finite::Census;
use ptyproof::judgment::Judgment;
use ptyproof::number::figure;
use ptyproof::par::Pool;
use ptyproof::records::event::{Event, Operation, TensorStats};
use ptyproof_harness::pipeline::Request;
use ptyproof_harness::pipeline::event::{EVENT, read, tensors};
use ptyproof_harness::pipeline::rerun::{StepRerun, again};
use ptyproof_kernels::conv::Kernels;
use ptyproof_kernels::scalar::Scalar;
use ptyproof_pinn::training::replay::{numerics, replay};
use ptyproof_pinn::training::sentinel::SavedTensor;

pub(super) fn run(args: &ReplayArgs) -> Result<Exit> {
    let hub = &args.hub;
    let Some(event) = read(hub)? else {
        return Err(Error::input("replaying an event")
            .at(hub.display())
            .got(format!("no {EVENT}"))
            .need("the hub of a run in which something was not finite"));
    };
    out!("{event}");
    let found = if args.step {
        step(args, &event)?
    } else {
        operation(&event, &tensors(hub, &event)?)?
    };
    Ok(found.into())
}

/// The operation alone, in each arithmetic; whether the run's own gives the saved bits.
fn operation(event: &Event, kept: &[SavedTensor]) -> Result<Judgment> {
    let Some((saved, inputs)) = kept.split_last() else {
        return Err(Error::input("replaying an event").got("no tensors"));
    };
    outln!();
    let told = &event.output;
    let found = TensorStats::of(&told.tensor, &told.shape, &saved.values);
    // of a tensor with an axis of groups one of them is saved
    let whole = told.shape == saved.shape || !event.axes.starts_with("n ");
    if whole && found != *told {
        outln!(
            "the event tells of {} NaN, {} +inf and {} -inf in {}; what is saved of it has {}, {} and {}",
            told.nan,
            told.pos_inf,
            told.neg_inf,
            event.tensor,
            found.nan,
            found.pos_inf,
            found.neg_inf
        );
        return Ok(Judgment::Fail);
    }
    if saved.values.is_empty() {
        outln!(
            "verdict: nothing was saved of {}, and nothing could be compared",
            event.tensor
        );
        return Ok(Judgment::Undecided);
    }
    if matches!(event.operation, Operation::Given) {
        outln!(
            "{} was handed over as it is: no operation made it",
            event.tensor
        );
        // its counts were compared above, where all of it was saved
        let compared = if whole { saved.values.len() } else { 0 };
        outln!("verdict: {compared} values counted as in the event, nothing computed again");
        return Ok(Judgment::holds(true, compared));
    }
    outln!(
        "{} again, from {} of the batch's groups:",
        event.operation,
        group(event)
    );
    outln!(
        "  {:<17} {:>9} {:>9} {:>9}   {:<24} bits as saved",
        "",
        "NaN",
        "+inf",
        "-inf",
        "finite values"
    );
    let mut well = None;
    for name in ["reference", "guarded"] {
        let narrow: Vec<f32> = again_in(event, inputs, name)?;
        let wide: Vec<f64> = again_in(event, inputs, name)?;
        let same = narrow.iter().zip(&saved.values);
        let same = same.filter(|(a, b)| a.to_bits() == b.to_bits()).count();
        if name == event.setting.numerics {
            let all = same == saved.values.len() && narrow.len() == same;
            well = Some((Judgment::holds(all, saved.values.len()), same));
        }
        row(&format!("float32 {name}"), &narrow, Some(same));
        row(&format!("float64 {name}"), &wide, None);
    }
    let Some((judgment, same)) = well else {
        outln!(
            "verdict: the numerics of the run, {}, are not known here",
            event.setting.numerics
        );
        return Ok(Judgment::Undecided);
    };
    let of = saved.values.len();
    outln!(
        "verdict: {}: {same} of {of} values have the saved bits in the run's own arithmetic",
        if judgment == Judgment::Pass {
            "the same"
        } else {
            "DIFFERENT"
        }
    );
    Ok(judgment)
}

fn again_in<T: Kernels>(event: &Event, inputs: &[SavedTensor], name: &str) -> Result<Vec<T>> {
    let numerics = numerics(&event.setting, name);
    replay(&event.operation, inputs, &event.setting, numerics)
}

/// Which groups were kept.
fn group(event: &Event) -> String {
    if event.axes.starts_with("n ") {
        let n = event.index.first().copied().unwrap_or_default();
        format!("n {n}")
    } else {
        "all".into()
    }
}

fn row<T: Scalar>(name: &str, values: &[T], same: Option<usize>) {
    let values = || values.iter().map(|v| v.wide());
    let census = Census::of(values());
    let finite = || values().filter(|v: &f64| v.is_finite());
    let (min, max) = (
        finite().fold(f64::NAN, f64::min),
        finite().fold(f64::NAN, f64::max),
    );
    let range = if finite().next().is_some() {
        format!("{} to {}", figure(min, 4), figure(max, 4))
    } else {
        "none".into()
    };
    let bits = same.map_or("-".to_owned(), |s| format!("{s} of {}", census.count));
    outln!(
        "  {name:<17} {:>9} {:>9} {:>9}   {range:<24} {bits}",
        census.nan,
        census.pos_inf,
        census.neg_inf
    );
}

/// The whole step, from the checkpoint before it.
fn step(args: &ReplayArgs, event: &Event) -> Result<Judgment> {
    let mut job = Request::of_hub(&args.hub, &mut Vec::new())?.read()?;
    let pool = Pool::new(args.threads.map_or_else(cores, Ok)?)?;
    let found = again(&args.hub, event, &mut job, &pool)?;
    let StepRerun {
        steps: (first, last),
        ..
    } = found;
    outln!();
    outln!(
        "steps {first} to {last} again, from the checkpoint after {} epochs, on {} threads:",
        found.epochs,
        pool.threads()
    );
    match found.first_different {
        None => outln!("  records    as in the hub, to the bit"),
        Some(step) => outln!("  records    differ from step {step} on"),
    }
    match &found.event {
        None => outln!("  event      none: every number was finite"),
        Some(e) => outln!(
            "  event      {} at step {}, {:?}: {} NaN, {} +inf, {} -inf: {}",
            e.tensor,
            e.step,
            e.index,
            e.output.nan,
            e.output.pos_inf,
            e.output.neg_inf,
            if found.same_event {
                "the recorded one"
            } else {
                "not the recorded one, or told otherwise"
            }
        ),
    }
    for (name, count, different) in &found.tensors {
        match different {
            0 => outln!("  {name}: {count} values, the same bits"),
            n => outln!("  {name}: {count} values, {n} with other bits"),
        }
    }
    let values: usize = found.tensors.iter().map(|(_, count, _)| count).sum();
    let judgment = Judgment::holds(found.is_same(), values);
    outln!(
        "verdict: {}: {} steps and {values} saved values compared",
        match judgment {
            Judgment::Pass => "the same",
            Judgment::Undecided => "nothing to compare",
            _ => "DIFFERENT",
        },
        last + 1 - first
    );
    Ok(judgment)
}
