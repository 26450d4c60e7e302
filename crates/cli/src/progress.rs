//! A progress bar on a terminal; elsewhere the log's one line per epoch is enough.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use ptyproof::number::figure;
use ptyproof::records::steps::StepRecord;
use ptyproof::solve::Record;

/// A bar over all steps of a training, hidden where standard error is no terminal.
pub(super) fn bar(hidden: bool) -> ProgressBar {
    let target = if hidden {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(1), target);
    // nothing is known of its length before the first step
    bar.set_style(style("{msg}"));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Gives the bar its length; it appears with the first step.
fn extend(bar: &ProgressBar, length: u64) {
    if bar.position() == 0 {
        bar.set_style(style("{bar:20.cyan/blue} {msg}, {eta} left"));
    }
    bar.set_length(length);
}

/// Shows a step.
pub(super) fn show(bar: &ProgressBar, record: &StepRecord, steps: u64, epochs: u64) {
    extend(bar, steps * epochs);
    bar.set_position(record.step);
    let step = (record.step - 1) % steps + 1;
    bar.set_message(format!(
        "epoch {}/{epochs}, step {step}/{steps}, loss {}",
        record.epoch + 1,
        figure(record.loss, 5)
    ));
}

/// Shows an iteration, `k` from 1.
pub(super) fn show_iteration(bar: &ProgressBar, k: usize, of: usize, record: &Record) {
    extend(bar, of as u64);
    bar.set_position(k as u64);
    bar.set_message(format!(
        "iteration {k}/{of}, residual {}",
        figure(record.residual, 4)
    ));
}
