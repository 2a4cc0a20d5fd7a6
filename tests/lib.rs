//! What the tests of the house share: where the tree is, and what is in it.
//!
//! Deliberately absent: mocks, sleeps, and anything that reaches into a crate's private parts.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the tree.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Every file of the tree, relative to its top, `/`-separated and sorted: those that git tracks, or, in a copy without git, those
/// that lie there, but for `target` and `.toritsugi`, which builds and running engines make.
pub fn files() -> Vec<String> {
    let top = root();
    let listed = Command::new("git").arg("-C").arg(&top).args(["ls-files", "-z"]).output();
    let mut files: Vec<String> = match listed {
        Ok(out) if out.status.success() && !out.stdout.is_empty() => {
            // A file that was removed but not yet committed is still listed.
            let names = String::from_utf8_lossy(&out.stdout).into_owned();
            names.split('\0').filter(|name| !name.is_empty() && top.join(name).exists()).map(str::to_owned).collect()
        }
        _ => {
            let mut found = Vec::new();
            walk(&top, "", &mut found);
            found
        }
    };
    files.sort();
    files
}

fn walk(dir: &Path, prefix: &str, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if prefix.is_empty() && matches!(name.as_str(), "target" | ".toritsugi" | ".git") {
            continue;
        }
        let path = format!("{prefix}{name}");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), &format!("{path}/"), found),
            Ok(_) => found.push(path),
            Err(_) => {}
        }
    }
}
