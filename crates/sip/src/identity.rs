//! Who calls, and whom, as the network tells it beside From and To: numbers that a carrier vouches for, wishes to stay unnamed, and which
//! number was called before the call came to us.
//!
//! P-Asserted-Identity (RFC 3325), Privacy (RFC 3323, RFC 3325), P-Called-Party-ID (RFC 7315 section 4.2), Diversion (RFC 5806) and
//! History-Info (RFC 7044). They are read from whomever sends them and believed by nobody here: whether a source may speak for others is for
//! the calls to know.

use crate::header::NameAddr;
use crate::lexis::{list, trim};
use crate::message::{Essentials, Message};
use crate::uri::{Scheme, Uri, unescape};

/// Identities that one INVITE may assert: RFC 3325 section 9.1 allows a `sip:` and a `tel:` URI.
const ASSERTED_MAX: usize = 2;
/// Numbers called before that are looked at; a call that was led on more often is in a circle.
const CALLED_MAX: usize = 8;

/// What an INVITE says of caller and called beside From and the Request-URI. Users are unescaped once and without their parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The users of P-Asserted-Identity.
    pub asserted: Vec<String>,
    /// Whether the caller wants to stay unnamed: Privacy with `id`, `user` or `header`.
    pub private: bool,
    /// Whether the caller wants to be named, whatever the network's habit is: Privacy with `none` alone.
    pub public: bool,
    /// The host of From: `anonymous.invalid` for who is unnamed (RFC 3323 section 4.1.1.3).
    pub from_host: String,
    /// The user of P-Called-Party-ID: what was dialled, where the Request-URI names us instead.
    pub called_party: Option<String>,
    /// The user of To.
    pub to: String,
    /// The users that were called before us, the first one first.
    pub called_before: Vec<String>,
}

impl Claims {
    pub(crate) fn of(invite: &Message, essentials: &Essentials<'_>) -> Claims {
        let users = |label: &'static str, most: usize| invite.others(label).flat_map(list).take(most).filter_map(user);
        let wishes: Vec<&[u8]> = invite.others("Privacy").flat_map(|line| line.split(|b| b";, \t".contains(b))).map(trim).collect();
        let wants = |word: &str| wishes.iter().any(|wish| wish.eq_ignore_ascii_case(word.as_bytes()));
        let private = ["id", "user", "header"].into_iter().any(wants);
        let hides_history = wants("history") || wants("header");
        let mut called_before: Vec<String> = Vec::new();
        if !hides_history {
            let mut history: Vec<(Vec<u32>, String)> =
                invite.others("History-Info").flat_map(list).take(CALLED_MAX).filter_map(entry).collect();
            history.sort();
            called_before.extend(history.into_iter().map(|(_, user)| user));
            // RFC 5806 section 4: the newest diversion stands on top.
            let mut diverted: Vec<String> = users("Diversion", CALLED_MAX).collect();
            diverted.reverse();
            called_before.extend(diverted);
        }
        Claims {
            asserted: users("P-Asserted-Identity", ASSERTED_MAX).collect(),
            private,
            public: !private && wants("none"),
            from_host: essentials.from.uri().host().to_ascii_lowercase(),
            called_party: users("P-Called-Party-ID", 1).next(),
            to: without_parameters(essentials.to.uri().user()),
            called_before,
        }
    }
}

/// The user of an address that is or could be a telephone's.
fn user(value: &[u8]) -> Option<String> {
    let address = NameAddr::parse(value)?;
    known(address.uri())
}

fn known(uri: &Uri<'_>) -> Option<String> {
    match uri.scheme() {
        Scheme::Sip | Scheme::Sips | Scheme::Tel => Some(without_parameters(uri.user())).filter(|user| !user.is_empty()),
        Scheme::Other => None,
    }
}

/// Parameters of the user part are the network's, not the number's (RFC 3966 section 3, RFC 3261 section 19.1.6).
fn without_parameters(user: String) -> String {
    user.split(';').next().unwrap_or_default().to_owned()
}

/// One entry of History-Info with its place in the tree (RFC 7044 section 5); `None` for one that asks not to be told (`?Privacy=history`).
fn entry(value: &[u8]) -> Option<(Vec<u32>, String)> {
    let address = NameAddr::parse(value)?;
    let text = address.uri().text();
    let headers = text.split_once('?').map_or("", |(_, headers)| headers);
    let hidden = headers.split('&').any(|header| header.to_ascii_lowercase().starts_with("privacy="));
    let user = known(address.uri()).filter(|_| !hidden)?;
    let index = address.param("index").unwrap_or_default();
    let index: Vec<u32> = unescape(&index).split('.').take(CALLED_MAX).map(|n| n.parse().unwrap_or(u32::MAX)).collect();
    Some((index, user))
}

/// Whether whoever sends this message wants to stay unnamed. A network may tell us a number that it asks us to tell nobody.
pub fn is_unnamed(message: &[u8]) -> bool {
    let text = String::from_utf8_lossy(message);
    let (head, _) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    wants_privacy(head) || head.split("\r\n").any(unnamed_from)
}

/// A message as it may be kept: where the caller wants to stay unnamed, without what names them. `of_unnamed`: it belongs to a call whose INVITE said
/// so. Answers and later requests do not say it again, and repeat the caller's address in From, To and the Request-URI.
pub fn as_kept(message: &[u8], of_unnamed: bool) -> String {
    let text = String::from_utf8_lossy(message);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let private = wants_privacy(head);
    if !private && !of_unnamed && !head.split("\r\n").any(unnamed_from) {
        return text.into_owned();
    }
    let mut naming = vec!["P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Contact", "m"];
    if private || of_unnamed {
        naming.extend(["From", "f"]);
    }
    if of_unnamed {
        naming.extend(["To", "t"]);
    }
    let mut kept = String::with_capacity(text.len());
    let mut hides = false;
    for (at, line) in head.split("\r\n").enumerate() {
        // A request of ours goes to the caller's Contact.
        if at == 0 && of_unnamed && !line.starts_with("SIP/") {
            let method = line.split(' ').next().unwrap_or_default();
            kept.push_str(&format!("{method} (withheld) SIP/2.0\r\n"));
            continue;
        }
        // A folded line belongs to the one before it.
        if !line.starts_with([' ', '\t']) {
            hides = named(line, &naming);
            if hides {
                kept.push_str(line.split(':').next().unwrap_or_default());
                kept.push_str(": (withheld)\r\n");
            }
        }
        if !hides {
            kept.push_str(line);
            kept.push_str("\r\n");
        }
    }
    kept.push_str("\r\n");
    // Of a session description, the lines that may say whose it is (RFC 8866 sections 5.2 to 5.6).
    for line in body.split_inclusive('\n') {
        match line.get(..2) {
            Some(kind @ ("o=" | "s=" | "i=" | "u=" | "e=" | "p=")) => kept.push_str(&format!("{kind}(withheld)\r\n")),
            _ => kept.push_str(line),
        }
    }
    kept
}

fn named(line: &str, names: &[&str]) -> bool {
    let name = line.split(':').next().unwrap_or_default().trim_end();
    names.iter().any(|of| name.eq_ignore_ascii_case(of))
}

fn wants_privacy(head: &str) -> bool {
    let wishes =
        |line: &str| line.to_ascii_lowercase().split([':', ';', ',', ' ', '\t']).any(|word| ["id", "user", "header"].contains(&word));
    head.split("\r\n").any(|line| named(line, &["Privacy"]) && wishes(line))
}

fn unnamed_from(line: &str) -> bool {
    named(line, &["From", "f"]) && line.to_ascii_lowercase().contains("@anonymous.invalid")
}
