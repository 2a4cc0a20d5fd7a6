//! `schedule`: goes on by the calendar.
//!
//! `{ schedule: centre, open: main, holiday: main, closed: night }`. Without `holiday`, open on a holiday is open.

use super::{By, Go, Sketch, Way};
use crate::calendar::Hours;
use crate::decode::{Fields, noun};
use crate::problem::{At, Problems};
use crate::program::Defaults;
use crate::run::{Caller, Heard, Scene};
use crate::schema::{Shape, Value, may, must};
use crate::tree::{Key, Node};
use model::{Instant, ScheduleId, StepId};

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "schedule",
    en: "Goes on by the calendar.",
    ja: "受付時間によって行き先を変えます。",
    words: &[
        must("schedule", Value::Name(noun::SCHEDULE), "Which schedule of config/calendar.yaml.", "config/calendar.yaml のどの受付時間か。"),
        must("open", Value::Name(noun::STEP), "Where the call goes while it is open.", "受付時間内の行き先。"),
        may(
            "holiday",
            Value::Name(noun::STEP),
            "Where it goes while it is open on a national holiday; as when open, if left out.",
            "祝日の受付時間内の行き先。書かなければ open と同じです。",
        ),
        must("closed", Value::Name(noun::STEP), "Where it goes while it is closed.", "受付時間外の行き先。"),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    schedule: At<ScheduleId>,
    open: At<StepId>,
    holiday: Option<At<StepId>>,
    closed: At<StepId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State;

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, fields: &mut Fields<'_>, _: &Defaults, problems: &mut Problems) -> Option<Step> {
        let schedule = body.name(problems);
        let mut way = |name: &'static str, needed: bool| match fields.take(name) {
            Some(node) => node.name(problems),
            None => {
                if needed {
                    let en = format!("say where the call goes when the schedule says {name}");
                    let ja = format!("{name} のときの行き先が書かれていません。");
                    problems.error(key.at, "missing_way", en, ja).help(format!("{name}: main"));
                }
                None
            }
        };
        let (open, holiday, closed) = (way("open", true), way("holiday", false), way("closed", true));
        Some(Step { schedule: schedule?, open: open?, holiday, closed: closed? })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let mut ways = vec![Way::new(&self.open, By::Hours { closed: false }), Way::new(&self.closed, By::Hours { closed: true })];
        ways.extend(self.holiday.as_ref().map(|to| Way::new(to, By::Hours { closed: false })));
        Sketch { ways, schedule: Some(&self.schedule), ..Sketch::new() }
    }

    pub(crate) fn enter(&self, _: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let Some(hours) = scene.hours(&self.schedule.value) else { return Go::Fail };
        let (word, to) = match hours {
            Hours::Open => ("open", &self.open),
            Hours::Holiday => ("holiday", self.holiday.as_ref().unwrap_or(&self.open)),
            Hours::Closed => ("closed", &self.closed),
        };
        caller.left_by(word);
        Go::To(&to.value)
    }

    pub(crate) fn hear(&self, _: &mut State, _: &Scene<'_>, _: &mut Caller, _: &Heard) -> Go<'_> {
        Go::Stay
    }

    pub(crate) fn due(&self, _: &State, _: &Caller, _: &StepId) -> Option<Instant> {
        None
    }

    pub(crate) fn timeout(&self, _: &mut State, _: &Scene<'_>, _: &mut Caller) -> Go<'_> {
        Go::Stay
    }
}
