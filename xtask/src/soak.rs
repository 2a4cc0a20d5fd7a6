//! Days under virtual time by the thousand: the tests that are left out of the test command because they take hours.

use std::process::Command;

/// Where the ignored tests of the simulator find how many days are wanted.
const DAYS: &str = "TORITSUGI_SOAK_DAYS";
const DAYS_DEFAULT: u64 = 2000;

/// Whether all days went well.
///
/// # Errors
/// A sentence, where the arguments make no sense or the tests cannot be started.
pub(crate) fn run(args: &[&str]) -> Result<bool, String> {
    let days = match args {
        [] => DAYS_DEFAULT,
        ["--days", days] => days.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("--days takes a number above 0, not {days}"))?,
        _ => return Err(format!("soak takes --days N and nothing else, not {}", args.join(" "))),
    };
    println!("soak: {days} days");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--release", "-p", "toritsugi-sim", "--", "--ignored", "--nocapture"])
        .env(DAYS, days.to_string())
        .status()
        .map_err(|fault| format!("cargo cannot be started: {fault}"))?;
    Ok(status.success())
}
