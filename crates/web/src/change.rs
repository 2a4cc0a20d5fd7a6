//! What can be changed through this door: all of it, in one place.
//!
//! A change is read first, judged, written down, and only then carried out. Whatever is not a [`Change`] cannot change anything.

use crate::api::{refuse, shown_as};
use crate::office::{Order, Ordered};
use crate::roles::{Bearer, Right, Role};
use crate::words::{self, Said};
use crate::{Api, Presence, Set, plain};
use axum::http::StatusCode;
use axum::response::Response;
use model::{AgentId, AgentState, BreakReason, Lang};
use serde::Deserialize;
use serde_json::{Value, json};

/// A wish that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// An agent goes on a break, or comes back.
    Presence(AgentId, Presence),
    /// Something is set by hand, ended, or rolled back.
    Order(Order),
}

impl Change {
    /// The break in a body: empty, or an object with the reason.
    pub(crate) fn read_break(agent: AgentId, body: &[u8]) -> Result<Change, Said> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wish {
            #[serde(default)]
            reason: Option<BreakReason>,
        }
        let reason = match body.trim_ascii() {
            [] => Some(None),
            // The reader would take a list for an object, its values in order.
            object @ [b'{', ..] => serde_json::from_slice::<Wish>(object).ok().map(|wish| wish.reason),
            _ => None,
        };
        reason.map(|reason| Change::Presence(agent, Presence::Break(reason))).ok_or_else(words::no_break)
    }

    /// The order in a body.
    pub(crate) fn read_order(body: &[u8]) -> Result<Change, Said> {
        // The reader would take a list for an object, its values in order.
        let order = match body.trim_ascii() {
            [b'[', ..] => Err(serde::de::Error::custom("an order is an object")),
            body => serde_json::from_slice(body),
        };
        order.map(Change::Order).map_err(|fault: serde_json::Error| words::no_order(&fault))
    }

    /// The same in its bearer's name. Root may act for whoever it names, as the commands on this machine do for their users.
    pub(crate) fn signed(self, bearer: &Bearer) -> Change {
        match self {
            Change::Order(order) if bearer.role != Role::Root => Change::Order(order.signed(&bearer.name)),
            Change::Order(_) | Change::Presence(..) => self,
        }
    }

    /// Why this bearer may not; `None`: they may.
    pub(crate) fn forbidden(&self, bearer: &Bearer) -> Option<Said> {
        let right = match self {
            Change::Presence(..) => Right::Presence,
            Change::Order(order) => order.right(),
        };
        if !bearer.role.may(right) {
            return Some(words::not_yours(bearer, &[right]));
        }
        match (&bearer.role, self) {
            (Role::Agent(own), Change::Presence(agent, _)) if own != agent => Some(words::not_your_seat(bearer)),
            _ => None,
        }
    }

    /// In the words of its type, for the record.
    pub(crate) fn told(&self) -> Value {
        match self {
            Change::Presence(agent, Presence::Ready) => json!({ "agent": agent, "presence": "ready" }),
            Change::Presence(agent, Presence::Break(reason)) => json!({ "agent": agent, "presence": "break", "reason": reason }),
            Change::Order(order) => serde_json::to_value(order).unwrap_or_default(),
        }
    }

    /// Does it.
    pub(crate) async fn carry_out(self, api: &Api, lang: &Lang) -> Response {
        match self {
            Change::Presence(agent, presence) => became(api.desk.set(agent, presence).await, lang),
            Change::Order(order) => match api.office.order(order, lang.clone()).await {
                Ordered::Done(json) => plain(StatusCode::OK, "application/json", json + "\n"),
                Ordered::Refused(why) => plain(StatusCode::UNPROCESSABLE_ENTITY, "text/plain; charset=utf-8", why + "\n"),
                Ordered::Gone => refuse(StatusCode::SERVICE_UNAVAILABLE, &words::gone(), lang),
            },
        }
    }
}

/// What is said to a wish of presence.
fn became(set: Set, lang: &Lang) -> Response {
    match set {
        // The break of somebody whose phone is not back after a restart: it is as wished once the phone is (RFC 9110 section 15.3.3).
        Set::Done(agent) if agent.state == AgentState::SignedOut => shown_as(StatusCode::ACCEPTED, &agent, lang),
        Set::Done(agent) => shown_as(StatusCode::OK, &agent, lang),
        Set::Unknown => refuse(StatusCode::NOT_FOUND, &words::no_agent(), lang),
        Set::UnknownReason(known) => refuse(StatusCode::UNPROCESSABLE_ENTITY, &words::no_reason(&known), lang),
        Set::NoPhone => refuse(StatusCode::CONFLICT, &words::no_phone(), lang),
        Set::Gone => refuse(StatusCode::SERVICE_UNAVAILABLE, &words::gone(), lang),
    }
}
