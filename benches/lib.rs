//! What the benches share: processor time of named threads, and memory, as Linux tells them.
//!
//! Deliberately absent: verdicts by wall-clock. A bench prints ratios of work done side by side in one run.

use std::fs;
use std::time::Duration;

/// Processor time used so far by all threads of this process whose name begins with `prefix` (proc(5), schedstat).
pub fn cpu_of(prefix: &str) -> Duration {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let nanos = tasks
        .flatten()
        .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with(prefix)))
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok()?.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    Duration::from_nanos(nanos)
}

/// Memory of this process that lies in RAM, in bytes.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The machine's load, for whoever reads the figures later.
pub fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().split_whitespace().next().unwrap_or("?").to_owned()
}
