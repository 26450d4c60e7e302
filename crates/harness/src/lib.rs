//! Runs of `ptyproof`: scenarios, the pipeline that leaves a hub, audits, pages and plots.
//!
//! | module | holds |
//! |---|---|
//! | [`scenario`] | built-in scenarios, overrides, and the one that a run resolves to |
//! | [`pipeline`] | the order of a run, a reconstruction, a score; no arithmetic |
//! | [`audit`] | scales of a run computed anew; canvases against their scan |
//! | [`bless`] | a hub becomes golden |
//! | [`report`] | text, Markdown, JUnit of every verdict |
//! | [`plot`] | pictures |
//! | [`log`], [`machine`] | the log of a run; what a machine says about itself |

pub mod audit;
pub mod bless;
pub mod log;
pub mod machine;
pub mod pipeline;
pub mod plot;
pub mod report;
pub mod scenario;
