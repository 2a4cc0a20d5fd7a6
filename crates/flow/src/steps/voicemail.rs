//! `voicemail`: lets a caller leave a message after a beep, where nobody can be reached or nobody needs to be.
//!
//! Nothing is recorded before the beep. `#` ends the message, or silence, or the greatest length, or hanging up: whatever was said by then
//! is kept. A box that is full, or a disk that is, refuses before the beep and leads to `failed`: no message is thrown away for another.

use super::{By, End, Go, Sketch, Way};
use crate::decode::{Fields, missing, noun};
use crate::problem::{At, Problems};
use crate::program::Defaults;
use crate::run::{Ask, Caller, Heard, Note, Scene};
use crate::schema::{Shape, Value, may, must};
use crate::speech::Speech;
use crate::tree::{Key, Node};
use model::{Digit, Instant, KeyMeaning, MailboxId, StepId};
use std::time::Duration;

/// How long a message may be, unless it is said.
const MAX: Duration = Duration::from_secs(120);
/// Nobody can say anything in less.
const MAX_MIN: Duration = Duration::from_secs(5);
/// Longer than anybody listens to; ten megabytes.
const MAX_MAX: Duration = Duration::from_secs(600);
/// Silence that ends a message, unless it is said: people stop to think.
const SILENCE: Duration = Duration::from_secs(10);
const SILENCE_MIN: Duration = Duration::from_secs(3);
/// The box is asked, the beep sounds, the file is closed: far less than this, on top of the message.
const GRACE: Duration = Duration::from_secs(20);

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "voicemail",
    en: "Takes a message into a box.",
    ja: "伝言を録音して、伝言箱に入れます。",
    words: &[
        must("voicemail", Value::Map(&BODY), "The message.", "伝言の内容。"),
        must("next", Value::Name(noun::STEP), "Where the call goes once a message was left.", "録音できたあとの行き先。"),
    ],
    rest: None,
};

const BODY: Shape = Shape {
    name: "voicemail/body",
    en: "Which box, for how long, and what is said before the beep.",
    ja: "どの伝言箱に、何分まで。発信音の前の案内文。",
    words: &[
        must("box", Value::Text, "The folder of the messages: letters, figures, - and _.", "伝言箱の名前。半角の英数字、-、_ で書きます。"),
        must("say", crate::speech::SAY, "What is said before the beep.", "発信音の前の案内文。"),
        may("max", Value::Time, "The longest message.", "録音の上限。"),
        may("silence", Value::Time, "After so long a silence the message is over.", "これだけ黙ると録音を終えます。"),
        may(
            "failed",
            Value::Name(noun::STEP),
            "When nothing can be recorded: no room, or nothing was said.",
            "録音できないとき（空きがない、何も話されないなど）の行き先。",
        ),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    say: Speech,
    mailbox: MailboxId,
    max: Duration,
    silence: Duration,
    next: At<StepId>,
    failed: At<StepId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// What is to be said after the beep sounds.
    #[default]
    Saying,
    /// The edge has been asked to record; by then it has answered.
    Recording(Instant),
}

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, outer: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let mut fields = Fields::of(body, key.at, problems)?;
        let say = Speech::needed(fields.take("say"), key.at, defaults.barge_in, problems);
        let mailbox = match fields.take("box") {
            Some(node) => {
                node.name::<MailboxId>(problems).filter(|name| crate::config::lookups::is_plain(name.value.as_str(), name.at, problems))
            }
            None => {
                missing(problems, key.at, "box", "box: general");
                None
            }
        };
        let max = between(&mut fields, "max", MAX, (MAX_MIN, MAX_MAX), problems);
        let silence = between(&mut fields, "silence", SILENCE, (SILENCE_MIN, MAX_MAX), problems);
        nobody_is_notified(&mut fields, problems);
        let failed = fields.take("failed").and_then(|n| n.name(problems)).or_else(|| defaults.on_error.clone());
        fields.finish(problems);
        let next = super::next(key, outer, problems);
        // Without an `on_error` the flow has been complained about.
        Some(Step { say: say?, mailbox: mailbox?.value, max, silence, next: next?, failed: failed? })
    }

    /// Where messages go.
    pub(crate) fn mailbox(&self) -> &MailboxId {
        &self.mailbox
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        Sketch {
            opening: Some(&self.say),
            speeches: vec![&self.say],
            ways: vec![Way::new(&self.next, By::Itself), Way::new(&self.failed, By::Refused)],
            // What the caller has said is written down, and whoever listens to the box calls back.
            end: End::Claim,
            ..Sketch::new()
        }
    }

    pub(crate) fn enter(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        if caller.say(scene, &[&self.say]) { Go::Stay } else { self.record(state, scene, caller) }
    }

    fn record(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        state.stage = Stage::Recording(scene.now.mono + self.max + GRACE);
        caller.ask(Ask::Record { mailbox: self.mailbox.clone(), max: self.max, silence: self.silence });
        Go::Stay
    }

    pub(crate) fn hear(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match (state.stage, heard) {
            (Stage::Saying, Heard::Played) => self.record(state, scene, caller),
            // A key brings the beep at once.
            (Stage::Saying, Heard::Digit(digit)) => {
                caller.note_ignored(scene, *digit);
                if self.say.barge_in { self.record(state, scene, caller) } else { Go::Stay }
            }
            (Stage::Recording(_), Heard::Digit(digit)) => {
                if Some(*digit) == Digit::from_char('#') {
                    caller.note(Note::Pressed { step: scene.step.clone(), digit: *digit, meaning: KeyMeaning::Choice });
                    caller.ask(Ask::StopRecording);
                } else {
                    caller.note_ignored(scene, *digit);
                }
                Go::Stay
            }
            (Stage::Recording(_), Heard::Recorded { kept: true }) => {
                caller.left_by("left");
                Go::To(&self.next.value)
            }
            // Whoever has left nothing is not told that somebody will call back.
            (Stage::Recording(_), Heard::Recorded { kept: false }) => {
                caller.left_by("empty");
                Go::To(&self.failed.value)
            }
            (Stage::Recording(_), Heard::NotRecorded) => self.fail(caller),
            _ => Go::Stay,
        }
    }

    fn fail(&self, caller: &mut Caller) -> Go<'_> {
        caller.left_by("failed");
        Go::To(&self.failed.value)
    }

    pub(crate) fn due(&self, state: &State, _: &Caller, _: &StepId) -> Option<Instant> {
        match state.stage {
            Stage::Saying => None,
            Stage::Recording(until) => Some(until),
        }
    }

    /// Nobody has said how the recording ended: whatever was written is kept, and the caller is not left in silence.
    pub(crate) fn timeout(&self, _: &mut State, _: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        caller.ask(Ask::StopRecording);
        self.fail(caller)
    }
}

/// A time within bounds.
fn between(
    fields: &mut Fields<'_>,
    name: &'static str,
    usual: Duration,
    (least, most): (Duration, Duration),
    problems: &mut Problems,
) -> Duration {
    let Some(node) = fields.take(name) else { return usual };
    let Some(time) = node.time(problems) else { return usual };
    if (least..=most).contains(&time) {
        return time;
    }
    let (least, most) = (least.as_secs(), most.as_secs());
    let en = format!("\"{name}\" is between {least}s and {most}s");
    let ja = format!("「{name}」は {least}s から {most}s までです。");
    problems.error(node.at, "out_of_bounds", en, ja).help(format!("{name}: {}s", usual.as_secs()));
    usual
}

/// A word that looks as if somebody were told, and nobody is, would be found out by a caller who waits for days.
fn nobody_is_notified(fields: &mut Fields<'_>, problems: &mut Problems) {
    let Some(key) = fields.refused("notify") else { return };
    let en =
        "nobody is told by mail yet; whoever is on duty sees new messages in toritsugi_voicemail_unheard and by `toritsugi voicemail list`";
    let ja = "メールなどの通知はまだありません。新しい伝言は toritsugi_voicemail_unheard と toritsugi voicemail list で分かります。";
    problems.error(key.at, "not_yet", en, ja).help("voicemail: { box: general, max: 2m, say: leave_message }");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::State as Any;

    /// The step alone, in the city of the examples' base.
    fn step() -> Step {
        let at = |name: &str| At { value: StepId::from(name), at: crate::problem::Spot::default() };
        Step {
            say: Speech { parts: Vec::new(), barge_in: true },
            mailbox: MailboxId::from("general"),
            max: MAX,
            silence: SILENCE,
            next: at("goodbye"),
            failed: at("nurse"),
        }
    }

    #[test]
    fn hash_ends_a_message_and_no_other_key_does() {
        let (step, book) = (step(), crate::Book::default());
        let here = StepId::from("message");
        let (now, standing) =
            (model::Now { mono: Instant::from_millis(1000), wall: model::UnixMillis(0) }, crate::standing::Standing::default());
        let scene = Scene { now, book: &book, step: &here, standing: &standing };
        let mut caller = Caller::for_test();
        let mut state = State::default();
        assert_eq!(step.enter(&mut state, &scene, &mut caller), Go::Stay);
        assert!(matches!(caller.asked().as_slice(), [Ask::Record { max: MAX, silence: SILENCE, .. }]), "nothing to say: the beep at once");
        assert_eq!(step.hear(&mut state, &scene, &mut caller, &Heard::Digit(Digit::from_char('5').unwrap())), Go::Stay);
        assert!(caller.asked().iter().all(|ask| !matches!(ask, Ask::StopRecording)));
        step.hear(&mut state, &scene, &mut caller, &Heard::Digit(Digit::from_char('#').unwrap()));
        assert!(caller.asked().contains(&Ask::StopRecording));
        assert_eq!(step.hear(&mut state, &scene, &mut caller, &Heard::Recorded { kept: true }), Go::To(&StepId::from("goodbye")));
        let _ = Any::voicemail(state);
    }

    #[test]
    fn a_box_that_takes_nothing_and_an_edge_that_says_nothing_lead_to_failed() {
        let (step, book) = (step(), crate::Book::default());
        let here = StepId::from("message");
        let (now, standing) =
            (model::Now { mono: Instant::from_millis(1000), wall: model::UnixMillis(0) }, crate::standing::Standing::default());
        let scene = Scene { now, book: &book, step: &here, standing: &standing };
        let mut caller = Caller::for_test();
        let mut state = State::default();
        step.enter(&mut state, &scene, &mut caller);
        assert_eq!(step.due(&state, &caller, &here), Some(scene.now.mono + MAX + GRACE));
        assert_eq!(step.hear(&mut state, &scene, &mut caller, &Heard::NotRecorded), Go::To(&StepId::from("nurse")));
        assert_eq!(step.timeout(&mut state, &scene, &mut caller), Go::To(&StepId::from("nurse")));
        assert!(caller.asked().contains(&Ask::StopRecording), "what was written by then is kept");
    }
}
