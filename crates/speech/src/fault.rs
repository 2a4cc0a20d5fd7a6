//! What can go wrong between a text and its sound, each with the next thing to do.
//!
//! Nothing here concerns a peer: a fault is the prompt's, the configuration's or this machine's, and it says which.

use model::Lang;
use std::path::PathBuf;
use std::time::Duration;

/// Why a sentence has no sound.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No voice for the language.
    #[error("no voice speaks `{0}`: record the sentence as a file under flows/prompts/recorded/{0}/, or name a command that speaks it")]
    NoVoice(Lang),
    /// Nothing to say.
    #[error("the text {0:?} has nothing in it that can be spoken: write words, or give a `reading`")]
    Unspeakable(String),
    /// More than a caller would ever listen to.
    #[error("the text has {0} characters, more than the {max} that one sentence may have: split it into several prompts", max = crate::TEXT_CHARS_MAX)]
    TooLong(usize),
    /// A file or directory of the state directory.
    #[error("{}: {why}. Check that the state directory exists, has room and belongs to the engine's user", path.display())]
    State {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// The built-in dictionary or voice did not load.
    #[error("the built-in Japanese voice did not load ({why}). Delete {} and try again; if it stays so, the program file is damaged: install it again", path.display())]
    Engine {
        /// Where the dictionary is unpacked.
        path: PathBuf,
        /// What the engine said.
        why: String,
    },
    /// A command of the configuration failed.
    #[error("the voice command `{program}` {why}")]
    Command {
        /// Its first word.
        program: String,
        /// What became of it, with the next thing to do.
        why: CommandFault,
    },
    /// A recording that cannot be used.
    #[error("{}: {why}", path.display())]
    Recording {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, with the next thing to do.
        why: WavFault,
    },
}

/// What became of a command that should have spoken.
#[derive(Debug, thiserror::Error)]
pub enum CommandFault {
    /// It has no words at all.
    #[error("is empty: write the program and its arguments")]
    Empty,
    /// It could not be started.
    #[error("did not start ({0}): install it, or correct its name")]
    Start(std::io::Error),
    /// It was still running at its time limit, and was killed.
    #[error("was stopped after {0:?} without an end: try it by hand with the same text, or raise its time limit")]
    Late(Duration),
    /// It wrote more than any sentence needs.
    #[error("wrote more than {0} bytes and was stopped: it must write one WAV and end")]
    TooMuch(usize),
    /// It ended with an error.
    #[error("ended with {status}: {said}")]
    Failed {
        /// Exit code or signal.
        status: std::process::ExitStatus,
        /// The beginning of what it wrote to standard error.
        said: String,
    },
    /// What it wrote cannot be read.
    #[error("wrote no usable WAV: {0}")]
    Wav(WavFault),
}

/// Why a WAV cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WavFault {
    /// It could not be read from the disk.
    #[error("cannot be read ({0})")]
    Read(std::io::Error),
    /// It is no WAV, or one in a format that we do not read.
    #[error("is no WAV with linear samples of 8 to 32 bits ({0}): convert it, for example with `sox in.wav -b 16 -e signed out.wav`")]
    Format(String),
    /// Its sample rate is outside of what makes sense.
    #[error("has {0} samples a second: convert it to a rate of {min} to {max} Hz", min = crate::wav::RATES.start(), max = crate::wav::RATES.end())]
    Rate(u32),
    /// It is too long.
    #[error("is longer than {} minutes: cut it", crate::wav::MINUTES_MAX)]
    TooLong,
    /// It holds no sound.
    #[error("holds no samples: record it again")]
    Empty,
}
