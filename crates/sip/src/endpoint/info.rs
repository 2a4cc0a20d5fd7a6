//! A key that comes as a message of its own, beside the sound.
//!
//! INFO (RFC 6086 knows it as legacy usage) with `application/dtmf-relay` or `application/dtmf`, as gateways and old exchanges send it. Whether the
//! same press has come as RFC 4733 too is not for us to know: the sound's side hears both and counts one. Packages (RFC 6086) are refused, since we
//! have asked for none; but for one called `dtmf`, which some write above the very same keys.

use super::{Asked, Endpoint};
use crate::border::Event;
use crate::header::Name;
use crate::lexis::trim;
use crate::writer::{INFO_ACCEPTS, Writer};
use model::{DialogId, Digit};
use std::time::Duration;

/// The package of keys, as some call it.
const KEYS: &[u8] = b"dtmf";
/// How long a key counts as held if nothing is said, in milliseconds.
const HELD_MILLIS: u64 = 160;
/// The longest that we believe, in milliseconds.
const HELD_MILLIS_MAX: u64 = 10_000;

impl Endpoint {
    /// The peer tells us something in the middle of a call.
    pub(super) fn handle_info(&mut self, asked: &Asked<'_>, dialog: DialogId) {
        let package = asked.message.other("Info-Package").and_then(|value| value.split(|b| *b == b';').next()).map(trim);
        // RFC 6086 section 4.2.2; an empty Recv-Info says that we want none (section 5.2.3).
        if package.is_some_and(|package| !package.eq_ignore_ascii_case(KEYS)) {
            return self.reply_in_dialog(asked, dialog, 469, |w| w.header("Recv-Info", "").empty());
        }
        let body = asked.message.body();
        // RFC 2976 section 2.2: without a body it asks whether we are there.
        if body.is_empty() {
            return self.reply_in_dialog(asked, dialog, 200, Writer::empty);
        }
        let kind = asked.message.first(Name::ContentType).map(super::body::media_type).unwrap_or_default().to_ascii_lowercase();
        let text = String::from_utf8_lossy(body);
        let key = match kind.as_str() {
            "application/dtmf-relay" => relayed(&text),
            "application/dtmf" => digit(text.trim()).map(|digit| (digit, HELD_MILLIS)),
            _ => return self.reply_in_dialog(asked, dialog, 415, |w| w.header("Accept", INFO_ACCEPTS).empty()),
        };
        let Some((digit, held)) = key else { return self.reply_in_dialog(asked, dialog, 400, Writer::empty) };
        self.reply_in_dialog(asked, dialog, 200, Writer::empty);
        self.event(Event::Digit { dialog, digit, held: Duration::from_millis(held) });
    }
}

/// `Signal=5` and `Duration=160`, one a line, in any case and with blanks.
fn relayed(text: &str) -> Option<(Digit, u64)> {
    let word = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(['=', ':']));
        let mut found = lines.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    };
    let held = word("Duration").and_then(|millis| millis.parse().ok()).unwrap_or(HELD_MILLIS);
    Some((digit(word("Signal")?)?, held.min(HELD_MILLIS_MAX)))
}

/// A key as it is written, or as its number: 10 is the star, 11 the hash.
fn digit(text: &str) -> Option<Digit> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Digit::from_char(letter.to_ascii_uppercase()),
        _ => text.parse().ok().filter(|code| (10..16).contains(code)).and_then(Digit::from_event),
    }
}
