//! An INVITE as NTT's NGN (Hikari Denwa) sends it, made up from what others have captured there: compact names, 100rel and timer, the number
//! that was dialled in P-Called-Party-ID, a proxy that stays in between, PCMU only.

use crate::common::*;
use bytes::Bytes;
use sip::{Command, Event};

const CARRIER: &str = "192.0.2.70:5060";
const THEIRS: &str = "v=0\r\no=- 82664419472 82664419472 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 192.0.2.70\r\nt=0 0\r\n\
                      m=audio 33724 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000/1\r\na=ptime:20\r\n";

/// From, as it stands for a caller who shows the number and for the four who do not.
const CALLERS: [(&str, &str, bool); 5] = [
    ("<sip:0449999999@ntt.example;user=phone>", "", false),
    ("\"Anonymous\" <sip:anonymous@anonymous.invalid>", "Anonymous", true),
    ("\"Unavailable\" <sip:anonymous@anonymous.invalid>", "Unavailable", true),
    ("\"Interaction with other service\" <sip:anonymous@anonymous.invalid>", "Interaction with other service", true),
    ("\"Coin line/payphone\" <sip:anonymous@anonymous.invalid>", "Coin line/payphone", true),
];

fn ntt(method: &str, branch: &str, from: &str, to_tag: &str, cseq: u32, extra: &str, body: &str) -> String {
    let typed = if body.is_empty() { "" } else { "c: application/sdp\r\n" };
    format!(
        "{method} sip:0440000001@192.0.2.1:5060 SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.70:5060;branch=z9hG4bK{branch}\r\nMax-Forwards: 67\r\n\
         f: {from};tag=ngn1\r\nt: <sip:0440000001@ntt.example>{to_tag}\r\ni: ngn-call-1@192.0.2.70\r\nCSeq: {cseq} {method}\r\n{extra}{typed}l: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn an_invite_of_the_ngn_is_answered_as_it_must_be() {
    for (from, display, unnamed) in CALLERS {
        let mut desk = Desk::new();
        let privacy = if unnamed { "Privacy: id\r\n" } else { "P-Asserted-Identity: <tel:+81449999999>\r\n" };
        let extra = format!(
            "m: <sip:192.0.2.70:5060>\r\nk: timer,100rel\r\nx: 300;refresher=uac\r\nMin-SE: 300\r\n\
             Allow: INVITE,ACK,BYE,CANCEL,PRACK,UPDATE\r\nRecord-Route: <sip:192.0.2.71;lr>\r\n{privacy}\
             P-Called-Party-ID: <sip:0440000001@ntt.example>\r\n"
        );
        desk.receive_from(CARRIER, &ntt("INVITE", "a", from, "", 1, &extra, THEIRS));
        let events = desk.events();
        let [Event::Invite { dialog, from_display, claims, reliable, offer: Some(offer), .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((from_display.as_str(), claims.private, *reliable), (display, unnamed, true));
        assert_eq!(claims.called_party.as_deref(), Some("0440000001"));
        assert_eq!(claims.from_host == "anonymous.invalid", unnamed);
        assert_eq!(&offer[..], THEIRS.as_bytes());
        let dialog = *dialog;

        // It rings, and they acknowledge that.
        desk.command(Command::Provisional { dialog, status: 180 });
        let ringing = desk.sent().pop().unwrap();
        assert_eq!((ringing.word(), ringing.header("Require")), ("180", "100rel"));
        assert_eq!(ringing.header("Record-Route"), "<sip:192.0.2.71;lr>");
        let tag = format!(";tag={}", ringing.to_tag());
        let rack = format!("RAck: {} 1 INVITE\r\n", ringing.header("RSeq"));
        desk.receive_from(CARRIER, &ntt("PRACK", "b", from, &tag, 2, &rack, ""));
        assert_eq!(desk.words(), ["200"]);

        // The 200 says the timer back, or they hang up 28 ms later.
        desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
        let ok = desk.sent().pop().unwrap();
        assert_eq!((ok.word(), ok.to_tag()), ("200", ringing.to_tag()), "one tag in 180 and 200");
        assert_eq!((ok.header("Session-Expires"), ok.header("Require")), ("300;refresher=uac", "timer"));
        assert_eq!(ok.header("Record-Route"), "<sip:192.0.2.71;lr>");
        assert!(ok.header("Allow").contains("UPDATE") && ok.header("Supported").contains("timer"), "{}", ok.text);
        desk.receive_from(CARRIER, &ntt("ACK", "c", from, &tag, 1, "", ""));
        assert_eq!(desk.events(), [Event::Acked { dialog }]);

        // They refresh, as they said.
        let refresh = "x: 300;refresher=uac\r\nk: timer\r\nm: <sip:192.0.2.70:5060>\r\n";
        desk.receive_from(CARRIER, &ntt("UPDATE", "d", from, &tag, 3, refresh, ""));
        let ok = desk.one();
        assert_eq!((ok.word(), ok.header("Session-Expires")), ("200", "300;refresher=uac"));
        desk.receive_from(CARRIER, &ntt("BYE", "e", from, &tag, 4, "", ""));
        assert_eq!(desk.events(), [Event::Bye { dialog }, Event::Ended { dialog }]);
        desk.wait(40_000);
        desk.assert_quiet();
    }
}
