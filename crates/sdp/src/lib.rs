//! What two phones say about their sound before they talk: where to send it, in which codec, in which direction.
//!
//! Session descriptions of RFC 8866, read with every size bounded, and the offer/answer of RFC 3264 as pure functions:
//! [`offer`] writes ours, [`answer`] answers theirs, [`accept`] reads their answer to ours. Telephone keys travel as
//! `telephone-event` (RFC 4733); hold is understood in its three spellings.
//!
//! Deliberately absent: names that would need DNS, encrypted profiles, several media of one kind, bundling and ICE, and any
//! session state. What was agreed before a re-INVITE is the business of whoever keeps the call.

mod description;
mod exchange;
mod parse;
mod refusal;

pub use description::{Connection, Description, Direction, Format, Mapping, Media, Rtcp};
pub use exchange::{Agreed, Answer, Capabilities, accept, answer, offer, offer_of};
pub use parse::parse;
pub use refusal::Refusal;
