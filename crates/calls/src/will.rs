//! What a killed engine leaves behind outside: telephones that ring or talk on, and hold the places of their lines.
//!
//! Before an INVITE leaves the house, and before the ACK of its answer, the journal has what ends that call. The next engine begins with it:
//! CANCEL or BYE, and the places are free when SIP is done (RFC 3261 sections 9.1 and 15.1.1). Until then a hotline of two lines is as full
//! as it is in truth.

use crate::engine::{Engine, Thread};
use crate::outbound::Outside;
use crate::record::{Abroad, Record};
use model::{DialogId, Event, LegId, Now, Seq};
use std::collections::BTreeMap;

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

    /// The calls that the journal says are out there: their places are taken, whatever the city has published since.
    pub(crate) fn take_over(&mut self, abroad: BTreeMap<LegId, Abroad>) {
        for (leg, call) in &abroad {
            for place in &call.places {
                self.acd.occupy(place, *leg);
            }
            let dialog = self.sip.new_dialog();
            self.dialogs.insert(dialog, Thread { leg: *leg, after: Seq(0) });
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
