//! The speech desk: takes a sentence, gives its sound, from the cache or from whoever speaks its language.

use crate::cache::{Cache, Key};
use crate::command::CommandProvider;
use crate::fault::Fault;
use crate::japanese::{self, Japanese};
use crate::{dictionary, level, words};
use model::{Lang, Pcm};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Characters that one sentence may have: some five minutes of speech.
pub const TEXT_CHARS_MAX: usize = 2_000;

/// One sentence to be spoken. Templates are already filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// In which language.
    pub lang: Lang,
    /// What is written.
    pub text: String,
    /// What is spoken instead, where the written text would be read wrongly: for Japanese, kana.
    pub reading: Option<String>,
}

impl Request {
    fn spoken(&self) -> &str {
        self.reading.as_deref().unwrap_or(&self.text)
    }
}

/// Text to sound: 8 kHz, mono, 16 bit, about -20 dBFS, 100 ms of silence at its end.
pub struct Speech {
    /// Where the built-in dictionary is unpacked.
    home: PathBuf,
    cache: Cache,
    commands: BTreeMap<Lang, CommandProvider>,
    /// Loaded at the first sentence that needs it.
    japanese: Option<Japanese>,
}

/// Who speaks.
enum Voice<'a> {
    BuiltIn,
    Command(&'a CommandProvider),
}

impl Speech {
    /// A desk that keeps its files in the state directory `state`. It loads nothing yet. A command for `ja` takes the place of the built-in voice.
    ///
    /// # Errors
    /// [`Fault::State`] if the state directory cannot be made.
    pub fn open(state: &Path, commands: BTreeMap<Lang, CommandProvider>) -> Result<Speech, Fault> {
        std::fs::create_dir_all(state).map_err(|why| Fault::State { path: state.to_owned(), why })?;
        Ok(Speech { home: state.join("speech"), cache: Cache::new(state.join("prompts")), commands, japanese: None })
    }

    /// Whether somebody speaks the language. A variant (`ja-easy`) is spoken by whoever speaks its base (`ja`).
    pub fn speaks(&self, lang: &Lang) -> bool {
        self.voice(lang).is_some()
    }

    /// The languages that are spoken: the built-in ones and those of the commands. Other variants of these ([`Speech::speaks`]) are spoken too.
    pub fn voices(&self) -> BTreeSet<Lang> {
        let built_in = ["ja", "ja-easy"].map(Lang::from);
        self.commands.keys().cloned().chain(built_in).collect()
    }

    /// The sound of a sentence that was rendered before, by this process or an earlier one.
    pub fn cached(&self, request: &Request) -> Option<Pcm> {
        self.cache.read(&self.key(request)?)
    }

    /// The sound of a sentence: from the cache, else spoken and kept. It takes 1 to 3 % of the length of the sentence; the first Japanese one
    /// half a second more, and in the very first run of a program one second to unpack the dictionary.
    ///
    /// # Errors
    /// Nobody speaks the language, the text is empty or too long, a command failed, or the dictionary could not be unpacked or loaded.
    pub fn render(&mut self, request: &Request) -> Result<Pcm, Fault> {
        let characters = request.spoken().chars().count();
        if characters > TEXT_CHARS_MAX {
            return Err(Fault::TooLong(characters));
        }
        let key = self.key(request).ok_or_else(|| Fault::NoVoice(request.lang.clone()))?;
        if let Some(pcm) = self.cache.read(&key) {
            return Ok(pcm);
        }
        let text = request.spoken();
        let samples = match self.voice(&request.lang) {
            Some(_) if text.trim().is_empty() => Vec::new(),
            Some(Voice::Command(command)) => command.speak(text)?,
            Some(Voice::BuiltIn) => self.japanese()?.speak(text)?,
            None => return Err(Fault::NoVoice(request.lang.clone())),
        };
        let pcm = level::even_out(samples).ok_or_else(|| Fault::Unspeakable(text.to_owned()))?;
        // The caller gets to hear it whether it can be kept or not.
        if let Err(fault) = self.cache.write(&key, &pcm) {
            tracing::warn!(%fault, "a prompt could not be kept; it will be rendered again next time");
        }
        Ok(pcm)
    }

    /// How the built-in voice will read a Japanese text, in katakana; `、` is a pause. For people who wonder whether it needs a `reading`.
    ///
    /// # Errors
    /// The dictionary could not be unpacked or loaded, or cannot make anything of the text.
    pub fn reading(&mut self, text: &str) -> Result<String, Fault> {
        self.japanese()?.reading(text)
    }

    /// Whether the built-in voice has been loaded, which costs 90 MB.
    pub fn is_loaded(&self) -> bool {
        self.japanese.is_some()
    }

    fn japanese(&mut self) -> Result<&Japanese, Fault> {
        match &mut self.japanese {
            Some(loaded) => Ok(loaded),
            empty => Ok(empty.insert(Japanese::load(&self.home)?)),
        }
    }

    fn voice(&self, lang: &Lang) -> Option<Voice<'_>> {
        let base = lang.as_str().split('-').next().unwrap_or_default();
        let command = self.commands.get(lang).or_else(|| self.commands.get(base));
        command.map(Voice::Command).or((base == "ja").then_some(Voice::BuiltIn))
    }

    fn key(&self, request: &Request) -> Option<Key> {
        // Absent and empty readings sound different: one is the text, the other nothing.
        let reading = request.reading.as_ref().map_or("text".to_owned(), |r| format!("reading {r}"));
        let voice = match self.voice(&request.lang)? {
            Voice::BuiltIn => {
                format!("{} {} {} {}", japanese::VOICE_NAME, japanese::SPEED, dictionary::VERSION, words::version())
            }
            Voice::Command(command) => format!("command {}", command.argv.join("\0")),
        };
        Some(Key::of(&[&voice, &request.text, &reading]))
    }
}
