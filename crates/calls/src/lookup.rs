//! Questions to other houses: asked by the edge, at most so many at once, and given up when the caller hangs up.
//!
//! What is sent may be what a caller typed. It stands in the job and nowhere else: no record and no event holds it.

use crate::call::Call;
use crate::engine::Engine;
use crate::face::{Act, Answer, Job, Question};
use flow::{Answered, Heard, Sent};
use model::{CallId, Event, Instant, JobId, LookupEnd, LookupId, Millis, Now, Redacted};
use std::collections::BTreeMap;
use std::time::Duration;

/// Questions open at once. The next caller goes where `failed` leads: better a person than a queue in front of a slow machine.
pub(crate) const JOBS_MAX: usize = 64;

/// A question under way.
#[derive(Debug)]
pub(crate) struct Asked {
    call: CallId,
    lookup: LookupId,
    since: Instant,
}

impl Engine {
    /// Whether the call of a question still waits for it.
    pub(crate) fn asks(&self, job: JobId, asked: &Asked) -> bool {
        self.calls.get(&asked.call).is_some_and(|call| call.job == Some(job))
    }

    /// The flow wants to ask somebody. What cannot be asked is answered at once.
    pub(crate) fn look_up(&mut self, now: Now, call: &mut Call, at: &LookupId, send: BTreeMap<String, Sent>, timeout: Duration) {
        self.give_up_lookup(now, call);
        if let Err(how) = self.ask_house(now, call, at, send, timeout) {
            self.note(Event::LookedUp { call: call.id, lookup: at.clone(), how, took: Millis(0) });
            call.run.handle(now, Heard::NotAnswered);
        }
    }

    fn ask_house(
        &mut self,
        now: Now,
        call: &mut Call,
        at: &LookupId,
        send: BTreeMap<String, Sent>,
        timeout: Duration,
    ) -> Result<(), LookupEnd> {
        let lookup = call.city.book.lookups.get(at).ok_or(LookupEnd::NotAllowed)?;
        if self.jobs.len() >= JOBS_MAX {
            return Err(LookupEnd::TooMany);
        }
        let mut values = BTreeMap::new();
        for (name, value) in send {
            let value = match value {
                Sent::Text(text) => text,
                Sent::Caller if lookup.caller_number => Redacted::new(call.caller.reveal().clone()),
                Sent::Caller => return Err(LookupEnd::NotAllowed),
            };
            values.insert(name, value);
        }
        let question = Question { lookup: lookup.clone(), send: values };
        self.last_job += 1;
        let job = JobId(self.last_job);
        self.jobs.insert(job, Asked { call: call.id, lookup: at.clone(), since: now.mono });
        call.job = Some(job);
        self.act(call.after, Act::Start { job, deadline: now.mono + timeout, what: Job::Fetch(Box::new(question)) });
        Ok(())
    }

    /// The edge is done with a job.
    pub(crate) fn on_done(&mut self, now: Now, job: JobId, done: Result<Answer, LookupEnd>) {
        let Some(asked) = self.jobs.remove(&job) else { return };
        let took = Millis::from(now.mono.since(asked.since));
        self.with_call(now, asked.call, |engine, call| {
            call.job = None;
            let answered = done.and_then(|Answer(mut words)| {
                let answered = Answered { answer: words.remove("answer").unwrap_or_default(), words };
                if call.run.can_use(&answered) { Ok(answered) } else { Err(LookupEnd::Unreadable) }
            });
            let how = answered.as_ref().err().copied().unwrap_or(LookupEnd::Answered);
            engine.note(Event::LookedUp { call: call.id, lookup: asked.lookup, how, took });
            engine.tell(now, call, answered.map_or(Heard::NotAnswered, Heard::Answered));
        });
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn give_up_lookup(&mut self, now: Now, call: &mut Call) {
        let Some(job) = call.job.take() else { return };
        if let Some(asked) = self.jobs.remove(&job) {
            let took = Millis::from(now.mono.since(asked.since));
            self.act(call.after, Act::Cancel(job));
            self.note(Event::LookedUp { call: call.id, lookup: asked.lookup, how: LookupEnd::CallerGone, took });
        }
    }
}
