//! What happens when nothing happens: repetitions, and giving up.

use super::Endpoint;
use super::store::{Alarm, Cancel, ClientMachine, ServerMachine, Stage};
use crate::border::{Event, Reason};
use crate::transaction::{Due, Key};
use model::{DialogId, Instant};
use std::time::Duration;

/// Between two turns of one dialog.
const BREATH: Duration = Duration::from_millis(1);

impl Endpoint {
    pub(super) fn server_timeout(&mut self, now: Instant, key: Key) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        let due = match &mut server.machine {
            ServerMachine::Invite { machine, .. } => machine.handle_timeout(now),
            ServerMachine::Other(machine) => machine.handle_timeout(now),
        };
        let (dialog, path, status, wake) = (server.dialog, server.path, server.status, server.poll_timeout());
        match due {
            Due::Resend => {
                let last = server.last();
                self.transmit_response(Some(dialog), path, status, last);
            }
            // A refusal that nobody acknowledged has nobody waiting for it.
            Due::TimedOut | Due::Over => return self.remove_server(key),
            Due::Nothing => {}
        }
        self.alarms.set(Alarm::Server(key), wake);
    }

    pub(super) fn client_timeout(&mut self, now: Instant, key: Key) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        let (due, purpose) = match &mut client.machine {
            ClientMachine::Invite(invite) => (invite.machine.handle_timeout(now), None),
            ClientMachine::Other { machine, purpose } => (machine.handle_timeout(now), Some(*purpose)),
        };
        let (dialog, path, method, request, wake) =
            (client.dialog, client.path, client.method, client.request.clone(), client.poll_timeout());
        match due {
            Due::Resend => self.transmit_request(dialog, path, method, true, request),
            Due::TimedOut => {
                self.remove_client(key);
                // Section 8.1.3.1: no answer counts as 408.
                match purpose {
                    None => self.failed(now, dialog, key, 408, None),
                    Some(purpose) => self.asked_and_answered(now, dialog, key, purpose, 408, None),
                }
                return;
            }
            Due::Over => return self.remove_client(key),
            Due::Nothing => {}
        }
        self.alarms.set(Alarm::Client(key), wake);
    }

    pub(super) fn leg_timeout(&mut self, now: Instant, dialog: DialogId) {
        self.provisional_timeout(now, dialog);
        self.session_timeout(now, dialog);
        self.change(now, dialog);
        self.stage_timeout(now, dialog);
        self.leave_again(now, dialog);
        // Whatever is due still, by a mistake of ours, waits a moment: one dialog must not keep the others from their turn.
        let wake = self.legs.get(&dialog).and_then(|leg| leg.poll_timeout()).map(|at| at.max(now + BREATH));
        self.alarms.set(Alarm::Leg(dialog), wake);
    }

    fn stage_timeout(&mut self, now: Instant, dialog: DialogId) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        match &mut leg.stage {
            // Section 13.3.1.4: "after 64*T1 seconds ... the dialog is confirmed, but the session SHOULD be terminated".
            Stage::Answering(answering) if answering.give_up <= now => {
                self.event(Event::AckMissing { dialog });
                self.give_reason(dialog, Reason::NotHeardOf);
                self.hang_up(now, dialog);
            }
            Stage::Answering(answering) => {
                let due = (answering.repeat.due(now) == Due::Resend).then(|| (answering.path, answering.ok.clone()));
                if let Some((path, ok)) = due {
                    self.transmit_response(Some(dialog), path, 200, ok);
                }
            }
            // Section 9.1: after a CANCEL, no final answer within 64*T1 means that none will come.
            Stage::Outgoing { invite, cancel: Cancel::Sent { give_up }, .. } if *give_up <= now => {
                let invite = *invite;
                self.remove_client(invite);
                self.failed(now, dialog, invite, 487, None);
            }
            Stage::Outgoing { .. } | Stage::Incoming { .. } | Stage::Confirmed | Stage::Reoffered { .. } | Stage::Ending => {}
        }
    }
}
