//! Is a run what it claims to be: canvases that hold what is put on them.

pub mod limits;
