//! Who watches over ssh loses the line: `toritsugi top` goes with its terminal, without a word and without a core dump.
//!
//! `script` of util-linux lends the terminal.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How `top` ends when its terminal is gone, as a shell says it, and what it said in a file if `to_file`.
fn hung_up(folder: &Path, to_file: bool) -> (String, String) {
    let (said, ended) = (folder.join("said"), folder.join(format!("ended-{to_file}")));
    let aside = if to_file { format!("2>'{}'", said.display()) } else { String::new() };
    let top = format!("'{}' top --state '{}' --lang en {aside}", env!("CARGO_BIN_EXE_toritsugi"), folder.display());
    // The shell outlives its terminal, to tell how it went.
    let line = format!("trap '' HUP; {top}; echo $? >'{0}.part'; mv '{0}.part' '{0}'", ended.display());
    let mut lender = Command::new("script")
        .args(["--quiet", "--flush", "--command", &line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` is installed");
    // It has begun to draw.
    lender.stdout.take().unwrap().read_exact(&mut [0; 200]).unwrap();
    lender.kill().unwrap();
    lender.wait().unwrap();
    let since = Instant::now();
    while !ended.exists() {
        assert!(since.elapsed() < Duration::from_secs(30), "it goes on without a terminal");
        std::thread::sleep(Duration::from_millis(20));
    }
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    (read(&ended).trim().to_owned(), read(&said))
}

#[test]
fn the_terminal_hangs_up() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("top-hung-up");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for to_file in [false, true] {
        let (status, said) = hung_up(&folder, to_file);
        assert!(["0", "1"].contains(&status.as_str()), "{status}: it panicked, or died of a signal");
        assert_eq!(said, "");
    }
}
