//! Who calls, and which number they dialled: what a trusted carrier says of it, and what anybody may say.
//!
//! P-Asserted-Identity counts only from a line that is `trusted` (RFC 3325 section 5: "discard it" from anybody else). A wish to stay unnamed is
//! honoured from everybody: it can only hide. A number that is withheld is dropped here, at the door: nothing behind it has ever seen it. Who asks
//! in the middle of a call is forgotten then (`Engine::withhold`).

use crate::heard::Invite;
use crate::vault::national;
use flow::Book;
use model::{FlowName, LineId, Number, Withheld};
use sip::UNNAMED_HOST;

/// What stands for a number that is withheld (RFC 3323 section 4.1.1.3): it is no number, and so leads to no person and no callback.
pub(crate) const ANONYMOUS: &str = "anonymous";

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    /// A number without its country, or whatever the caller writes in its place; [`ANONYMOUS`] if it is withheld.
    pub(crate) caller: String,
    pub(crate) withheld: Option<Withheld>,
}

/// Who calls, by what the source may say.
pub(crate) fn who(invite: &Invite, trusted: bool) -> Who {
    let claims = &invite.claims;
    // Parameters of the user part are the network's, not the number's (RFC 3966 section 3, RFC 3261 section 19.1.6).
    let from = invite.from_user.split(';').next().unwrap_or_default();
    let in_words = [invite.from_display.as_str(), from].into_iter().any(sip::is_nobody);
    let unnamed = in_words || from.is_empty() || claims.from_host == UNNAMED_HOST;
    let nobody = || {
        let why = reason(&invite.from_display).or_else(|| reason(from)).unwrap_or(Withheld::ByCaller);
        Who { caller: ANONYMOUS.to_owned(), withheld: Some(why) }
    };
    if claims.private || unnamed && !(claims.public && trusted) {
        return nobody();
    }
    let asserted = claims.asserted.iter().filter(|_| trusted).find_map(|user| Number::parse(user).ok());
    match asserted.or_else(|| Number::parse(from).ok()) {
        Some(number) => Who { caller: national(&number), withheld: None },
        None if unnamed => nobody(),
        None => Who { caller: from.to_owned(), withheld: None },
    }
}

/// The four words of Japanese networks for why a number is not there, as they stand in the name of From.
fn reason(display: &str) -> Option<Withheld> {
    match display.trim().to_lowercase().as_str() {
        "anonymous" | "非通知" => Some(Withheld::ByCaller),
        "unavailable" | "表示圏外" => Some(Withheld::Unavailable),
        "interaction with other service" | "サービス競合" => Some(Withheld::OtherService),
        "coin line/payphone" | "payphone" | "公衆電話" => Some(Withheld::Payphone),
        _ => None,
    }
}

/// The city's number that was dialled, and the flow that it leads to. A carrier may write us into the Request-URI, as it does for a line that
/// registers, and tell the number in P-Called-Party-ID or in To.
pub(crate) fn dialled(book: &Book, invite: &Invite, trusted: bool) -> Option<(FlowName, Number)> {
    let claims = &invite.claims;
    let told = claims.called_party.as_ref().filter(|_| trusted);
    let to = Some(&claims.to).filter(|_| trusted);
    told.into_iter().chain([&invite.to_user]).chain(to).find_map(|user| {
        let number = Number::parse(user.split(';').next().unwrap_or_default()).ok()?;
        let at_home = Number::parse(&national(&number)).ok()?;
        [number, at_home].into_iter().find_map(|number| Some((book.numbers.get(&number)?.clone(), number)))
    })
}

/// The line of the city that was called before us, the first one where there were several. A number that is none of ours is somebody's, and is
/// forgotten.
pub(crate) fn called_first(book: &Book, invite: &Invite, trusted: bool) -> Option<LineId> {
    let before = invite.claims.called_before.iter().filter(|_| trusted).filter_map(|user| Number::parse(user).ok());
    before.map(|number| national(&number)).find_map(|number| {
        let ours = |line: &&model::Line| line.target.as_ref().is_some_and(|target| national(&target.number) == number);
        book.lines.iter().find(ours).map(|line| line.id.clone())
    })
}

/// What an agent's phone can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    Japanese,
    /// English, in ASCII.
    Ascii,
}

/// Why there is no number, in an agent's words.
pub(crate) fn in_words(why: Withheld, tongue: Tongue) -> &'static str {
    match (why, tongue) {
        (Withheld::ByCaller, Tongue::Japanese) => "非通知",
        (Withheld::ByCaller, Tongue::Ascii) => "number withheld",
        (Withheld::Unavailable, Tongue::Japanese) => "表示圏外",
        (Withheld::Unavailable, Tongue::Ascii) => "number unavailable",
        (Withheld::OtherService, Tongue::Japanese) => "サービス競合",
        (Withheld::OtherService, Tongue::Ascii) => "number hidden by a service",
        (Withheld::Payphone, Tongue::Japanese) => "公衆電話",
        (Withheld::Payphone, Tongue::Ascii) => "payphone",
    }
}

/// Which line sent the caller on, in an agent's words.
pub(crate) fn sent_on(line: &LineId, tongue: Tongue) -> String {
    match tongue {
        Tongue::Japanese => format!("{line}から"),
        Tongue::Ascii => format!("from {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::DialogId;

    fn invite(from: &str, display: &str, claims: sip::Claims) -> Invite {
        Invite {
            dialog: DialogId(1),
            source: "127.0.0.1:5060".parse().unwrap(),
            from_user: from.to_owned(),
            from_display: display.to_owned(),
            to_user: "0440000000".to_owned(),
            authenticated: None,
            claims: Box::new(claims),
            offer: None,
            reliable: false,
            replaces: None,
        }
    }
    fn shows(number: &str) -> Who {
        Who { caller: number.to_owned(), withheld: None }
    }
    fn hides(why: Withheld) -> Who {
        Who { caller: "anonymous".to_owned(), withheld: Some(why) }
    }
    fn asserted(number: &str) -> sip::Claims {
        sip::Claims { asserted: vec![number.to_owned()], ..sip::Claims::default() }
    }

    #[test]
    fn a_carrier_is_believed_and_a_stranger_is_not() {
        let spoofed = invite("0120000000", "Bank", asserted("+81440000099"));
        assert_eq!(who(&spoofed, true), shows("0440000099"));
        assert_eq!(who(&spoofed, false), shows("0120000000"));
        // What is no number names nobody else.
        assert_eq!(who(&invite("0440000098", "", asserted("operator")), true), shows("0440000098"));
        assert_eq!(who(&invite("sato", "", sip::Claims::default()), false), shows("sato"));
        assert_eq!(who(&invite("0440000098;npdi", "", sip::Claims::default()), false), shows("0440000098"));
    }

    #[test]
    fn a_withheld_number_is_dropped_whoever_asks_for_it() {
        for trusted in [true, false] {
            let private = sip::Claims { private: true, ..asserted("0440000099") };
            assert_eq!(who(&invite("0440000099", "Sato", private), trusted), hides(Withheld::ByCaller));
            // The network forgot to say Privacy, and told the number all the same.
            let unnamed = sip::Claims { from_host: UNNAMED_HOST.to_owned(), ..asserted("0440000099") };
            assert_eq!(who(&invite("anonymous", "Anonymous", unnamed), trusted), hides(Withheld::ByCaller));
            assert_eq!(who(&invite("", "", asserted("0440000099")), trusted), hides(Withheld::ByCaller));
        }
        for display in
            ["非通知", "Anonymous", "公衆電話", "非通知電話", "Anonymous Caller", "Interaction  with other  service", "Restricted"]
        {
            assert!(who(&invite("0440000099", display, asserted("0440000099")), true).withheld.is_some(), "{display} over a number");
        }
        let public = sip::Claims { public: true, from_host: UNNAMED_HOST.to_owned(), ..asserted("0440000099") };
        assert_eq!(who(&invite("anonymous", "", public.clone()), true), shows("0440000099"), "who wants to be named is");
        assert_eq!(who(&invite("anonymous", "", public), false), hides(Withheld::ByCaller));
    }

    #[test]
    fn the_four_reasons_are_told_apart() {
        for (display, why, shown) in [
            ("Anonymous", Withheld::ByCaller, "非通知"),
            ("UNAVAILABLE", Withheld::Unavailable, "表示圏外"),
            ("Interaction with other service", Withheld::OtherService, "サービス競合"),
            ("Coin line/payphone", Withheld::Payphone, "公衆電話"),
            ("", Withheld::ByCaller, "非通知"),
        ] {
            let claims = sip::Claims { from_host: UNNAMED_HOST.to_owned(), ..sip::Claims::default() };
            assert_eq!(who(&invite("anonymous", display, claims), true), hides(why), "{display}");
            assert_eq!(in_words(why, Tongue::Japanese), shown);
            assert!(in_words(why, Tongue::Ascii).is_ascii());
        }
    }

    #[test]
    fn a_number_is_found_wherever_a_carrier_tells_it() {
        let number = |text: &str| Number::parse(text).unwrap();
        let mut book = Book::default();
        book.numbers.insert(number("0440000000"), FlowName::from("city"));
        let target = model::Target { trunks: vec![LineId::from("ntt")], number: number("0440000011"), lines: 2, code: None };
        book.lines.push(model::Line { id: LineId::from("ward"), target: Some(target), ..model::Line::default() });
        let dialled = |called: Option<&str>, uri: &str, to: &str, trusted| {
            let claims = sip::Claims { called_party: called.map(str::to_owned), to: to.to_owned(), ..sip::Claims::default() };
            let invite = Invite { to_user: uri.to_owned(), ..invite("x", "", claims) };
            super::dialled(&book, &invite, trusted).is_some()
        };
        assert!(dialled(None, "+81440000000", "", false), "however the network writes it");
        assert!(dialled(Some("0440000000"), "trunk-user", "", true));
        assert!(dialled(None, "trunk-user", "+81440000000", true));
        assert!(!dialled(Some("0440000000"), "trunk-user", "0440000000", false));
        assert!(!dialled(Some("0440000001"), "0440000002", "0440000003", true));

        let before = |numbers: &[&str], trusted| {
            let called_before = numbers.iter().map(|n| (*n).to_owned()).collect();
            let claims = sip::Claims { called_before, ..sip::Claims::default() };
            called_first(&book, &invite("x", "", claims), trusted)
        };
        assert_eq!(before(&["09012345678", "+81440000011"], true), Some(LineId::from("ward")));
        assert_eq!(before(&["+81440000011"], false), None);
        assert_eq!(before(&["09012345678"], true), None, "somebody's number is forgotten");
    }
}
