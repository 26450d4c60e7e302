//! What the program is: version, commit, and the kernels that this processor runs.

use std::sync::OnceLock;

use ptyproof_kernels::isa::Isa;

/// The commit that the program was built from, or `unknown`.
const COMMIT: &str = env!("PTYPROOF_COMMIT");

/// What `--version` prints after the name: `0.1.0 (c7a0b08a1, AVX-512 kernels)`; `-V` prints the first word alone.
pub(super) fn long() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let version = env!("CARGO_PKG_VERSION");
        format!("{version} ({COMMIT}, {} kernels)", Isa::best())
    })
}
