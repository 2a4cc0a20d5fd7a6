//! From files to a city that can answer: read, find the sound of each sentence, check, encode.

use crate::accounts;
use crate::examples;
use crate::files::Files;
use crate::words::{Both, Stop};
use calls::City;
use flow::{Draft, Form, Known, Sentence, Severity, Source, Spoken, Tongue};
use media::Clip;
use model::{Lang, Millis, Pcm, Settings, UnixMillis};
use speech::{CommandProvider, Request, Speech};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A city that passed its check, and what remains to be said about it.
pub(crate) struct Published {
    pub(crate) city: Arc<City>,
    /// Warnings, rendered.
    pub(crate) warnings: String,
    /// Which example calls go otherwise than they should, told moment by moment.
    pub(crate) failing: Option<Refused>,
    /// How long it took.
    pub(crate) took: Took,
}

/// How long a publication takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    /// Reading, checking and encoding.
    pub(crate) city: Duration,
    /// The example calls.
    pub(crate) tests: Duration,
    /// Sentences that had to be rendered, and how long that took.
    pub(crate) sentences: usize,
    pub(crate) voice: Duration,
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ms", self.city.as_millis())?;
        if self.tests > Duration::ZERO {
            write!(f, " + tests {} ms", self.tests.as_millis())?;
        }
        match self.sentences {
            0 => Ok(()),
            1 => write!(f, " + 1 sentence {} ms", self.voice.as_millis()),
            many => write!(f, " + {many} sentences {} ms", self.voice.as_millis()),
        }
    }
}

/// Why a city was not taken.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// All of it, as people read it.
    pub(crate) said: Both,
    /// The first mistake on one line: `flows/city.yaml:14:12: there is no step "mian"`.
    pub(crate) first: Both,
    /// How many there are.
    pub(crate) problems: u64,
}

impl Refused {
    /// One reason, told on any number of lines; the first two of them are its short form.
    pub(crate) fn because(said: Both) -> Refused {
        let short = |said: &str| said.lines().map(str::trim).filter(|line| !line.is_empty()).take(2).collect::<Vec<_>>().join(" ");
        Refused { first: Both::new(short(&said.en), short(&said.ja)), said, problems: 1 }
    }
}

impl From<Stop> for Refused {
    fn from(Stop(said): Stop) -> Refused {
        let ja = format!("市のファイルを読み込めません（{said}）。");
        Refused::because(Both::new(said, ja))
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Stop {
        Stop(refused.said.en)
    }
}

impl Published {
    /// Only if every example call went as it should: whoever is answering already answers as before.
    ///
    /// # Errors
    /// With the calls that went otherwise.
    pub(crate) fn if_it_passes(self) -> Result<Published, Refused> {
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

/// Reads, sounds, checks. `progress` hears how many sentences of how many are ready when some have to be rendered. What sounds as in the
/// city `before` is taken from there.
///
/// # Errors
/// With every problem rendered, when the files do not make a city.
pub(crate) fn publish(
    files: &Files,
    sources: &[Source],
    state: &Path,
    wait: Wait,
    before: Option<Before<'_>>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Published, Refused> {
    let mut took = Took::default();
    let began = Instant::now();
    let draft = flow::read(sources.to_vec());
    let mut speech = voices(state, draft.settings())?;
    let mut rendering: Option<Instant> = None;
    let mut clips = before.map(|before| before.same(&draft)).unwrap_or_default();
    let have = clips.iter().map(|(spoken, clip)| (spoken.clone(), Millis::from(clip.length()))).collect();
    let (sounds, known) = sound_the_rest(&draft, files, &mut speech, wait, have, &mut |done, total| {
        let since = *rendering.get_or_insert_with(Instant::now);
        (took.sentences, took.voice) = (total, since.elapsed());
        progress(done, total);
    });
    let checked = flow::check(&draft, &known);
    let rendered = |tongue| files.render(&checked.problems, sources, tongue, false);
    let (warnings, problems) = (rendered(Tongue::En), &checked.problems);
    let Some(book) = checked.book else {
        let errors = || problems.iter().filter(|problem| problem.severity == Severity::Error);
        let first = errors().next().map_or_else(Both::default, |problem| {
            let place = format!("{}:{}:{}", files.real(&problem.path), problem.line, problem.column);
            Both::new(format_args!("{place}: {}", problem.en), format_args!("{place}: {}", problem.ja))
        });
        let said = Both::new(
            format_args!("the city's files have mistakes, nothing goes live:\n{warnings}"),
            format_args!("市のファイルに誤りがあるため、公開されません。\n{}", rendered(Tongue::Ja)),
        );
        return Err(Refused { said, first, problems: errors().count() as u64 });
    };
    let tests = Instant::now();
    let failing = examples::must_pass(files, &draft, sources, &book, &known.lengths).err();
    took.tests = tests.elapsed();
    for (spoken, pcm) in sounds {
        // A sound that cannot be encoded was named by the check already, as unspeakable.
        if let Ok(clip) = Clip::encode(&pcm) {
            clips.insert(spoken, Arc::new(clip));
        }
    }
    let users = accounts::read(state)?;
    let passwords = accounts::of_trunks(state, &book)?;
    let warnings = if problems.is_empty() { String::new() } else { warnings };
    took.city = began.elapsed().saturating_sub(took.tests).saturating_sub(took.voice);
    Ok(Published { city: Arc::new(City { book: Arc::new(book), clips, users, passwords }), warnings, failing, took })
}

/// The sound of a notice in each of its languages.
///
/// # Errors
/// With the language that no voice speaks, or that a voice failed at.
pub(crate) fn notice(state: &Path, settings: &Settings, texts: &[(Lang, String)]) -> Result<BTreeMap<Lang, Arc<Clip>>, Stop> {
    let mut speech = voices(state, settings)?;
    let mut clips = BTreeMap::new();
    for (lang, text) in texts.iter().filter(|(lang, _)| speech.speaks(lang)).cloned().collect::<Vec<_>>() {
        let failed = |why: String| Stop::new(format!("the notice cannot be spoken in {lang}: {why}"));
        let pcm = speech.render(&Request { lang: lang.clone(), text, reading: None }).map_err(|fault| failed(fault.to_string()))?;
        let clip = Clip::encode(&pcm).map_err(|fault| failed(fault.to_string()))?;
        clips.insert(lang, Arc::new(clip));
    }
    Ok(clips)
}

/// The city that is in force while another one is made: what sounds the same is not made again.
#[derive(Clone, Copy)]
pub(crate) struct Before<'c> {
    pub(crate) city: &'c City,
    /// Whether the recordings on the disk are those that it was made of.
    pub(crate) recordings: bool,
}

impl Before<'_> {
    /// Its sounds that are those of a draft too.
    fn same(&self, draft: &Draft) -> BTreeMap<Spoken, Arc<Clip>> {
        if self.city.book.settings.voices != draft.settings().voices {
            return BTreeMap::new();
        }
        let forms: BTreeMap<&Spoken, &Form> = self.city.book.sentences.iter().map(|s| (&s.spoken, &s.form)).collect();
        let stays = |sentence: &Sentence| {
            let may = self.recordings || matches!(sentence.form, Form::Text { .. });
            may && forms.get(&sentence.spoken) == Some(&&sentence.form)
        };
        let stay = flow::sentences(draft).into_iter().filter(stays);
        stay.filter_map(|sentence| Some((sentence.spoken.clone(), Arc::clone(self.city.clips.get(&sentence.spoken)?)))).collect()
    }
}

/// The sound of each sentence, and what `check` must know of it.
pub(crate) fn sound(
    draft: &Draft,
    files: &Files,
    speech: &mut Speech,
    wait: Wait,
    progress: &mut dyn FnMut(usize, usize),
) -> (BTreeMap<Spoken, Pcm>, Known) {
    sound_the_rest(draft, files, speech, wait, BTreeMap::new(), progress)
}

/// The same but for the sentences that somebody has already, each with its length.
fn sound_the_rest(
    draft: &Draft,
    files: &Files,
    speech: &mut Speech,
    wait: Wait,
    have: BTreeMap<Spoken, Millis>,
    progress: &mut dyn FnMut(usize, usize),
) -> (BTreeMap<Spoken, Pcm>, Known) {
    let sentences = flow::sentences(draft);
    let mut sounds = BTreeMap::new();
    let mut unspeakable = BTreeMap::new();
    let mut missing = Vec::new();
    for sentence in sentences.iter().filter(|sentence| !have.contains_key(&sentence.spoken)) {
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
    let lengths = sounds.iter().map(|(spoken, pcm)| (spoken.clone(), Millis::from(pcm.length()))).chain(have).collect();
    let langs: BTreeSet<Lang> = sentences.iter().map(|s| s.spoken.lang.clone()).collect();
    let voices = langs.into_iter().filter(|lang| speech.speaks(lang)).collect();
    (sounds, Known { lengths, voices, unspeakable, wall: wall() })
}

/// What the clock on the wall shows.
pub(crate) fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
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
