//! `queue`: waits for a person, with music, and with words now and then.
//!
//! Being in a queue is being in people's hands. The age of the wait belongs to the caller and survives every move; each rung of
//! `waited` is climbed once per caller, so that nobody circles.

use super::menu::digit;
use super::{By, End, Go, Sketch, Way};
use crate::claim::Claim;
use crate::decode::{Fields, missing};
use crate::problem::{At, Problems};
use crate::program::{Defaults, Outcomes, priority};
use crate::run::{Ask, Caller, Heard, Note, Scene};
use crate::speech::Speech;
use crate::tree::{Key, Node, What};
use model::{Digit, Instant, KeyMeaning, PromptId, QueueEnd, StepId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Announcements, keys or rungs of one step.
const ENTRIES_MAX: usize = 32;
/// Announcements closer together than this would be one long announcement.
const EVERY_MIN: Duration = Duration::from_secs(10);

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
}

#[derive(Clone, Debug)]
struct Announce {
    when: When,
    say: Speech,
    /// Only when the caller's place is better than when it was last said.
    if_improved: bool,
}

#[derive(Clone, Copy, Debug)]
enum When {
    /// Once, so long after coming to the queue.
    At(Duration),
    /// Again and again.
    Every(Duration),
}

#[derive(Clone, Debug)]
struct QueueKey {
    after: Duration,
    to: At<StepId>,
}

#[derive(Clone, Debug)]
struct Rung {
    longer_than: Duration,
    /// Only for callers of this class.
    class: Option<u8>,
    to: At<StepId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
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
            waited = rungs.iter().take(ENTRIES_MAX).filter_map(|rung| read_rung(rung, problems)).collect();
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
        })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let refused = [&self.nobody_logged_in, &self.full, &self.closed].map(|to| Way::new(to, By::Refused));
        let mut ways = Vec::from(refused);
        ways.extend(self.waited.iter().map(|rung| Way::new(&rung.to, By::Waited)));
        ways.extend(self.keys.iter().map(|(digit, key)| Way::new(&key.to, By::Key(*digit))));
        Sketch {
            speeches: self.announce.iter().map(|announce| &announce.say).collect(),
            ways,
            end: End::Person,
            templates: true,
            keeps_place: true,
            queue: Some(&self.claim.queue),
            skills: &self.claim.skills,
            agents: &self.claim.except,
            music: self.music.as_ref(),
            ..Sketch::new()
        }
    }

    pub(crate) fn enter(&self, _: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let Some(wanted) = self.claim.wanted(scene, caller) else { return Go::Fail };
        caller.queued = true;
        caller.ask(Ask::Enqueue(wanted));
        Go::Stay
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
            Heard::Started
            | Heard::Connected
            | Heard::Served
            | Heard::Facts(_)
            | Heard::NotTransferred(_)
            | Heard::CallbackBooked
            | Heard::CallbackRefused => Go::Stay,
        }
    }

    fn begin(&self, now: Instant) -> Waiting {
        let due = self.announce.iter().map(|announce| match announce.when {
            When::At(time) | When::Every(time) => Some(now + time),
        });
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
            *due = match announce.when {
                When::At(_) => None,
                // From this moment on: what was held up by another announcement is not made up for.
                When::Every(time) => Some(now + time),
            };
            let improved = waiting.said.is_none_or(|said| caller.position.is_some_and(|position| position < said));
            if announce.if_improved && !improved {
                continue;
            }
            if caller.say_waiting(scene, &announce.say, !self.keys.is_empty()) {
                if caller.says_position(scene, &announce.say) {
                    waiting.said = caller.position;
                }
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
        for item in fields.take("announce").map(Node::items).unwrap_or_default().iter().take(ENTRIES_MAX) {
            waiting.announce.extend(read_announce(item, problems));
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

fn read_announce(node: &Node, problems: &mut Problems) -> Option<Announce> {
    let mut fields = Fields::of(node, node.at, problems)?;
    let at = fields.take("at").map(|n| n.time(problems));
    let every = fields.take("every").map(|n| (n, n.time(problems)));
    let say = Speech::needed(fields.take("say"), node.at, true, problems);
    let only_if = fields.take("only_if");
    let mut if_improved = false;
    match only_if.and_then(Node::word) {
        None => {}
        Some("improved") => if_improved = true,
        Some("known") => {
            let (en, ja) =
                ("\"known\" is not available yet; leave out this announcement", "「known」はまだ使えません。この案内を消してください。");
            problems.error(only_if?.at, "not_yet", en, ja);
        }
        Some(_) => {
            only_if?.one_of(&[("improved", ())], problems);
        }
    }
    fields.finish(problems);
    let when = match (at, every) {
        (Some(at), None) => When::At(at?),
        (None, Some((node, every))) => {
            let every = every?;
            if every < EVERY_MIN {
                let en = format!("shorter than {}s leaves no music between the words", EVERY_MIN.as_secs());
                let ja = format!("{} 秒より短い間隔では、音楽が聞こえません。", EVERY_MIN.as_secs());
                problems.error(node.at, "too_short", en, ja);
            }
            When::Every(every.max(EVERY_MIN))
        }
        _ => {
            let (en, ja) = ("say when: either `at` or `every`", "at か every のどちらかで時期を書いてください。");
            problems.error(node.at, "announce_when", en, ja).help("{ every: 45s, say: queue_position, only_if: improved }");
            return None;
        }
    };
    Some(Announce { when, say: say?, if_improved })
}

fn read_key(key: &Key, node: &Node, problems: &mut Problems) -> Option<QueueKey> {
    let What::Map(_) = node.what else {
        return node.name(problems).map(|to| QueueKey { after: Duration::ZERO, to });
    };
    let mut fields = Fields::of(node, key.at, problems)?;
    let after = fields.take("after").and_then(|n| n.time(problems)).unwrap_or_default();
    let to = match fields.take("next") {
        Some(node) => node.name(problems),
        None => {
            missing(problems, key.at, "next", "\"0\": { next: general }");
            None
        }
    };
    fields.finish(problems);
    to.map(|to| QueueKey { after, to })
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
