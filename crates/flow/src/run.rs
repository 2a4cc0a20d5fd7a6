//! One caller's way through a flow, step by step.
//!
//! Sans-IO: [`Run::handle`] is told what the caller did or met, [`Run::poll_output`] says what is to be done. One input, then
//! drain, then the next. Every way ends at a person or at an honest announcement: what is impossible leads to `on_error`, and a
//! sentence that never reports its end counts as heard.

use crate::book::Book;
use crate::calendar::Hours;
use crate::problem::At;
use crate::program::{Flow, Set, VARIABLES_MAX};
use crate::prompts::{Changing, MINUTES, POSITION_MAX};
use crate::speech::{Speech, Spoken};
use crate::standing::Standing;
use crate::steps::{End, Go, Sketch, State, Step};
use model::{
    AgentId, Digit, Estimate, FlowName, Instant, KeyMeaning, Lang, LineId, LookupId, MailboxId, Manner, Millis, Need, Now, NumberKind,
    PromptId, QueueEnd, QueueFacts, QueueId, Redacted, ScheduleId, StepId, TransferEnd, Version,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Steps of a call's path that are kept: the first ones.
const PATH_MAX: usize = 64;
/// Steps taken without anything happening in between. `check` leaves no such circle; this is the fence behind it.
const HOPS_MAX: usize = 32;
/// Failures after which the call is ended: `on_error` itself has failed.
const FAILURES_MAX: u32 = 3;
/// How long after its length a sentence counts as heard, though nobody said so.
const PLAYED_GRACE: Duration = Duration::from_secs(15);
/// The length of a sentence whose length nobody knows.
const LENGTH_UNKNOWN: Duration = Duration::from_secs(120);

/// What the caller did or met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The caller can hear and be heard. After [`Run::resume`] too: the current step begins again.
    Started,
    /// A key, at its end. A prompt with barge-in was cut by it.
    Digit(Digit),
    /// The last [`Ask::Prompt`] sounded to its end.
    Played,
    /// The queue has given a place.
    Queued {
        /// Age zero of the wait.
        since: Instant,
        /// From 1.
        position: u32,
    },
    /// The queue did not take the caller, or takes nobody any more.
    Refused(QueueEnd),
    /// The caller's place and, where it can be told, the wait; told before every `handle_timeout` while waiting.
    Place {
        /// From 1.
        position: u32,
        /// What may be said of the wait.
        wait: Option<Estimate>,
    },
    /// The answer to [`Ask::Look`]; `None` when there is no such queue.
    Facts(Option<QueueFacts>),
    /// A transfer was not made; the caller is back in the run's hands. A transfer that is made is [`Heard::Connected`].
    NotTransferred(TransferEnd),
    /// The callback is written down.
    CallbackBooked,
    /// It is not: the number may not be called, or the window will not come in time.
    CallbackRefused,
    /// The recording is over, and its file closed.
    Recorded {
        /// Whether there is a message: who said nothing has left none.
        kept: bool,
    },
    /// There was no recording, or it broke off: the caller must be led elsewhere.
    NotRecorded,
    /// Another house has answered.
    Answered(Answered),
    /// It has not, or not so that it can be used.
    NotAnswered,
    /// Agent and caller talk; the run is quiet.
    Connected,
    /// The agent's leg was lost before or while talking: back in the queue, waiting.
    Returned,
    /// The agent hung up: the run ends.
    Served,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Say this, instead of whatever sounds.
    Prompt {
        /// One after the other.
        sentences: Vec<Spoken>,
        /// Whether a key cuts it.
        barge_in: bool,
    },
    /// Play this in a loop until another ask.
    Music(Spoken),
    /// Play nothing.
    Hush,
    /// Take a place in a queue, or move there from another one; the age is kept.
    Enqueue(Wanted),
    /// How does this queue stand? [`Heard::Facts`] follows at once.
    Look {
        /// Which.
        queue: QueueId,
    },
    /// Put the caller through to a line; [`Heard::Connected`] or [`Heard::NotTransferred`] follows. The caller hears what was asked for
    /// last (music) until then.
    Transfer {
        /// A line with a target.
        line: LineId,
        /// For a warm transfer: what the other side hears before it accepts with 1. `None`: a blind one.
        brief: Option<Vec<Spoken>>,
        /// How long the other side may take, until it has accepted.
        timeout: Duration,
        /// Whether a transfer that fails brings the caller to the front of the queue that they were in: the place is kept meanwhile.
        keep_place: bool,
    },
    /// Write down that the caller wants to be called back, at the number they call from; the claim keeps its age.
    /// [`Heard::CallbackBooked`] or [`Heard::CallbackRefused`] follows.
    Callback {
        /// For whom they wait.
        wanted: Wanted,
        /// How.
        terms: CallbackTerms,
    },
    /// Record a message after a beep; [`Heard::Recorded`] or [`Heard::NotRecorded`] follows.
    Record {
        /// In which box.
        mailbox: MailboxId,
        /// The greatest length.
        max: Duration,
        /// Silence that ends it.
        silence: Duration,
    },
    /// The message is over, if one is being recorded.
    StopRecording,
    /// Ask another house; [`Heard::Answered`] or [`Heard::NotAnswered`] follows.
    Lookup {
        /// Whom.
        at: LookupId,
        /// What is sent, by name.
        send: BTreeMap<String, Sent>,
        /// How long it may take, every attempt included.
        timeout: Duration,
    },
    /// The caller was told this wait: whether it was true can be judged when it is over.
    Told {
        /// As it was known when it was told.
        estimate: Estimate,
    },
    /// Step away from the queue; the age is kept.
    LeaveQueue,
    /// End the call.
    HangUp,
    /// Something worth noting.
    Note(Note),
}

/// What another house answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The word that decides the way.
    pub answer: String,
    /// Its other words, by their names.
    pub words: BTreeMap<String, String>,
}

/// A value that is sent to another house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// This text; it may be what the caller typed.
    Text(Redacted<String>),
    /// The number that the caller calls from.
    Caller,
}

/// Whom a caller waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Where.
    pub queue: QueueId,
    /// What the agent must be able to do, language included.
    pub needs: Vec<Need>,
    /// The caller's language.
    pub lang: Lang,
    /// 0 normal, 1 high, 2 urgent.
    pub class: u8,
    /// On top of the age, within the class.
    pub bonus: Duration,
    /// Agents who are not to be asked.
    pub except: Vec<AgentId>,
    /// For how long to wait for the agent who served this caller last, if somebody did today.
    pub last_agent: Option<Duration>,
}

/// On what terms somebody is called back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackTerms {
    /// Only within these hours.
    pub window: ScheduleId,
    /// Kinds of numbers that may be called.
    pub accept: BTreeSet<NumberKind>,
    /// Attempts in all.
    pub attempts: u32,
    /// Between two attempts.
    pub spacing: Duration,
    /// After so long it is over.
    pub expires: Duration,
}

/// What happened on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The caller came to a step.
    StepEntered {
        /// Which.
        step: StepId,
    },
    /// The caller pressed a key.
    Pressed {
        /// Where.
        step: StepId,
        /// Which.
        digit: Digit,
        /// What became of it.
        meaning: KeyMeaning,
    },
    /// A menu's time ran out.
    NoInput {
        /// Where.
        step: StepId,
    },
    /// The caller came for the first time to where people take over: *pressing* or *silent*, as `check` reckons it beforehand.
    Handed {
        /// How.
        manner: Manner,
        /// Since the flow began.
        took: Millis,
    },
}

/// Where a caller is: enough to go on after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The flow.
    pub flow: FlowName,
    /// The version of the city that the call began with.
    pub version: Version,
    /// The step.
    pub step: StepId,
    /// The caller's language.
    pub lang: Lang,
    /// 0 normal, 1 high, 2 urgent.
    pub class: u8,
    /// Rungs of `waited` already climbed: step and number.
    pub rungs: Vec<(StepId, u32)>,
    /// The way so far.
    pub path: Vec<String>,
    /// Words that were remembered, by their names.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The wait in minutes that was told last.
    #[serde(default)]
    pub told: Option<u32>,
}

/// One caller's way through a flow.
#[derive(Debug)]
pub struct Run {
    book: Arc<Book>,
    flow: FlowName,
    step: StepId,
    stage: Stage,
    caller: Caller,
    failures: u32,
    /// What was set by hand, as it stands: it counts above the book.
    standing: Arc<Standing>,
}

#[derive(Debug)]
enum Stage {
    /// Nothing was said yet.
    Fresh,
    Live(State),
    /// With an agent.
    Talking(State),
    Over,
}

/// What a step needs to know of the world.
pub(crate) struct Scene<'a> {
    pub(crate) now: Now,
    pub(crate) book: &'a Book,
    pub(crate) step: &'a StepId,
    pub(crate) standing: &'a Standing,
}

impl Scene<'_> {
    /// How a schedule answers at this moment; `None` if there is no such schedule.
    pub(crate) fn hours(&self, schedule: &ScheduleId) -> Option<Hours> {
        self.book.calendar.hours(schedule, self.now.wall).map(|hours| self.standing.hours(schedule, self.now.wall).unwrap_or(hours))
    }
}

/// What is known of the caller, and what is to be done for them.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) lang: Lang,
    /// The language of the house.
    house: Lang,
    /// Languages that nothing speaks, and the queue of each.
    unvoiced: BTreeMap<Lang, StepId>,
    /// Has just chosen a language.
    chose: bool,
    pub(crate) class: u8,
    /// Age zero of the wait.
    pub(crate) since: Option<Instant>,
    /// Place in line.
    pub(crate) position: Option<u32>,
    /// What may be said of the wait.
    pub(crate) wait: Option<Estimate>,
    /// What kind of number they call from; `None` when it is withheld.
    pub(crate) number: Option<NumberKind>,
    /// Holds a place in a queue, or has asked for one.
    pub(crate) queued: bool,
    /// The wait in minutes that was told last.
    pub(crate) told: Option<u32>,
    variables: BTreeMap<String, String>,
    /// What the caller typed: never part of a position, which is written down.
    typed: BTreeMap<String, Redacted<String>>,
    way: Way,
    climbed: BTreeSet<(StepId, u32)>,
    path: Vec<String>,
    /// A key that has cut a sentence and counts where a key is asked for next.
    ahead: Option<Digit>,
    /// When the sentence that sounds counts as heard, whatever happens.
    heard_by: Option<Instant>,
    out: VecDeque<Ask>,
}

/// How long the caller is under way to people.
#[derive(Debug, Default)]
struct Way {
    /// `None` before the flow began, after a restart, and once people have taken over.
    began: Option<Instant>,
    pressed: bool,
    waited: bool,
}

impl Way {
    fn note(&mut self, note: &Note) {
        match note {
            Note::Pressed { .. } => self.pressed = true,
            Note::NoInput { .. } => self.waited = true,
            Note::StepEntered { .. } | Note::Handed { .. } => {}
        }
    }
    fn manner(&self) -> Manner {
        match (self.pressed, self.waited) {
            (true, false) => Manner::Pressing,
            (true, true) => Manner::Mixed,
            (false, _) => Manner::Silent,
        }
    }
}

impl Run {
    /// A caller at the start of a flow; `None` if the book has no such flow.
    pub fn new(book: Arc<Book>, flow: &FlowName) -> Option<Run> {
        let program = book.flows.get(flow)?;
        let (step, lang) = (program.start.value.clone(), program.default_lang.value.clone());
        let caller = Caller::new(program, lang, 0, BTreeSet::new(), Vec::new());
        Some(Run { flow: flow.clone(), step, stage: Stage::Fresh, caller, failures: 0, standing: Arc::default(), book })
    }

    /// A caller at a position kept before; `None` if the book has no such flow. [`Heard::Started`] begins the step again.
    /// A step that the book no longer has is left by `on_error`.
    pub fn resume(book: Arc<Book>, at: Position) -> Option<Run> {
        let program = book.flows.get(&at.flow)?;
        let mut path = at.path;
        path.truncate(PATH_MAX);
        let mut caller = Caller::new(program, at.lang, at.class, at.rungs.into_iter().collect(), path);
        (caller.variables, caller.told) = (at.variables, at.told);
        Some(Run { flow: at.flow, step: at.step, stage: Stage::Fresh, caller, failures: 0, standing: Arc::default(), book })
    }

    /// What kind of number the caller calls from; `None` when it is withheld. Said once, at the beginning.
    pub fn calling_from(mut self, number: Option<NumberKind>) -> Run {
        self.caller.number = number;
        self
    }

    /// What was set by hand from here on. Said once at the beginning, and whenever it changes.
    pub fn heed(&mut self, standing: Arc<Standing>) {
        self.standing = standing;
    }

    /// The caller did or met something.
    pub fn handle(&mut self, now: Now, heard: Heard) {
        match (std::mem::replace(&mut self.stage, Stage::Over), heard) {
            (Stage::Over, _) => {}
            (Stage::Fresh | Stage::Live(_) | Stage::Talking(_), Heard::Served) => self.caller.ask(Ask::HangUp),
            (Stage::Fresh, Heard::Started) => {
                let book = Arc::clone(&self.book);
                let step = self.step.clone();
                // After a restart the beginning is not known any more.
                self.caller.way.began = Some(now.mono).filter(|_| self.caller.path.is_empty());
                self.travel(now, &book, Go::To(&step));
            }
            // Restored into a queue: the place is kept by those who keep places.
            (Stage::Fresh, heard @ (Heard::Queued { .. } | Heard::Connected | Heard::Returned)) => {
                let blank =
                    self.program(&Arc::clone(&self.book)).and_then(|flow| flow.steps.get(&self.step)).map(|named| named.step.blank());
                match blank {
                    Some(state) => {
                        self.stage = Stage::Live(state);
                        self.handle(now, heard);
                    }
                    None => self.stage = Stage::Fresh,
                }
            }
            (Stage::Fresh, _) => self.stage = Stage::Fresh,
            (Stage::Live(state), Heard::Connected) => {
                self.caller.heard_by = None;
                self.stage = Stage::Talking(state);
            }
            (Stage::Live(state), heard) => {
                if matches!(heard, Heard::Played) {
                    self.caller.heard_by = None;
                }
                self.live(now, state, |step, state, scene, caller| step.hear(state, scene, caller, &heard));
            }
            (Stage::Talking(state), Heard::Returned) => {
                self.live(now, state, |step, state, scene, caller| step.hear(state, scene, caller, &Heard::Returned));
            }
            (Stage::Talking(state), _) => self.stage = Stage::Talking(state),
        }
    }

    /// The time of [`Run::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Now) {
        let Stage::Live(state) = &self.stage else { return };
        if self.caller.heard_by.is_some_and(|at| at <= now.mono) {
            return self.handle(now, Heard::Played);
        }
        let book = Arc::clone(&self.book);
        let step = self.program(&book).and_then(|flow| flow.steps.get(&self.step)).map(|named| &named.step);
        if step.and_then(|step| step.due(state, &self.caller, &self.step)).is_some_and(|at| at <= now.mono)
            && let Stage::Live(state) = std::mem::replace(&mut self.stage, Stage::Over)
        {
            self.live(now, state, |step, state, scene, caller| step.timeout(state, scene, caller));
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Ask> {
        self.caller.out.pop_front()
    }

    /// When [`Run::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let Stage::Live(state) = &self.stage else { return None };
        let step = self.program(&self.book).and_then(|flow| flow.steps.get(&self.step)).map(|named| &named.step);
        let due = step.and_then(|step| step.due(state, &self.caller, &self.step));
        due.into_iter().chain(self.caller.heard_by).min()
    }

    /// Where the caller is.
    pub fn position(&self) -> Position {
        Position {
            flow: self.flow.clone(),
            version: self.book.version.clone(),
            step: self.step.clone(),
            lang: self.caller.lang.clone(),
            class: self.caller.class,
            rungs: self.caller.climbed.iter().cloned().collect(),
            path: self.caller.path.clone(),
            variables: self.caller.variables.clone(),
            told: self.caller.told,
        }
    }
    /// The caller's language.
    pub fn lang(&self) -> &Lang {
        &self.caller.lang
    }
    /// The caller's urgency: 0 normal, 1 high, 2 urgent.
    pub fn class(&self) -> u8 {
        self.caller.class
    }
    /// What the caller typed under this name (`collect`), for as long as this run lives: after a restart it is gone.
    pub fn typed(&self, name: &str) -> Option<&Redacted<String>> {
        self.caller.typed.get(name)
    }
    /// Whether the step that the caller is at can use this answer: its word has a way, and every word to keep is listed.
    pub fn can_use(&self, answered: &Answered) -> bool {
        let step = self.program(&self.book).and_then(|flow| flow.steps.get(&self.step)).map(|named| &named.step);
        step.is_some_and(|step| matches!(step, Step::lookup(lookup) if lookup.knows(answered)))
    }
    /// The words that the step that the caller is at can use of an answer: those of `answer`, and of what is kept; nothing where nobody
    /// is asked.
    pub fn usable(&self) -> (Vec<&str>, BTreeMap<&str, Vec<&str>>) {
        match self.program(&self.book).and_then(|flow| flow.steps.get(&self.step)).map(|named| &named.step) {
            Some(Step::lookup(lookup)) => lookup.may_come(),
            _ => (Vec::new(), BTreeMap::new()),
        }
    }
    /// The way so far: `greeting`, `language=1`, `hours=open`, at most the first 64 steps.
    pub fn path(&self) -> &[String] {
        &self.caller.path
    }

    fn program<'b>(&self, book: &'b Book) -> Option<&'b Flow> {
        book.flows.get(&self.flow)
    }

    /// Lets the current step act, and goes where it leads.
    fn live(
        &mut self,
        now: Now,
        mut state: State,
        act: impl for<'s> FnOnce(&'s crate::steps::Step, &mut State, &Scene<'_>, &mut Caller) -> Go<'s>,
    ) {
        let book = Arc::clone(&self.book);
        let go = match self.program(&book).and_then(|flow| flow.steps.get(&self.step)) {
            Some(named) => {
                act(&named.step, &mut state, &Scene { now, book: &book, step: &self.step, standing: &self.standing }, &mut self.caller)
            }
            None => Go::Fail,
        };
        self.stage = Stage::Live(state);
        self.travel(now, &book, go);
    }

    /// Goes from step to step until one of them waits for something.
    fn travel(&mut self, now: Now, book: &Book, first: Go<'_>) {
        let mut go = first;
        let mut hops = 0;
        loop {
            let to = match go {
                Go::Stay => return,
                Go::HangUp => return self.hang_up(),
                Go::To(step) if hops < HOPS_MAX => step,
                Go::To(_) | Go::Fail => {
                    self.failures += 1;
                    hops = 0;
                    match self.program(book).and_then(|flow| flow.defaults.on_error.as_ref()) {
                        Some(to) if self.failures <= FAILURES_MAX => &to.value,
                        _ => return self.hang_up(),
                    }
                }
            };
            hops += 1;
            // Whoever has chosen a language without a voice is not led through menus that they cannot hear.
            let shortcut = std::mem::take(&mut self.caller.chose).then(|| self.caller.unvoiced.get(&self.caller.lang).cloned()).flatten();
            let to = shortcut.as_ref().unwrap_or(to);
            let Some(named) = self.program(book).and_then(|flow| flow.steps.get(to)) else {
                go = Go::Fail;
                continue;
            };
            self.step = to.clone();
            self.caller.heard_by = None;
            self.caller.came_to(&self.step);
            let sketch = named.step.sketch();
            if matches!(sketch.end, End::Person | End::Claim) {
                self.caller.handed(now);
            }
            if self.caller.queued && !sketch.keeps_place {
                self.caller.queued = false;
                self.caller.ask(Ask::LeaveQueue);
            }
            let scene = Scene { now, book, step: &self.step, standing: &self.standing };
            let asked = self.caller.out.len();
            let (mut state, next) = named.step.enter(&scene, &mut self.caller);
            go = next;
            if go == Go::Stay
                && let Some(digit) = self.caller.take_ahead(&scene, &sketch)
            {
                // The sentence was cut before it began.
                let fresh = self.caller.out.split_off(asked);
                self.caller.out.extend(fresh.into_iter().filter(|ask| !matches!(ask, Ask::Prompt { .. })));
                go = named.step.hear(&mut state, &scene, &mut self.caller, &Heard::Digit(digit));
            }
            self.stage = Stage::Live(state);
        }
    }

    fn hang_up(&mut self) {
        self.stage = Stage::Over;
        self.caller.ask(Ask::HangUp);
    }
}

impl Caller {
    fn new(flow: &Flow, lang: Lang, class: u8, climbed: BTreeSet<(StepId, u32)>, path: Vec<String>) -> Caller {
        let unvoiced = flow.unvoiced.iter().map(|(lang, to)| (lang.clone(), to.value.clone())).collect();
        Caller { unvoiced, house: flow.default_lang.value.clone(), ..Caller::of(lang, class, climbed, path) }
    }

    /// Of a house in which everybody is spoken to in this language.
    fn of(lang: Lang, class: u8, climbed: BTreeSet<(StepId, u32)>, path: Vec<String>) -> Caller {
        Caller {
            house: lang.clone(),
            lang,
            unvoiced: BTreeMap::new(),
            chose: false,
            class,
            since: None,
            position: None,
            wait: None,
            number: None,
            queued: false,
            told: None,
            variables: BTreeMap::new(),
            typed: BTreeMap::new(),
            way: Way::default(),
            climbed,
            path,
            ahead: None,
            heard_by: None,
            out: VecDeque::new(),
        }
    }

    pub(crate) fn ask(&mut self, ask: Ask) {
        self.out.push_back(ask);
    }
    /// A caller without a call, for tests of one step.
    #[cfg(test)]
    pub(crate) fn for_test() -> Caller {
        Caller::of(Lang::from("ja"), 0, BTreeSet::new(), Vec::new())
    }
    /// What was asked for since somebody looked last.
    #[cfg(test)]
    pub(crate) fn asked(&mut self) -> Vec<Ask> {
        self.out.drain(..).collect()
    }
    pub(crate) fn note(&mut self, note: Note) {
        self.way.note(&note);
        self.ask(Ask::Note(note));
    }
    pub(crate) fn set(&mut self, set: &Set) {
        if let Some(lang) = &set.lang {
            self.lang = lang.value.clone();
            self.chose = true;
        }
        if let Some(class) = set.class {
            self.class = class;
        }
        set.variables.iter().for_each(|(name, value)| self.remember(&name.value, &value.value));
    }
    /// Remembers one word.
    pub(crate) fn remember(&mut self, name: &str, word: &str) {
        if self.variables.len() < VARIABLES_MAX || self.variables.contains_key(name) {
            self.variables.insert(name.to_owned(), word.to_owned());
        }
    }
    /// As if it had never been said.
    pub(crate) fn forget(&mut self, name: &str) {
        self.variables.remove(name);
        self.typed.remove(name);
    }
    /// Keeps what the caller typed, for this call only.
    pub(crate) fn keep(&mut self, name: &str, typed: Redacted<String>) {
        if self.typed.len() < VARIABLES_MAX || self.typed.contains_key(name) {
            self.typed.insert(name.to_owned(), typed);
        }
    }
    /// A word that was remembered.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
    /// What is known under a name: what was typed, a word that was remembered, or the language.
    pub(crate) fn known(&self, name: &str) -> Option<Redacted<String>> {
        let word = || if name == crate::target::LANG { Some(self.lang.as_str()) } else { self.variable(name) };
        self.typed.get(name).cloned().or_else(|| word().map(|word| Redacted::new(word.to_owned())))
    }
    /// A key that means nothing at this moment.
    pub(crate) fn note_ignored(&mut self, scene: &Scene<'_>, digit: Digit) {
        self.note(Note::Pressed { step: scene.step.clone(), digit, meaning: KeyMeaning::Ignored });
    }
    /// A key that has cut a sentence where nobody asks for one: it counts where somebody does next.
    pub(crate) fn press_ahead(&mut self, digit: Digit) {
        self.ahead = Some(digit);
    }
    /// The key pressed ahead, if it counts at this step. It waits until then: a notice is said all the same. Where people take over it
    /// means nothing any more.
    fn take_ahead(&mut self, scene: &Scene<'_>, sketch: &Sketch<'_>) -> Option<Digit> {
        let digit = self.ahead?;
        if sketch.end != End::Open {
            self.ahead = None;
            self.note_ignored(scene, digit);
            return None;
        }
        let cuts = sketch.opening.is_some_and(|speech| speech.barge_in);
        (cuts || sketch.asks()).then(|| self.ahead.take()).flatten()
    }
    /// What a queue tells of the caller's place, wherever the caller is meanwhile.
    pub(crate) fn hear_of_place(&mut self, heard: &Heard) {
        match heard {
            Heard::Queued { since, position } => {
                (self.since, self.position, self.queued) = (Some(*since), Some(*position), true);
                // What was known of another queue says nothing of this one.
                self.wait = None;
            }
            Heard::Place { position, wait } => (self.position, self.wait) = (Some(*position), *wait),
            Heard::Refused(_) => self.queued = false,
            _ => {}
        }
    }
    /// Plays music: the one that is named, or the first one that there is.
    pub(crate) fn music(&mut self, scene: &Scene<'_>, music: Option<&At<PromptId>>) {
        match music.map(|music| &music.value).or_else(|| scene.book.music.first()) {
            Some(music) => self.ask(Ask::Music(crate::prompts::music(music))),
            None => self.ask(Ask::Hush),
        }
    }
    fn came_to(&mut self, step: &StepId) {
        self.note(Note::StepEntered { step: step.clone() });
        if self.path.len() < PATH_MAX {
            self.path.push(step.to_string());
        }
    }
    /// People take over; only the first time counts.
    fn handed(&mut self, now: Now) {
        if let Some(began) = self.way.began.take() {
            self.note(Note::Handed { manner: self.way.manner(), took: now.mono.since(began).into() });
        }
    }
    /// How the step that the caller is at was left: `language=1`.
    pub(crate) fn left_by(&mut self, how: &str) {
        if self.path.len() < PATH_MAX
            && let Some(last) = self.path.last_mut()
        {
            last.push('=');
            last.push_str(how);
        }
    }
    pub(crate) fn has_climbed(&self, step: &StepId, rung: u32) -> bool {
        self.climbed.contains(&(step.clone(), rung))
    }
    /// Climbs a rung of `waited`; false if it was climbed before.
    pub(crate) fn climb(&mut self, step: &StepId, rung: u32) -> bool {
        self.climbed.insert((step.clone(), rung))
    }

    /// Says something; false if there is nothing that could be said.
    pub(crate) fn say(&mut self, scene: &Scene<'_>, speeches: &[&Speech]) -> bool {
        let barge_in = speeches.iter().all(|speech| speech.barge_in);
        self.say_with(scene, speeches, None, barge_in)
    }
    /// Says something to a caller who waits; false if there is nothing that could be said.
    pub(crate) fn say_waiting(&mut self, scene: &Scene<'_>, speech: &Speech, minutes: Option<u32>, keys: bool) -> bool {
        // Words that they do not understand would only cut the music.
        !self.is_unvoiced() && self.say_with(scene, &[speech], minutes, keys && speech.barge_in)
    }
    /// Whether no voice and no recording speaks the caller's language.
    fn is_unvoiced(&self) -> bool {
        self.unvoiced.contains_key(&self.lang)
    }
    /// The language in which this caller is spoken to: that of the house, where theirs has no voice. A last word that few understand is
    /// better than silence.
    fn voice(&self) -> &Lang {
        if self.is_unvoiced() { &self.house } else { &self.lang }
    }
    /// Whether a changing word is part of it.
    pub(crate) fn says(&self, scene: &Scene<'_>, speech: &Speech, changing: Changing) -> bool {
        speech.parts.iter().any(|part| scene.book.changing.get(&part.prompt.value) == Some(&changing))
    }

    /// Says a notice of this length.
    pub(crate) fn say_notice(&mut self, scene: &Scene<'_>, notice: Spoken, length: Millis, barge_in: bool) {
        self.heard_by = Some(scene.now.mono + Duration::from(length) + PLAYED_GRACE);
        self.ask(Ask::Prompt { sentences: vec![notice], barge_in });
    }

    fn say_with(&mut self, scene: &Scene<'_>, speeches: &[&Speech], minutes: Option<u32>, barge_in: bool) -> bool {
        let mut sentences = Vec::new();
        let lang = self.voice().clone();
        for part in speeches.iter().flat_map(|speech| &speech.parts) {
            let known = match scene.book.changing.get(&part.prompt.value) {
                None => None,
                // A place too far back to be spoken is left out: the music is the answer.
                Some(Changing::Position | Changing::Ahead) => Some(self.position.filter(|position| (1..=POSITION_MAX).contains(position))),
                Some(Changing::Minutes) => Some(minutes.filter(|minutes| MINUTES.contains(minutes))),
            };
            let value = match known {
                None => None,
                Some(Some(value)) => Some(value),
                Some(None) => continue,
            };
            sentences.push(Spoken { prompt: part.prompt.value.clone(), lang: part.lang(&lang).clone(), value });
        }
        if sentences.is_empty() {
            return false;
        }
        let known: Option<Duration> = sentences.iter().map(|s| scene.book.lengths.get(s).map(|length| Duration::from(*length))).sum();
        self.heard_by = Some(scene.now.mono + known.unwrap_or(LENGTH_UNKNOWN) + PLAYED_GRACE);
        self.ask(Ask::Prompt { sentences, barge_in });
        true
    }
}
