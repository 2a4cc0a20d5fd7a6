//! A city that passed its check: what the engine, the queues and the callers' runs go by.

use crate::calendar::{Calendar, Hours};
use crate::draft::{Draft, sentences};
use crate::program::Flow;
use crate::prompts::Changing;
use crate::speech::{Sentence, Spoken};
use crate::steps::Step;
use model::{
    Agent, AgentId, Break, BreakReason, FlowName, Line, LineId, Lookup, LookupId, Millis, Number, PromptId, Queue, QueueId, ScheduleId,
    Settings, SlotId, StepId, Version,
};
use std::collections::{BTreeMap, BTreeSet};

/// A checked city. Published whole, never changed.
#[derive(Clone, Debug)]
pub struct Book {
    /// The name of exactly these texts.
    pub version: Version,
    /// The engine's own settings.
    pub settings: Settings,
    /// The flows.
    pub flows: BTreeMap<FlowName, Flow>,
    /// The queues.
    pub queues: BTreeMap<QueueId, Queue>,
    /// Who answers.
    pub agents: BTreeMap<AgentId, Agent>,
    /// Why agents may be away.
    pub breaks: BTreeMap<BreakReason, Break>,
    /// Who may call in.
    pub lines: Vec<Line>,
    /// Whom flows may ask over HTTP.
    pub lookups: BTreeMap<LookupId, Lookup>,
    /// Which number leads to which flow.
    pub numbers: BTreeMap<Number, FlowName>,
    /// Everything that may be spoken.
    pub sentences: Vec<Sentence>,
    /// When the city is open.
    pub calendar: Calendar,
    /// The music that there is.
    pub music: BTreeSet<PromptId>,
    /// Sentences that hold a changing word, and which.
    pub(crate) changing: BTreeMap<PromptId, Changing>,
    /// How long sentences take, as far as it is known.
    pub(crate) lengths: BTreeMap<Spoken, Millis>,
}

impl Default for Book {
    /// A city without anything in it.
    fn default() -> Self {
        Book::new(&crate::read(Vec::new()), &BTreeMap::new())
    }
}

impl Book {
    /// Places of each line that calls go out to: a target's lines, a trunk's channels.
    pub fn places(&self) -> BTreeMap<LineId, u32> {
        let places = |line: &Line| {
            let places = line.target.as_ref().map(|target| target.lines).or(line.trunk.as_ref().map(|trunk| trunk.channels));
            places.map(|places| (line.id.clone(), places))
        };
        self.lines.iter().filter_map(places).collect()
    }

    /// A flow and a step of it that wait in this queue; `None` when no flow leads there.
    pub fn step_that_waits(&self, queue: &QueueId) -> Option<(FlowName, StepId)> {
        let waits = |step: &Step| matches!(step, Step::queue(_)) && step.sketch().queue.is_some_and(|q| q.value == *queue);
        self.flows.iter().find_map(|(name, flow)| {
            let (step, _) = flow.steps.iter().find(|(_, named)| waits(&named.step))?;
            Some((name.clone(), step.clone()))
        })
    }

    /// The queues that callers come to while the schedules say this, without having waited or been refused elsewhere.
    pub fn queues_open(&self, hours: impl Fn(&ScheduleId) -> Option<Hours>) -> BTreeSet<QueueId> {
        self.numbers.values().filter_map(|flow| self.flows.get(flow)).flat_map(|flow| flow.queues_open(&hours)).cloned().collect()
    }

    /// Where notices are spoken: the slots that the flows name.
    pub fn slots(&self) -> BTreeSet<SlotId> {
        let steps = self.flows.values().flat_map(|flow| flow.steps.values());
        steps.filter_map(|named| Some(named.step.sketch().notice?.value.clone())).collect()
    }

    /// The flows that speak the notices of a slot.
    pub fn flows_at(&self, slot: &SlotId) -> impl Iterator<Item = &Flow> {
        let speaks = |flow: &&Flow| flow.steps.values().any(|named| named.step.sketch().notice.is_some_and(|there| there.value == *slot));
        self.flows.values().filter(speaks)
    }

    pub(crate) fn new(draft: &Draft, lengths: &BTreeMap<Spoken, Millis>) -> Book {
        Book {
            version: draft.version.clone(),
            settings: draft.settings.clone(),
            flows: draft.flows.clone(),
            queues: draft.queues.iter().map(|(id, entry)| (id.clone(), entry.queue.clone())).collect(),
            agents: draft.agents.iter().map(|(id, entry)| (id.clone(), entry.agent.clone())).collect(),
            breaks: draft.breaks.iter().map(|(reason, entry)| (reason.clone(), entry.declared.clone())).collect(),
            lines: draft.lines.iter().map(|entry| entry.line.clone()).collect(),
            lookups: draft.lookups.clone(),
            numbers: draft.numbers.iter().map(|(number, flow)| (number.clone(), flow.value.clone())).collect(),
            sentences: sentences(draft),
            calendar: draft.calendar().clone(),
            music: draft.music.keys().cloned().collect(),
            changing: draft.prompts.iter().filter_map(|(id, prompt)| Some((id.clone(), prompt.changing()?))).collect(),
            lengths: lengths.clone(),
        }
    }
}
