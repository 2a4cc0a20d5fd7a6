//! Comparing each desk with what is known of the agent's phone and calls. In a world without our own faults there is nothing to repair.

use crate::desk::Change;
use crate::{Acd, Decision, Seen};
use model::{AgentId, AgentState, Instant};
use std::collections::BTreeMap;

impl Acd {
    /// Compares each desk with what is known of the agent's phone and calls; puts right what differs and says so
    /// ([`Decision::Repaired`]). Of an agent whom `seen` does not name nothing is known, and nothing is changed. What rings for an offer
    /// that is over can only be said: the engine is to stop it.
    pub fn reconcile(&mut self, now: Instant, seen: &BTreeMap<AgentId, Seen>) {
        let now = self.expire(now);
        for (agent, seen) in seen {
            if let Some(seat) = self.floor.seat(agent) {
                self.compare(now, seat, *seen);
            }
        }
        self.decide();
    }

    /// Desks that had to be put right so far.
    pub fn repairs(&self) -> u64 {
        self.repairs
    }

    fn compare(&mut self, now: Instant, seat: u32, seen: Seen) {
        let state = self.floor.state(seat);
        match (state, seen.offered, seen.talking) {
            (AgentState::Talking, _, false) => {
                self.hang_up(now, seat);
                self.repaired(seat, "was in a call by the desk, and no call is up: the call is over");
            }
            (AgentState::Offered, _, true) => {
                self.withdraw(seat);
                self.begin_own_call(now, seat);
                self.repaired(seat, "is in a call, and an offer was running by the desk: the offer is withdrawn");
            }
            (AgentState::Offered, false, false) => {
                self.withdraw(seat);
                self.repaired(seat, "an offer was running by the desk, and no phone rings for it: the ticket waits again");
            }
            (AgentState::Talking, _, true) | (AgentState::Offered, true, false) => {}
            (_, _, true) => {
                self.begin_own_call(now, seat);
                self.repaired(seat, "is in a call, and was free by the desk: the desk is in a call too");
            }
            (_, true, false) => self.repaired(seat, "the phone rings for an offer that is over: it is to be stopped"),
            (_, false, false) => {}
        }
        if !self.floor.employed(seat) {
            return;
        }
        match (self.floor.desk(seat).signed_in, seen.registered) {
            (true, false) => {
                self.declare(now, seat, Change::SignOut);
                self.repaired(seat, "was signed in, and the phone is not registered: signed out");
            }
            (false, true) => {
                self.declare(now, seat, Change::SignIn);
                self.repaired(seat, "was signed out, and the phone is registered: signed in");
            }
            (true, true) | (false, false) => {}
        }
    }

    fn repaired(&mut self, seat: u32, what: &str) {
        self.repairs = self.repairs.saturating_add(1);
        self.out.push_back(Decision::Repaired { agent: self.floor.id(seat).clone(), what: what.to_owned() });
    }
}
