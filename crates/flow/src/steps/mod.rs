//! The steps of the language. Each is one file here and one word in the `steps!` line below.
//!
//! A step's file holds a `Step` (what was written) and a `State` (what one caller has done there), and answers for itself:
//! `read` decodes it, `sketch` lays open what it says and where it leads so that every check and every sum works on it,
//! `enter`, `hear`, `due` and `timeout` run it. Its `SHAPE` tells editors its words.

use crate::decode::Fields;
use crate::problem::{At, Problems, Spot};
use crate::program::{Defaults, Set};
use crate::rules::Rule;
use crate::run::{Caller, Heard, Scene};
use crate::speech::Speech;
use crate::target::Target;
use crate::tree::{Key, Node};
use model::{AgentId, Digit, Instant, Lang, LookupId, PromptId, QueueId, ScheduleId, Skill, SlotId, StepId};
use std::time::Duration;

macro_rules! steps {
    ($($word:ident),* $(,)?) => {
        $(mod $word;)*

        /// The words that say what a step does.
        pub(crate) const WORDS: [&str; [$(stringify!($word)),*].len()] = [$(stringify!($word)),*];

        /// What each of them may say, for editors.
        pub(crate) const SHAPES: [&crate::schema::Shape; WORDS.len()] = [$(&$word::SHAPE),*];

        /// One step, as written.
        #[expect(non_camel_case_types, reason = "the word in the file is the variant: one word, one thing")]
        #[derive(Clone, Debug)]
        pub(crate) enum Step { $($word($word::Step)),* }

        /// What one caller has done at a step so far.
        #[expect(non_camel_case_types, reason = "the word in the file is the variant: one word, one thing")]
        #[derive(Clone, Debug)]
        pub(crate) enum State { $($word($word::State)),* }

        impl Step {
            /// Reads the step that `word` stands for; `fields` are the other words of it.
            pub(crate) fn read(
                word: &str, key: &Key, body: &Node, fields: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems,
            ) -> Option<Step> {
                match word {
                    $(stringify!($word) => $word::Step::read(key, body, fields, defaults, problems).map(Step::$word),)*
                    _ => None,
                }
            }
            /// What it says and where it leads.
            pub(crate) fn sketch(&self) -> Sketch<'_> {
                match self { $(Step::$word(step) => step.sketch()),* }
            }
            /// A caller comes to it.
            pub(crate) fn enter<'s>(&'s self, scene: &Scene<'_>, caller: &mut Caller) -> (State, Go<'s>) {
                match self {
                    $(Step::$word(step) => {
                        let mut state = $word::State::default();
                        let go = step.enter(&mut state, scene, caller);
                        (State::$word(state), go)
                    })*
                }
            }
            /// As if a caller had come to it, without a word: for a caller who is there already.
            pub(crate) fn blank(&self) -> State {
                match self { $(Step::$word(_) => State::$word($word::State::default())),* }
            }
            /// The caller did or met something there.
            pub(crate) fn hear<'s>(&'s self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'s> {
                match (self, state) {
                    $((Step::$word(step), State::$word(state)) => step.hear(state, scene, caller, heard),)*
                    _ => Go::Fail,
                }
            }
            /// When it wants to be woken.
            pub(crate) fn due(&self, state: &State, caller: &Caller, at: &StepId) -> Option<Instant> {
                match (self, state) {
                    $((Step::$word(step), State::$word(state)) => step.due(state, caller, at),)*
                    _ => None,
                }
            }
            /// The time has come.
            pub(crate) fn timeout<'s>(&'s self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'s> {
                match (self, state) {
                    $((Step::$word(step), State::$word(state)) => step.timeout(state, scene, caller),)*
                    _ => Go::Fail,
                }
            }
        }
    };
}

steps! { say, notice, menu, language, ask, collect, rules, set, schedule, queue, transfer, callback, voicemail, lookup, hang_up }

pub(crate) use lookup::FAILED;

/// Where the call goes from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go<'s> {
    /// Nowhere yet.
    Stay,
    /// To another step.
    To(&'s StepId),
    /// To its end.
    HangUp,
    /// Something is impossible: to `on_error`.
    Fail,
}

/// A step laid open: what it says and where it leads. All checks and sums work on this.
pub(crate) struct Sketch<'s> {
    /// What sounds on entering, before anything else can happen.
    pub(crate) opening: Option<&'s Speech>,
    /// Everything it may say.
    pub(crate) speeches: Vec<&'s Speech>,
    /// Every way out.
    pub(crate) ways: Vec<Way<'s>>,
    pub(crate) end: End,
    /// Whether the changing word of a sentence has a value here.
    pub(crate) templates: bool,
    /// A menu's keys, and whether more than four are fine; `None` if it is no menu.
    pub(crate) menu: Option<MenuFacts>,
    /// Questions asked one after the other, each with its keys.
    pub(crate) questions: Vec<(&'s Speech, MenuFacts)>,
    /// Words that the step itself remembers.
    pub(crate) gives: Vec<Given<'s>>,
    /// The languages that can be chosen here, and where to point for one that cannot.
    pub(crate) languages: Option<(Spot, &'s [Lang])>,
    /// Rules that decide here.
    pub(crate) rules: &'s [Rule],
    /// Whether a caller who comes from a queue keeps the place here.
    pub(crate) keeps_place: bool,
    pub(crate) queue: Option<&'s At<QueueId>>,
    /// The class that everybody who waits there has at least.
    pub(crate) class: u8,
    pub(crate) schedule: Option<&'s At<ScheduleId>>,
    /// Skills asked for here.
    pub(crate) skills: &'s [At<Skill>],
    /// Agents named here.
    pub(crate) agents: &'s [At<AgentId>],
    /// The line that callers are put through to.
    pub(crate) target: Option<&'s Target>,
    /// When callers are called back.
    pub(crate) callback: Option<&'s At<ScheduleId>>,
    pub(crate) music: Option<&'s At<PromptId>>,
    /// The house that is asked here.
    pub(crate) lookup: Option<&'s At<LookupId>>,
    /// What is sent to it of the caller: variables.
    pub(crate) sends: Vec<&'s At<String>>,
    /// Where a notice is spoken, when there is one.
    pub(crate) notice: Option<&'s At<SlotId>>,
}

impl Sketch<'_> {
    pub(crate) fn new() -> Self {
        Sketch {
            opening: None,
            speeches: Vec::new(),
            ways: Vec::new(),
            end: End::Open,
            templates: false,
            menu: None,
            questions: Vec::new(),
            gives: Vec::new(),
            languages: None,
            rules: &[],
            keeps_place: false,
            queue: None,
            class: 0,
            schedule: None,
            skills: &[],
            agents: &[],
            target: None,
            callback: None,
            music: None,
            lookup: None,
            sends: Vec::new(),
            notice: None,
        }
    }
    /// Whether a key is asked for here.
    pub(crate) fn asks(&self) -> bool {
        self.ways.iter().any(|way| matches!(way.by, By::Key(_)))
    }
}

/// A variable that a step gives a word to, out of these.
pub(crate) struct Given<'s> {
    pub(crate) name: &'s At<String>,
    pub(crate) words: Vec<&'s At<String>>,
    /// It stands for something that the caller typed, which no flow can name.
    pub(crate) typed: bool,
}

/// What a menu offers.
pub(crate) struct MenuFacts {
    /// Keys that lead somewhere; repeating is no choice.
    pub(crate) choices: usize,
    /// All keys.
    pub(crate) keys: Vec<At<Digit>>,
    /// A closed list of like things: as many choices as it takes.
    pub(crate) list: bool,
}

/// Whether a call may end at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It goes on.
    Open,
    /// In the hands of people.
    Person,
    /// It goes on, but the caller's claim is written down: whatever comes, somebody will call back.
    Claim,
    /// After an announcement.
    HangUp,
}

/// One way out of a step.
pub(crate) struct Way<'s> {
    pub(crate) to: &'s At<StepId>,
    pub(crate) by: By,
    /// How often the opening is heard before this way is taken.
    pub(crate) times: u32,
    /// Silence after each of these times.
    pub(crate) pause: Duration,
    pub(crate) set: Option<&'s Set>,
    /// The word of an answer.
    pub(crate) word: Option<&'s str>,
    /// What sounds on this way, one after the other, where it is more than the opening; instead of `times` and `pause`.
    pub(crate) beats: Vec<Beat<'s>>,
    /// Variables that have a word on this way.
    pub(crate) gives: Vec<&'s str>,
}

impl<'s> Way<'s> {
    pub(crate) fn new(to: &'s At<StepId>, by: By) -> Self {
        Way { to, by, times: 1, pause: Duration::ZERO, set: None, word: None, beats: Vec::new(), gives: Vec::new() }
    }
    /// Keys that must be pressed to take it.
    pub(crate) fn presses(&self) -> u32 {
        let keys: u32 = self.beats.iter().map(|beat| if beat.keys.is_empty() { 0 } else { beat.presses }).sum();
        keys.max(1)
    }
    /// Whether a variable has a word once it is taken.
    pub(crate) fn sets(&self, name: &str) -> bool {
        self.gives.contains(&name) || self.set.is_some_and(|set| set.variables.iter().any(|(set, _)| set.value == name))
    }
}

/// One thing that sounds on a way, and how it ends.
#[derive(Clone, Debug)]
pub(crate) struct Beat<'s> {
    pub(crate) speech: &'s Speech,
    /// One of these is pressed, as soon as it is named; none: it sounds to its end.
    pub(crate) keys: Vec<Digit>,
    /// How many are pressed here.
    pub(crate) presses: u32,
    /// How often it is heard.
    pub(crate) times: u32,
    /// Silence after each of these times.
    pub(crate) pause: Duration,
}

impl<'s> Beat<'s> {
    /// Said once, to its end.
    pub(crate) fn said(speech: &'s Speech) -> Self {
        Beat { speech, keys: Vec::new(), presses: 1, times: 1, pause: Duration::ZERO }
    }
}

/// Where a step leads that has one way on.
fn next(key: &Key, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<At<StepId>> {
    let Some(node) = fields.take("next") else {
        let (en, ja) = ("say where the call goes from here", "このあとの行き先が書かれていません。");
        problems.error(key.at, "missing_way", en, ja).help("next: main");
        return None;
    };
    node.name(problems)
}

/// What makes a caller take a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Nothing: it is the only one.
    Itself,
    /// A key, as soon as the sentence has named it.
    Key(Digit),
    /// Pressing nothing.
    Silence,
    /// Keys that mean nothing.
    BadKey,
    /// The calendar; `closed` tells whether it says closed.
    Hours { closed: bool },
    /// What another house answers, whatever the caller does.
    Answer,
    /// A queue that takes nobody, a line that does not answer, a callback that is not possible.
    Refused,
    /// A wait, or how a queue stands; once per caller.
    Waited,
}
