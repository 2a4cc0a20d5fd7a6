//! Whatever is sent at a leg, nothing breaks and nothing grows.

use crate::desk::{Desk, address};
use media::{Channel, Command, Event, Far, OnKey};
use model::{Codec, LegId, MixId, PlayId, RecordId};
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn a_flood_is_not_passed_on() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcmu));
    desk.join(&[&a, &b], 1);
    for _ in 0..50 {
        for _ in 0..1000 {
            let packet = a.silence();
            desk.hears(a.leg, a.at, &packet);
        }
        desk.tick();
    }
    assert!(desk.taken(&b).len() <= 200 + 50 * 5);
}

#[test]
fn two_phones_whose_descriptions_point_at_our_own_ports_make_no_loop() {
    let mut desk = Desk::new();
    let (mut a, mut b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcmu));
    let locals = [(a.leg, address(1, 20_002)), (b.leg, address(1, 20_004))];
    (a.at, b.at) = (locals[1].1, locals[0].1);
    for phone in [&a, &b] {
        desk.command(phone.leg, Command::Connect(phone.far()));
    }
    desk.join(&[&a, &b], 1);
    let mut sent = 0;
    for _ in 0..100 {
        desk.tick();
        // What leaves one leg's socket arrives at the other's, and so on for as long as anything moves.
        for _ in 0..20 {
            for packet in std::mem::take(&mut desk.out.sent) {
                sent += 1;
                let from = locals.iter().find(|(leg, _)| *leg == packet.leg).unwrap().1;
                let to = locals.iter().find(|(_, local)| *local == packet.to);
                if let Some((leg, _)) = to {
                    desk.hears(*leg, from, &packet.packet);
                }
            }
        }
    }
    assert!(sent <= 210, "{sent} packets: silence from each, and reports");
}

#[test]
fn a_flood_of_keys_does_not_fill_the_memory() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    for _ in 0..10_000 {
        for packet in caller.press('1', Duration::from_millis(20)) {
            desk.hears(caller.leg, caller.at, &packet);
        }
    }
    desk.play(caller.leg, 1, vec![], OnKey::Cut, false);
    let events = desk.events();
    assert_eq!(events.len(), 4097);
    assert!(matches!(events.last(), Some((_, Event::Played { .. }))), "answers to commands are never dropped");
}

/// A packet that looks like RTP, of numbers near each other so that every branch is met.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let sequence = prop_oneof![0u16..10, 65_530u16..=65_535, any::<u16>()];
    let timestamp = prop_oneof![0u32..3000, any::<u32>()];
    let kind = prop_oneof![Just(0u8), Just(8), Just(101), Just(0xe5), any::<u8>()];
    (0x80u8..0xc0, kind, sequence, timestamp, 0u32..3, proptest::collection::vec(any::<u8>(), 0..400)).prop_map(
        |(first, kind, sequence, timestamp, ssrc, payload)| {
            let plain = if payload.len() % 3 == 0 { first } else { 0x80 };
            let mut bytes = vec![plain, kind];
            bytes.extend_from_slice(&sequence.to_be_bytes());
            bytes.extend_from_slice(&timestamp.to_be_bytes());
            bytes.extend_from_slice(&ssrc.to_be_bytes());
            bytes.extend_from_slice(&payload);
            bytes
        },
    )
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => packet(), 1 => proptest::collection::vec(any::<u8>(), 0..1600)]
}

fn command() -> impl Strategy<Value = Command> {
    let play = (0u64..4, any::<bool>(), any::<bool>(), 0usize..400).prop_map(|(id, cut, repeat, samples)| Command::Play {
        id: PlayId(id),
        clips: vec![crate::desk::tone(440.0, samples)],
        on_key: if cut { OnKey::Cut } else { OnKey::Ignore },
        repeat,
    });
    let connect = (10u8..13, any::<bool>(), any::<bool>(), any::<bool>(), proptest::option::of(any::<u8>()), any::<u8>()).prop_map(
        |(host, mu, send, receive, events, payload_type)| {
            Command::Connect(Far {
                remote: address(host, 4000),
                remote_rtcp: address(host, 4001),
                written: None,
                also: None,
                codec: if mu { Codec::Pcmu } else { Codec::Pcma },
                payload_type,
                events,
                we_send: send,
                we_receive: receive,
            })
        },
    );
    prop_oneof![
        play,
        connect,
        (0u64..4).prop_map(|id| Command::Stop(PlayId(id))),
        (0u64..2).prop_map(|mix| Command::Join(MixId(mix))),
        Just(Command::Leave),
        Just(Command::PassKeys),
        (0u64..3, 0u64..3).prop_map(|(id, max)| Command::Record {
            id: RecordId(id),
            max: Duration::from_secs(max),
            silence: Duration::from_millis(100)
        }),
        (0u64..3).prop_map(|id| Command::StopRecord(RecordId(id))),
        Just(Command::Close),
        Just(Command::Open { local: address(1, 20_000) }),
    ]
}

#[derive(Clone, Debug)]
enum Happening {
    Command(u64, Command),
    Packet(u64, bool, u8, u16, Vec<u8>),
    Tick,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (1u64..4, command()).prop_map(|(leg, command)| Happening::Command(leg, command)),
        (1u64..4, prop::bool::weighted(0.2), 10u8..13, 4000u16..4003, bytes())
            .prop_map(|(leg, rtcp, host, port, bytes)| Happening::Packet(leg, rtcp, host, port, bytes)),
        Just(Happening::Tick),
    ]
}

proptest! {
    #[test]
    fn nothing_that_is_sent_or_commanded_breaks_a_rack(happenings in proptest::collection::vec(happening(), 0..200)) {
        let mut desk = Desk::new();
        for number in 1..3 {
            desk.phone(number, Codec::Pcmu);
        }
        desk.legs = vec![LegId(1), LegId(2), LegId(3)];
        // Every play ends exactly once, and every leg that opens closes.
        let (mut begun, mut ended, mut open, mut closed) = (0, 0, 2, 0);
        for happening in happenings {
            match happening {
                Happening::Command(leg, command) => {
                    begun += usize::from(matches!(command, Command::Play { .. }));
                    let fresh = matches!(command, Command::Open { .. }) && desk.rack.stats(LegId(leg)).is_none();
                    open += usize::from(fresh);
                    desk.command(LegId(leg), command);
                }
                Happening::Packet(leg, rtcp, host, port, bytes) => {
                    let channel = if rtcp { Channel::Rtcp } else { Channel::Rtp };
                    desk.rack.handle_packet(desk.now, LegId(leg), channel, address(host, port), &bytes, &mut desk.out);
                }
                Happening::Tick => desk.tick(),
            }
            for (_, event) in desk.events() {
                ended += usize::from(matches!(event, Event::Played { .. }));
                closed += usize::from(matches!(event, Event::Closed(_)));
            }
            prop_assert!(ended <= begun && begun - ended <= 3);
        }
        for leg in desk.legs.clone() {
            desk.command(leg, Command::Close);
        }
        for (_, event) in desk.events() {
            ended += usize::from(matches!(event, Event::Played { .. }));
            closed += usize::from(matches!(event, Event::Closed(_)));
        }
        prop_assert_eq!((ended, closed, desk.rack.sessions()), (begun, open, 0));
    }
}
