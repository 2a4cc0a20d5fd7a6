//! Offers and answers as they go over the wire: what is said, and what it comes to.

use model::Codec;
use proptest::prelude::*;
use sdp::{Agreed, Capabilities, Direction, Refusal, accept, answer, offer, offer_of, parse};
use std::net::SocketAddr;

fn ours() -> Capabilities {
    Capabilities { addr: at("198.51.100.7:20000"), codecs: Codec::ALL.to_vec(), session: 4711, version: 1 }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A description of one line a row.
fn description(lines: &[&str]) -> sdp::Description {
    parse(lines.join("\r\n").as_bytes()).unwrap()
}

/// A phone that offers this audio and these attributes.
fn phone(audio: &str, attributes: &[&str]) -> sdp::Description {
    description(&[&["v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0", audio], attributes].concat())
}

fn text(bytes: &[u8]) -> Vec<&str> {
    std::str::from_utf8(bytes).unwrap().split_terminator("\r\n").collect()
}

#[test]
fn our_offer_reads_like_this() {
    assert_eq!(
        text(&offer(&ours())),
        [
            "v=0",
            "o=- 4711 1 IN IP4 198.51.100.7",
            "s=-",
            "c=IN IP4 198.51.100.7",
            "t=0 0",
            "m=audio 20000 RTP/AVP 0 8 101",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-15",
            "a=ptime:20",
            "a=sendrecv",
        ]
    );
}

/// RFC 3264 section 8.4.
#[test]
fn our_offer_may_go_one_way_and_says_so_in_its_last_line_alone() {
    let (both, held) = (offer(&ours()), offer_of(&ours(), Direction::SendOnly));
    let (both, held) = (text(&both), text(&held));
    assert_eq!((both.split_last().unwrap().1, held.last()), (held.split_last().unwrap().1, Some(&"a=sendonly")));
}

#[test]
fn our_answer_to_a_phone_with_everything_reads_like_this() {
    let theirs = description(&[
        "v=0",
        "o=softphone 9 9 IN IP4 192.0.2.9",
        "s=Everything",
        "c=IN IP4 192.0.2.9",
        "t=3034423619 3042462419",
        "m=video 5002 RTP/AVP 96 97",
        "a=rtpmap:96 H264/90000",
        "m=audio 4000 RTP/AVP 111 9 8 0 96",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:96 telephone-event/8000",
        "a=fmtp:96 0-16",
        "a=ptime:30",
        "m=audio 4002 RTP/AVP 0",
        "m=image 5004 udptl t38",
    ]);
    let answer = answer(&theirs, &ours()).unwrap();
    assert_eq!(
        text(&answer.sdp),
        [
            "v=0",
            "o=- 4711 1 IN IP4 198.51.100.7",
            "s=-",
            "c=IN IP4 198.51.100.7",
            "t=3034423619 3042462419",
            "m=video 0 RTP/AVP 96",
            "m=audio 20000 RTP/AVP 8 96",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:96 telephone-event/8000",
            "a=fmtp:96 0-15",
            "a=ptime:20",
            "a=sendrecv",
            "m=audio 0 RTP/AVP 0",
            "m=image 0 udptl t38",
        ]
    );
    let expected = Agreed {
        remote: at("192.0.2.9:4000"),
        remote_rtcp: at("192.0.2.9:4001"),
        written: None,
        also: None,
        codec: Codec::Pcma,
        payload_type: 8,
        events: Some(96),
        ptime_ms: 30,
        we_send: true,
        we_receive: true,
    };
    assert_eq!(answer.agreed, expected);
}

#[test]
fn an_answer_over_ipv6_says_so() {
    let here = Capabilities { addr: at("[2001:db8::7]:20000"), ..ours() };
    let theirs = description(&["v=0", "c=IN IP6 2001:db8::9", "m=audio 4000 RTP/AVP 0"]);
    let answer = answer(&theirs, &here).unwrap();
    assert!(text(&answer.sdp).contains(&"c=IN IP6 2001:db8::7"));
    assert_eq!(answer.agreed.remote, at("[2001:db8::9]:4000"));
}

#[test]
fn hold_is_understood_in_each_of_its_spellings() {
    for (direction, ours_is, we_send, we_receive) in [
        ("a=sendrecv", "a=sendrecv", true, true),
        ("a=sendonly", "a=recvonly", false, true),
        ("a=recvonly", "a=sendonly", true, false),
        ("a=inactive", "a=inactive", false, false),
    ] {
        let answer = answer(&phone("m=audio 4000 RTP/AVP 0", &[direction]), &ours()).unwrap();
        assert_eq!((answer.agreed.we_send, answer.agreed.we_receive), (we_send, we_receive), "{direction}");
        assert_eq!(text(&answer.sdp).last(), Some(&ours_is));
    }
    let session_level = description(&["v=0", "c=IN IP4 192.0.2.9", "a=sendonly", "m=audio 4000 RTP/AVP 0"]);
    assert!(!answer(&session_level, &ours()).unwrap().agreed.we_send);
    let old = description(&["v=0", "c=IN IP4 0.0.0.0", "m=audio 4000 RTP/AVP 0"]);
    let old = answer(&old, &ours()).unwrap();
    assert!(!old.agreed.we_send && old.agreed.we_receive);
    assert_eq!(text(&old.sdp).last(), Some(&"a=recvonly"));
}

#[test]
fn names_are_compared_without_regard_to_case_and_numbers_are_theirs() {
    let theirs = phone("m=audio 4000 RTP/AVP 97 98", &["a=rtpmap:97 pcmu/8000/1", "a=rtpmap:98 Telephone-Event/8000"]);
    let answer = answer(&theirs, &ours()).unwrap();
    assert_eq!((answer.agreed.codec, answer.agreed.payload_type, answer.agreed.events), (Codec::Pcmu, 97, Some(98)));
    assert!(text(&answer.sdp).contains(&"a=rtpmap:97 PCMU/8000"));
}

#[test]
fn a_number_that_is_mapped_to_something_else_is_not_the_static_codec() {
    let theirs = phone("m=audio 4000 RTP/AVP 0", &["a=rtpmap:0 PCMU/16000"]);
    assert_eq!(answer(&theirs, &ours()), Err(Refusal::NoCommonCodec));
    let stereo = phone("m=audio 4000 RTP/AVP 0", &["a=rtpmap:0 PCMU/8000/2"]);
    assert_eq!(answer(&stereo, &ours()), Err(Refusal::NoCommonCodec));
}

#[test]
fn keys_are_answered_only_when_offered_and_only_when_they_are_keys() {
    for (attributes, events) in [
        (&[][..], None),
        (&["a=rtpmap:101 telephone-event/8000"], Some(101)),
        (&["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-11,16"], Some(101)),
        (&["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-9,10,11"], Some(101)),
        (&["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 32-35"], None),
        (&["a=rtpmap:101 telephone-event/48000"], None),
    ] {
        let answer = answer(&phone("m=audio 4000 RTP/AVP 0 101", attributes), &ours()).unwrap();
        assert_eq!(answer.agreed.events, events, "{attributes:?}");
        assert_eq!(text(&answer.sdp).iter().any(|line| line.contains("telephone-event")), events.is_some());
    }
}

#[test]
fn the_media_own_address_and_rtcp_count_before_the_sessions() {
    let theirs =
        description(&["v=0", "c=IN IP4 192.0.2.9", "m=audio 4000 RTP/AVP 0", "c=IN IP4 192.0.2.10", "a=rtcp:5005 IN IP4 192.0.2.11"]);
    let agreed = answer(&theirs, &ours()).unwrap().agreed;
    assert_eq!((agreed.remote, agreed.remote_rtcp), (at("192.0.2.10:4000"), at("192.0.2.11:5005")));
    let port_only = phone("m=audio 4000 RTP/AVP 0", &["a=rtcp:5005"]);
    assert_eq!(answer(&port_only, &ours()).unwrap().agreed.remote_rtcp, at("192.0.2.9:5005"));
    let last = phone("m=audio 65535 RTP/AVP 0", &[]);
    assert_eq!(answer(&last, &ours()).unwrap().agreed.remote_rtcp.port(), 65_535, "there is no next port");
}

#[test]
fn what_cannot_be_used_is_refused_for_its_most_telling_reason() {
    let unusable = |theirs| matches!(answer(&theirs, &ours()), Err(Refusal::Unusable(_)));
    for address in ["224.2.1.1/127", "255.255.255.255", "phone.example.com", "::1"] {
        let theirs = description(&["v=0", &format!("c=IN IP4 {address}"), "m=audio 4000 RTP/AVP 0"]);
        assert!(unusable(theirs), "{address}");
    }
    assert_eq!(answer(&description(&["v=0", "c=IN IP4 198.51.100.7", "m=audio 20000 RTP/AVP 0"]), &ours()), Err(Refusal::Ours));
    assert!(unusable(description(&["v=0", "m=audio 4000 RTP/AVP 0"])), "no c= at all");
    assert!(unusable(phone("m=audio 4000 RTP/SAVP 0", &[])));
    assert!(unusable(phone("m=audio 4000 RTP/AVP 0", &["a=rtcp:5005 IN IP4 224.0.0.1"])));
    assert_eq!(answer(&phone("m=audio 4000 RTP/AVP 18 9", &[]), &ours()), Err(Refusal::NoCommonCodec));
    assert_eq!(answer(&phone("m=audio 0 RTP/AVP 0", &[]), &ours()), Err(Refusal::NoAudio));
    assert_eq!(answer(&phone("m=video 4000 RTP/AVP 96", &[]), &ours()), Err(Refusal::NoAudio));
    assert_eq!(answer(&description(&["v=0"]), &ours()), Err(Refusal::NoAudio));
}

#[test]
fn the_second_audio_is_taken_when_the_first_is_encrypted() {
    let theirs = phone("m=audio 4000 RTP/SAVP 0", &["a=crypto:1 x y", "m=audio 4002 RTP/AVP 0"]);
    let answer = answer(&theirs, &ours()).unwrap();
    assert_eq!(answer.agreed.remote.port(), 4002);
    assert!(text(&answer.sdp).contains(&"m=audio 0 RTP/SAVP 0"));
}

#[test]
fn their_answer_to_our_offer_decides() {
    let agreed = accept(&phone("m=audio 4000 RTP/AVP 8 101", &["a=rtpmap:101 telephone-event/8000"]), &ours()).unwrap();
    assert_eq!((agreed.codec, agreed.events, agreed.we_send, agreed.we_receive), (Codec::Pcma, Some(101), true, true));
    let listening = accept(&phone("m=audio 4000 RTP/AVP 0", &["a=recvonly"]), &ours()).unwrap();
    assert!(listening.we_send && !listening.we_receive);
    assert_eq!(accept(&phone("m=audio 0 RTP/AVP 0", &[]), &ours()), Err(Refusal::NoAudio));
    assert_eq!(accept(&phone("m=audio 4000 RTP/AVP 18", &[]), &ours()), Err(Refusal::NoCommonCodec));
    assert_eq!(accept(&description(&["v=0", "c=IN IP4 192.0.2.9"]), &ours()), Err(Refusal::NoAudio));
    let only_mu = Capabilities { codecs: vec![Codec::Pcmu], ..ours() };
    assert_eq!(accept(&phone("m=audio 4000 RTP/AVP 8", &[]), &only_mu), Err(Refusal::NoCommonCodec), "we did not offer that");
}

#[test]
fn a_phone_behind_a_nat_is_reached_where_its_sip_comes_from() {
    let inside = description(&["v=0", "c=IN IP4 192.168.1.20", "m=audio 4000 RTP/AVP 0"]);
    let agreed = answer(&inside, &ours()).unwrap().agreed;
    let outside = agreed.seen_from("203.0.113.5".parse().unwrap());
    assert_eq!((outside.remote, outside.remote_rtcp), (at("203.0.113.5:4000"), at("203.0.113.5:4001")));
    assert_eq!(outside.written, Some("192.168.1.20".parse().unwrap()));
    assert_eq!(agreed.seen_from("192.168.1.20".parse().unwrap()), agreed);
    // A carrier whose sound comes from a machine of its own in the same house, or a phone behind a router of the house: the sound will tell.
    let house = agreed.seen_from("10.0.0.2".parse().unwrap());
    assert_eq!((house.remote, house.also), (agreed.remote, Some("10.0.0.2".parse().unwrap())));
    assert_eq!((outside.also, agreed.also), (None, None));
    assert_eq!((agreed.written, house.written), (None, None));
    let public = answer(&phone("m=audio 4000 RTP/AVP 0", &[]), &ours()).unwrap().agreed;
    assert_eq!(public.seen_from("203.0.113.5".parse().unwrap()), public, "a trunk's media may be elsewhere than its SIP");
    let loopback = description(&["v=0", "c=IN IP4 127.0.0.1", "m=audio 9125 RTP/AVP 0"]);
    let agreed = answer(&loopback, &ours()).unwrap().agreed.seen_from("203.0.113.5".parse().unwrap());
    assert_eq!(agreed.remote, at("203.0.113.5:9125"), "nobody outside can aim us at our own services");
}

fn capabilities(host: u8, six: bool) -> impl Strategy<Value = Capabilities> {
    let codecs = prop_oneof![
        Just(vec![Codec::Pcmu]),
        Just(vec![Codec::Pcma]),
        Just(vec![Codec::Pcmu, Codec::Pcma]),
        Just(vec![Codec::Pcma, Codec::Pcmu]),
    ];
    (1u16.., codecs, any::<u64>(), any::<u64>()).prop_map(move |(port, codecs, session, version)| {
        let ip = if six { format!("[2001:db8::{host}]") } else { format!("192.0.2.{host}") };
        Capabilities { addr: at(&format!("{ip}:{port}")), codecs, session, version }
    })
}

proptest! {
    /// Whatever two of us can do: the answer to our offer is accepted, and both sides agree on one codec and each other's
    /// address; or there is no common codec, and both know.
    #[test]
    fn two_of_us_always_understand_each_other((caller, callee) in any::<bool>().prop_flat_map(|six| (capabilities(1, six), capabilities(2, six)))) {
        let offered = parse(&offer(&caller)).unwrap();
        let common = caller.codecs.iter().find(|codec| callee.codecs.contains(codec)).copied();
        match answer(&offered, &callee) {
            Err(why) => prop_assert!(why == Refusal::NoCommonCodec && common.is_none()),
            Ok(answered) => {
                let accepted = accept(&parse(&answered.sdp).unwrap(), &caller).unwrap();
                prop_assert_eq!(Some(accepted.codec), common);
                prop_assert_eq!(
                    (accepted.codec, accepted.payload_type, accepted.events, accepted.ptime_ms),
                    (answered.agreed.codec, answered.agreed.payload_type, answered.agreed.events, answered.agreed.ptime_ms)
                );
                prop_assert_eq!((accepted.remote, answered.agreed.remote), (callee.addr, caller.addr));
                prop_assert!(accepted.we_send && accepted.we_receive && answered.agreed.we_send && answered.agreed.we_receive);
            }
        }
    }

    /// Whatever can be read and answered: the answer can be read, has as many media, and refuses all but one.
    #[test]
    fn every_answer_mirrors_its_offer(
        media in proptest::collection::vec(("(audio|video|AUDIO)", any::<u16>(), "(RTP/AVP|rtp/avp|RTP/SAVP|udptl)", proptest::collection::vec(0u8..130, 1..6)), 1..8),
        direction in "(a=sendrecv|a=sendonly|a=recvonly|a=inactive|b=x)",
    ) {
        let mut offered = format!("v=0\r\nc=IN IP4 192.0.2.9\r\n{direction}\r\n");
        for (kind, port, transport, formats) in &media {
            let formats: Vec<_> = formats.iter().map(u8::to_string).collect();
            offered.push_str(&format!("m={kind} {port} {transport} {}\r\na=rtpmap:96 telephone-event/8000\r\n", formats.join(" ")));
        }
        let offered = parse(offered.as_bytes()).unwrap();
        if let Ok(answered) = answer(&offered, &ours()) {
            let read = parse(&answered.sdp).unwrap();
            prop_assert_eq!(read.media.len(), offered.media.len());
            for (ours, theirs) in read.media.iter().zip(&offered.media) {
                prop_assert_eq!((&ours.kind, &ours.transport.to_lowercase()), (&theirs.kind, &theirs.transport.to_lowercase()));
            }
            prop_assert_eq!(read.media.iter().filter(|m| m.port != 0).count(), 1);
        }
    }
}
