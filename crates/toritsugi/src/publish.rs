//! From files to a city that can answer: read, find the sound of each sentence, check, encode.

use crate::accounts;
use crate::examples;
use crate::files::Files;
use crate::words::Stop;
use calls::City;
use flow::{Checked, Draft, Form, Known, Sentence, Spoken, Tongue};
use media::Clip;
use model::{Lang, Millis, Pcm, Settings, UnixMillis};
use speech::{CommandProvider, Request, Speech};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A city that passed its check, and what remains to be said about it.
pub(crate) struct Published {
    pub(crate) city: Arc<City>,
    /// Warnings, rendered.
    pub(crate) warnings: String,
    /// Which example calls go otherwise than they should, told moment by moment.
    pub(crate) failing: Option<Stop>,
}

impl Published {
    /// Only if every example call went as it should: whoever is answering already answers as before.
    ///
    /// # Errors
    /// With the calls that went otherwise.
    pub(crate) fn if_it_passes(self) -> Result<Published, Stop> {
        match self.failing {
            Some(failing) => Err(failing),
            None => Ok(self),
        }
    }
}

/// How much of the sound to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Every sentence.
    All,
    /// Sentences that stand alone; those with a number in them (places in the queue) follow later.
    Plain,
    /// None: what is recorded or was rendered before is enough.
    Nothing,
}

/// Languages that espeak-ng speaks, where it is installed.
const ESPEAK: [&str; 6] = ["en", "zh", "ko", "pt", "es", "vi"];
/// How long a program may take for one sentence.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens the voices, without loading any: Japanese is built in, then the programs that `engine.yaml` names, then espeak-ng.
pub(crate) fn voices(state: &Path, settings: &Settings) -> Result<Speech, Stop> {
    let espeak = ESPEAK.iter().map(|lang| Lang::from(*lang)).filter_map(|lang| Some((CommandProvider::espeak(&lang)?, lang)));
    let mut commands: BTreeMap<Lang, CommandProvider> = espeak.map(|(provider, lang)| (lang, provider)).collect();
    for (lang, argv) in &settings.voices {
        commands.insert(lang.clone(), CommandProvider { argv: argv.clone(), timeout: COMMAND_TIMEOUT });
    }
    Speech::open(state, commands).map_err(Stop::new)
}

/// Reads, sounds, checks. `progress` hears how many sentences of how many are ready when some have to be rendered.
///
/// # Errors
/// With every problem rendered, when the files do not make a city; with how the call went, when an example of a flow does not go as it should.
pub(crate) fn publish(files: &Files, state: &Path, wait: Wait, progress: &mut dyn FnMut(usize, usize)) -> Result<Published, Stop> {
    let sources = files.read()?;
    let draft = flow::read(sources.clone());
    let mut speech = voices(state, draft.settings())?;
    let (sounds, known) = sound(&draft, files, &mut speech, wait, progress);
    let checked = flow::check(&draft, &known);
    let rendered = files.render(&checked.problems, &sources, Tongue::En, false);
    let Checked { book: Some(book), problems } = checked else {
        return Err(Stop(format!("the city's files have mistakes, nothing goes live:\n{rendered}")));
    };
    let failing = examples::must_pass(files, &draft, &sources, &book, &known.lengths).err();
    let mut clips = BTreeMap::new();
    for (spoken, pcm) in sounds {
        // A sound that cannot be encoded was named by the check already, as unspeakable.
        if let Ok(clip) = Clip::encode(&pcm) {
            clips.insert(spoken, Arc::new(clip));
        }
    }
    let users = accounts::read(state)?;
    let warnings = if problems.is_empty() { String::new() } else { rendered };
    Ok(Published { city: Arc::new(City { book: Arc::new(book), clips, users }), warnings, failing })
}

/// The sound of each sentence, and what `check` must know of it.
pub(crate) fn sound(
    draft: &Draft,
    files: &Files,
    speech: &mut Speech,
    wait: Wait,
    progress: &mut dyn FnMut(usize, usize),
) -> (BTreeMap<Spoken, Pcm>, Known) {
    let sentences = flow::sentences(draft);
    let mut sounds = BTreeMap::new();
    let mut unspeakable = BTreeMap::new();
    let mut missing = Vec::new();
    for sentence in &sentences {
        match at_hand(sentence, files, speech) {
            Ok(Some(pcm)) => {
                sounds.insert(sentence.spoken.clone(), pcm);
            }
            Ok(None) => missing.push(sentence),
            Err(why) => {
                unspeakable.insert(sentence.spoken.clone(), why);
            }
        }
    }
    match wait {
        Wait::All => {}
        Wait::Plain => missing.retain(|sentence| sentence.spoken.value.is_none()),
        Wait::Nothing => missing.clear(),
    }
    let total = missing.len();
    for (done, sentence) in missing.into_iter().enumerate() {
        progress(done, total);
        if let Form::Text { text, reading } = &sentence.form {
            match speech.render(&request(sentence, text, reading.as_ref())) {
                Ok(pcm) => {
                    sounds.insert(sentence.spoken.clone(), pcm);
                }
                Err(fault) => {
                    unspeakable.insert(sentence.spoken.clone(), fault.to_string());
                }
            }
        }
    }
    if total > 0 {
        progress(total, total);
    }
    let lengths = sounds.iter().map(|(spoken, pcm)| (spoken.clone(), Millis::from(pcm.length()))).collect();
    let langs: BTreeSet<Lang> = sentences.iter().map(|s| s.spoken.lang.clone()).collect();
    let voices = langs.into_iter().filter(|lang| speech.speaks(lang)).collect();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wall = UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    (sounds, Known { lengths, voices, unspeakable, wall })
}

/// The sound if nothing has to be rendered for it: recorded, or in the cache.
fn at_hand(sentence: &Sentence, files: &Files, speech: &Speech) -> Result<Option<Pcm>, String> {
    match &sentence.form {
        Form::Files(names) => {
            let mut whole = Pcm { rate: 8000, samples: Vec::new() };
            for name in names {
                whole.samples.extend(files.recorded(name)?.samples);
            }
            Ok(Some(whole))
        }
        Form::Text { text, reading } => {
            if speech.speaks(&sentence.spoken.lang) {
                Ok(speech.cached(&request(sentence, text, reading.as_ref())))
            } else {
                // `check` says so itself, from the voices that are known.
                Err(format!("no voice speaks {}", sentence.spoken.lang))
            }
        }
    }
}

fn request(sentence: &Sentence, text: &str, reading: Option<&String>) -> Request {
    Request { lang: sentence.spoken.lang.clone(), text: text.to_owned(), reading: reading.cloned() }
}
