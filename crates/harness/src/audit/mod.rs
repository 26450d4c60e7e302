//! What is computed anew to check a run: the chain of scales, and whether a canvas holds its scan.

pub mod canvas_check;
pub mod scale_audit;
