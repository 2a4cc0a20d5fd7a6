//! The fuzz targets of `fuzz/`, for so many seconds each: where there is a nightly compiler and cargo-fuzz. Elsewhere it says so; the committed
//! corpus and a million spoiled pieces go through the same readers with every test run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const TARGETS: [&str; 5] = ["message", "framing", "uri", "sdp", "digest"];
const SECONDS_DEFAULT: u64 = 60;

/// Whether no target found anything; also where none could run.
///
/// # Errors
/// A sentence, where the arguments make no sense or a target cannot be started.
pub(crate) fn run(args: &[&str]) -> Result<bool, String> {
    let seconds = match args {
        [] => SECONDS_DEFAULT,
        ["--seconds", seconds] => {
            seconds.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("--seconds takes a number above 0, not {seconds}"))?
        }
        _ => return Err(format!("fuzz takes --seconds N and nothing else, not {}", args.join(" "))),
    };
    let there = Command::new("cargo").args(["+nightly", "fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!(
            "fuzz: skipped, for want of a nightly compiler or of cargo-fuzz (rustup toolchain install nightly; cargo install cargo-fuzz). The \
             same readers were held to a million spoiled pieces by `cargo test --release -p toritsugi-tests --test hostile`"
        );
        return Ok(true);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sound = true;
    for target in TARGETS {
        // What is found anew lies in a folder of its own: the committed seeds are only read.
        let found = root.join("fuzz/corpus").join(target);
        fs::create_dir_all(&found).map_err(|fault| format!("{} cannot be made: {fault}", found.display()))?;
        let seeds = root.join("tests/data/corpus").join(target);
        let status = Command::new("cargo")
            .current_dir(&root)
            .args(["+nightly", "fuzz", "run", target])
            .args([&found, &seeds])
            .args(["--", &format!("-max_total_time={seconds}"), "-max_len=70000", "-timeout=10", "-print_final_stats=1"])
            .status()
            .map_err(|fault| format!("cargo cannot be started: {fault}"))?;
        println!("fuzz: {target}: {}", if status.success() { "nothing found" } else { "FOUND SOMETHING, see above" });
        sound &= status.success();
    }
    Ok(sound)
}
