//! `queue`: waits for a person, with music, and with words now and then.
//!
//! Being in a queue is being in people's hands. The age of the wait belongs to the caller and survives every move; each rung of
//! `waited` is climbed once per caller, so that nobody circles.

use super::menu::digit;
use super::{By, End, Go, Sketch, Way};
use crate::announce::Announce;
use crate::claim::Claim;
use crate::decode::{Fields, UpTo, missing, noun};
use crate::facts::Facts;
use crate::problem::{At, Problems};
use crate::program::{Defaults, Outcomes, Set, priority};
use crate::run::{Ask, Caller, Heard, Note, Scene};
use crate::schema::{KEY, Shape, Value, may, must};
use crate::tree::{Key, Node, What};
use model::{Digit, Instant, KeyMeaning, PromptId, QueueEnd, QueueFacts, StepId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Announcements, keys or rungs of one step.
const ENTRIES_MAX: usize = 32;
/// The first number of the rungs of `instead`, behind those of `waited`.
const INSTEAD: u32 = 64;

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "queue",
    en: "Waits for a person, with music, and with words now and then.",
    ja: "音楽と案内を流しながら、担当者を待ちます。",
    words: &[
        must("queue", Value::Name(noun::QUEUE), "Which queue of config/queues.yaml.", "config/queues.yaml のどの待ち列か。"),
        may("needs", Value::Map(&crate::claim::NEEDS), "Skills asked for on top of the queue's own.", "待ち列の条件に加えて求める技能。"),
        may(
            "priority",
            Value::OneOf(&crate::program::CLASSES),
            "The caller counts as of this class here at least.",
            "ここでの優先度（下限）。",
        ),
        may("bonus", Value::Time, "Time that counts as waited already, within the class.", "同じ優先度の中で、すでに待ったとみなす時間。"),
        may("except", Value::List(&Value::Name(noun::AGENT)), "Agents who are not to be asked.", "呼び出さない担当者。"),
        may("last_agent", Value::Time, "For how long the agent who served this caller last is waited for.", "前回の担当者を待つ時間。"),
        may("while_waiting", Value::Map(&WAITING), "What is heard and can be pressed meanwhile.", "お待ちの間の音楽、案内、キー。"),
        may(
            "outcomes",
            Value::Map(&OUTCOMES),
            "Where the call goes when nobody can serve it, or it has waited long.",
            "担当できないときや、長くお待ちのときの行き先。",
        ),
        may(
            "instead",
            Value::List(&Value::Map(&IF_THEN)),
            "How the queue must stand for a caller to go elsewhere at once.",
            "待ち列の状況によって、並ばずに別へ進む条件。",
        ),
    ],
    rest: None,
};

const WAITING: Shape = Shape {
    name: "queue/while_waiting",
    en: "What is heard and can be pressed while waiting.",
    ja: "お待ちの間の音楽、案内、キー。",
    words: &[
        may("music", Value::Name(noun::MUSIC), "The music.", "音楽。"),
        may("announce", Value::List(&Value::Map(&crate::announce::SHAPE)), "What is said now and then.", "ときどき流す案内。"),
        may(
            "keys",
            Value::Each(KEY, &Value::Either(&[Value::Name(noun::STEP), Value::Map(&QUEUE_KEY)])),
            "Where keys lead; the place is kept.",
            "キーの行き先。順番はそのままです。",
        ),
    ],
    rest: None,
};

const QUEUE_KEY: Shape = Shape {
    name: "queue/key",
    en: "Where a key leads, and from when on.",
    ja: "キーの行き先と、使えるようになるまでの時間。",
    words: &[
        must("next", Value::Name(noun::STEP), "Where the key leads.", "キーの行き先。"),
        may("after", Value::Time, "From when on it counts.", "使えるようになるまでの時間。"),
        may("set", Value::Map(&crate::program::SET), "What is remembered about the caller.", "お客様について覚えておくこと。"),
    ],
    rest: None,
};

const OUTCOMES: Shape = Shape {
    name: "queue/outcomes",
    en: "Where the call goes when nobody can serve it, or it has waited long.",
    ja: "担当できないときや、長くお待ちのときの行き先。",
    words: &[
        may(
            "nobody_logged_in",
            Value::Name(noun::STEP),
            "When no agent of the queue is signed in.",
            "担当者が誰もログインしていないとき。",
        ),
        may("full", Value::Name(noun::STEP), "When the queue is full.", "待ち列がいっぱいのとき。"),
        may(
            "closed",
            Value::Name(noun::STEP),
            "When the queue is taken out of the files while people wait in it; as nobody_logged_in, if left out.",
            "お待ちの間に待ち列がなくなったとき。書かなければ nobody_logged_in と同じです。",
        ),
        may(
            "waited",
            Value::List(&Value::Map(&RUNG)),
            "Where the call goes after a wait; each rung once per caller.",
            "一定時間お待ちになったときの行き先。お客様ひとりにつき一度だけです。",
        ),
    ],
    rest: None,
};

const RUNG: Shape = Shape {
    name: "queue/waited",
    en: "Where the call goes after a wait.",
    ja: "一定時間お待ちになったときの行き先。",
    words: &[
        must("longer_than", Value::Time, "How long.", "待ち時間。"),
        may("if", Value::Map(&RUNG_IF), "Only for some callers.", "対象を限る条件。"),
        must("next", Value::Name(noun::STEP), "Where the call goes then.", "そのときの行き先。"),
    ],
    rest: None,
};

const RUNG_IF: Shape = Shape {
    name: "queue/waited/if",
    en: "Only for callers of one class.",
    ja: "対象の優先度。",
    words: &[may("priority", Value::OneOf(&crate::program::CLASSES), "The class.", "優先度。")],
    rest: None,
};

const IF_THEN: Shape = Shape {
    name: "queue/instead",
    en: "Where the call goes at once when the queue stands so.",
    ja: "待ち列がこの状況なら、すぐに進む行き先。",
    words: &[
        must(
            "if",
            Value::Map(&crate::facts::SHAPE),
            "How the queue must stand; all of it must hold.",
            "待ち列の状況。すべて当てはまるとき。",
        ),
        must("next", Value::Name(noun::STEP), "Where the call goes then.", "そのときの行き先。"),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    claim: Claim,
    music: Option<At<PromptId>>,
    announce: Vec<Announce>,
    keys: BTreeMap<Digit, QueueKey>,
    nobody_logged_in: At<StepId>,
    full: At<StepId>,
    closed: At<StepId>,
    waited: Vec<Rung>,
    /// Asked before a place is taken.
    instead: Vec<Instead>,
}

#[derive(Clone, Debug)]
struct QueueKey {
    after: Duration,
    to: At<StepId>,
    set: Set,
}

#[derive(Clone, Debug)]
struct Rung {
    longer_than: Duration,
    /// Only for callers of this class.
    class: Option<u8>,
    to: At<StepId>,
}

/// How the queue must stand for a caller to go elsewhere at once.
#[derive(Clone, Debug)]
struct Instead {
    facts: Facts,
    to: At<StepId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The queue was asked how it stands.
    looking: bool,
    /// `None` until the queue has given a place.
    waiting: Option<Waiting>,
}

#[derive(Clone, Debug)]
struct Waiting {
    came: Instant,
    /// When each announcement is next due.
    due: Vec<Option<Instant>>,
    /// An announcement sounds over the music.
    speaking: bool,
    /// The place that was last said.
    said: Option<u32>,
}

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, fields: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let claim = Claim::read(body.name(problems), fields, problems);
        let items = fields.take("instead").map(Node::items).unwrap_or_default();
        let instead = items.up_to(ENTRIES_MAX, problems).iter().filter_map(|item| read_instead(item, problems)).collect();
        let mut waiting = WhileWaiting::default();
        if let Some((key, node)) = fields.entry("while_waiting") {
            waiting = WhileWaiting::read(key, node, problems);
        }
        let mut outcomes = Outcomes::default();
        let mut waited = Vec::new();
        if let Some((key, node)) = fields.entry("outcomes")
            && let Some(mut inner) = Fields::of(node, key.at, problems)
        {
            outcomes = Outcomes::read(&mut inner, problems);
            let rungs = inner.take("waited").map(Node::items).unwrap_or_default();
            waited = rungs.up_to(ENTRIES_MAX, problems).iter().filter_map(|rung| read_rung(rung, problems)).collect();
            same_rungs(&waited, problems);
            inner.finish(problems);
        }
        let inherited = &defaults.outcomes;
        let mut way = |own: Option<At<StepId>>, inherited: &Option<At<StepId>>, name: &str| {
            let way = own.or_else(|| inherited.clone());
            if way.is_none() {
                let en = format!("say where the call goes when the queue is {name}");
                let ja = format!("待ち列が {name} のときの行き先が書かれていません。");
                problems.error(key.at, "missing_way", en, ja).help(format!("outcomes: {{ {name}: sorry }}"));
            }
            way
        };
        let nobody = way(outcomes.nobody_logged_in, &inherited.nobody_logged_in, "nobody_logged_in");
        let full = way(outcomes.full, &inherited.full, "full");
        let nobody = nobody?;
        // A queue that is closed while people wait in it has nobody to serve them either.
        let closed = outcomes.closed.or_else(|| inherited.closed.clone()).unwrap_or_else(|| nobody.clone());
        Some(Step {
            claim: claim?,
            music: waiting.music.or_else(|| defaults.music.clone()),
            announce: waiting.announce,
            keys: waiting.keys,
            nobody_logged_in: nobody,
            full: full?,
            closed,
            waited,
            instead,
        })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let refused = [&self.nobody_logged_in, &self.full, &self.closed].map(|to| Way::new(to, By::Refused));
        let mut ways = Vec::from(refused);
        ways.extend(self.instead.iter().map(|instead| Way::new(&instead.to, By::Waited)));
        ways.extend(self.waited.iter().map(|rung| Way::new(&rung.to, By::Waited)));
        ways.extend(self.keys.iter().map(|(digit, key)| Way { set: Some(&key.set), ..Way::new(&key.to, By::Key(*digit)) }));
        Sketch {
            speeches: self.announce.iter().flat_map(Announce::speeches).collect(),
            ways,
            end: End::Person,
            templates: true,
            keeps_place: true,
            queue: Some(&self.claim.queue),
            class: self.claim.class,
            skills: &self.claim.skills,
            agents: &self.claim.except,
            music: self.music.as_ref(),
            ..Sketch::new()
        }
    }

    pub(crate) fn enter(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let climbed = |(number, _): &(u32, &Instead)| !caller.has_climbed(scene.step, *number);
        if (INSTEAD..).zip(&self.instead).any(|rung| climbed(&rung)) {
            state.looking = true;
            caller.ask(Ask::Look { queue: self.claim.queue.value.clone() });
            return Go::Stay;
        }
        self.take_place(scene, caller)
    }

    fn take_place(&self, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let Some(wanted) = self.claim.wanted(scene, caller) else { return Go::Fail };
        caller.queued = true;
        caller.ask(Ask::Enqueue(wanted));
        Go::Stay
    }

    /// The queue has told how it stands: each rung leads a caller elsewhere once.
    fn looked(&self, facts: Option<QueueFacts>, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        for (number, instead) in (INSTEAD..).zip(&self.instead) {
            let holds = facts.is_some_and(|facts| instead.facts.hold(&facts, caller.class));
            if holds && caller.climb(scene.step, number) {
                caller.left_by("instead");
                return Go::To(&instead.to.value);
            }
        }
        self.take_place(scene, caller)
    }

    pub(crate) fn hear(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match heard {
            Heard::Queued { .. } => {
                caller.hear_of_place(heard);
                if state.waiting.is_none() {
                    let waiting = state.waiting.insert(self.begin(scene.now.mono));
                    self.announce_or_music(waiting, scene, caller);
                }
                Go::Stay
            }
            Heard::Refused(why) => {
                caller.queued = false;
                let (word, to) = match why {
                    QueueEnd::Full => ("full", &self.full),
                    QueueEnd::NobodyLoggedIn => ("nobody_logged_in", &self.nobody_logged_in),
                    _ => ("closed", &self.closed),
                };
                caller.left_by(word);
                Go::To(&to.value)
            }
            Heard::Place { .. } => {
                caller.hear_of_place(heard);
                Go::Stay
            }
            Heard::Played => {
                if let Some(waiting) = state.waiting.as_mut().filter(|waiting| waiting.speaking) {
                    waiting.speaking = false;
                    self.announce_or_music(waiting, scene, caller);
                }
                Go::Stay
            }
            Heard::Returned => {
                caller.queued = true;
                let waiting = state.waiting.get_or_insert_with(|| self.begin(scene.now.mono));
                waiting.speaking = false;
                caller.music(scene, self.music.as_ref());
                Go::Stay
            }
            Heard::Digit(digit) => self.pressed(state, scene, caller, *digit),
            Heard::Facts(facts) if state.looking => {
                state.looking = false;
                self.looked(*facts, scene, caller)
            }
            Heard::Started
            | Heard::Connected
            | Heard::Served
            | Heard::Facts(_)
            | Heard::NotTransferred(_)
            | Heard::CallbackBooked
            | Heard::CallbackRefused
            | Heard::Recorded { .. }
            | Heard::NotRecorded
            | Heard::Answered(_)
            | Heard::NotAnswered => Go::Stay,
        }
    }

    fn begin(&self, now: Instant) -> Waiting {
        let due = self.announce.iter().map(|announce| Some(announce.first(now)));
        Waiting { came: now, due: due.collect(), speaking: false, said: None }
    }

    fn pressed(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, digit: Digit) -> Go<'_> {
        let note = |meaning| Note::Pressed { step: scene.step.clone(), digit, meaning };
        let Some(waiting) = &mut state.waiting else {
            caller.note(note(KeyMeaning::Ignored));
            return Go::Stay;
        };
        let ready = |key: &&QueueKey| waiting.came + key.after <= scene.now.mono;
        if let Some(key) = self.keys.get(&digit).filter(ready) {
            caller.note(note(KeyMeaning::Choice));
            caller.left_by(&digit.to_string());
            caller.set(&key.set);
            return Go::To(&key.to.value);
        }
        caller.note(note(if self.keys.is_empty() { KeyMeaning::Ignored } else { KeyMeaning::Unknown }));
        if waiting.speaking && !self.keys.is_empty() {
            // The key has cut the announcement.
            waiting.speaking = false;
            caller.music(scene, self.music.as_ref());
        }
        Go::Stay
    }

    pub(crate) fn due(&self, state: &State, caller: &Caller, at: &StepId) -> Option<Instant> {
        let waiting = state.waiting.as_ref()?;
        let rungs = (0u32..).zip(&self.waited).filter_map(|(index, rung)| {
            let fired = caller.has_climbed(at, index);
            caller.since.filter(|_| !fired).map(|since| since + rung.longer_than)
        });
        // While one announcement sounds, the others wait for its end.
        let words = waiting.due.iter().flatten().copied().filter(|_| !waiting.speaking);
        rungs.chain(words).min()
    }

    pub(crate) fn timeout(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let Some(waiting) = &mut state.waiting else { return Go::Stay };
        for (index, rung) in (0u32..).zip(&self.waited) {
            let due = caller.since.is_some_and(|since| since + rung.longer_than <= scene.now.mono);
            if due && caller.climb(scene.step, index) && rung.class.is_none_or(|class| class == caller.class) {
                caller.left_by("waited");
                return Go::To(&rung.to.value);
            }
        }
        if !waiting.speaking {
            self.announce(waiting, scene, caller);
        }
        Go::Stay
    }

    fn announce_or_music(&self, waiting: &mut Waiting, scene: &Scene<'_>, caller: &mut Caller) {
        if !self.announce(waiting, scene, caller) {
            caller.music(scene, self.music.as_ref());
        }
    }

    /// Says the first announcement that is due and worth saying; false if there is none.
    fn announce(&self, waiting: &mut Waiting, scene: &Scene<'_>, caller: &mut Caller) -> bool {
        let now = scene.now.mono;
        for (announce, due) in self.announce.iter().zip(&mut waiting.due) {
            if due.is_none_or(|due| due > now) {
                continue;
            }
            *due = announce.again(now);
            if announce.say(&mut waiting.said, scene, caller, !self.keys.is_empty()) {
                waiting.speaking = true;
                return true;
            }
        }
        false
    }
}

#[derive(Default)]
struct WhileWaiting {
    music: Option<At<PromptId>>,
    announce: Vec<Announce>,
    keys: BTreeMap<Digit, QueueKey>,
}

impl WhileWaiting {
    fn read(key: &Key, node: &Node, problems: &mut Problems) -> WhileWaiting {
        let mut waiting = WhileWaiting::default();
        let Some(mut fields) = Fields::of(node, key.at, problems) else { return waiting };
        waiting.music = fields.take("music").and_then(|n| n.name(problems));
        for item in fields.take("announce").map(Node::items).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
            waiting.announce.extend(Announce::read(item, problems));
        }
        for (key, node) in fields.take("keys").and_then(|n| n.map(problems)).unwrap_or_default() {
            if let Some((digit, to)) = digit(key, problems).zip(read_key(key, node, problems)) {
                waiting.keys.insert(digit, to);
            }
        }
        fields.finish(problems);
        waiting
    }
}

fn read_key(key: &Key, node: &Node, problems: &mut Problems) -> Option<QueueKey> {
    let What::Map(_) = node.what else {
        return node.name(problems).map(|to| QueueKey { after: Duration::ZERO, to, set: Set::default() });
    };
    let mut fields = Fields::of(node, key.at, problems)?;
    let after = fields.take("after").and_then(|n| n.time(problems)).unwrap_or_default();
    let set = fields.entry("set").map(|(key, n)| Set::read(key, n, problems)).unwrap_or_default();
    let to = match fields.take("next") {
        Some(node) => node.name(problems),
        None => {
            missing(problems, key.at, "next", "\"0\": { next: general }");
            None
        }
    };
    fields.finish(problems);
    to.map(|to| QueueKey { after, to, set })
}

fn read_rung(node: &Node, problems: &mut Problems) -> Option<Rung> {
    let mut fields = Fields::of(node, node.at, problems)?;
    let longer_than = match fields.take("longer_than") {
        Some(node) => node.time(problems),
        None => {
            missing(problems, node.at, "longer_than", "{ longer_than: 5m, next: nurse_oncall }");
            None
        }
    };
    let mut class = None;
    if let Some((key, node)) = fields.entry("if")
        && let Some(mut inner) = Fields::of(node, key.at, problems)
    {
        class = inner.take("priority").and_then(|n| priority(n, problems));
        inner.finish(problems);
    }
    let to = match fields.take("next") {
        Some(node) => node.name(problems),
        None => {
            missing(problems, node.at, "next", "{ longer_than: 5m, next: nurse_oncall }");
            None
        }
    };
    fields.finish(problems);
    Some(Rung { longer_than: longer_than?, class, to: to? })
}

/// Of two rungs for the same callers at the same time, the second is never climbed then.
fn same_rungs(waited: &[Rung], problems: &mut Problems) {
    for (index, rung) in waited.iter().enumerate() {
        if waited.iter().take(index).any(|before| before.longer_than == rung.longer_than && before.class == rung.class) {
            let en = "the same wait stands further up already: this line would not be followed then";
            let ja = "同じ待ち時間が前にも書かれています。この行には進みません。";
            problems.error(rung.to.at, "same_wait", en, ja);
        }
    }
}

/// `{ if: { expected_wait_over: 10m }, next: callback }`.
fn read_instead(node: &Node, problems: &mut Problems) -> Option<Instead> {
    const EXAMPLE: &str = "{ if: { expected_wait_over: 10m }, next: callback }";
    let mut fields = Fields::of(node, node.at, problems)?;
    let mut needed = |name: &'static str, problems: &mut Problems| {
        let entry = fields.entry(name);
        if entry.is_none() {
            missing(problems, node.at, name, EXAMPLE);
        }
        entry
    };
    let facts = needed("if", problems).and_then(|(key, n)| Facts::read(key, n, problems));
    let to = needed("next", problems).and_then(|(_, n)| n.name(problems));
    fields.finish(problems);
    Some(Instead { facts: facts?, to: to? })
}
