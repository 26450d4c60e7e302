//! What a finished or a broken run says about itself, judged by rules that are written down.

pub mod history;
pub mod steps;
pub mod summary;
