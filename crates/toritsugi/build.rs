//! Puts the shipped city (`flows/` and `config/`) into the binary, so that one command runs with nothing else at hand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let top = here.join("../..").canonicalize()?;
    let mut list = String::from("/// Path below the top level, and the bytes.\npub(crate) const FILES: &[(&str, &[u8])] = &[\n");
    for folder in ["config", "flows"] {
        println!("cargo::rerun-if-changed={}", top.join(folder).display());
        let mut files = Vec::new();
        walk(&top.join(folder), &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(&top).map_err(io::Error::other)?;
            let _ = writeln!(list, "    ({:?}, include_bytes!({:?})),", name.display().to_string(), file.display().to_string());
        }
    }
    list.push_str("];\n");
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("shipped.rs"), list)
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "csv" || e == "wav") {
            into.push(path);
        }
    }
    Ok(())
}
