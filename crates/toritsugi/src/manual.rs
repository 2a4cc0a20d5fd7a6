//! `toritsugi manual`: the pages that `man toritsugi` shows, and what a shell completes, made from the command line itself.
//!
//! For whoever packs the program; it is not listed among the commands.

use crate::words::{Stop, say};
use clap_complete::Shell;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct ManualArgs {
    /// Write man/*.1 (roff) and completions/ (bash, zsh, fish) into this folder
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(crate) fn run(args: &ManualArgs, command: &clap::Command) -> Result<(), Stop> {
    let unwritable = |fault: std::io::Error| Stop::new(format!("the manual cannot be written to {}: {fault}", args.to.display()));
    for page in write(&args.to, command).map_err(unwritable)? {
        say(page.display())?;
    }
    Ok(())
}

/// One page for the program and one for each command; returns the paths that were written.
fn write(to: &Path, command: &clap::Command) -> std::io::Result<Vec<PathBuf>> {
    let (pages, completions) = (to.join("man"), to.join("completions"));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(command.clone(), &pages)?;
    let mut written: Vec<PathBuf> = fs::read_dir(&pages)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    written.sort();
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        written.push(clap_complete::generate_to(shell, &mut command.clone(), &name, &completions)?);
    }
    Ok(written)
}
