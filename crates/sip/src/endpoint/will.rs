//! Ending what an endpoint that is no more has left open: its will is carried out.
//!
//! RFC 3261 sections 9.1 (CANCEL), 13.2.2.4 (a 2xx that comes after all gets ACK and BYE) and 15.1.1 (BYE).

use super::Endpoint;
use super::store::{Cancel, Client, ClientMachine, Leg, OurInvite, Path, Stage};
use crate::dialog::{DialogStage, Role, Will};
use crate::transaction::{ClientInvite, Key};
use crate::trunk::{CUSTOMERS_MAX, Customer};
use crate::uri::Uri;
use bytes::Bytes;
use model::{DialogId, FlowId, Method, Now};

/// Added to the sequence number that was written down: requests may have followed that nobody wrote down, and section 12.2.1.1 lets the
/// number grow by any step.
const CSEQ_STEP: u32 = 1000;
/// Numbers of a second of the wall clock since [`CSEQ_BEGAN`]: one endpoint after another that carries out the same will begins above the one before.
/// They last until 2040.
const CSEQS_A_SECOND: i64 = 4;
/// 2024-01-01, in seconds since 1970.
const CSEQ_BEGAN: i64 = 1_704_067_200;
/// Section 8.1.1.5: below 2^31, and some are left for what follows.
const CSEQ_MAX: u32 = (1 << 31) - 1000;

impl Endpoint {
    /// Whether everything is known by now that whoever is hung up by this will may ask: the password of its account, if it was of one, and that it may be
    /// proved where that leads.
    pub fn can_prove(&self, will: &Will) -> bool {
        let at = |addr| Path { flow: will.state.flow, addr }.asker();
        let (began, to) = (will.began_at.unwrap_or_else(|| at(will.state.peer)), at(will.state.next_hop()));
        let mut customers = will.customers.iter().cloned().map(Customer::of);
        let may_hear = |customer: &Customer| self.are_kin(began.ip, to.ip) || self.trunks.leads_to(to, &customer.account);
        // What was written before accounts were says nothing of them, nor of where it began.
        will.began_at.is_some() && will.customers.is_empty()
            || customers.any(|customer| may_hear(&customer) && self.trunks.as_now(&customer, began).password.is_some())
    }

    /// Ends a dialog of ours that an earlier endpoint at the same address left behind: with BYE if it was answered, else with CANCEL;
    /// whoever answers all the same is hung up. `dialog` is an id from [`Endpoint::new_dialog`];
    /// [`Event::Ended`](crate::border::Event::Ended) follows after an answer, or 32 s without one. `false`: there is nothing that could be
    /// ended, and no event follows.
    pub fn execute(&mut self, now: Now, dialog: DialogId, will: Will) -> bool {
        let Will { mut state, via, customers, began_at } = will;
        // The connections of the earlier endpoint are gone.
        state.flow = FlowId::any(state.flow.transport());
        let callable = state.role == Role::Uac && Uri::parse(state.remote_target.as_bytes()).is_some();
        if !callable || self.legs.contains_key(&dialog) || self.tags.contains_key(&state.local_tag) {
            return false;
        }
        // Passwords are looked up when somebody asks for them: trunks may not be known yet.
        let began_at = began_at.or_else(|| Some(Path { flow: state.flow, addr: state.peer }.asker()));
        let customers = customers.into_iter().take(CUSTOMERS_MAX).map(Customer::of).collect();
        let left = |state, stage| Leg { began_at, customers, left_behind: true, ..Leg::new(state, stage) };
        match (state.stage, via) {
            (DialogStage::Confirmed | DialogStage::Ending, _) => {
                state.local_cseq = cseq_after(state.local_cseq, now);
                self.add_leg(dialog, left(state, Stage::Confirmed));
                self.hang_up(now.mono, dialog);
                true
            }
            (DialogStage::Early, Some(via)) => {
                let Some(branch) = via.split(';').find_map(|part| part.strip_prefix("branch=")) else { return false };
                let key = Key::client(branch, "INVITE");
                let path = Path { flow: state.flow, addr: state.peer };
                let ours = OurInvite::new(ClientInvite::proceeding(state.flow.is_stream()), state.clone(), via);
                // It was sent once, and is never sent again: no timer repeats it.
                let (machine, request) = (ClientMachine::Invite(Box::new(ours)), Bytes::new());
                let client =
                    Client { machine, request, method: Method::Invite, path, dialog, by_udp: None, rounds: 0, moved: None, moves: 0 };
                self.clients.insert(key, Box::new(client));
                let stage = Stage::Outgoing { invite: key, heard: true, rang: false, cancel: Cancel::No };
                self.add_leg(dialog, left(state, stage));
                self.give_up(now.mono, dialog, None);
                true
            }
            (DialogStage::Early, None) => false,
        }
    }
}

/// A number above all that an endpoint before this one may have used.
fn cseq_after(written: u32, now: Now) -> u32 {
    let seconds = (now.wall.0 / 1000).saturating_sub(CSEQ_BEGAN).max(0);
    let by_the_clock = u32::try_from(seconds.saturating_mul(CSEQS_A_SECOND)).unwrap_or_default();
    written.saturating_add(CSEQ_STEP).max(by_the_clock).min(CSEQ_MAX)
}
