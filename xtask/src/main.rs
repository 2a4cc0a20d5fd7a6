//! `cargo xtask`: errands of the house that take longer than a test may, and what is written from one source.
//!
//! Deliberately absent: anything that the product does. These commands prove it, and nobody ships them.

mod fuzz;
mod sbom;
mod soak;
mod theory;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "cargo xtask ERRAND

  theory [--row ID]..      the ACD against queueing theory, every row (or these), at least 600,000 calls each; minutes
  soak [--days N]          days under virtual time, N of them [default: 2000], beyond those of the test command; long
  fuzz [--seconds N]       each fuzz target for N seconds [default: 60], where there is a nightly compiler and cargo-fuzz
  watch [--check]          writes rules, dashboards and the catalogue of metrics into deploy/ (or says which are old)
  sbom                     what the binary is made of, as CycloneDX, on standard output";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.split_first() {
        Some((&"theory", rest)) => theory::run(rest),
        Some((&"soak", rest)) => soak::run(rest),
        Some((&"fuzz", rest)) => fuzz::run(rest),
        Some((&"watch", rest)) => watch::run(rest),
        Some((&"sbom", rest)) => sbom::run(rest),
        Some((&("help" | "--help" | "-h"), _)) | None => {
            println!("{USAGE}");
            Ok(true)
        }
        Some((errand, _)) => Err(format!("there is no errand called {errand}\n\n{USAGE}")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("xtask: {sentence}");
            ExitCode::from(2)
        }
    }
}

/// The tree that this program was built in.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}
