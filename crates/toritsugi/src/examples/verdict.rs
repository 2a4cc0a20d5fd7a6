//! Whether a call went as its example wants it: each difference by itself, so that one reading shows all of them.

use flow::{Example, Expect};
use model::{AgentId, CallEnd, Digit, Lang, LineId, MailboxId, PromptId, QueueId, StepId, TransferEnd};
use sim::rehearsal::{Moment, Scene, Take};
use std::time::Duration;

/// Something that did not come as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A sentence was not heard, or not in this order: the ones before it were.
    NotHeard {
        prompt: PromptId,
        before: Option<PromptId>,
    },
    Heard(PromptId),
    /// A step was not reached, or not in this order.
    NotReached {
        step: StepId,
        before: Option<StepId>,
    },
    Reached(StepId),
    Queue {
        wanted: QueueId,
        came: Option<QueueId>,
    },
    Priority {
        wanted: u8,
        came: Option<u8>,
    },
    Lang {
        wanted: Lang,
        came: Option<Lang>,
    },
    Position {
        wanted: u32,
        came: Option<u64>,
    },
    ConnectedTo {
        wanted: AgentId,
        came: Option<AgentId>,
    },
    TransferredTo {
        wanted: LineId,
        came: Option<String>,
    },
    Within {
        wanted: Duration,
        came: Option<Duration>,
    },
    Ended {
        wanted: CallEnd,
        came: Option<CallEnd>,
    },
    CalledBack {
        wanted: bool,
    },
    Voicemail {
        wanted: MailboxId,
        came: Option<MailboxId>,
    },
    /// The engine did what it never may.
    Engine(String),
    /// Only with another fault: keys that were never pressed may be its reason.
    Unpressed(Vec<Digit>),
}

/// Everything that differs; empty if the call went as it should.
pub(super) fn faults(example: &Example, take: &Take) -> Vec<Fault> {
    let expect = &example.expect;
    let mut faults = Vec::new();
    on_the_way(expect, take, &mut faults);
    in_the_end(expect, take, &mut faults);
    faults.extend(take.violations.iter().cloned().map(Fault::Engine));
    if !faults.is_empty() && !take.unpressed.is_empty() {
        faults.push(Fault::Unpressed(take.unpressed.clone()));
    }
    faults
}

fn on_the_way(expect: &Expect, take: &Take, faults: &mut Vec<Fault>) {
    let heard: Vec<&PromptId> =
        take.moments.iter().filter_map(|m| if let Scene::Heard { spoken, .. } = &m.what { Some(&spoken.prompt) } else { None }).collect();
    let steps: Vec<&StepId> = take.moments.iter().filter_map(|m| if let Scene::Step(step) = &m.what { Some(step) } else { None }).collect();
    if let Some(at) = first_missing(&expect.heard, &heard) {
        let prompt = expect.heard[at].clone();
        faults.push(Fault::NotHeard { prompt, before: at.checked_sub(1).map(|at| expect.heard[at].clone()) });
    }
    faults.extend(expect.not_heard.iter().filter(|prompt| heard.contains(prompt)).cloned().map(Fault::Heard));
    if let Some(at) = first_missing(&expect.reached, &steps) {
        let step = expect.reached[at].clone();
        faults.push(Fault::NotReached { step, before: at.checked_sub(1).map(|at| expect.reached[at].clone()) });
    }
    faults.extend(expect.not_reached.iter().filter(|step| steps.contains(step)).cloned().map(Fault::Reached));
}

/// The first of the wanted that does not come after those before it, whatever comes in between.
fn first_missing<T: PartialEq>(wanted: &[T], came: &[&T]) -> Option<usize> {
    let mut rest = came.iter();
    wanted.iter().position(|want| !rest.any(|one| *one == want))
}

fn in_the_end(expect: &Expect, take: &Take, faults: &mut Vec<Fault>) {
    let record = take.record.as_ref();
    let last = |find: fn(&Scene) -> Option<u64>| take.moments.iter().rev().find_map(|m| find(&m.what));
    let mut differs = |fault: Option<Fault>| faults.extend(fault);
    differs(expect.queue.as_ref().and_then(|wanted| {
        let came = record.and_then(|record| record.queue.clone());
        (came.as_ref() != Some(wanted)).then(|| Fault::Queue { wanted: wanted.clone(), came })
    }));
    differs(expect.priority.and_then(|wanted| {
        let came = record.map(|record| record.class);
        (came != Some(wanted)).then_some(Fault::Priority { wanted, came })
    }));
    differs(expect.lang.as_ref().and_then(|wanted| {
        let came = record.map(|record| record.lang.clone());
        (came.as_ref() != Some(wanted)).then(|| Fault::Lang { wanted: wanted.clone(), came })
    }));
    differs(expect.position.and_then(|wanted| {
        let came = last(|scene| match scene {
            Scene::Queued { position, .. } => Some(*position),
            Scene::Waits { position, .. } => Some(u64::from(*position)),
            _ => None,
        });
        (came != Some(u64::from(wanted))).then_some(Fault::Position { wanted, came })
    }));
    differs(expect.connected_to.as_ref().and_then(|wanted| {
        let came = record.and_then(|record| record.agent.clone());
        (came.as_ref() != Some(wanted)).then(|| Fault::ConnectedTo { wanted: wanted.clone(), came })
    }));
    differs(expect.transferred_to.as_ref().and_then(|wanted| {
        let came = take.moments.iter().rev().find_map(|m| match &m.what {
            Scene::PutThrough { to, how: TransferEnd::Connected } => Some(to.clone()),
            _ => None,
        });
        (came.as_deref() != Some(wanted.as_str())).then(|| Fault::TransferredTo { wanted: wanted.clone(), came })
    }));
    differs(expect.within.and_then(|wanted| {
        let came = without_a_word(&take.moments);
        came.is_none_or(|came| came > wanted).then_some(Fault::Within { wanted, came })
    }));
    differs(expect.ended.and_then(|wanted| {
        let came = record.map(|record| record.end);
        (came != Some(wanted)).then_some(Fault::Ended { wanted, came })
    }));
    differs(expect.voicemail.as_ref().and_then(|wanted| {
        let came =
            take.moments.iter().rev().find_map(|m| if let Scene::MessageLeft { mailbox } = &m.what { Some(mailbox.clone()) } else { None });
        (came.as_ref() != Some(wanted)).then(|| Fault::Voicemail { wanted: wanted.clone(), came })
    }));
    differs(expect.called_back.filter(|wanted| *wanted != take.called_back).map(|wanted| Fault::CalledBack { wanted }));
}

/// From the last key, or from the end of the last sentence before the caller waits, until somebody is there. What is said to whoever waits
/// makes no wait shorter.
fn without_a_word(moments: &[Moment]) -> Option<Duration> {
    let there = |m: &Moment| matches!(m.what, Scene::Connected { .. } | Scene::PutThrough { how: TransferEnd::Connected, .. });
    let end = moments.iter().position(there)?;
    let (before, at) = (moments.get(..end)?, moments.get(end)?.at);
    let pressed = before.iter().rposition(|m| matches!(m.what, Scene::Pressed { .. }));
    let after_key = before.get(pressed.map_or(0, |at| at + 1)..).unwrap_or_default();
    let spoken = after_key.iter().take_while(|m| !matches!(m.what, Scene::Queued { .. })).filter_map(|m| match &m.what {
        Scene::Heard { lasted, .. } => Some(m.at + *lasted),
        _ => None,
    });
    let since = pressed.and_then(|pressed| before.get(pressed)).map(|m| m.at).into_iter().chain(spoken).max()?;
    Some(at.saturating_sub(since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::Spoken;

    fn heard(at: u64, lasted: u64) -> Moment {
        let spoken = Spoken { prompt: PromptId::from("x"), lang: Lang::from("ja"), value: None };
        Moment { at: Duration::from_secs(at), what: Scene::Heard { spoken, lasted: Duration::from_secs(lasted), cut: false } }
    }

    fn at(secs: u64, what: Scene) -> Moment {
        Moment { at: Duration::from_secs(secs), what }
    }

    #[test]
    fn an_order_has_gaps_and_is_an_order() {
        let came = ["a", "b", "c", "b"];
        let came: Vec<&&str> = came.iter().collect();
        assert_eq!(first_missing(&["a", "c"], &came), None);
        assert_eq!(first_missing(&["b", "c", "b"], &came), None);
        assert_eq!(first_missing(&["c", "a"], &came), Some(1));
        assert_eq!(first_missing(&["a", "a"], &came), Some(1));
    }

    #[test]
    fn what_is_said_to_whoever_waits_makes_no_wait_shorter() {
        let queued = || Scene::Queued { queue: QueueId::from("nurse"), position: 1 };
        let there = || Scene::Connected { agent: AgentId::from("yuki") };
        let call = [heard(0, 4), at(4, queued()), heard(100, 3), at(104, there())];
        assert_eq!(without_a_word(&call), Some(Duration::from_secs(100)));
        let digit = Digit::from_char('0').unwrap();
        let key = || Scene::Pressed { digit, step: StepId::from("nurse"), meaning: model::KeyMeaning::Choice };
        let call = [heard(0, 4), at(4, queued()), at(90, key()), at(104, there())];
        assert_eq!(without_a_word(&call), Some(Duration::from_secs(14)));
        assert_eq!(without_a_word(&[heard(0, 4)]), None, "nobody came");
    }
}
