//! The caller's side: from the INVITE through the flow to a place in a queue, and out again.

use crate::call::{AgentSide, Back, Call, Leg, Reached, Sound, Stage, Ticket};
use crate::engine::{Engine, Owner};
use crate::heard::Invite;
use crate::identity::{self, ANONYMOUS, Who};
use crate::persons::{PLACE_KEPT_MILLIS, instant_of};
use crate::record::{Place, Record};
use crate::takeover::Of;
use crate::terms::Terms;
use flow::{Ask, Heard, Spoken, Wanted};
use media::{Clip, Command as Media, OnKey, PlayEnd};
use model::{
    CallEnd, CallId, DialogId, Event, Instant, Millis, Now, Number, Party, PromptId, QueueEnd, QueueId, Redacted, Refusal, Seq, TicketId,
    UnixMillis, Withheld,
};
use routing::Preferred;
use std::sync::Arc;
use std::time::Duration;

/// After a key has cut a prompt its digit should follow when the key is let go. If none comes, the prompt counts as heard.
const DIGIT_AFTER_CUT: Duration = Duration::from_secs(6);

/// What somebody hears who was cut off and has called again, before the first words of the queue.
const PLACE_KEPT: &str = "place_kept";
/// What everybody hears who is not yet served when the engine stops.
const CLOSING_DOWN: &str = "closing_down";
/// As long as that may take.
const CLOSING_MAX: Duration = Duration::from_secs(6);

impl Engine {
    /// Somebody calls. Everything that can be refused is refused here, before anything is opened (law 6).
    pub(crate) fn on_invite(&mut self, now: Now, invite: Invite) {
        let dialog = invite.dialog;
        match (invite.authenticated.clone(), invite.replaces) {
            (Some(agent), Some(replaced)) => return self.on_replaces(now, &agent, &invite, replaced),
            (Some(agent), None) => return self.on_star_code(now, &agent, invite),
            (None, Some(replaced)) => return self.on_replaces_caller(now, &invite, replaced),
            (None, None) => {}
        }
        let city = Arc::clone(&self.city);
        let Some(line) = self.line_of(invite.source.ip()) else {
            // A trunk that no line lists: it is called by us only, as long as nobody says otherwise.
            self.name_stranger(now, invite.source.ip().to_canonical());
            return self.refuse(now, dialog, Refusal::Forbidden);
        };
        let (line, trusted) = (line.id.clone(), line.trusted);
        let dialled = identity::dialled(&city.book, &invite, trusted);
        let called_first = identity::called_first(&city.book, &invite, trusted);
        let Who { caller: from_user, withheld } = identity::who(&invite, trusted);
        let person = self.vault.person(city.book.calendar.day(now.wall), &from_user);
        self.count_call(now, invite.source.ip(), &line);
        let turned_away = match () {
            () if self.is_same_caller_again(&from_user, withheld) => Some(Refusal::SameNumber),
            () if self.draining() => Some(Refusal::Draining),
            () if !self.finds_room(now, invite.source.ip()) => Some(Refusal::Full),
            () => None,
        };
        let (flow, number) = match (dialled, turned_away) {
            (Some((_, number)), Some(why)) => return self.refuse_caller(now, dialog, why, number, person),
            (None, Some(why)) => return self.refuse(now, dialog, why),
            (None, None) => return self.refuse(now, dialog, Refusal::UnknownNumber),
            (Some(dialled), None) => dialled,
        };
        let Some(run) = flow::Run::new(Arc::clone(&city.book), &flow) else { return self.refuse(now, dialog, Refusal::UnknownNumber) };
        // An INVITE without an offer asks us to offer (RFC 3261 section 13.2.1).
        let Ok(offer) = invite.offer.as_ref().map(|sdp| sdp::parse(sdp)).transpose() else {
            return self.refuse(now, dialog, Refusal::NoCodec);
        };

        let id = self.next_call();
        let Some(leg) = self.make_leg(id, 0, dialog, invite.source.ip(), Owner::Caller(id)) else {
            return self.refuse_caller(now, dialog, Refusal::NoPort, number, person);
        };
        // The answer is worked out once the media session is open, with the same port: if it cannot be now, it cannot be then.
        if let Err(refusal) = self.first_terms(&leg, offer.as_ref()) {
            self.legs.remove(&leg.id);
            self.ports.give_back(leg.port);
            let aimed_at_us = refusal == sdp::Refusal::Ours;
            return self.refuse(now, dialog, if aimed_at_us { Refusal::AimedAtUs } else { Refusal::NoCodec });
        }

        let mut run = run.calling_from(Number::parse(&from_user).ok().map(|number| number.kind()));
        run.heed(Arc::clone(&self.overrides.standing));
        let caller = Redacted::new(from_user);
        let local = self.bind_addr(&leg);
        let leg_id = leg.id;
        let mut call = Box::new(Call {
            id,
            city,
            run,
            flow,
            leg,
            stage: Stage::Opening(offer.map(Box::new)),
            sound: Sound::Quiet,
            arrived: now,
            number: number.clone(),
            caller: caller.clone(),
            withheld,
            called_first: called_first.clone(),
            person,
            waiting_since: None,
            kept: false,
            kept_to_say: false,
            past_greeting: false,
            booked: false,
            called_back: false,
            told: None,
            closing: None,
            unstaffed: false,
            ticket_id: None,
            claim: None,
            last_queue: None,
            waited: None,
            to_human: None,
            served_by: None,
            owed: false,
            talked: None,
            put_through: None,
            music: None,
            hold_music: Vec::new(),
            consult: None,
            cause: None,
            takeover: None,
            after: Seq(0),
            wake: None,
            legs_made: 1,
            left_message: false,
            job: None,
            claimed: 0,
        });
        call.after = self.commit(Record::Arrived { call: id, open: Box::new(call.open_call(None)) });
        self.note(Event::Arrived { call: id, number, caller, line });
        if let Some(why) = withheld {
            self.note(Event::Withheld { call: id, why });
        }
        if let Some(line) = called_first {
            self.note(Event::CalledFirst { call: id, line });
        }
        self.media(call.after, leg_id, Media::Open { local });
        if invite.reliable {
            self.sip.handle_command(now, sip::Command::Provisional { dialog, status: 180 });
        }
        self.put_back(call);
    }

    /// The caller asks to stay unnamed in the middle of the call: from here on it is as if they had asked at the door. A callback that they have asked for is
    /// made all the same; who was told before knows.
    pub(crate) fn withhold(&mut self, call: &mut Call) {
        if call.withheld.is_some() {
            return;
        }
        let why = Withheld::ByCaller;
        (call.withheld, call.caller, call.person) = (Some(why), Redacted::new(ANONYMOUS.to_owned()), None);
        self.forget_caller(call.id);
        let shown = match &call.stage {
            Stage::Ringing(_, phones) => phones.dialogs().collect(),
            Stage::Whispering(_, side, _) | Stage::Talking(_, side, _) | Stage::Consulting(_, side, ..) => vec![side.leg.dialog],
            Stage::Opening(_) | Stage::Answering | Stage::Menu | Stage::Waiting(_) | Stage::Through(..) | Stage::Over => Vec::new(),
        };
        shown.into_iter().for_each(|dialog| self.sip.unname(dialog));
        call.after = self.commit(Record::Withheld { call: call.id, why });
        self.note(Event::Withheld { call: call.id, why });
    }

    /// Whoever was the caller asks to stay unnamed when we are done with their leg: with the 200 to our BYE, in a BYE that crosses ours, or after somebody else
    /// has taken their place. What has been written down of the call stays, and says so behind it.
    pub(crate) fn asks_late(&mut self, now: Now, dialog: DialogId) {
        let Some(id) = self.dialogs.get_mut(&dialog).and_then(|thread| thread.named_in.take()) else { return };
        if self.calls.contains_key(&id) {
            return self.with_call(now, id, |engine, call| engine.withhold(call));
        }
        self.forget_caller(id);
        let why = Withheld::ByCaller;
        self.commit(Record::Withheld { call: id, why });
        self.note(Event::Withheld { call: id, why });
    }

    /// We are done with a leg of the caller's, who may say yet that they want to stay unnamed.
    pub(crate) fn close_callers_leg(&mut self, call: &Call, leg: &Leg) {
        self.close_leg(call.after, leg);
        if let Some(thread) = self.dialogs.get_mut(&leg.dialog) {
            thread.named_in = call.withheld.is_none().then_some(call.id);
        }
    }

    /// The caller's media session says something.
    pub(crate) fn on_caller_media(&mut self, now: Now, call: &mut Call, event: media::Event) {
        match event {
            media::Event::Opened(_) => self.answer(now, call),
            media::Event::OpenFailed(_) => {
                if self.open_elsewhere(call.after, &mut call.leg) {
                    return;
                }
                self.drop_leg(&call.leg);
                self.note(Event::Refused { why: Refusal::NoPort, person: call.person.clone() });
                self.end_call(now, call, CallEnd::InternalError, Party::Engine);
            }
            media::Event::Played { id, .. } if self.on_beep(now, call, id) => {}
            media::Event::Played { id, how } if call.sound.play() == Some(id) => match how {
                PlayEnd::Finished | PlayEnd::Failed => {
                    call.sound = Sound::Quiet;
                    self.tell(now, call, Heard::Played);
                }
                PlayEnd::Cut => call.sound = Sound::Cut(now.mono + DIGIT_AFTER_CUT),
            },
            media::Event::Digit(digit, _held) => {
                if call.listens() {
                    if matches!(call.sound, Sound::Cut(_)) {
                        call.sound = Sound::Quiet;
                    }
                    self.tell(now, call, Heard::Digit(digit));
                }
            }
            media::Event::Silent => self.sip.handle_command(now, sip::Command::Probe { dialog: call.leg.dialog }),
            // The end of something that no longer matters.
            media::Event::Played { .. } | media::Event::Recorded { .. } | media::Event::Closed(_) => {}
        }
    }

    /// The caller's phone says something.
    pub(crate) fn on_caller_sip(&mut self, now: Now, call: &mut Call, event: sip::Event) {
        match event {
            sip::Event::Acked { .. } => {
                if matches!(call.stage, Stage::Answering) {
                    call.stage = Stage::Menu;
                    self.tell(now, call, Heard::Started);
                }
            }
            sip::Event::Cause { cause, .. } => call.cause = Some(cause),
            sip::Event::AsksForPrivacy { .. } => self.withhold(call),
            sip::Event::Cancelled { .. } => {
                self.invite_done(call.leg.dialog, 487);
                self.end_call(now, call, CallEnd::CancelledEarly, Party::Caller);
            }
            sip::Event::Bye { .. } | sip::Event::ProbeFailed { .. } | sip::Event::PeerLost { .. }
                if self.goes_on_elsewhere(now, call, Of::Caller) => {}
            sip::Event::Bye { .. } => {
                let end = call.end_if_caller_leaves();
                self.end_call(now, call, end, Party::Caller);
            }
            sip::Event::AckMissing { .. } | sip::Event::ProbeFailed { .. } | sip::Event::PeerLost { .. } => {
                self.end_call(now, call, CallEnd::CallerVanished, Party::Engine);
            }
            sip::Event::Reoffer { .. } | sip::Event::AnswerCame { .. } => {
                let terms = self.handle_terms(now, call.after, &mut call.leg, &event);
                if terms == Terms::Broken {
                    self.end_call(now, call, CallEnd::CallerVanished, Party::Engine);
                }
            }
            // These belong to dialogs that we opened, or say nothing that matters here.
            _ => {}
        }
    }

    /// A timer of this call has come.
    pub(crate) fn on_call_timeout(&mut self, now: Now, call: &mut Call) {
        if let Some(until) = call.closing {
            if until <= now.mono {
                self.end_closing(now, call);
            }
            return;
        }
        if let Sound::Cut(until) = call.sound
            && until <= now.mono
        {
            call.sound = Sound::Quiet;
            self.tell(now, call, Heard::Played);
        }
        self.on_agent_timeout(now, call);
        self.on_outside_timeout(now, call);
        if call.run.poll_timeout().is_some_and(|at| at <= now.mono) {
            if call.in_queue()
                && let Some(position) = call.ticket().and_then(|t| self.acd.position(t.id))
            {
                let wait = call.ticket().and_then(|t| self.acd.expected_wait(now.mono, t.id));
                self.tell(now, call, Heard::Place { position, wait });
            }
            call.run.handle_timeout(now);
            self.obey(now, call);
        }
    }

    /// The media session is open: the answer goes out, once the dialog is written down (law 5).
    fn answer(&mut self, now: Now, call: &mut Call) {
        let Stage::Opening(offer) = &call.stage else { return };
        let dialog = call.leg.dialog;
        let Ok((sdp, agreed)) = self.first_terms(&call.leg, offer.as_deref()) else {
            self.refuse(now, dialog, Refusal::NoCodec);
            return self.end_call(now, call, CallEnd::InternalError, Party::Engine);
        };
        call.stage = Stage::Answering;
        if let Some(state) = self.sip.dialog(dialog) {
            // Law 8: of the dialog only what names no person, until personal fields can be encrypted.
            call.after = self.commit(Record::Dialog {
                call: call.id,
                sip_call_id: self.vault.call_name(&state.call_id),
                local_tag: state.local_tag,
            });
        }
        self.sip.handle_command(now, sip::Command::Accept { dialog, sdp });
        if let Some(agreed) = agreed {
            self.connect(call.after, &mut call.leg, agreed);
        }
        self.invite_done(dialog, 200);
        self.note(Event::Answered { call: call.id });
    }

    /// Tells the flow what the caller did or met, and does what it asks.
    pub(crate) fn tell(&mut self, now: Now, call: &mut Call, heard: Heard) {
        if call.closing.is_some() {
            if heard == Heard::Played {
                self.end_closing(now, call);
            }
            return;
        }
        call.run.handle(now, heard);
        self.obey(now, call);
    }

    fn obey(&mut self, now: Now, call: &mut Call) {
        while let Some(ask) = call.run.poll_output() {
            match ask {
                Ask::Prompt { mut sentences, barge_in } => {
                    if call.in_queue() && std::mem::take(&mut call.kept_to_say) {
                        let kept = Spoken { prompt: PromptId::from(PLACE_KEPT), lang: call.run.lang().clone(), value: None };
                        // A kindness that the city may leave out.
                        if call.city.clips.contains_key(&kept) {
                            sentences.insert(0, kept);
                        }
                    }
                    let on_key = if barge_in { OnKey::Cut } else { OnKey::Ignore };
                    if !self.play(call, &sentences, on_key, false) {
                        // Nothing to hear: the flow goes on as if it had been heard, never into silence.
                        call.run.handle(now, Heard::Played);
                    }
                }
                Ask::Music(music) => {
                    call.music = Some(music.clone());
                    self.play(call, std::slice::from_ref(&music), OnKey::Ignore, true);
                }
                Ask::Hush => self.hush(call),
                Ask::Enqueue(wanted) => self.enqueue(now, call, wanted),
                Ask::Look { queue } => {
                    let facts = self.acd.facts(now.mono, &queue);
                    call.run.handle(now, Heard::Facts(facts));
                }
                Ask::Transfer { line, brief, timeout, keep_place } => {
                    if let Err(how) = self.transfer_by_flow(now, call, line, brief, timeout, keep_place) {
                        call.run.handle(now, Heard::NotTransferred(how));
                    }
                }
                Ask::Callback { wanted, terms } => {
                    let booked = self.book_callback(now, call, wanted, terms);
                    call.run.handle(now, if booked { Heard::CallbackBooked } else { Heard::CallbackRefused });
                }
                Ask::Record { mailbox, max, silence } => self.take_message(now, call, mailbox, max, silence),
                Ask::StopRecording => self.stop_message(call),
                Ask::Lookup { at, send, timeout } => self.look_up(now, call, &at, send, timeout),
                Ask::Told { estimate } => {
                    if let Some(ticket) = call.ticket() {
                        self.acd.told(now.mono, ticket.id, estimate);
                    }
                    // The first promise is the one that a caller decided by; who heard of no end was promised none.
                    if estimate.has_end() {
                        call.told.get_or_insert((now.mono, estimate));
                    }
                }
                Ask::LeaveQueue => self.leave_queue(now, call, QueueEnd::Moved),
                Ask::HangUp => {
                    // Whoever was served was let go by whom they talked with: the flow only says goodbye.
                    let served = call.was_served() || call.put_through.is_some() && !call.owed;
                    let (end, by) = if served { (CallEnd::Served, Party::Agent) } else { (CallEnd::FlowEnded, Party::Engine) };
                    return self.end_call(now, call, end, by);
                }
                Ask::Note(note) => self.note_of_flow(call, note),
            }
            if matches!(call.stage, Stage::Over) {
                return;
            }
        }
    }

    fn note_of_flow(&mut self, call: &mut Call, note: flow::Note) {
        let id = call.id;
        // The first step is the greeting; whoever has come to a second one, or to a key, has heard it.
        call.past_greeting |= call.run.path().len() > 1 || !matches!(note, flow::Note::StepEntered { .. });
        self.note(match note {
            flow::Note::StepEntered { step } => Event::StepEntered { call: id, flow: call.flow.clone(), step },
            flow::Note::Pressed { step, digit, meaning } => Event::Pressed { call: id, step, digit, meaning },
            flow::Note::NoInput { step } => Event::NoInput { call: id, step },
            flow::Note::Handed { manner, took } => Event::HandedToPeople { call: id, flow: call.flow.clone(), manner, took },
        });
    }

    /// Plays sentences. False when none of them has a sound.
    pub(crate) fn play(&mut self, call: &mut Call, sentences: &[Spoken], on_key: OnKey, music: bool) -> bool {
        let mut clips: Vec<Arc<Clip>> = Vec::with_capacity(sentences.len());
        for spoken in sentences {
            match call.city.clips.get(spoken).or_else(|| self.overrides.clip(spoken)) {
                Some(clip) => clips.push(Arc::clone(clip)),
                None => {
                    self.note(Event::PromptMissing { call: call.id, prompt: spoken.prompt.clone(), lang: spoken.lang.clone() });
                }
            }
        }
        if clips.is_empty() {
            self.hush(call);
            return false;
        }
        let id = self.next_play();
        self.media(call.after, call.leg.id, Media::Play { id, clips, on_key, repeat: music });
        call.sound = if music { Sound::Music(id) } else { Sound::Prompt(id) };
        if !music && let Some(first) = sentences.first() {
            self.note(Event::PromptStarted { call: call.id, prompt: first.prompt.clone(), lang: first.lang.clone() });
        }
        true
    }

    // ---- queues --------------------------------------------------------------------------------------------------------------

    fn enqueue(&mut self, now: Now, call: &mut Call, wanted: Wanted) {
        if call.in_queue() {
            // Moving to another queue is leaving this one, but not losing the place: the age goes along.
            self.leave_queue(now, call, QueueEnd::Moved);
        }
        self.take_up_callback(now, call, &wanted);
        let since = self.age_zero(now, call);
        let id = self.ticket_of(call);
        let queue = wanted.queue.clone();
        call.claimed = wanted.class;
        let ticket = routing::Ticket {
            id,
            queue: wanted.queue,
            needs: wanted.needs,
            lang: wanted.lang,
            class: wanted.class,
            since,
            bonus: wanted.bonus,
            excluded: wanted.except,
            preferred: wanted.last_agent.and_then(|patience| {
                let agent = self.memories.last_agent(call.person.as_ref()?)?.clone();
                Some(Preferred { agent, patience })
            }),
        };
        call.last_queue = Some(queue.clone());
        call.claim = Some(ticket.clone());
        call.stage = Stage::Waiting(Ticket { id, queue });
        self.tickets.insert(id, call.id);
        self.acd.enqueue(now.mono, ticket);
    }

    /// The caller's claim, which they keep for the whole call.
    pub(crate) fn ticket_of(&mut self, call: &mut Call) -> TicketId {
        *call.ticket_id.get_or_insert_with(|| {
            self.last_ticket += 1;
            TicketId(self.last_ticket)
        })
    }

    /// Since when a caller waits: from the first place that they took, in this call or in one that was cut just before.
    pub(crate) fn age_zero(&mut self, now: Now, call: &mut Call) -> Instant {
        if let Some((since, _)) = call.waiting_since {
            return since;
        }
        // Around midnight the person has two names.
        let day = self.city.book.calendar.day(UnixMillis(now.wall.0.saturating_sub(PLACE_KEPT_MILLIS)));
        let before = self.vault.person(day, call.caller.reveal());
        let kept = [&call.person, &before].into_iter().flatten().find_map(|person| self.memories.kept(person, now.wall));
        call.kept = kept.is_some();
        call.kept_to_say = call.kept;
        let since = kept.map_or(now.wall, |kept| kept.since);
        let mono = instant_of(now, since);
        call.waiting_since = Some((mono, since));
        mono
    }

    /// The caller has a place: it is written down before it is spoken (law 5).
    pub(crate) fn on_placed(&mut self, now: Now, call: &mut Call, queue: QueueId, position: u32) {
        let Some((since, since_wall)) = call.waiting_since else { return };
        let Some(ticket) = call.ticket().map(|t| t.id) else { return };
        let place =
            Place { ticket, queue: queue.clone(), lang: call.run.lang().clone(), since: since_wall, class: call.class(), kept: call.kept };
        if let Some(person) = call.person.as_ref().filter(|_| call.kept) {
            self.memories.handle_taken(person, since_wall);
        }
        self.placed_ticket = self.placed_ticket.max(ticket);
        call.after = self.commit(Record::Placed { call: call.id, place });
        self.note(Event::Enqueued { call: call.id, ticket, queue, position: u64::from(position) });
        if call.kept_to_say {
            self.note(Event::PlaceKept { call: call.id, age: Millis::from(now.mono.since(since)) });
        }
        self.tell(now, call, Heard::Queued { since, position });
    }

    /// The queue does not take the caller, or takes nobody any more.
    pub(crate) fn on_refused_place(&mut self, now: Now, call: &mut Call, why: QueueEnd) {
        let Stage::Waiting(ticket) = &call.stage else { return };
        let ticket = ticket.clone();
        call.stage = Stage::Menu;
        self.tickets.remove(&ticket.id);
        call.after = self.commit(Record::Unplaced { call: call.id, how: why });
        self.note_left(now, call, &ticket, why);
        self.tell(now, call, Heard::Refused(why));
    }

    /// The caller steps out of the queue; a phone that rings for them stops.
    pub(crate) fn leave_queue(&mut self, now: Now, call: &mut Call, how: QueueEnd) {
        self.drop_offer(now, call, model::OfferEnd::Withdrawn);
        let ticket = match std::mem::replace(&mut call.stage, Stage::Menu) {
            Stage::Waiting(ticket) => ticket,
            other => {
                call.stage = other;
                return;
            }
        };
        self.tickets.remove(&ticket.id);
        // Nobody lost patience: routing learns nothing of how long callers wait from a key, a rung or a transfer.
        self.acd.leave(now.mono, ticket.id);
        call.after = self.commit(Record::Unplaced { call: call.id, how });
        self.note_left(now, call, &ticket, how);
    }

    pub(crate) fn note_left(&mut self, now: Now, call: &mut Call, ticket: &Ticket, how: QueueEnd) {
        let waited = call.waiting_since.map_or(Duration::ZERO, |(since, _)| now.mono.since(since));
        call.waited = Some(waited);
        if let Some((at, estimate)) = call.told.take()
            && how == QueueEnd::Answered
        {
            let (low, high, waited) = (estimate.low, estimate.high, Millis::from(now.mono.since(at)));
            self.note(Event::WaitJudged { call: call.id, queue: ticket.queue.clone(), low, high, waited });
        }
        let promised =
            call.city.book.queues.get(&ticket.queue).map_or(Millis(0), |queue| Millis::from(queue.service_level.answered_within));
        let queue = ticket.queue.clone();
        self.note(Event::LeftQueue { call: call.id, ticket: ticket.id, queue, waited: Millis::from(waited), how, promised });
    }

    // ---- the end -------------------------------------------------------------------------------------------------------------

    /// The call is over: both sides are let go, its record is written, nothing of it stays.
    pub(crate) fn end_call(&mut self, now: Now, call: &mut Call, end: CallEnd, by: Party) {
        let gave_up = call.abandon_stage(now).filter(|_| by == Party::Caller && !self.leaves_message(now, call));
        let open = call.open_call(None);
        self.drop_offer(now, call, model::OfferEnd::Withdrawn);
        match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Waiting(ticket) => self.abandon(now, call, &ticket),
            Stage::Talking(ticket, side, since) => self.release_agent(now, call, &ticket, &side, since),
            Stage::Consulting(ticket, side, since, called) => {
                self.call_off(now, call, &called);
                self.release_agent(now, call, &ticket, &side, since);
            }
            Stage::Through(called, back) => {
                self.call_off(now, call, &called);
                if let Some(ticket) = back.ticket() {
                    self.tickets.remove(&ticket.id);
                }
                if let (Back::Kept(ticket), false) = (&back, matches!(called.reached, Reached::Joined(_))) {
                    self.note_left(now, call, ticket, QueueEnd::Abandoned);
                }
            }
            Stage::Opening(_) => {
                // A caller who gave up has had their 487; nobody else has an answer yet.
                if by != Party::Caller {
                    self.sip.handle_command(now, sip::Command::Reject { dialog: call.leg.dialog, status: 503, retry_after_secs: None });
                }
            }
            // No phone rings any more.
            Stage::Answering | Stage::Menu | Stage::Ringing(..) | Stage::Whispering(..) => {}
            Stage::Over => return,
        }
        self.give_up_lookup(now, call);
        self.drop_takeover(now, call);
        self.drop_consult(now, call);
        let message = self.end_message(now, call);
        let end = match end {
            CallEnd::AbandonedInMenu | CallEnd::FlowEnded | CallEnd::CallerVanished if message => CallEnd::MessageLeft,
            CallEnd::AbandonedInMenu | CallEnd::FlowEnded | CallEnd::CallerVanished if call.booked => CallEnd::CallbackBooked,
            other => other,
        };
        let record = call.record(now, end, by, gave_up);
        self.memories.handle_ended(&open, &record);
        call.after = self.close_record(record);
        if by != Party::Caller {
            self.sip.handle_command(now, sip::Command::Bye { dialog: call.leg.dialog });
        }
        self.close_callers_leg(call, &call.leg);
    }

    /// The house closes. Whoever hears us is told so first, for a few seconds; whoever talks is let go. Asked twice, it is at once.
    ///
    /// Who waited keeps the place as after any restart: whoever calls again within ten minutes finds it.
    pub(crate) fn close_down(&mut self, now: Now, call: &mut Call) {
        let sentence = Spoken { prompt: PromptId::from(CLOSING_DOWN), lang: call.run.lang().clone(), value: None };
        if !call.listens() || call.closing.is_some() || !call.city.clips.contains_key(&sentence) {
            return self.end_closing(now, call);
        }
        self.drop_offer(now, call, model::OfferEnd::Withdrawn);
        if let Some(ticket) = call.ticket() {
            self.acd.leave(now.mono, ticket.id);
        }
        self.play(call, &[sentence], OnKey::Ignore, false);
        call.closing = Some(now.mono + CLOSING_MAX);
    }

    fn end_closing(&mut self, now: Now, call: &mut Call) {
        let end = if call.was_served() { CallEnd::Served } else { CallEnd::LostInRestart };
        self.end_call(now, call, end, Party::Engine);
    }

    /// Once a round: who waits in a queue that nobody has served since the last round asks for the place again. Routing says whether
    /// anybody is still logged in for it; if not, the flow has a way out.
    pub(crate) fn ask_again(&mut self, now: Now) {
        let waiting: Vec<CallId> =
            self.calls.values().filter(|call| matches!(call.stage, Stage::Waiting(_)) && call.closing.is_none()).map(|c| c.id).collect();
        for id in waiting {
            self.with_call(now, id, |engine, call| {
                let Some(claim) = call.claim.clone() else { return };
                let staffed = engine.acd.facts(now.mono, &claim.queue).is_none_or(|facts| facts.staffed > 0);
                if !staffed && call.unstaffed {
                    engine.asked_again.insert(claim.id);
                    engine.acd.enqueue(now.mono, claim);
                }
                call.unstaffed = !staffed;
            });
        }
    }

    /// Writes down and tells what a call leaves.
    pub(crate) fn close_record(&mut self, record: model::CallRecord) -> Seq {
        let record = Box::new(record);
        let seq = self.commit(Record::Ended(record.clone()));
        *self.ended.entry(record.end).or_default() += 1;
        self.note(Event::Ended { record });
        seq
    }

    /// The call is over while an agent talks: the agent is let go too.
    fn release_agent(&mut self, now: Now, call: &mut Call, ticket: &Ticket, side: &AgentSide, since: Instant) {
        call.talked = Some(now.mono.since(since));
        self.tickets.remove(&ticket.id);
        self.offers.remove(&side.offer);
        self.acd.finished(now.mono, &side.agent);
        self.sip.handle_command(now, sip::Command::Bye { dialog: side.leg.dialog });
        self.close_leg(call.after, &side.leg);
    }

    fn abandon(&mut self, now: Now, call: &mut Call, ticket: &Ticket) {
        self.tickets.remove(&ticket.id);
        self.acd.abandon(now.mono, ticket.id);
        self.note_left(now, call, ticket, QueueEnd::Abandoned);
    }
}
