//! `transfer`: puts the caller through to a line outside: a ward hotline, an interpreter.
//!
//! A warm transfer tells the other side first what it is about, and the other side accepts with 1; a blind one rings and connects.
//! Whoever comes from a queue keeps the place meanwhile: a line that is busy, silent or full costs nobody anything.

use super::{By, End, Go, Sketch, Way};
use crate::decode::{Fields, missing, noun};
use crate::problem::{At, Problems};
use crate::program::{Defaults, Unreached};
use crate::run::{Ask, Caller, Heard, Scene};
use crate::schema::{Shape, Value, may, must};
use crate::speech::{Speech, Spoken};
use crate::target::Target;
use crate::tree::{Key, Node};
use model::{Instant, PromptId, StepId, TransferEnd};
use std::time::Duration;

/// How long the other side may take, where nothing else is written.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Shorter than this, nobody reaches the telephone.
const TIMEOUT_MIN: Duration = Duration::from_secs(5);

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "transfer",
    en: "Puts the caller through to a line outside.",
    ja: "外の回線に転送します。",
    words: &[must(
        "transfer",
        Value::Map(&BODY),
        "Where to, and what happens if nobody is reached.",
        "転送先と、つながらないときの行き先。",
    )],
    rest: None,
};

const BODY: Shape = Shape {
    name: "transfer/body",
    en: "A line of config/lines.yaml, and what happens if nobody is reached.",
    ja: "config/lines.yaml の回線と、つながらないときの行き先。",
    words: &[
        must(
            "to",
            Value::Text,
            "The line; a gap is filled by what was remembered: \"ward/{ward}\".",
            "回線の名前。覚えておいた言葉で変わる部分は \"ward/{ward}\" のように書きます。",
        ),
        must(
            "kind",
            Value::OneOf(&["warm", "blind"]),
            "warm: the other side hears what it is about and accepts with 1; blind: it rings and connects.",
            "warm: 相手に用件を伝え、1 を押してもらってからつなぎます。blind: そのままつなぎます。",
        ),
        may("brief", crate::speech::SAY, "What the other side of a warm transfer hears first.", "warm のとき、相手に先に聞かせる案内文。"),
        may("timeout", Value::Time, "How long the other side may take.", "相手を待つ時間。"),
        may("music", Value::Name(noun::MUSIC), "What the caller hears meanwhile.", "お待ちの間の音楽。"),
        may("busy", Value::Name(noun::STEP), "Where the call goes when the line is busy.", "話し中のときの行き先。"),
        may("no_answer", Value::Name(noun::STEP), "Where it goes when nobody answers.", "応答がないときの行き先。"),
        may("refused", Value::Name(noun::STEP), "Where it goes when the other side refuses.", "断られたときの行き先。"),
        may(
            "at_capacity",
            Value::Name(noun::STEP),
            "Where it goes when all places of the line are taken.",
            "回線がすべて使われているときの行き先。",
        ),
        may(
            "failed",
            Value::Name(noun::STEP),
            "Where it goes when the call cannot be made; on_error, if left out.",
            "電話をかけられないときの行き先。書かなければ on_error に進みます。",
        ),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    to: Target,
    /// What the other side of a warm transfer hears; `None` for a blind one.
    brief: Option<Speech>,
    timeout: Duration,
    music: Option<At<PromptId>>,
    busy: At<StepId>,
    no_answer: At<StepId>,
    refused: At<StepId>,
    at_capacity: At<StepId>,
    failed: At<StepId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The line is being called.
    calling: bool,
}

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, _: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let mut fields = Fields::of(body, key.at, problems)?;
        let to = match fields.take("to") {
            Some(node) => Target::read(node, problems),
            None => {
                missing(problems, key.at, "to", "to: \"ward/{ward}\"");
                None
            }
        };
        let warm = match fields.take("kind") {
            Some(node) => node.one_of(&[("warm", true), ("blind", false)], problems),
            None => {
                missing(problems, key.at, "kind", "kind: warm");
                None
            }
        };
        let brief = read_brief(key, &mut fields, warm, defaults, problems);
        let mut timeout = TIMEOUT;
        if let Some((node, time)) = fields.take("timeout").and_then(|node| Some((node, node.time(problems)?))) {
            timeout = crate::config::queues::at_least(time, TIMEOUT_MIN, node.at, problems);
        }
        let music = fields.take("music").and_then(|n| n.name(problems)).or_else(|| defaults.music.clone());
        let Unreached { busy, no_answer, refused, at_capacity } = Unreached::read(&mut fields, problems);
        let failed = fields.take("failed").and_then(|n| n.name(problems)).or_else(|| defaults.on_error.clone());
        fields.finish(problems);
        let inherited = &defaults.unreached;
        let mut way = |own: Option<At<StepId>>, inherited: &Option<At<StepId>>, name: &str| {
            let way = own.or_else(|| inherited.clone());
            if way.is_none() {
                let en = format!("say where the call goes when the line is {name}");
                let ja = format!("転送先が {name} のときの行き先が書かれていません。");
                problems.error(key.at, "missing_way", en, ja).help(format!("{name}: nurse"));
            }
            way
        };
        let busy = way(busy, &inherited.busy, "busy");
        let no_answer = way(no_answer, &inherited.no_answer, "no_answer");
        let refused = way(refused, &inherited.refused, "refused");
        let at_capacity = way(at_capacity, &inherited.at_capacity, "at_capacity");
        let brief = if warm? { Some(brief?) } else { None };
        Some(Step {
            to: to?,
            brief,
            timeout,
            music,
            busy: busy?,
            no_answer: no_answer?,
            refused: refused?,
            at_capacity: at_capacity?,
            failed: failed?,
        })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let ways = [&self.busy, &self.no_answer, &self.refused, &self.at_capacity, &self.failed];
        Sketch {
            speeches: self.brief.iter().collect(),
            ways: ways.into_iter().map(|to| Way::new(to, By::Refused)).collect(),
            end: End::Person,
            keeps_place: true,
            target: Some(&self.to),
            music: self.music.as_ref(),
            ..Sketch::new()
        }
    }

    pub(crate) fn enter(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let reaches = |line: &model::LineId| scene.book.lines.iter().any(|known| known.id == *line && known.target.is_some());
        let Some(line) = self.to.fill(caller).filter(reaches) else {
            caller.left_by("failed");
            return Go::To(&self.failed.value);
        };
        state.calling = true;
        let sentence =
            |part: &crate::speech::Part| Spoken { prompt: part.prompt.value.clone(), lang: part.lang(&caller.lang).clone(), value: None };
        let brief = self.brief.as_ref().map(|brief| brief.parts.iter().map(sentence).collect());
        caller.music(scene, self.music.as_ref());
        caller.ask(Ask::Transfer { line, brief, timeout: self.timeout, keep_place: caller.queued });
        Go::Stay
    }

    pub(crate) fn hear(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match heard {
            Heard::NotTransferred(how) if state.calling => {
                state.calling = false;
                let (word, to) = match how {
                    TransferEnd::Busy => ("busy", &self.busy),
                    TransferEnd::NoAnswer => ("no_answer", &self.no_answer),
                    TransferEnd::Refused => ("refused", &self.refused),
                    TransferEnd::AtCapacity => ("at_capacity", &self.at_capacity),
                    TransferEnd::Failed | TransferEnd::Withdrawn | TransferEnd::Connected => ("failed", &self.failed),
                };
                caller.left_by(word);
                Go::To(&to.value)
            }
            // They talked, and the other side was lost.
            Heard::Returned => {
                caller.left_by("failed");
                Go::To(&self.failed.value)
            }
            Heard::Queued { .. } | Heard::Place { .. } | Heard::Refused(_) => {
                caller.hear_of_place(heard);
                // Restored: the line is not being called any more.
                if state.calling { Go::Stay } else { self.enter(state, scene, caller) }
            }
            Heard::Digit(digit) => {
                caller.note_ignored(scene, *digit);
                Go::Stay
            }
            Heard::Started
            | Heard::Played
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

    pub(crate) fn due(&self, _: &State, _: &Caller, _: &StepId) -> Option<Instant> {
        None
    }

    pub(crate) fn timeout(&self, _: &mut State, _: &Scene<'_>, _: &mut Caller) -> Go<'_> {
        Go::Stay
    }
}

/// The sentences for the other side. They are spoken in the language of the house, whatever the caller speaks.
fn read_brief(key: &Key, fields: &mut Fields<'_>, warm: Option<bool>, defaults: &Defaults, problems: &mut Problems) -> Option<Speech> {
    let entry = fields.entry("brief");
    match (warm, entry) {
        (Some(true), None) => {
            missing(problems, key.at, "brief", "brief: [brief_urgent]");
            None
        }
        (Some(false), Some((key, _))) => {
            let en = "a blind transfer tells nobody anything; write kind: warm, or leave out the brief";
            let ja = "blind の転送では前もって説明できません。kind: warm にするか、brief を消してください。";
            problems.error(key.at, "brief_without_warm", en, ja);
            None
        }
        (_, entry) => {
            let mut brief = Speech::read(entry?.1, false, problems)?;
            for part in &mut brief.parts {
                part.lang = part.lang.take().or_else(|| defaults.house.clone());
            }
            Some(brief)
        }
    }
}
