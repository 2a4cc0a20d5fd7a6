//! Legs: a port, a media session and a dialog each, from the first to the last.

use crate::City;
use crate::call::Leg;
use crate::engine::{Engine, Owner, Thread};
use model::{CallId, DialogId, Event, LegId, Seq};
use std::net::{IpAddr, SocketAddr};

/// Ports tried for one leg after the first. Other programs hold a port here and there, not whole ranges.
const PORTS_TRIED_MAX: u8 = 8;

impl Engine {
    /// Makes a leg: a port, an id that says whose call it is, and the place of its dialog in the books.
    pub(crate) fn make_leg(
        &mut self,
        call: CallId,
        index: u16,
        dialog: DialogId,
        peer: impl Into<Option<IpAddr>>,
        owner: Owner,
    ) -> Option<Leg> {
        let peer = peer.into();
        let port = self.ports.take()?;
        let id = LegId(call.0 << 16 | u64::from(index));
        self.legs.insert(id, owner);
        self.dialogs.insert(dialog, Thread { leg: id, after: Seq(0), named_in: None });
        let session = u64::from(self.random.next_u32());
        Some(Leg { id, dialog, port, ports_tried: 0, peer, session, version: 1, codec: None, held: false })
    }

    /// Where the media session of a leg is bound.
    pub(crate) fn bind_addr(&self, leg: &Leg) -> SocketAddr {
        SocketAddr::new(self.city.book.settings.sip.ip(), leg.port)
    }

    /// What we offer and answer on a leg, with `codecs` in our order.
    pub(crate) fn capabilities(&self, leg: &Leg, codecs: Vec<model::Codec>) -> sdp::Capabilities {
        sdp::Capabilities { addr: SocketAddr::new(advertised(&self.city), leg.port), codecs, session: leg.session, version: leg.version }
    }

    /// Closes a leg's media session and frees its port when that is done. The dialog lives on until SIP is done with it.
    pub(crate) fn close_leg(&mut self, after: Seq, leg: &Leg) {
        if let Some(owner) = self.legs.get_mut(&leg.id)
            && !matches!(owner, Owner::Closing(_))
        {
            *owner = Owner::Closing(leg.port);
            self.media(after, leg.id, media::Command::Close);
        }
        if let Some(thread) = self.dialogs.get_mut(&leg.dialog) {
            thread.after = thread.after.max(after);
        }
    }

    /// The session of a leg did not open: the port comes back at once.
    pub(crate) fn drop_leg(&mut self, leg: &Leg) {
        self.forget_leg(leg);
        self.note(Event::MediaFailed { leg: leg.id });
    }

    /// A leg whose media session nobody has opened.
    pub(crate) fn forget_leg(&mut self, leg: &Leg) {
        if self.legs.remove(&leg.id).is_some() {
            self.ports.give_back(leg.port);
        }
    }

    /// Another program holds the port of a leg: the next one is tried, a few times. False when that is in vain.
    pub(crate) fn open_elsewhere(&mut self, after: Seq, leg: &mut Leg) -> bool {
        if leg.ports_tried >= PORTS_TRIED_MAX {
            return false;
        }
        let Some(port) = self.ports.take() else { return false };
        // To the end of the line: whoever holds it may be gone by then.
        self.ports.give_back(std::mem::replace(&mut leg.port, port));
        leg.ports_tried += 1;
        let local = self.bind_addr(leg);
        self.media(after, leg.id, media::Command::Open { local });
        true
    }
}

/// The address that others reach us at.
pub(crate) fn advertised(city: &City) -> IpAddr {
    let settings = &city.book.settings;
    settings.advertise.unwrap_or_else(|| settings.sip.ip())
}

/// What SIP and SDP agreed, in the words of the media room.
pub(crate) fn far(agreed: sdp::Agreed, leg: &Leg) -> media::Far {
    let agreed = match leg.peer {
        Some(peer) => agreed.seen_from(peer),
        None => agreed,
    };
    media::Far {
        remote: agreed.remote,
        remote_rtcp: agreed.remote_rtcp,
        written: agreed.written,
        also: agreed.also,
        codec: agreed.codec,
        payload_type: agreed.payload_type,
        events: agreed.events,
        we_send: agreed.we_send,
        we_receive: agreed.we_receive,
    }
}
