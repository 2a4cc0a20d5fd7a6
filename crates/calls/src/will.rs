//! What a killed engine leaves behind outside: telephones that ring or talk on, and hold the places of their lines.
//!
//! Before an INVITE leaves the house, and before the ACK of its answer, the journal has what ends that call: these two wait for their record
//! and are never let go without it. The next engine begins with it: CANCEL or BYE, and the places are free when SIP is done (RFC 3261 sections 9.1 and 15.1.1). Until then a hotline of two lines is as full
//! as it is in truth.

use crate::Vault;
use crate::engine::{Engine, Thread};
use crate::face::Trusted;
use crate::outbound::Outside;
use crate::record::{Abroad, Record, State};
use model::{DialogId, Event, Instant, LegId, LineId, Now, Seq, Trunk};
use serde::{Deserialize, Serialize};
use sip::DialogStage;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// For so long a call that was left behind waits for where the name of its trunk leads: as long as SIP would wait for an answer (RFC 3261 timer F).
const PATIENCE: Duration = Duration::from_secs(32);
/// One that rings waits for so long only: nobody asks a password of a CANCEL (section 22.1), but of the BYE after an answer that crosses it.
const PATIENCE_TO_CANCEL: Duration = Duration::from_secs(1);

/// What ends a call out, as it is sealed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Will {
    #[serde(flatten)]
    sip: sip::Will,
    /// By TLS: who must be met there, for its trunk may be gone when the next engine comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    met: Option<Trusted>,
}

/// The dialogs that an engine before this one left behind.
#[derive(Debug, Default)]
pub(crate) struct Wills {
    left: Vec<Left>,
    /// When the first input came.
    since: Option<Instant>,
}

#[derive(Debug)]
struct Left {
    dialog: DialogId,
    /// `None`: no INVITE has left the house, or it was sealed with a key that is gone.
    will: Option<Will>,
}

impl Left {
    fn patience(&self) -> Duration {
        let rings = self.will.as_ref().is_some_and(|will| will.sip.state.stage == DialogStage::Early);
        if rings { PATIENCE_TO_CANCEL } else { PATIENCE }
    }
}

impl Wills {
    /// When the first of those that wait does so no longer.
    pub(crate) fn due(&self) -> Option<Instant> {
        Some(self.since? + self.left.iter().map(Left::patience).min()?)
    }

    /// Where those are who wait.
    pub(crate) fn peers(&self) -> impl Iterator<Item = IpAddr> {
        self.left.iter().filter_map(|left| left.will.as_ref()).flat_map(|will| will.sip.peers())
    }
}

impl Vault {
    /// Whether everything that is sealed in a state can be opened: otherwise this is not the key with which it was written.
    pub fn opens(&self, state: &State) -> bool {
        let dialog =
            |(leg, abroad): (&LegId, &Abroad)| abroad.sealed.as_ref().is_none_or(|sealed| self.dialogs().open(leg.0, sealed).is_some());
        state.callbacks.iter().all(|(ticket, booked)| self.open(*ticket, &booked.sealed).is_some()) && state.abroad.iter().all(dialog)
    }
}

impl Engine {
    /// Writes down what would end this call, before anything that was just said of it leaves the house.
    pub(crate) fn write_will(&mut self, outside: &mut Outside) {
        let leg = outside.leg.id;
        // The dialog has failed at once, or its end is told in this same round.
        let Some(will) = self.sip.will(outside.leg.dialog) else { return };
        let met = self.whom_we_meet(will.state.peer).cloned();
        let Ok(text) = serde_json::to_string(&Will { sip: will, met }) else { return };
        let sealed = self.vault.dialogs().seal(&mut self.random, leg.0, &text);
        if let Some(abroad) = self.abroad.get_mut(&leg) {
            abroad.sealed = Some(sealed.clone());
        }
        let after = self.commit(Record::OutsideDialog { leg, sealed });
        outside.after = outside.after.max(after);
        if let Some(thread) = self.dialogs.get_mut(&outside.leg.dialog) {
            thread.after = thread.after.max(after);
        }
    }

    /// Whether this message begins a call outside, or confirms it: then somebody must be able to end it, whatever becomes of us.
    pub(crate) fn begins_outside(&self, dialog: Option<DialogId>, bytes: &[u8]) -> bool {
        let thread = dialog.and_then(|dialog| self.dialogs.get(&dialog));
        thread.is_some_and(|thread| self.abroad.contains_key(&thread.leg)) && (bytes.starts_with(b"INVITE ") || bytes.starts_with(b"ACK "))
    }

    /// The calls that the journal says are out there: their places are taken, whatever the city has published since.
    pub(crate) fn take_over(&mut self, abroad: BTreeMap<LegId, Abroad>) {
        for (leg, call) in &abroad {
            for place in &call.places {
                self.acd.occupy(place, *leg);
            }
            let dialog = self.sip.new_dialog();
            self.dialogs.insert(dialog, Thread { leg: *leg, after: Seq(0), named_in: None });
            let text = call.sealed.as_ref().and_then(|sealed| self.vault.dialogs().open(leg.0, sealed));
            let will = text.and_then(|text| serde_json::from_str::<Will>(&text).ok());
            self.wills.left.push(Left { dialog, will });
            self.keep_errands_above(*leg);
        }
        self.abroad = abroad;
    }

    /// Whoever is out there is hung up: with the first input; where no trunk is known any more to have the account that it was of, once the names of all
    /// are found, for one that leads there may be asked its password.
    pub(crate) fn carry_out_wills(&mut self, now: Now) {
        if self.wills.left.is_empty() {
            return;
        }
        if self.wills.since.is_none() {
            let legs: Vec<LegId> = self.wills.left.iter().filter_map(|left| Some(self.dialogs.get(&left.dialog)?.leg)).collect();
            legs.into_iter().for_each(|leg| self.note_places(leg, |line, used, lines| Event::LineTaken { line, used, lines }));
        }
        let since = *self.wills.since.get_or_insert(now.mono);
        let (waits, ready): (Vec<Left>, Vec<Left>) = std::mem::take(&mut self.wills.left)
            .into_iter()
            .partition(|left| now.mono < since + left.patience() && self.is_to_be_found(left));
        self.wills.left = waits;
        for left in ready {
            if !left.will.is_some_and(|will| self.sip.execute(now, left.dialog, will.sip)) {
                self.dialog_over(left.dialog);
            }
        }
    }

    /// Whom the engine before this one met by TLS where somebody is to be hung up, and of which trunk that is.
    pub(crate) fn wills_met(&self) -> impl Iterator<Item = (SocketAddr, (LineId, Trusted))> {
        self.wills.left.iter().filter_map(|left| {
            let will = left.will.as_ref()?;
            Some((will.sip.state.peer, (self.trunk_of(left)?.clone(), will.met.clone()?)))
        })
    }

    /// Whether nobody knows yet whose password would be proved there: that of its account is not known by name, and its trunk has a name that is not found,
    /// or is gone, and may have left its account to another one of which that is true.
    fn is_to_be_found(&self, left: &Left) -> bool {
        let is_sought = |trunk: &Trunk| trunk.name.is_some() && trunk.machines.is_empty();
        match self.trunk_of(left).and_then(|id| self.trunk(id)) {
            _ if left.will.as_ref().is_none_or(|will| self.sip.can_prove(&will.sip)) => false,
            Some(trunk) => is_sought(trunk),
            None => self.city.book.lines.iter().filter_map(|line| line.trunk.as_ref()).any(is_sought),
        }
    }

    /// The trunk over which that call went out.
    fn trunk_of(&self, left: &Left) -> Option<&LineId> {
        self.abroad.get(&self.dialogs.get(&left.dialog)?.leg)?.places.last()
    }
}
