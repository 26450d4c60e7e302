//! A progress bar on a terminal; elsewhere the log's one line per epoch is enough.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

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
    let style = ProgressStyle::with_template("{bar:32.cyan/blue} {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Shows a step.
pub(super) fn show(bar: &ProgressBar, record: &StepRecord, steps: u64, epochs: u64) {
    bar.set_length(steps * epochs);
    bar.set_position(record.step);
    let step = (record.step - 1) % steps + 1;
    bar.set_message(format!(
        "epoch {}/{epochs}, step {step}/{steps}, loss {:.5e}",
        record.epoch + 1,
        record.loss
    ));
}

/// Shows an iteration, `k` from 1.
pub(super) fn show_iteration(bar: &ProgressBar, k: usize, of: usize, record: &Record) {
    bar.set_length(of as u64);
    bar.set_position(k as u64);
    bar.set_message(format!(
        "iteration {k}/{of}, residual {:.4e}",
        record.residual
    ));
}
