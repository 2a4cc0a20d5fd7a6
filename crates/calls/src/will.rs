//! What a killed engine leaves behind outside: telephones that ring or talk on, and hold the places of their lines.
//!
//! Before an INVITE leaves the house, and before the ACK of its answer, the journal has what ends that call: these two wait for their record
//! and are never let go without it. The next engine begins with it: CANCEL or BYE, and the places are free when SIP is done (RFC 3261 sections 9.1 and 15.1.1). Until then a hotline of two lines is as full
//! as it is in truth.

use crate::Vault;
use crate::engine::{Engine, Thread};
use crate::outbound::Outside;
use crate::record::{Abroad, Record, State};
use model::{DialogId, Event, LegId, Now, Seq};
use std::collections::BTreeMap;

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
        let Ok(text) = serde_json::to_string(&will) else { return };
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
            self.wills.push(dialog);
            self.keep_errands_above(*leg);
        }
        self.abroad = abroad;
    }

    /// With the first input: whoever is out there is hung up.
    pub(crate) fn carry_out_wills(&mut self, now: Now) {
        for dialog in std::mem::take(&mut self.wills) {
            self.carry_out(now, dialog);
        }
    }

    fn carry_out(&mut self, now: Now, dialog: DialogId) {
        let Some(leg) = self.dialogs.get(&dialog).map(|thread| thread.leg) else { return };
        self.note_places(leg, |line, used, lines| Event::LineTaken { line, used, lines });
        let sealed = self.abroad.get(&leg).and_then(|abroad| abroad.sealed.clone());
        let text = sealed.and_then(|sealed| self.vault.dialogs().open(leg.0, &sealed));
        // Without a will no INVITE has left the house; one that cannot be read was sealed with a key that is gone.
        let will = text.and_then(|text| serde_json::from_str(&text).ok());
        if !will.is_some_and(|will| self.sip.execute(now, dialog, will)) {
            self.dialog_over(dialog);
        }
    }
}
