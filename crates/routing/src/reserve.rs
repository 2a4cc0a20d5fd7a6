//! Agents who are kept back: the nurse who stays free for whoever needs a nurse.
//!
//! A reserve holds while taking one of its idle agents would leave fewer than `keep`. With a hysteresis it lets go only when so many
//! more are idle. It guards against every ticket that it is not kept for, and several may guard the same agent.

use crate::line::Waiting;
use model::{KeptFor, Queue, QueueId};
use std::collections::BTreeSet;

/// The declared reserves, in the order of the queues that declare them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reserves {
    pub(crate) all: Vec<Kept>,
}

#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The queue that declares it.
    pub(crate) by: QueueId,
    pub(crate) rule: model::Reserve,
    /// The queues it is kept for, of those that exist.
    queues: Vec<u32>,
    /// Agents who hold its skill and are idle.
    pub(crate) idle: u32,
    /// Whether it holds. Between the two thresholds it stays as it is.
    pub(crate) holds: bool,
}

impl Reserves {
    /// `held`: the reserves that held before. A reserve without a hysteresis needs no memory.
    pub(crate) fn declared(queues: &[Queue], held: &BTreeSet<QueueId>) -> Reserves {
        let kept = |queue: &Queue| {
            let rule = queue.reserve.clone()?;
            let place = |id: &QueueId| queues.iter().position(|q| q.id == *id).map(|i| i as u32);
            let kept_for = match &rule.kept_for {
                KeptFor::Queue(id) => place(id).into_iter().collect(),
                KeptFor::Queues(ids) => ids.iter().filter_map(place).collect(),
                KeptFor::Class(_) => Vec::new(),
            };
            Some(Kept { by: queue.id.clone(), rule, queues: kept_for, idle: 0, holds: held.contains(&queue.id) })
        };
        Reserves { all: queues.iter().filter_map(kept).collect() }
    }
    /// Looks at the numbers of idle agents, and notes which reserves have let go.
    pub(crate) fn settle(&mut self, let_go: &mut Vec<usize>) {
        for (i, kept) in self.all.iter_mut().enumerate() {
            let (held, holds) = (kept.holds, kept.would_hold());
            kept.holds = holds;
            if held && !kept.holds {
                let_go.push(i);
            }
        }
    }
    pub(crate) fn held(&self) -> BTreeSet<QueueId> {
        self.all.iter().filter(|kept| kept.holds && kept.rule.hysteresis > 0).map(|kept| kept.by.clone()).collect()
    }
    /// The first reserve that keeps somebody who is counted by `counted` from a ticket; `holds` says which of them hold.
    pub(crate) fn against(&self, counted: &[usize], queue: u32, class: u8, holds: impl Fn(usize) -> bool) -> Option<&Kept> {
        counted.iter().find(|i| holds(**i) && !self.all[**i].favours(queue, class)).map(|i| &self.all[*i])
    }
    pub(crate) fn blocks(&self, counted: &[usize], waiting: &Waiting) -> bool {
        self.blocks_at(counted, waiting.queue, waiting.declared())
    }
    pub(crate) fn blocks_at(&self, counted: &[usize], queue: u32, class: u8) -> bool {
        !counted.is_empty() && self.against(counted, queue, class, |i| self.all[i].holds).is_some()
    }
}

impl Kept {
    /// Whether it holds with as many idle as there are at this moment.
    pub(crate) fn would_hold(&self) -> bool {
        let left = u64::from(self.idle.saturating_sub(1));
        let needed = u64::from(self.rule.keep) + if self.holds { u64::from(self.rule.hysteresis) } else { 0 };
        // With nobody idle there is nobody to keep; it holds then as it would with one.
        left < needed
    }
    fn favours(&self, queue: u32, class: u8) -> bool {
        match self.rule.kept_for {
            KeptFor::Queue(_) | KeptFor::Queues(_) => self.queues.contains(&queue),
            KeptFor::Class(least) => class >= least,
        }
    }
}
