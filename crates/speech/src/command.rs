//! A voice that is another program: text on its standard input, one WAV on its standard output.
//!
//! That is how espeak-ng, piper and most others can be called. The program is not trusted to end, to write little or to write sense.

use crate::fault::{CommandFault, Fault};
use crate::wav::{self, Ending};
use model::Lang;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The most that a command may write: ten minutes at 48 kHz, 16 bit, mono.
const OUTPUT_MAX: usize = 60 << 20;
/// The most of its complaints that are shown.
const COMPLAINT_MAX: usize = 500;
/// How long espeak-ng may take: it needs some 40 ms.
const ESPEAK_TIMEOUT: Duration = Duration::from_secs(10);

/// A program that speaks a language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandProvider {
    /// The program and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// When it is killed. Programs that it started itself and left behind are not.
    pub timeout: Duration,
}

impl CommandProvider {
    /// espeak-ng for a language, if it is installed and speaks it. It is a robot's voice, for trying things out and where nothing better is at hand.
    pub fn espeak(lang: &Lang) -> Option<CommandProvider> {
        let voice = match lang.as_str() {
            "en" => "en-us",
            "zh" => "cmn",
            "ko" => "ko",
            "pt" => "pt-br",
            "es" => "es-419",
            "vi" => "vi",
            // It has no Tagalog, and its Japanese cannot be understood.
            _ => return None,
        };
        let program = installed("espeak-ng")?.to_str()?.to_owned();
        let argv = [&program, "-v", voice, "-s", "150", "-b", "1", "--stdin", "--stdout"].map(str::to_owned).to_vec();
        Some(CommandProvider { argv, timeout: ESPEAK_TIMEOUT })
    }

    /// Samples of -1 to 1 at 8 kHz, as loud as the program made them.
    pub(crate) fn speak(&self, text: &str) -> Result<Vec<f32>, Fault> {
        let program = self.argv.first().cloned().unwrap_or_default();
        self.run(text)
            .and_then(|wav| wav::decode(&wav, Ending::Streamed).map_err(CommandFault::Wav))
            .map_err(|why| Fault::Command { program, why })
    }

    fn run(&self, text: &str) -> Result<Vec<u8>, CommandFault> {
        let deadline = Instant::now() + self.timeout;
        let (program, arguments) = self.argv.split_first().ok_or(CommandFault::Empty)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(CommandFault::Start)?;
        let news = listen(&mut child, text.to_owned());
        let outcome = self.collect(&news, deadline);
        let status = reap(&mut child, outcome.is_ok(), deadline);
        let (wav, complaint) = outcome?;
        match status {
            Some(status) if status.success() => Ok(wav),
            Some(status) => Err(CommandFault::Failed { status, said: complaint }),
            None => Err(CommandFault::Late(self.timeout)),
        }
    }

    /// Waits until the program has closed both of its outputs.
    fn collect(&self, news: &Receiver<News>, deadline: Instant) -> Result<(Vec<u8>, String), CommandFault> {
        let (mut wav, mut complaint) = (None, None);
        loop {
            match news.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(News::Output(bytes)) if bytes.len() > OUTPUT_MAX => return Err(CommandFault::TooMuch(OUTPUT_MAX)),
                Ok(News::Output(bytes)) => wav = Some(bytes),
                Ok(News::Complaint(bytes)) => complaint = Some(String::from_utf8_lossy(&bytes).trim().to_owned()),
                Err(RecvTimeoutError::Timeout) => return Err(CommandFault::Late(self.timeout)),
                Err(RecvTimeoutError::Disconnected) => return Ok((wav.unwrap_or_default(), complaint.unwrap_or_default())),
            }
            if let (Some(wav), Some(complaint)) = (&mut wav, &mut complaint) {
                return Ok((std::mem::take(wav), std::mem::take(complaint)));
            }
        }
    }
}

enum News {
    Output(Vec<u8>),
    Complaint(Vec<u8>),
}

/// Feeds and drains the child, each pipe on a thread of its own, so that none of them can fill up and stop it. The threads end with the pipes.
fn listen(child: &mut Child, text: String) -> Receiver<News> {
    let (sender, news) = channel();
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read its input to the end is none of our concern; what it writes is.
        thread::spawn(move || drop(input.write_all(text.as_bytes())));
    }
    if let Some(output) = child.stdout.take() {
        drain(output, OUTPUT_MAX, News::Output, sender.clone());
    }
    if let Some(complaint) = child.stderr.take() {
        drain(complaint, COMPLAINT_MAX, News::Complaint, sender);
    }
    news
}

/// Keeps at most one byte more than `limit`, and reads on to nowhere unless it is the sound, of which too much is an end.
fn drain(pipe: impl Read + Send + 'static, limit: usize, news: fn(Vec<u8>) -> News, sender: Sender<News>) {
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut pipe = pipe.take(limit as u64 + 1);
        let _ = pipe.read_to_end(&mut kept);
        let _ = sender.send(news(kept));
        let _ = std::io::copy(&mut pipe.into_inner(), &mut std::io::sink());
    });
}

/// Ends the child. One that closed its outputs is about to end by itself and may do so until the deadline; `None` if it did not.
fn reap(child: &mut Child, finished: bool, deadline: Instant) -> Option<ExitStatus> {
    if finished {
        // The pipes are closed, so this is a matter of microseconds for all but the strangest programs.
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                Ok(None) | Err(_) => break,
            }
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}
