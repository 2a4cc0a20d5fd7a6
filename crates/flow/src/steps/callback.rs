//! `callback`: offers to call back at the number that the caller calls from, and writes it down once 1 is pressed.
//!
//! The place is kept: until the callback is written down the caller still waits, and from then on the claim waits, with its age.
//! Whoever does nothing loses nothing. A number that may not be called, or that nobody knows, is never asked about.

use super::{By, End, Go, MenuFacts, Sketch, Way};
use crate::claim::Claim;
use crate::decode::{Fields, missing, noun};
use crate::problem::{At, Problems};
use crate::program::{Defaults, NoInput, Set};
use crate::run::{Ask, CallbackTerms, Caller, Heard, Note, Scene};
use crate::schema::{Shape, Value, may, must};
use crate::speech::Speech;
use crate::tree::{Key, Node};
use model::{Digit, Instant, KeyMeaning, NumberKind, ScheduleId, StepId};
use std::collections::BTreeSet;
use std::time::Duration;

const ATTEMPTS: u32 = 3;
const ATTEMPTS_MAX: u32 = 10;
const SPACING: Duration = Duration::from_secs(600);
/// Nobody is called again sooner than this.
const SPACING_MIN: Duration = Duration::from_secs(60);
const EXPIRES: Duration = Duration::from_secs(24 * 3600);
/// A promise that is over sooner than this is none.
const EXPIRES_MIN: Duration = Duration::from_secs(600);

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "callback",
    en: "Offers to call back, and keeps the place.",
    ja: "折り返しの電話を申し出ます。順番はそのままです。",
    words: &[
        must("callback", Value::Map(&BODY), "The offer.", "折り返しの内容。"),
        must("next", Value::Name(noun::STEP), "Where the call goes once the callback is written down.", "受け付けたあとの行き先。"),
    ],
    rest: None,
};

const BODY: Shape = Shape {
    name: "callback/body",
    en: "When, how often, and at which numbers callers are called back.",
    ja: "いつ、何回、どの番号に折り返すか。",
    words: &[
        must("queue", Value::Name(noun::QUEUE), "Whose agents call back.", "どの待ち列の担当者が折り返すか。"),
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
        must(
            "window",
            Value::Name(noun::SCHEDULE),
            "The hours in which people are called back.",
            "折り返してよい時間帯（受付時間の名前）。",
        ),
        may("attempts", Value::Whole(1, ATTEMPTS_MAX), "How often it is tried.", "かける回数。"),
        may("spacing", Value::Time, "How long between two attempts.", "次にかけるまでの間隔。"),
        may("expires", Value::Time, "How long the promise holds.", "約束の有効時間。"),
        may("number", Value::Map(&NUMBER), "Which numbers may be called.", "かけてよい番号の種類。"),
        may("say", crate::speech::SAY, "The offer; it names the key 1.", "申し出の案内文。キー 1 を読み上げます。"),
        may(
            "no_input",
            Value::Map(&crate::program::NO_INPUT),
            "When nothing is pressed: back to the queue.",
            "何も押されないとき。待ち列に戻します。",
        ),
        must(
            "refused",
            Value::Name(noun::STEP),
            "Where the call goes when this number cannot be called back.",
            "その番号に折り返せないときの行き先。",
        ),
    ],
    rest: None,
};

const NUMBER: Shape = Shape {
    name: "callback/number",
    en: "Which numbers may be called, and whether the caller is asked first.",
    ja: "かけてよい番号と、先に確かめるかどうか。",
    words: &[
        may(
            "accept",
            Value::List(&Value::OneOf(&["jp_landline", "jp_mobile", "jp_ip"])),
            "Kinds of numbers. There is no word for premium numbers and those abroad.",
            "番号の種類。有料サービスと国外の番号は選べません。",
        ),
        may(
            "confirm",
            Value::Truth,
            "Whether the caller must press 1 first; they must, if left out.",
            "先に 1 を押してもらうか。書かなければ押してもらいます。",
        ),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    claim: Claim,
    window: At<ScheduleId>,
    terms: CallbackTerms,
    /// The offer, and where its key is written; `None` if the caller has chosen already.
    offer: Option<Offer>,
    next: At<StepId>,
    refused: At<StepId>,
}

#[derive(Clone, Debug)]
struct Offer {
    say: Speech,
    yes: At<Digit>,
    after: Duration,
    repeat: u32,
    /// Back to the queue.
    then: At<StepId>,
    set: Set,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    stage: Stage,
    silences: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing was said yet.
    #[default]
    Fresh,
    Offering,
    /// The offer was heard.
    Listening(Instant),
    /// The callback is being written down.
    Booking,
}

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, outer: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let mut fields = Fields::of(body, key.at, problems)?;
        let queue = match fields.take("queue") {
            Some(node) => node.name(problems),
            None => {
                missing(problems, key.at, "queue", "queue: nurse");
                None
            }
        };
        let claim = Claim::read(queue, &mut fields, problems);
        let window = match fields.take("window") {
            Some(node) => node.name::<ScheduleId>(problems),
            None => {
                missing(problems, key.at, "window", "window: callback_hours");
                None
            }
        };
        let attempts = fields.take("attempts").and_then(|n| n.whole(1, ATTEMPTS_MAX, problems)).unwrap_or(ATTEMPTS);
        let spacing = time(&mut fields, "spacing", SPACING, SPACING_MIN, problems);
        let expires = time(&mut fields, "expires", EXPIRES, EXPIRES_MIN, problems);
        let (accept, confirm) = fields.entry("number").map_or_else(|| (usual(), true), |(key, n)| read_number(key, n, problems));
        let offer = read_offer(key, &mut fields, confirm, defaults, problems);
        let refused = way(key, fields.take("refused"), "refused", "a callback is not possible", "折り返しができない", problems);
        fields.finish(problems);
        let next = way(key, outer.take("next"), "next", "the callback is written down", "折り返しを受け付けた", problems);
        let offer = if confirm { Some(offer?) } else { None };
        let window = window?;
        let terms = CallbackTerms { window: window.value.clone(), accept, attempts, spacing, expires };
        Some(Step { claim: claim?, window, terms, offer, next: next?, refused: refused? })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let mut sketch = Sketch {
            keeps_place: true,
            queue: Some(&self.claim.queue),
            class: self.claim.class,
            schedule: Some(&self.window),
            skills: &self.claim.skills,
            agents: &self.claim.except,
            callback: Some(&self.window),
            ..Sketch::new()
        };
        match &self.offer {
            Some(offer) => {
                sketch.opening = Some(&offer.say);
                sketch.speeches = vec![&offer.say];
                sketch.ways = vec![
                    Way::new(&self.next, By::Key(offer.yes.value)),
                    Way { times: offer.repeat + 1, pause: offer.after, set: Some(&offer.set), ..Way::new(&offer.then, By::Silence) },
                ];
                sketch.menu = Some(MenuFacts { choices: 1, keys: vec![offer.yes.clone()], list: false });
            }
            None => {
                // Written down without a further word: the claim is in people's hands.
                sketch.end = End::Claim;
                sketch.ways = vec![Way::new(&self.next, By::Itself)];
            }
        }
        sketch.ways.push(Way::new(&self.refused, By::Refused));
        sketch
    }

    pub(crate) fn enter(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        if caller.number.is_none_or(|kind| !self.terms.accept.contains(&kind)) {
            caller.left_by("refused");
            return Go::To(&self.refused.value);
        }
        match &self.offer {
            Some(offer) => {
                offer.speak(state, scene, caller);
                Go::Stay
            }
            None => self.book(state, scene, caller),
        }
    }

    fn book(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let Some(wanted) = self.claim.wanted(scene, caller) else { return Go::Fail };
        state.stage = Stage::Booking;
        caller.ask(Ask::Callback { wanted, terms: self.terms.clone() });
        Go::Stay
    }

    pub(crate) fn hear(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match heard {
            Heard::Played => {
                if let (Stage::Offering, Some(offer)) = (state.stage, &self.offer) {
                    state.stage = Stage::Listening(scene.now.mono + offer.after);
                }
                Go::Stay
            }
            Heard::Digit(digit) => self.pressed(state, scene, caller, *digit),
            Heard::CallbackBooked if state.stage == Stage::Booking => {
                // The place is the callback's.
                caller.queued = false;
                caller.left_by("booked");
                Go::To(&self.next.value)
            }
            Heard::CallbackRefused if state.stage == Stage::Booking => {
                caller.left_by("refused");
                Go::To(&self.refused.value)
            }
            // An agent was there during the offer and was lost.
            Heard::Returned => {
                caller.queued = true;
                match &self.offer {
                    Some(offer) => Go::To(&offer.then.value),
                    None => self.enter(state, scene, caller),
                }
            }
            Heard::Queued { .. } | Heard::Place { .. } | Heard::Refused(_) => {
                caller.hear_of_place(heard);
                // Restored: the offer was never made.
                if state.stage == Stage::Fresh { self.enter(state, scene, caller) } else { Go::Stay }
            }
            Heard::Started
            | Heard::Recorded { .. }
            | Heard::NotRecorded
            | Heard::Answered(_)
            | Heard::NotAnswered
            | Heard::Connected
            | Heard::Served
            | Heard::Facts(_)
            | Heard::NotTransferred(_)
            | Heard::CallbackBooked
            | Heard::CallbackRefused => Go::Stay,
        }
    }

    fn pressed(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, digit: Digit) -> Go<'_> {
        let offer = match (&self.offer, state.stage) {
            (Some(offer), Stage::Listening(_)) => offer,
            (Some(offer), Stage::Offering) if offer.say.barge_in => offer,
            (_, Stage::Fresh | Stage::Offering | Stage::Listening(_) | Stage::Booking) => {
                caller.note_ignored(scene, digit);
                return Go::Stay;
            }
        };
        caller.note(Note::Pressed { step: scene.step.clone(), digit, meaning: KeyMeaning::Choice });
        if digit == offer.yes.value {
            return self.book(state, scene, caller);
        }
        // Any other key is a no.
        caller.left_by(&digit.to_string());
        caller.set(&offer.set);
        Go::To(&offer.then.value)
    }

    pub(crate) fn due(&self, state: &State, _: &Caller, _: &StepId) -> Option<Instant> {
        match state.stage {
            Stage::Listening(until) => Some(until),
            Stage::Fresh | Stage::Offering | Stage::Booking => None,
        }
    }

    pub(crate) fn timeout(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let Some(offer) = &self.offer else { return Go::Stay };
        state.silences += 1;
        caller.note(Note::NoInput { step: scene.step.clone() });
        if state.silences > offer.repeat {
            caller.left_by("silent");
            caller.set(&offer.set);
            return Go::To(&offer.then.value);
        }
        offer.speak(state, scene, caller);
        Go::Stay
    }
}

impl Offer {
    fn speak(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) {
        let speaks = caller.say(scene, &[&self.say]);
        state.stage = if speaks { Stage::Offering } else { Stage::Listening(scene.now.mono + self.after) };
    }
}

fn time(fields: &mut Fields<'_>, name: &'static str, usual: Duration, least: Duration, problems: &mut Problems) -> Duration {
    let written = fields.take(name).and_then(|node| Some((node, node.time(problems)?)));
    written.map_or(usual, |(node, time)| crate::config::queues::at_least(time, least, node.at, problems))
}

fn way(key: &Key, node: Option<&Node>, name: &str, en: &str, ja: &str, problems: &mut Problems) -> Option<At<StepId>> {
    if node.is_none() {
        let en = format!("say where the call goes when {en}");
        let ja = format!("{ja}ときの行き先が書かれていません。");
        problems.error(key.at, "missing_way", en, ja).help(format!("{name}: nurse"));
    }
    node?.name(problems)
}

/// Numbers that are called back where nothing is written.
fn usual() -> BTreeSet<NumberKind> {
    BTreeSet::from([NumberKind::JpLandline, NumberKind::JpMobile])
}

/// `{ accept: [jp_landline, jp_mobile], confirm: true }`: which numbers may be called, and whether the caller is asked first.
fn read_number(key: &Key, node: &Node, problems: &mut Problems) -> (BTreeSet<NumberKind>, bool) {
    let Some(mut fields) = Fields::of(node, key.at, problems) else { return (usual(), true) };
    // No premium numbers and none abroad: there is no word for them.
    let words = [("jp_landline", NumberKind::JpLandline), ("jp_mobile", NumberKind::JpMobile), ("jp_ip", NumberKind::JpIp)];
    let accept = fields.take("accept").map_or_else(usual, |n| n.items().iter().filter_map(|n| n.one_of(&words, problems)).collect());
    let confirm = fields.take("confirm").and_then(|n| n.truth(problems)).unwrap_or(true);
    fields.finish(problems);
    (accept, confirm)
}

fn read_offer(key: &Key, fields: &mut Fields<'_>, confirm: bool, defaults: &Defaults, problems: &mut Problems) -> Option<Offer> {
    let (say, no_input) = (fields.entry("say"), fields.entry("no_input"));
    if !confirm {
        if let Some((key, _)) = say.or(no_input) {
            let en = "nothing is asked here; write confirm: true, or leave this out";
            let ja = "ここでは何も尋ねません。confirm: true にするか、この項目を消してください。";
            problems.error(key.at, "offer_without_confirm", en, ja);
        }
        return None;
    }
    let say = Speech::needed(say.map(|(_, node)| node), key.at, defaults.barge_in, problems);
    // Where silence leads is not inherited: it must be the way back to the very queue that the caller stands in.
    let inherited = NoInput { then: None, set: Set::default(), ..defaults.no_input.clone() };
    let no_input = no_input.map(|(key, n)| NoInput::read(key, n, problems)).unwrap_or_default().or(&inherited);
    let (Some(after), Some(then)) = (no_input.after, no_input.then) else {
        let en = "say how long the offer waits for a key, and how the caller gets back to the queue then";
        let ja = "何も押されないときの待ち時間と、待ち列に戻る行き先が書かれていません。";
        problems.error(key.at, "missing_way", en, ja).help("no_input: { after: 6s, then: nurse }");
        return None;
    };
    let yes = At { value: Digit::from_char('1')?, at: key.at };
    Some(Offer { say: say?, yes, after, repeat: no_input.repeat.unwrap_or(0), then, set: no_input.set })
}
