//! What the machine says about itself; a system that cannot say gives nothing, never an error.
//!
//! *Source.* `proc(5)`: `/proc/cpuinfo`, field `model name`; `/proc/self/status`, field `VmHWM`.

use std::fs;

/// The model of the processor.
pub fn cpu() -> Option<String> {
    field(&fs::read_to_string("/proc/cpuinfo").ok()?, "model name")
}

/// The most memory this process has held at once, in bytes.
pub fn peak_memory_bytes() -> Option<u64> {
    kibibytes(&field(
        &fs::read_to_string("/proc/self/status").ok()?,
        "VmHWM",
    )?)
}

fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|l| l.split_once(':'))
        .find(|(k, _)| k.trim() == name)
        .map(|(_, v)| v.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|v| !v.is_empty())
}

/// `"5 kB"` in bytes; the kernel's kB are 1024 bytes.
fn kibibytes(text: &str) -> Option<u64> {
    text.strip_suffix(" kB")?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_fields_are_parsed() {
        let text = "Name:\tptyproof\nVmHWM:\t  123456 kB\nmodel name\t: Some  CPU @ 3 GHz\n";
        assert_eq!(field(text, "VmHWM").as_deref(), Some("123456 kB"));
        assert_eq!(
            field(text, "model name").as_deref(),
            Some("Some CPU @ 3 GHz")
        );
        assert_eq!(field(text, "VmRSS"), None);
        assert_eq!(kibibytes("123456 kB"), Some(123456 * 1024));
        assert_eq!(kibibytes("many"), None);
    }

    #[test]
    fn machine_query_never_fails() {
        if let Some(bytes) = peak_memory_bytes() {
            assert!(bytes > 1 << 20, "{bytes}");
        }
        let _ = cpu();
    }
}
