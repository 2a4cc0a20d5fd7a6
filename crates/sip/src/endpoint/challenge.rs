//! A request of ours is asked for a password, or for a longer session timer: it goes out once more with it.
//!
//! RFC 3261 section 22.2 and RFC 4028 section 7.3: the same Call-ID, From and To, the next CSeq number, another branch. Inside a dialog as for the INVITE that opens it.

use super::Endpoint;
use super::change::Change;
use super::session_timer::least_of;
use super::store::{ByUdp, Cancel, Client, ClientMachine, Leg, OurInvite, Path, Purpose, Stage};
use crate::border::Event;
use crate::credentials::{Account, Instead, again};
use crate::header::{Name, Timed};
use crate::message::Message;
use crate::transaction::{ClientInvite, ClientOther, Key};
use crate::trunk::Asker;
use crate::writer::with_line;
use bytes::Bytes;
use model::{DialogId, Instant, Method};

/// So often a request leaves, with what was asked for: a carrier whose nonces are always too old ends there.
const ROUNDS_MAX: u32 = 4;

impl Endpoint {
    /// Answers a 401, 407 or 422 to a request of this key, which came by `from`. False: it stands as the refusal that it is.
    pub(super) fn ask_again(&mut self, now: Instant, from: Path, dialog: DialogId, key: Key, response: &Message) -> bool {
        let Some(client) = self.clients.get(&key) else { return false };
        let Some(leg) = self.legs.get(&dialog) else { return false };
        let longer = response.status() == Some(422);
        let wanted = match (&client.machine, &leg.stage) {
            (ClientMachine::Invite(_), Stage::Outgoing { invite, cancel: Cancel::No, .. }) => *invite == key,
            // Of a session that runs the timer is another matter.
            _ if longer => false,
            (ClientMachine::Other { purpose, .. }, _) => *purpose != Purpose::Cancel,
            (ClientMachine::Invite(_), _) => matches!(&leg.change, Some(Change::Asked { key: asked, .. }) if *asked == key),
        };
        let (request, rounds) = (client.request.clone(), client.rounds + 1);
        // A connection leads to whom it leads, whatever address their Contact names.
        let is_there = client.path.flow.is_stream() && client.path.flow == from.flow;
        let path = if is_there { from } else { client.path };
        // Of a branch that was let go, and of nobody's call.
        let stray = matches!(client.machine, ClientMachine::Other { purpose: Purpose::StrayBye, .. });
        if !wanted || rounds >= ROUNDS_MAX {
            return false;
        }
        let instead = match response.status() {
            Some(401 | 407) => {
                let accounts = self.provable(leg, path);
                let proof = accounts.iter().find_map(|account| account.answer(&request, response, &mut self.random).ok());
                let Some((name, value)) = proof else { return false };
                vec![(name, Some(value))]
            }
            Some(422) => match longer_timer(&request, response) {
                Some(instead) => instead,
                None => return false,
            },
            Some(_) | None => return false,
        };
        let branch = self.branch();
        let Some((client, leg)) = self.clients.get(&key).zip(self.legs.get_mut(&dialog)) else { return false };
        let counted = if stray { cseq_of(&request) } else { leg.state.local_cseq };
        let cseq = counted.saturating_add(1);
        if !stray {
            leg.state.local_cseq = cseq;
        }
        let method = client.method;
        // As we are in this dialog now: who is unnamed since the first one left is not shown by the next.
        let local = match &client.machine {
            ClientMachine::Invite(ours) => &ours.base.local,
            ClientMachine::Other { .. } => &leg.state.local,
        };
        let from = format!("{local};tag={}", leg.state.local_tag);
        let again = |request: &Bytes| with_line(&again(request, &branch, cseq, &instead), "From", &from);
        let by_udp = client.by_udp.as_ref().map(|ByUdp { request, .. }| again(request));
        let machine = match &client.machine {
            ClientMachine::Invite(ours) => {
                let mut base = ours.base.clone();
                base.local_cseq = cseq;
                let machine = ClientInvite::new(now, path.flow.is_stream());
                ClientMachine::Invite(Box::new(OurInvite::new(machine, base, String::new())))
            }
            ClientMachine::Other { purpose, .. } => {
                ClientMachine::Other { machine: ClientOther::new(now, path.flow.is_stream()), purpose: *purpose }
            }
        };
        let next = Key::client(&branch, method.name());
        let begins = matches!(leg.stage, Stage::Outgoing { .. }) && method == Method::Invite;
        if let Stage::Outgoing { invite, heard, .. } = &mut leg.stage
            && begins
        {
            (*invite, *heard) = (next, false);
        }
        if let Some(Change::Asked { key: asked, .. }) =
            leg.change.as_mut().filter(|change| matches!(change, Change::Asked { key: asked, .. } if *asked == key))
        {
            *asked = next;
        }
        if leg.probe == Some(key) {
            leg.probe = Some(next);
        }
        leg.prack_goes_on(key, next);
        let mut machine = machine;
        if let ClientMachine::Invite(ours) = &mut machine {
            ours.via = self.via(path.flow, &branch);
        }
        let by_udp = by_udp.map(|request| ByUdp { via: self.via(model::FlowId::UDP, &branch), request });
        if begins {
            // Told before it leaves: what would end this call must be written down first.
            self.event(Event::AskedAgain { dialog });
        }
        let request = again(&request);
        self.begin_client(next, Client { machine, request, method, path, dialog, by_udp, rounds, moved: None, moves: 0 });
        true
    }

    /// Whose passwords may be proved to this machine in this dialog. Its trunk may lead elsewhere since, or be no more. A Contact proves nothing, and a
    /// carrier hands on whatever who is called writes there: only who is where the call began, or at another machine of that carrier, is answered.
    pub(super) fn provable(&self, leg: &Leg, to: Path) -> Vec<Account> {
        // By TCP a carrier calls us from any port, and its Contact says at which it is.
        let exactly = [to.called(), Path { addr: leg.state.next_hop(), ..to }.called()];
        let to = if leg.began_at.is_some_and(|began| began.port.is_some()) { to.called() } else { to.asker() };
        // Of a call that an earlier endpoint left behind nobody knew the trunks yet. First it is of the account that was written down, and then of whoever leads there.
        let began = leg.began_at.filter(|_| leg.left_behind || leg.customers.is_empty());
        let late = began.map(|began| self.trunks.customers_at(Asker { secure: to.secure, ..began }, |_| false));
        // What began by TLS is shown by TLS; what began in clear is known to whoever listens, whatever becomes of its trunk meanwhile.
        let of_carrier = leg.began_at.is_some_and(|began| self.are_kin(began.ip, to.ip) && (to.secure || !began.secure));
        let all = leg.customers.iter().chain(late.iter().flatten());
        let may = all.filter(|customer| of_carrier || self.trunks.leads_to(to, &customer.account));
        may.filter(|customer| !exactly.iter().any(|at| self.trunks.is_anothers(*at, &customer.account)))
            .map(|customer| self.trunks.as_now(customer, to).clone())
            .collect()
    }
}

/// The number that a request of ours has in its dialog.
fn cseq_of(request: &Bytes) -> u32 {
    let message = Message::parse(request).ok();
    message.and_then(|message| Some(message.essentials().ok()?.cseq.number)).unwrap_or_default()
}

/// RFC 4028 section 7.3: the timer that they want at least, if that is longer than what we asked for. A proof of our password counted once, and
/// is asked for again.
fn longer_timer(request: &Bytes, response: &Message) -> Option<Vec<Instead>> {
    let asked = Message::parse(request).ok()?.first(Name::SessionExpires).and_then(Timed::parse)?.secs;
    let least = least_of(response).filter(|least| *least > asked)?.to_string();
    Some(vec![("Session-Expires", Some(least.clone())), ("Min-SE", Some(least)), ("Authorization", None), ("Proxy-Authorization", None)])
}
