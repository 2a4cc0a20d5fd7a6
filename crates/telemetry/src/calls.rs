//! The calls in progress as spans: what each line of the log says beside its own words, and what a collector of traces is told when a call is over.
//!
//! A call is one trace; its steps, waits, offers and talks are spans within it (OpenTelemetry specification, *Tracing API*). They are made of
//! [`Event`]s, on the thread that reads these, so that the engine knows nothing of them. Times are those at which that thread heard of it, some
//! milliseconds after; the call's own are exact. No fact of a span is a person's.

use crate::log;
use model::{CallEnd, CallId, CallRecord, Event, OfferEnd, OfferId, Random, TransferEnd, TransferKind, UnixMillis};
use std::collections::BTreeMap;
use std::mem;
use tracing::field::Empty;

/// Calls that are followed at once. One more, and the eldest is forgotten: an end of it was missed.
const LIVE_MAX: usize = 20_000;
/// Parts of one call that are kept; of later ones only the log tells.
const PARTS_MAX: usize = 256;
/// The id of a leg is that of its call, and which leg of it in the lower bits.
const LEG_BITS: u32 = 16;

/// One call, from beginning to end.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Random, and never 0.
    pub id: u128,
    /// The call itself, then its parts in the order in which they ended.
    pub spans: Vec<Span>,
}

/// A call, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Random, and never 0.
    pub id: u64,
    /// What it is a part of.
    pub parent: Option<u64>,
    /// `call`, `step main`, `wait nurse`, `offer yuki`, `talk yuki`, `transfer ward_kawasaki`.
    pub name: String,
    /// When it began.
    pub from: UnixMillis,
    /// When it ended.
    pub until: UnixMillis,
    /// What is known of it, by the names of the log's fields.
    pub facts: Vec<(&'static str, Fact)>,
    /// Whether somebody should look at it.
    pub failed: bool,
}

/// One fact of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A name of the city, or a word of ours.
    Text(String),
    /// A figure, or an id.
    Whole(u64),
}

impl Span {
    fn know(&mut self, name: &'static str, fact: impl ToString) {
        self.facts.push((name, Fact::Text(fact.to_string())));
    }
    fn figure(&mut self, name: &'static str, figure: u64) {
        self.facts.push((name, Fact::Whole(figure)));
    }
}

/// The book of the calls in progress.
pub struct Calls {
    random: Random,
    live: BTreeMap<CallId, Live>,
    offers: BTreeMap<OfferId, CallId>,
    /// Whether anybody takes the traces.
    told: bool,
    over: Vec<Trace>,
}

/// A call in progress.
struct Live {
    trace: u128,
    /// What lines of the log say beside their own words.
    said: tracing::Span,
    call: Span,
    step: Option<Span>,
    wait: Option<Span>,
    talk: Option<Span>,
    offers: BTreeMap<OfferId, Span>,
    parts: Vec<Span>,
}

impl Live {
    fn close(&mut self, at: UnixMillis, part: Option<Span>) {
        if let Some(part) = part
            && self.parts.len() < PARTS_MAX
        {
            self.parts.push(Span { until: at, ..part });
        }
    }
}

impl Calls {
    /// An empty book. `told` says whether anybody takes the traces; then lines of the log name them, as `trace_id`.
    pub fn new(seed: [u8; 32], told: bool) -> Calls {
        Calls { random: Random::new(seed), live: BTreeMap::new(), offers: BTreeMap::new(), told, over: Vec::new() }
    }

    /// Writes an event's line within its call, and keeps in mind what became of the call.
    pub fn note(&mut self, at: UnixMillis, event: &Event) {
        self.begin(at, event);
        match self.call_of(event).and_then(|call| self.live.get(&call)) {
            Some(live) => live.said.in_scope(|| log::note(event)),
            None => log::note(event),
        }
        self.end(at, event);
    }

    /// A call that is over; `None` when there is no more of them.
    pub fn poll_trace(&mut self) -> Option<Trace> {
        self.over.pop()
    }

    /// What begins with an event.
    fn begin(&mut self, at: UnixMillis, event: &Event) {
        match event {
            Event::Arrived { call, number, line, caller: _ } => {
                let live = self.open(*call, at);
                live.said.record("number", number.as_str());
                live.call.know("number", number);
                live.call.know("line", line);
            }
            Event::CallingBack { call, attempt, .. } => self.open(*call, at).call.figure("attempt", (*attempt).into()),
            Event::StepEntered { call, flow, step } => {
                self.part(*call, at, format!("step {step}"), |live, mut part| {
                    live.said.record("flow", flow.as_str());
                    live.said.record("step", step.as_str());
                    part.know("flow", flow);
                    part.know("step", step);
                    let before = live.step.replace(part);
                    live.close(at, before);
                });
            }
            Event::Enqueued { call, ticket, queue, position } => {
                self.part(*call, at, format!("wait {queue}"), |live, mut part| {
                    live.said.record("queue", queue.as_str());
                    live.said.record("agent", "");
                    part.know("queue", queue);
                    part.figure("ticket", ticket.0);
                    part.figure("position", *position);
                    let before = [live.talk.take(), live.wait.replace(part)];
                    before.into_iter().for_each(|before| live.close(at, before));
                });
            }
            Event::Offered { call, ticket, offer, queue, agent, why } => {
                self.part(*call, at, format!("offer {agent}"), |live, mut part| {
                    part.know("queue", queue);
                    part.know("agent", agent);
                    part.figure("ticket", ticket.0);
                    part.figure("offer", offer.0);
                    part.figure("relax_step", why.relax_step.into());
                    live.offers.insert(*offer, part);
                });
                if self.live.contains_key(call) {
                    self.offers.insert(*offer, *call);
                }
            }
            Event::Bridged { call, queue, agent, waited, to_human } => {
                self.part(*call, at, format!("talk {agent}"), |live, mut part| {
                    live.said.record("agent", agent.as_str());
                    part.know("queue", queue);
                    part.know("agent", agent);
                    part.figure("waited_ms", waited.0);
                    part.figure("to_human_ms", to_human.0);
                    let before = live.talk.replace(part);
                    live.close(at, before);
                });
            }
            _ => {}
        }
    }

    /// What ends with an event.
    fn end(&mut self, at: UnixMillis, event: &Event) {
        match event {
            Event::LeftQueue { call, waited, how, .. } => {
                if let Some(live) = self.live.get_mut(call) {
                    live.said.record("queue", "");
                    let wait = live.wait.take().map(|mut wait| {
                        wait.know("how", how);
                        wait.figure("waited_ms", waited.0);
                        wait
                    });
                    live.close(at, wait);
                }
            }
            Event::OfferEnded { offer, how, .. } => {
                if let Some(live) = self.offers.remove(offer).and_then(|call| self.live.get_mut(&call)) {
                    let part = live.offers.remove(offer).map(|mut part| {
                        part.know("how", how);
                        part.failed = *how == OfferEnd::Unreachable;
                        part
                    });
                    live.close(at, part);
                }
            }
            Event::Transferred { call, to, kind, by, how } => {
                self.part(*call, at, format!("transfer {to}"), |live, mut part| {
                    part.know("kind", kind);
                    part.know("by", by.as_ref().map_or("flow", |agent| agent.as_str()));
                    part.know("how", how);
                    live.close(at, Some(part));
                    if *how == TransferEnd::Connected && *kind != TransferKind::ThreeWay {
                        live.said.record("agent", "");
                        let talk = live.talk.take();
                        live.close(at, talk);
                    }
                });
            }
            Event::Ended { record } => self.over(record),
            _ => {}
        }
    }

    fn over(&mut self, record: &CallRecord) {
        let Some(mut live) = self.live.remove(&record.call) else { return };
        for offer in live.offers.keys() {
            self.offers.remove(offer);
        }
        let open = [live.step.take(), live.wait.take(), live.talk.take()];
        let offers = mem::take(&mut live.offers).into_values().map(Some);
        offers.chain(open).for_each(|part| live.close(record.ended, part));
        let call = &mut live.call;
        (call.from, call.until) = (record.arrived, record.ended);
        call.know("end", record.end);
        call.know("hung_up_by", record.hung_up_by);
        call.know("lang", &record.lang);
        if let Some(queue) = &record.queue {
            call.know("queue", queue);
        }
        if let Some(agent) = &record.agent {
            call.know("agent", agent);
        }
        for (name, figure) in [("waited_ms", record.waited), ("to_human_ms", record.to_human), ("talked_ms", record.talked)] {
            if let Some(figure) = figure {
                call.figure(name, figure.0);
            }
        }
        call.failed = matches!(record.end, CallEnd::InternalError | CallEnd::CallerVanished | CallEnd::LostInRestart);
        if self.told {
            let spans = std::iter::once(live.call).chain(live.parts).collect();
            self.over.push(Trace { id: live.trace, spans });
        }
    }

    fn open(&mut self, call: CallId, at: UnixMillis) -> &mut Live {
        let trace = u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64().max(1));
        let (id, told) = (self.random.next_u64().max(1), self.told);
        if self.live.len() >= LIVE_MAX
            && !self.live.contains_key(&call)
            && let Some((_, eldest)) = self.live.pop_first()
        {
            self.offers.retain(|offer, _| !eldest.offers.contains_key(offer));
        }
        self.live.entry(call).or_insert_with(|| {
            // Of the highest level, so that it is there whatever is written.
            let said = tracing::error_span!(
                "call",
                call = call.0,
                number = Empty,
                flow = Empty,
                step = Empty,
                queue = Empty,
                agent = Empty,
                trace_id = Empty
            );
            if told {
                said.record("trace_id", format!("{trace:032x}"));
            }
            let mut span = Span { id, parent: None, name: "call".to_owned(), from: at, until: at, facts: Vec::new(), failed: false };
            span.figure("call", call.0);
            Live { trace, said, call: span, step: None, wait: None, talk: None, offers: BTreeMap::new(), parts: Vec::new() }
        })
    }

    /// A part of a call that is followed begins.
    fn part(&mut self, call: CallId, at: UnixMillis, name: String, begin: impl FnOnce(&mut Live, Span)) {
        let id = self.random.next_u64().max(1);
        if let Some(live) = self.live.get_mut(&call) {
            let parent = Some(live.call.id);
            begin(live, Span { id, parent, name, from: at, until: at, facts: Vec::new(), failed: false });
        }
    }

    /// The call that an event belongs to.
    fn call_of(&self, event: &Event) -> Option<CallId> {
        match event {
            Event::Arrived { call, .. }
            | Event::Withheld { call, .. }
            | Event::CalledFirst { call, .. }
            | Event::Answered { call }
            | Event::StepEntered { call, .. }
            | Event::PromptStarted { call, .. }
            | Event::PromptMissing { call, .. }
            | Event::Pressed { call, .. }
            | Event::NoInput { call, .. }
            | Event::HandedToPeople { call, .. }
            | Event::Enqueued { call, .. }
            | Event::LeftQueue { call, .. }
            | Event::WaitJudged { call, .. }
            | Event::PlaceKept { call, .. }
            | Event::Transferred { call, .. }
            | Event::CallbackBooked { call, .. }
            | Event::CallingBack { call, .. }
            | Event::Offered { call, .. }
            | Event::Bridged { call, .. }
            | Event::MessageLeft { call, .. }
            | Event::MessageNotKept { call, .. }
            | Event::LookedUp { call, .. }
            | Event::CallEvicted { call } => Some(*call),
            Event::Waits { call, .. } => *call,
            Event::Ended { record } => Some(record.call),
            Event::OfferEnded { offer, .. } => self.offers.get(offer).copied(),
            Event::Media { leg, .. } | Event::MediaFailed { leg } => Some(CallId(leg.0 >> LEG_BITS)),
            Event::Published { .. }
            | Event::PublicationRefused { .. }
            | Event::OverrideSet { .. }
            | Event::OverrideEnded { .. }
            | Event::Refused { .. }
            | Event::LineTaken { .. }
            | Event::LineFreed { .. }
            | Event::LineFull { .. }
            | Event::TrunkRegistration { .. }
            | Event::TrunkReachable { .. }
            | Event::TrunkPassedOver { .. }
            | Event::CallsOutLimited
            | Event::CallbackTried { .. }
            | Event::CallbackEnded { .. }
            | Event::AgentCalledOut { .. }
            | Event::Repaired { .. }
            | Event::AgentState { .. }
            | Event::Registered { .. }
            | Event::Unregistered { .. }
            | Event::PhoneGone { .. }
            | Event::AuthenticationFailed { .. }
            | Event::SipRequest { .. }
            | Event::SipResponse { .. }
            | Event::InviteDone { .. }
            | Event::InviteHeard { .. }
            | Event::ByeDone { .. }
            | Event::SipMalformed { .. }
            | Event::Stranger
            | Event::StrangerNamed { .. }
            | Event::AimedAtUs { .. }
            | Event::Flood
            | Event::SourceBanned { .. }
            | Event::Banned
            | Event::ForeignRequest
            | Event::ConnectionClosed { .. }
            | Event::Certificate { .. }
            | Event::CertificateRefused
            | Event::NotDurable { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AgentId, FlowName, Lang, LineId, Millis, Number, Party, QueueEnd, QueueId, Redacted, StepId, TicketId, Version, Why};

    fn record(call: CallId, end: CallEnd) -> Event {
        Event::Ended {
            record: Box::new(CallRecord {
                call,
                arrived: UnixMillis(1_000),
                number: Number::parse("0440000000").unwrap(),
                caller: "044-***-**01".to_owned(),
                lang: Lang::from("ja"),
                path: Vec::new(),
                queue: Some(QueueId::from("nurse")),
                waited: Some(Millis(5_000)),
                to_human: None,
                agent: Some(AgentId::from("yuki")),
                talked: Some(Millis(2_000)),
                ended: UnixMillis(20_000),
                end,
                hung_up_by: Party::Caller,
                version: Version::from("v"),
                person: None,
                ticket: None,
                class: 0,
                gave_up: None,
                transferred_to: None,
                called_back: false,
                called_first: None,
                cause: None,
            }),
        }
    }

    /// A call that presses, waits, is offered twice, talks and ends.
    fn story(call: CallId) -> Vec<(i64, Event)> {
        let (ticket, queue) = (TicketId(3), QueueId::from("nurse"));
        let number = Number::parse("0440000000").unwrap();
        let caller = Redacted::new("0449876501".to_owned());
        let step = |name| Event::StepEntered { call, flow: FlowName::from("main"), step: StepId::from(name) };
        let offered = |offer, agent| Event::Offered {
            call,
            ticket,
            offer: OfferId(offer),
            queue: QueueId::from("nurse"),
            agent: AgentId::from(agent),
            why: Why::default(),
        };
        let ended = |offer, agent, how| Event::OfferEnded { offer: OfferId(offer), agent: AgentId::from(agent), how };
        let (waited, to_human, promised) = (Millis(5_000), Millis(9_000), Millis(20_000));
        vec![
            (1_004, Event::Arrived { call, number, caller, line: LineId::from("ntt") }),
            (1_100, step("greeting")),
            (3_000, step("menu")),
            (5_000, Event::Enqueued { call, ticket, queue: queue.clone(), position: 1 }),
            (6_000, offered(7, "ken")),
            (8_000, ended(7, "ken", OfferEnd::Unreachable)),
            (8_001, offered(8, "yuki")),
            (10_000, ended(8, "yuki", OfferEnd::Answered)),
            (10_000, Event::LeftQueue { call, ticket, queue: queue.clone(), waited, how: QueueEnd::Answered, promised }),
            (10_001, Event::Bridged { call, queue, agent: AgentId::from("yuki"), waited, to_human }),
            (20_003, record(call, CallEnd::Served)),
        ]
    }

    #[test]
    fn a_call_is_one_trace_and_its_parts_lie_within_it() {
        let mut calls = Calls::new([1; 32], true);
        story(CallId(17)).iter().for_each(|(at, event)| calls.note(UnixMillis(*at), event));
        let trace = calls.poll_trace().unwrap();
        assert_eq!(calls.poll_trace(), None);
        assert!(calls.live.is_empty() && calls.offers.is_empty(), "nothing is left of it");
        let told: Vec<_> = trace.spans.iter().map(|s| (s.name.as_str(), s.from.0, s.until.0, s.failed)).collect();
        let wanted = [
            ("call", 1_000, 20_000, false),
            ("step greeting", 1_100, 3_000, false),
            ("offer ken", 6_000, 8_000, true),
            ("offer yuki", 8_001, 10_000, false),
            ("wait nurse", 5_000, 10_000, false),
            ("step menu", 3_000, 20_000, false),
            ("talk yuki", 10_001, 20_000, false),
        ];
        assert_eq!(told, wanted);
        assert!(trace.spans[1..].iter().all(|span| span.parent == Some(trace.spans[0].id)));
        let mut ids: Vec<u64> = trace.spans.iter().map(|span| span.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), trace.spans.len());
        let text = format!("{trace:?}");
        assert!(text.contains("0440000000") && !text.contains("044987") && !text.contains("***"), "{text}");
        assert!(trace.spans[0].facts.contains(&("end", Fact::Text("served".to_owned()))), "{text}");
    }

    #[test]
    fn what_nobody_takes_is_not_kept_and_a_call_that_never_ends_is_forgotten() {
        let mut calls = Calls::new([1; 32], false);
        story(CallId(1)).iter().for_each(|(at, event)| calls.note(UnixMillis(*at), event));
        assert_eq!(calls.poll_trace(), None);
        let endless = |call| story(CallId(call)).into_iter().take(6);
        for call in 0..LIVE_MAX as u64 + 10 {
            endless(call).for_each(|(at, event)| calls.note(UnixMillis(at), &event));
        }
        assert_eq!((calls.live.len(), calls.live.first_key_value().map(|(call, _)| call.0)), (LIVE_MAX, Some(10)));
        let step = Event::StepEntered { call: CallId(10), flow: FlowName::from("main"), step: StepId::from("menu") };
        (0..PARTS_MAX + 50).for_each(|_| calls.note(UnixMillis(9), &step));
        assert_eq!(calls.live[&CallId(10)].parts.len(), PARTS_MAX);
    }

    #[test]
    fn a_call_of_the_run_before_and_a_mistake_of_ours_are_told_or_left_out() {
        let mut calls = Calls::new([1; 32], true);
        calls.note(UnixMillis(1), &record(CallId(4), CallEnd::LostInRestart));
        assert_eq!(calls.poll_trace(), None, "nobody saw it begin");
        let (at, arrived) = story(CallId(5)).remove(0);
        calls.note(UnixMillis(at), &arrived);
        calls.note(UnixMillis(at), &Event::CallEvicted { call: CallId(5) });
        calls.note(UnixMillis(at), &record(CallId(5), CallEnd::InternalError));
        assert!(calls.poll_trace().is_some_and(|trace| trace.spans[0].failed));
    }
}
