//! What the network says of who calls and whom, beside From and the Request-URI.

use crate::common::*;
use sip::{Claims, Command, Event, as_kept};

/// An INVITE with more header lines; From is replaced if one is among them.
fn claims_of(lines: &str) -> Claims {
    let mut desk = Desk::new();
    let text = invite("1");
    let text = match lines.split("\r\n").find(|line| line.starts_with("From:") || line.starts_with("f:")) {
        Some(_) => text.split("\r\n").filter(|line| !line.starts_with("From:")).collect::<Vec<_>>().join("\r\n"),
        None => text,
    };
    desk.receive(&text.replacen("CSeq:", &format!("{lines}CSeq:"), 1));
    match desk.events().remove(0) {
        Event::Invite { claims, .. } => *claims,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_carrier_names_the_caller_as_a_sip_or_a_tel_address() {
    for (line, asserted) in [
        ("P-Asserted-Identity: <tel:+81440000099>\r\n", &["+81440000099"][..]),
        ("p-asserted-identity: \"x, y\" <sip:0440000099;cpc=payphone@carrier.example;user=phone>\r\n", &["0440000099"]),
        ("P-Asserted-Identity: <sip:0440000099@c>, <tel:+81-44-000-0099;phone-context=x>\r\n", &["0440000099", "+81-44-000-0099"]),
        ("P-Asserted-Identity: <sip:0440000099@c>\r\nP-Asserted-Identity: tel:0440000099\r\n", &["0440000099", "0440000099"]),
        // More than the standard allows, and what is no telephone.
        ("P-Asserted-Identity: <sip:1@c>, <sip:2@c>, <sip:3@c>\r\n", &["1", "2"]),
        ("P-Asserted-Identity: <mailto:a@b>\r\nP-Asserted-Identity: <<<\r\nP-Asserted-Identity: <sip:c>\r\n", &[]),
    ] {
        assert_eq!(claims_of(line).asserted, asserted, "{line}");
    }
}

#[test]
fn a_wish_to_stay_unnamed_is_heard_however_it_is_written() {
    for (value, private, public) in [
        ("id", true, false),
        ("user;id", true, false),
        ("header", true, false),
        ("ID ; critical", true, false),
        ("none", false, true),
        ("none;id", true, false),
        ("session", false, false),
        ("history", false, false),
        ("critical", false, false),
        // What we do not know, or quoted against the grammar, could be one of these.
        ("idle", true, false),
        ("\"id\"", true, false),
    ] {
        let claims = claims_of(&format!("Privacy: {value}\r\n"));
        assert_eq!((claims.private, claims.public), (private, public), "{value}");
    }
    for (line, private) in [
        ("Remote-Party-ID: <sip:0449999999@c>;party=calling;privacy=full", true),
        ("remote-party-id: <sip:0449999999@c>;privacy=\"Full\";screen=yes", true),
        ("Remote-Party-ID: <sip:0449999999@c>;party=called;privacy=full", false),
        ("Remote-Party-ID: <sip:0449999999@c>;privacy=off", false),
        ("Remote-Party-ID: <sip:0449999999@c>", false),
        ("Remote-Party-ID: <sip:0449999999@c>;party=calling;privacy", true),
        ("RPID-Privacy: full", true),
        ("RPID-Privacy: party=calling;privacy=full", true),
        ("RPID-Privacy: off", false),
        ("RPID-Privacy: party=calling;privacy=off", false),
        ("Privacy: \"none\"", false),
    ] {
        assert_eq!(claims_of(&format!("{line}\r\n")).private, private, "{line}");
    }
    let unnamed = claims_of("From: \"Anonymous\" <sip:anonymous@Anonymous.invalid>;tag=f1\r\n");
    assert_eq!(unnamed.from_host, "anonymous.invalid");
}

#[test]
fn the_number_that_was_called_first_comes_first() {
    let diverted =
        "Diversion: <tel:+81440000002>;reason=unconditional\r\nDiversion: \"ward\" <sip:0440000001@c>;reason=no-answer;counter=1\r\n";
    assert_eq!(claims_of(diverted).called_before, ["0440000001", "+81440000002"]);
    let history = "History-Info: <sip:0440000002@c?Reason=SIP%3Bcause%3D302>;index=1.1,<sip:0440000001@c>;index=1\r\n\
                   History-Info: <sip:0440000003@c>;index=1.10, <sip:0440000004@c>;index=1.2\r\n";
    assert_eq!(claims_of(history).called_before, ["0440000001", "0440000002", "0440000004", "0440000003"]);
    // Who asks not to be told of is not told of.
    for name in ["Privacy=history", "%50rivacy=history", "Reason=SIP&privacy=%68istory"] {
        assert_eq!(claims_of(&format!("History-Info: <sip:0440000001@c?{name}>;index=1\r\n")).called_before, [""; 0], "{name}");
    }
    assert_eq!(claims_of("History-Info: <sip:0440000001@c?Privacy=none>;index=1\r\n").called_before, ["0440000001"]);
    assert_eq!(claims_of(&format!("Privacy: history\r\n{diverted}")).called_before, [""; 0]);
    // A circle is not followed for ever.
    assert_eq!(claims_of(&format!("Diversion: {}\r\n", vec!["<sip:1@c>"; 50].join(","))).called_before.len(), 8);
}

#[test]
fn what_was_dialled_may_stand_elsewhere_than_in_the_request_uri() {
    let claims = claims_of("P-Called-Party-ID: <sip:0440000077;npdi@c>\r\n");
    assert_eq!((claims.called_party.as_deref(), claims.to.as_str()), (Some("0440000077"), "0440000001"));
    assert_eq!(claims_of("P-Called-Party-ID: <>\r\n").called_party, None);
}

/// Header lines, of which each one or none is in a message: plain and odd, telling and not.
const TELLING: [&[&str]; 5] = [
    &["From: <sip:0449999999@c>;tag=1\r\n", "f:\"x\" <tel:0449999999>\r\n", "From: <sip:192.0.2.9>\r\n", "From: \"非通知\" <sip:1@c>\r\n"],
    &["FROM : <sip:Anonymous@c>\r\n", "From: <sip:1@c>\r\n ;x=restricted\r\n", "From: <sip:0449999999@c>;p\trivacy=full\r\n"],
    &["Privacy: none\r\n", "Privacy: id\r\n", "PRIVACY : \"none\"\r\n", "Privacy:\r\n\tid\r\n", "P rivacy: id\r\n"],
    &[
        "Diversion: <sip:1@c>;Privacy=off\r\n",
        "Diversion: <sip:1@c>; pri vacy = full\r\n",
        "X: p\r\nrivacy=full\r\n",
        "History-Info: <sip:1@c?Privacy=x>\r\n",
    ],
    &["Fr: a\r\n", "From\r\n", "Subject: from: anonymous\r\n", "\r\nPrivacy: id\r\n", "X: a\nPrivacy: id\r\n", "X: a\rPrivacy: id\r\n"],
];

#[test]
fn a_message_that_is_written_plainly_is_read_as_with_care() {
    let rows = TELLING.map(|lines| lines.len() + 1);
    let (mut unnamed, mut all) = (0, 0);
    for mut of in 0..rows.iter().product::<usize>() {
        let mut lines = String::new();
        for (choices, row) in TELLING.iter().zip(rows) {
            lines += choices.get(of % row).copied().unwrap_or_default();
            of /= row;
        }
        for start in ["INVITE sip:1@x SIP/2.0\r\n", "\r\nINVITE sip:1@x SIP/2.0\r\n"] {
            let plain = format!("{start}{lines}CSeq: 1 INVITE\r\n\r\nprivacy=full");
            // An escape that stands for nothing, where it changes nothing.
            let odd = format!("{start}X-Odd: %zz\r\n{lines}CSeq: 1 INVITE\r\n\r\nprivacy=full");
            assert_eq!(sip::is_unnamed(plain.as_bytes()), sip::is_unnamed(odd.as_bytes()), "{plain:?}");
            unnamed += usize::from(sip::is_unnamed(plain.as_bytes()));
            all += 1;
        }
    }
    assert!(unnamed > all / 4 && unnamed < all, "{unnamed} of {all}");
}

/// The trace asks this of the whole line, the records of name and user.
#[test]
fn a_word_for_nobody_is_one_however_it_is_written() {
    for nobody in [
        "Anonymous",
        "ANONYMOUS caller",
        "An\\ony\\mous",
        "%41nonymous",
        "%E9%9D%9E%E9%80%9A%E7%9F%A5",
        "Interaction  with\u{b}other\tservice",
        "Ａｎｏｎｙｍｏｕｓ",
        "Anon\u{200b}ymous é",
        "Anony\u{b}mous",
        "Anony\u{ad}mous",
        "非\u{fe00}通知",
        "Anony\u{2062}mous",
        "Anony\u{202e}mous",
        "非通知",
        "非　通知",
        "非\\通知電話",
    ] {
        assert!(sip::is_nobody(nobody), "{nobody:?}");
        assert!(
            sip::is_unnamed(format!("INVITE sip:1@x SIP/2.0\r\nFrom: \"{nobody}\" <sip:0449999999@c>;tag=1\r\n\r\n").as_bytes()),
            "{nobody:?}"
        );
    }
    for somebody in ["", "Hanako Yamada", "山田 花子", "Ann", "0449999999", "100% Yamada", "通知センター"] {
        assert!(!sip::is_nobody(somebody), "{somebody:?}");
    }
}

#[test]
fn a_wish_behind_a_line_that_is_broken_in_an_odd_way_is_one() {
    for odd in ["X-A: a\r\r\n", "X-A: a\r\rb\r\n", "\rX-A: a\r\n", "\r\r\nX-A: a\r\n"] {
        for wish in ["From: \"Anonymous\" <sip:0449999999@c>;tag=1\r\n", "From: <sip:0449999999@c>;tag=1\r\nPrivacy:\r\n id\r\n"] {
            let message = format!("INFO sip:1@x SIP/2.0\r\n{odd}{wish}CSeq: 1 INFO\r\n\r\n");
            assert!(sip::is_unnamed(message.as_bytes()), "{message:?}");
        }
    }
}

#[test]
fn what_is_kept_of_a_message_does_not_name_who_wants_to_stay_unnamed() {
    let message = |lines: &str| {
        format!(
            "INVITE sip:0440000000@x SIP/2.0\r\n{lines}CSeq: 1 INVITE\r\n\r\nv=0\r\no=0449999999 1 1 IN IP4 c\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=x-line:0449999999\r\n"
        )
    };
    let named = message("From: <sip:0449999999@c>;tag=1\r\nP-Asserted-Identity: <tel:0449999999>\r\nPrivacy: none\r\n");
    assert!(!sip::is_unnamed(named.as_bytes()));
    for unnamed in [
        "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1\r\nP-Asserted-Identity: \"Sato\"\r\n <tel:0449999999>\r\n",
        "f: <sip:anonymous@carrier.example>;tag=1\r\nm: <sip:0449999999@c>\r\nremote-party-id: <sip:0449999999@c>\r\n",
        "From: \"公衆電話\" <sip:x@c>;tag=1\r\nP-Charge-Info: <sip:+81449999999@c>\r\nX-Line: 044-999-9999\r\n",
        "Privacy: user;id\r\nFrom: <sip:0449999999@c>;tag=1\r\nContact: <sip:0449999999@c>\r\nHistory-Info: <sip:0449999999@c>;index=1\r\n",
        "Privacy:\r\n id\r\nFrom: \"0449999999\" <sip:0449999999@c>;tag=1\r\nUser-Agent: PBX of 044 999 9999\r\nCall-ID: 0449999999-1@c\r\n",
        "PRIVACY: header\r\nFrom: <sip:0449999999@c>\r\nIdentity: c2lwOjA0NDk5OTk5OTlAYw==\r\nReferred-By: <sip:0449999999@c>\r\nTo: <sip:0449999999@c>\r\n",
        "Privacy: \"id\"\r\nFrom: <sip:0449999999@c>;tag=1\r\n",
        "Privacy: anything\r\nFrom: <sip:0449999999@c>;tag=1\r\n",
        "From: <sip:a@c>;tag=1\r\nDiversion: <sip:0449999999@c>;reason=no-answer;privacy=full\r\n",
        "From: <sip:a@c>;tag=1\r\nHistory-Info: <sip:0449999999@c?Privacy=history>;index=1\r\n",
        "From: <sip:a@c>;tag=1\r\nDiversion: <tel:0449999999> ; privacy = full\r\n",
        "From: <sip:a@c>;tag=1\r\nHistory-Info: <sip:0449999999@c?%50rivacy=history>;index=1\r\n",
        "Privacy: id\r\nFrom: <sip:0449999999@c>\r\nSession-ID: 04499999990000000000000000000000\r\n",
        "From: <sip:a@c>;tag=1\r\nRemote-Party-ID: <sip:0449999999@c>;Privacy=\"full\";party=calling\r\n",
    ] {
        assert!(sip::is_unnamed(message(unnamed).as_bytes()), "{unnamed}");
        let kept = as_kept(message(unnamed).as_bytes(), false);
        assert!(!kept.contains("9999") && !kept.contains("999 9") && !kept.contains("OTk5") && kept.contains(": (withheld)"), "{kept}");
        assert!(kept.starts_with("INVITE sip:0440000000@x SIP/2.0\r\n"), "{kept}");
        assert!(
            kept.ends_with(
                "CSeq: 1 INVITE\r\n\r\nv=0\r\no=(withheld)\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=(withheld)\r\n"
            ),
            "{kept}"
        );
    }
    // A Via keeps the machines, and nothing that a house has made of its caller's number.
    let via = |line: &str| {
        as_kept(format!("INVITE sip:0440000000@x SIP/2.0\r\n{line}\r\n\r\n").as_bytes(), false).split("\r\n").nth(1).unwrap().to_owned()
    };
    for (line, kept) in [
        (
            "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport=5062;received=192.0.2.9",
            "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport=5062;received=192.0.2.9",
        ),
        ("v:SIP/2.0/TCP [2001:db8::1];branch=z9hG4bK-0449999999-1;rport", "v: SIP/2.0/TCP [2001:db8::1];(withheld);rport"),
        (
            "Via: SIP/2.0/UDP a;x-from=0449999999, SIP/2.0/UDP 0449999999.example;received=0449999999",
            "Via: SIP/2.0/UDP a;(withheld), SIP/2.0/UDP (withheld);(withheld)",
        ),
    ] {
        assert_eq!(via(line).replace(",  ", ", "), kept);
    }
    for withheld in ["090-8765-4321.house.example", "h090.8765.4321:5060", "09087654321"] {
        assert_eq!(via(&format!("Via: SIP/2.0/UDP {withheld};rport")), "Via: SIP/2.0/UDP (withheld);rport", "{withheld}");
    }
    assert_eq!(
        via("Via: SIP/2.0/UDP 192.168.100.200:5060;branch=z9hG4bK090_8765_4321"),
        "Via: SIP/2.0/UDP 192.168.100.200:5060;(withheld)"
    );
    for line in
        ["User-Agent: ０９０８７６５４３２１", "Server: 〇九〇八七六五四三二一", "MIME-Version: 090/8765/4321", "Supported: n090_8765_4321"]
    {
        assert_eq!(via(line), format!("{}: (withheld)", line.split(':').next().unwrap()), "{line}");
    }
    let first = |line: &str| as_kept(format!("{line}\r\n\r\n").as_bytes(), false).split("\r\n").next().unwrap().to_owned();
    assert_eq!(first("INVITE sip:0440000000@x;from=09087654321 SIP/2.0"), "INVITE sip:0440000000@x;(withheld) SIP/2.0");
    assert_eq!(first("INVITE sip:0440000000@x:5060 SIP/2.0"), "INVITE sip:0440000000@x:5060 SIP/2.0");
    assert_eq!(first("SIP/2.0 200 OK"), "SIP/2.0 200 OK");
    assert_eq!(first("SIP/2.0 404 no 090-8765-4321"), "SIP/2.0 404 (withheld)");
    let sdp = |line: &str| {
        as_kept(format!("INVITE sip:1@x SIP/2.0\r\n\r\nv=0\r\n{line}\r\n").as_bytes(), false).split("\r\n").nth(3).unwrap().to_owned()
    };
    for line in [
        "b=AS:0908765",
        "k=clear:09087654321",
        "r=09087654321 1 0",
        "a=mid:090_8765_4321",
        "a=ptime:090-8765-4321",
        "c=IN IP4 0908765",
        "t=0908765 0",
    ] {
        assert_eq!(sdp(line), format!("{}=(withheld)", &line[..1]), "{line}");
    }
    for line in [
        "b=AS:64",
        "c=IN IP4 192.168.100.200",
        "c=IN IP6 2001:db8::1",
        "t=0 0",
        "m=audio 14892 RTP/AVP 0 8 18 101 96 97",
        "a=fmtp:101 0-16,66,70",
        "a=rtpmap:101 telephone-event/8000",
        "a=ptime:20",
        "a=sendrecv",
        "a=mid:audio",
    ] {
        assert_eq!(sdp(line), line);
    }
    // Figures however strewn, in what is kept on sight; a comma makes no hop.
    for line in [
        "Server: 090|8765|4321",
        "Server: [090][8765][4321]",
        "Server: tel090num8765end4321",
        "Server: 090\u{ff0c}8765",
        "User-Agent: 0\u{200b}9",
        "RSeq: 0908765",
        "Via: SIP/2.0/UDP 0908,765,4321",
        "CSeq: 0312345678 INVITE",
        "CSeq: 2 N090-8765",
    ] {
        assert_eq!(via(line), format!("{}: (withheld)", line.split(':').next().unwrap()), "{line}");
    }
    assert_eq!(via("CSeq: 102 INVITE"), "CSeq: 102 INVITE");
    assert_eq!(via("Via: SIP/2.0/UDP 192.0.2.1;rport=09087;ttl=6543"), "Via: SIP/2.0/UDP 192.0.2.1;(withheld);(withheld)");
    assert_eq!(first("N09087654321 sip:a@x SIP/2.0"), "(withheld) (withheld) SIP/2.0");
    assert_eq!(first("INVITE sip:0440000000@09087654321.example SIP/2.0"), "INVITE sip:0440000000@(withheld);(withheld) SIP/2.0");
    assert_eq!(first("\r\n\r\nINVITE sip:1@x SIP/2.0"), "INVITE sip:1@x SIP/2.0", "section 7.5");
    assert!(as_kept(b"INVITE sip:09087654321@192.0.2.9 SIP/2.0\r\n\r\n", true).starts_with("INVITE (withheld) SIP/2.0"), "to whom we know");
    for unnamed in [
        "\r\nINVITE sip:1@x SIP/2.0\r\nPrivacy: id\r\n\r\n",
        "INVITE sip:1@x SIP/2.0\r\nFrom: <sip:192.0.2.9>;tag=1\r\n\r\n",
        "INVITE sip:1@x SIP/2.0\r\nFrom: <sip:;cpc=ordinary@192.0.2.9>;tag=1\r\n\r\n",
        "INVITE sip:1@x SIP/2.0\r\nFrom: <sip:anon%79mous@192.0.2.9>;tag=1\r\n\r\n",
        "INVITE sip:1@x SIP/2.0\r\nFrom: \"An\\onymous\" <sip:1@192.0.2.9>;tag=1\r\n\r\n",
        "INVITE sip:1@x SIP/2.0\r\nFrom: \"Interaction  with  other service\" <sip:1@192.0.2.9>;tag=1\r\n\r\n",
        "INVITE sip:1@x SIP/2.0\r\nFrom: <sip:1@192.0.2.9>;tag=1\r\nDiversion: <sip:1@c>;privacy=offered-no\r\n\r\n",
    ] {
        assert!(sip::is_unnamed(unnamed.as_bytes()), "{unnamed}");
    }
    assert!(!sip::is_unnamed(b"INVITE sip:1@x SIP/2.0\r\nFrom: <tel:0449999999>;tag=1\r\n\r\n"));
    // In Shift-JIS.
    assert!(sip::is_unnamed(b"INVITE sip:1@x SIP/2.0\r\nFrom: \"\x94\xf1\x92\xca\x92m\" <sip:0449999999@c>;tag=1\r\n\r\n"));
    for line in [
        "c=IN IP4 09087654321 192.0.2.1",
        "a=rtcp:40001 IN IP4 09087654321 192.0.2.1",
        "a=rtpmap:99 09087/65432/1",
        "a=rtpmap:98 X/90/8765/4321",
        "a=fmtp:101 0-9-0-8-7-6-5-4-3-2-1",
        "a=fmtp:101 0-90-87-65-43-21",
        "a=fmtp:99 t=090;x=8765;y=4321",
        "a=mid:九〇",
    ] {
        assert_eq!(sdp(line), format!("{}=(withheld)", &line[..1]), "{line}");
    }
    assert_eq!(sdp("9=0"), "(withheld)");
    let all = |head: &str| as_kept(format!("INVITE {head}\r\n\r\n").as_bytes(), false);
    for head in [
        "sip:1@x SIP/2.0\nX-A: 09087654321\nP-Asserted-Identity: <tel:09087654321>",
        "sip:1@x SIP/2.0\r\nUser-Agent: %30%39%30%38%37%36%35%34%33%32%31",
        "sip:1@x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK%30%39%30%38%37%36%35%34%33%32%31",
        "sip:0440000000:09087654321@x SIP/2.0",
        "sip:0440000000%3Bcpn=09087654321@x SIP/2.0",
        "sip:0440000000;phone-context=09087654321@x SIP/2.0",
        "sip:1@x SIP/2.0\r\nServer: ٠٩٠٨٧٦٥٤٣٢١",
        "sip:1@x SIP/2.0\r\nServer: ⓪⑨⓪⑧⑦⑥⑤④③②①",
        "sip:1@x SIP/2.0\r\nServer: 090,8765,4321",
        "sip:1@x SIP/2.0\r\nServer: 090:8765:4321",
        "sip:1@x SIP/2.0\r\nServer: 090*8765*4321",
        "sip:1@x SIP/2.0\r\nDate: 090\u{a0}8765・4321",
        "sip:1@x SIP/2.0\r\nX-09087654321: a",
        // Inside a call the address is the caller's.
        "sip:09087654321@192.0.2.9 SIP/2.0\r\nTo: <sip:a@x>;tag=1",
    ] {
        let kept = all(head);
        let named = ["09087654321", "8765", "%30%39", "٠٩", "⓪⑨"].iter().any(|trace| kept.contains(trace));
        assert!(!named, "{head}: {kept}");
    }
    for line in [
        "b=X:090 8765 4321",
        "a=fmtp:101 090 8765 4321",
        "a=fmtp:101 090-8765-4321",
        "a=setup:090~8765~4321",
        "m=audio 0 RTP/AVP 090 8765 4321",
    ] {
        assert_eq!(sdp(line), format!("{}=(withheld)", &line[..1]), "{line}");
    }
    for line in ["a=rtpmap:18 G729/8000", "a=rtpmap:2 G726-32/8000", "a=rtpmap:96 opus/48000/2", "a=rtcp:40001 IN IP4 192.168.100.150"] {
        assert_eq!(sdp(line), line);
    }
    // What follows in that call names them too: in To where we speak, and in the address that we speak to.
    let bye = "BYE sip:0449999999@c SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:0440000000@x>;tag=2\r\nTo: <sip:0449999999@c>;tag=1\r\n\r\n";
    assert_eq!(
        as_kept(bye.as_bytes(), false),
        "BYE (withheld) SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: (withheld)\r\nTo: (withheld)\r\n\r\n"
    );
}

/// Our messages to whoever was shown a name show it no more.
#[test]
fn who_is_unnamed_from_here_on_is_not_shown_again() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling_answered();
    desk.sent();
    let from = invite.header("From").to_owned();
    assert!(from.starts_with("\"川崎 \\\"Ward\\\"\" <sip:0440000001@192.0.2.1:5060>;tag="), "{from}");
    desk.endpoint.unname(dialog);
    desk.command(Command::Bye { dialog });
    let bare = from[from.find('<').unwrap()..].to_owned();
    assert_eq!(desk.one().header("From"), bare, "address and tag are the dialog's");
    // While it rings: what follows the answer shows nobody, and so does PRACK; a CANCEL repeats the From of its INVITE (RFC 3261 section 9.1).
    for answered in [true, false] {
        let mut desk = Desk::new();
        let (dialog, invite) = desk.calling();
        desk.receive_from(PHONE, &response(&invite, 180, "p1", ""));
        desk.endpoint.unname(dialog);
        desk.endpoint.unname(dialog);
        let bare = |sent: &Sent| !sent.header("From").contains("Ward") && sent.header("From").starts_with('<');
        desk.receive_from(PHONE, &response(&invite, 180, "p1", "").replace("Contact", "Require: 100rel\r\nRSeq: 1\r\nContact"));
        assert!(desk.sent().iter().all(bare), "PRACK");
        if answered {
            desk.receive_from(PHONE, &response(&invite, 200, "p1", OFFER));
            desk.command(Command::Bye { dialog });
            let sent = desk.sent();
            assert_eq!(sent.iter().map(|sent| (sent.word(), bare(sent))).collect::<Vec<_>>(), [("ACK", true), ("BYE", true)]);
        } else {
            desk.command(Command::Cancel { dialog, reason: None });
            assert_eq!(desk.one().header("From"), invite.header("From"));
            desk.receive_from(PHONE, &response(&invite, 487, "p1", ""));
            assert_eq!(desk.one().header("From"), invite.header("From"), "the ACK of a refusal, too (section 17.1.1.3)");
        }
    }
    // One that goes out once more is another INVITE, and so are its CANCEL and its ACK.
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.endpoint.unname(dialog);
    desk.receive_from(PHONE, &response(&invite, 422, "p1", "").replace("Contact", "Min-SE: 3600\r\nContact"));
    let sent = desk.sent();
    assert_eq!((sent[0].word(), sent[0].header("From")), ("ACK", invite.header("From")));
    assert_eq!(
        (sent[1].word(), sent[1].header("Session-Expires"), sent[1].header("From")),
        ("INVITE", "3600", &invite.header("From")[invite.header("From").find('<').unwrap()..])
    );
    desk.receive_from(PHONE, &response(&sent[1], 180, "p1", ""));
    desk.command(Command::Cancel { dialog, reason: None });
    assert_eq!(desk.one().header("From"), sent[1].header("From"));
}

/// Whoever asks for it in the middle of a call is heard, by whichever request, and from the peer only.
#[test]
fn a_wish_to_stay_unnamed_may_come_at_any_time() {
    let asks = |events: Vec<Event>| events.iter().filter(|event| matches!(event, Event::AsksForPrivacy { .. })).count();
    let private = |text: String| text.replacen("CSeq:", "Privacy: id\r\nCSeq:", 1);
    for method in ["INFO", "UPDATE", "INVITE", "OPTIONS", "PRACK", "BYE", "NONSENSE"] {
        let mut desk = Desk::new();
        let (_, tag) = desk.talking();
        desk.events();
        desk.receive(&inside("OPTIONS", "plain", 8, &tag));
        assert_eq!(asks(desk.events()), 0);
        let text = if method == "INVITE" { reinvite("x", 9, &tag) } else { inside(method, "x", 9, &tag) };
        desk.receive_from("198.51.100.7:5060", &private(text.clone()));
        assert_eq!(asks(desk.events()), 0, "{method} of somebody else");
        desk.receive(&private(text));
        assert_eq!(asks(desk.events()), 1, "{method}");
    }
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.events();
    // The number of a request that came late, and its Require, change nothing.
    desk.receive(&private(inside("INFO", "late", 1, &tag)).replacen("CSeq:", "Require: nothing\r\nCSeq:", 1));
    assert_eq!(desk.events(), [Event::AsksForPrivacy { dialog }]);
    // RFC 4916: From may be another one.
    let from =
        |from: &str, n: u32| inside("OPTIONS", &format!("f{n}"), n, &tag).replacen("\"Yamada\" <sip:0449999999@192.0.2.50>", from, 1);
    for (n, (text, expected)) in [
        ("<sip:anonymous@anonymous.invalid>", 1),
        ("\"Anonymous\" <sip:0449999999@192.0.2.50>", 1),
        ("<sip:x@anonymous.invalid.>", 1),
        ("<sip:192.0.2.50>", 1),
        ("\"Sato\" <sip:0449999998@192.0.2.50>", 0),
    ]
    .into_iter()
    .enumerate()
    {
        desk.receive(&from(text, 20 + u32::try_from(n).unwrap()));
        assert_eq!(asks(desk.events()), expected, "{text}");
    }
    // By the ACK of our 200, and by a CANCEL.
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.command(sip::Command::Accept { dialog, sdp: bytes::Bytes::from(ANSWER) });
    let tag = desk.sent().pop().unwrap().to_tag();
    desk.receive(&private(inside("ACK", "a", 1, &tag)));
    assert_eq!(desk.events(), [Event::AsksForPrivacy { dialog }, Event::Acked { dialog }]);
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.receive(&private(request("CANCEL", "sip:0440000001@192.0.2.1", "1", "sip:0440000001@192.0.2.1", 1, "", "")));
    assert_eq!(asks(desk.events()), 1, "{dialog:?}");
    // Nearly every CANCEL comes too late.
    let mut desk = Desk::new();
    desk.talking();
    desk.events();
    desk.receive(&private(request("CANCEL", "sip:0440000001@192.0.2.1", "1", "sip:0440000001@192.0.2.1", 1, "", "")));
    assert_eq!(asks(desk.events()), 1);
    // Whom we ask may answer with it, or be called.
    let mut desk = Desk::new();
    let (dialog, _) = desk.talking();
    desk.events();
    desk.sent();
    desk.command(sip::Command::Probe { dialog });
    let options = desk.one();
    desk.receive(&private(response(&options, 200, "", "")));
    assert_eq!(asks(desk.events()), 1);
    let mut desk = Desk::new();
    let (_, called) = desk.calling();
    desk.receive_from(PHONE, &private(response(&called, 200, "p1", OFFER)));
    assert_eq!(asks(desk.events()), 1);
    // In a branch of a fork that was not heard last.
    let mut desk = Desk::new();
    let (_, called) = desk.calling();
    for tag in ["p1", "p2"] {
        desk.receive_from(PHONE, &response(&called, 180, tag, ""));
    }
    desk.events();
    desk.receive_from(PHONE, &private(phone_inside(&called, "INFO", "b1", 2, "p1")));
    assert_eq!(asks(desk.events()), 1);
    // Who has been nobody from the start, and is named all the same, has said nothing new.
    for nobody in ["\"Anonymous\" <sip:anonymous@anonymous.invalid>", "\"Anonymous\" <sip:0449999999@192.0.2.50>", "<sip:192.0.2.50>"] {
        let nobody = |text: String| text.replacen("\"Yamada\" <sip:0449999999@192.0.2.50>", nobody, 1);
        let mut desk = Desk::new();
        desk.receive(&nobody(invite("1")));
        let [Event::Invite { dialog, .. }] = desk.events()[..] else { panic!() };
        desk.command(sip::Command::Accept { dialog, sdp: bytes::Bytes::from(ANSWER) });
        let tag = desk.sent().pop().unwrap().to_tag();
        desk.receive(&nobody(inside("ACK", "a", 1, &tag)));
        assert_eq!(desk.events(), [Event::Acked { dialog }]);
    }
}
