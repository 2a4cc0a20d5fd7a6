//! Keys, in all the shapes that networks and phones give them: each is heard exactly once.

use crate::desk::{Desk, Phone};
use media::{Command, Event, Far};
use model::{Codec, Random};
use proptest::prelude::*;
use std::time::Duration;

const HOLD: Duration = Duration::from_millis(100);

/// Plays packets into the desk, one each 20 ms, and waits until any key must be over.
fn after(desk: &mut Desk, caller: &Phone, packets: &[Vec<u8>]) -> String {
    for packet in packets {
        desk.hears(caller.leg, caller.at, packet);
        desk.tick();
    }
    desk.ticks(10);
    desk.digits()
}

#[test]
fn every_key_is_heard_once_with_the_time_that_it_was_held() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    for key in "0123456789*#ABCD".chars() {
        for packet in caller.press(key, HOLD) {
            desk.hears(caller.leg, caller.at, &packet);
            desk.tick();
        }
        let events = desk.events();
        assert!(matches!(events[..], [(_, Event::Digit(digit, held))] if digit.as_char() == key && held == HOLD), "{key} {events:?}");
    }
}

#[test]
fn lost_ends_are_ended_by_time() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let press = caller.press('7', HOLD);
    for packet in &press[..3] {
        desk.hears(caller.leg, caller.at, packet);
        desk.tick();
    }
    desk.ticks(3);
    assert_eq!(desk.digits(), "", "it may still be held");
    desk.ticks(2);
    assert_eq!(desk.digits(), "7");
    assert_eq!(after(&mut desk, &caller, &press[3..]), "", "what comes after that changes nothing");
}

#[test]
fn lost_ends_are_ended_by_sound_from_well_after() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let press = caller.press('7', HOLD);
    desk.hears(caller.leg, caller.at, &press[0]);
    let sound = caller.silence();
    desk.hears(caller.leg, caller.at, &sound);
    assert_eq!(desk.digits(), "7", "the sound begins 160 ms after the key");
}

#[test]
fn any_one_packet_of_a_press_is_enough() {
    let mut caller = Desk::new().phone(1, Codec::Pcmu);
    let press = caller.press('5', HOLD);
    for survivor in 0..press.len() {
        let mut desk = Desk::new();
        desk.phone(1, Codec::Pcmu);
        assert_eq!(after(&mut desk, &caller, &press[survivor..=survivor]), "5", "only packet {survivor}");
    }
}

#[test]
fn ends_sent_again_for_seconds_are_one_key() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let press = caller.press('1', HOLD);
    let mut last = press.last().unwrap().clone();
    let mut packets = press;
    for _ in 0..100 {
        let next = u16::from_be_bytes([last[2], last[3]]).wrapping_add(1);
        last[2..4].copy_from_slice(&next.to_be_bytes());
        packets.push(last.clone());
    }
    assert_eq!(after(&mut desk, &caller, &packets), "1");
}

#[test]
fn sound_between_the_packets_of_a_press_does_not_matter() {
    for updates in [1, 2] {
        let mut desk = Desk::new();
        let mut caller = desk.phone(1, Codec::Pcmu);
        let mut packets = Vec::new();
        let mut press = media::dtmf::Press::new(model::Digit::from_char('3').unwrap(), caller.sender.timestamp(), Duration::from_secs(1));
        let mut count = 0;
        while let Some(part) = press.next_part() {
            // This phone tells of the key every 20 or 40 ms and sends the sound of the room all the while.
            count += 1;
            if count % updates == 0 {
                let mut out = [0; 100];
                let length = caller.sender.event(101, &part, &mut out);
                packets.push(out[..length].to_vec());
            }
            packets.push(caller.silence());
            caller.sender.tick();
        }
        assert_eq!(after(&mut desk, &caller, &packets), "3");
    }
}

#[test]
fn the_same_key_twice_in_a_row_is_two_keys() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let mut packets = caller.press('4', HOLD);
    packets.extend(caller.press('4', HOLD));
    assert_eq!(after(&mut desk, &caller, &packets), "44");
}

#[test]
fn two_keys_are_two_even_when_the_end_of_the_first_and_the_start_of_the_second_are_lost() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let first = caller.press('4', HOLD);
    let second = caller.press('4', HOLD);
    let packets: Vec<_> = first[..2].iter().chain(&second[2..]).cloned().collect();
    assert_eq!(after(&mut desk, &caller, &packets), "44");
}

#[test]
fn a_press_that_comes_as_a_message_too_is_one_key_whichever_comes_first() {
    let seven = model::Digit::from_char('7').unwrap();
    for script in ["em", "me", "emem", "meme", "eemm", "mmee"] {
        let mut desk = Desk::new();
        let mut caller = desk.phone(1, Codec::Pcmu);
        let mut heard = String::new();
        for way in script.chars() {
            let press = if way == 'e' { caller.press('7', HOLD) } else { Vec::new() };
            if way == 'm' {
                desk.command(caller.leg, Command::Key(seven, HOLD));
            }
            heard += &after(&mut desk, &caller, &press);
        }
        assert_eq!(heard, "7".repeat(script.len() / 2), "{script}");
        // Counted by the way in which each came first.
        let (stats, times) = (desk.rack.stats(caller.leg).unwrap(), script.len() as u32 / 2);
        assert_eq!((stats.keys_rtp, stats.keys_sip), if script.starts_with('e') { (times, 0) } else { (0, times) }, "{script}");
    }
}

#[test]
fn presses_that_come_as_messages_alone_all_count_and_so_does_the_same_key_a_second_later() {
    let seven = model::Digit::from_char('7').unwrap();
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    desk.command(caller.leg, Command::Key(seven, HOLD));
    desk.command(caller.leg, Command::Key(seven, HOLD));
    assert_eq!(desk.digits(), "77");
    desk.ticks(60);
    let press = caller.press('7', HOLD);
    assert_eq!(after(&mut desk, &caller, &press), "7", "another press");
}

#[test]
fn a_key_held_for_eight_seconds_is_one() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let packets = caller.press('9', Duration::from_secs(60));
    assert_eq!(packets.len(), 409 + 3, "a phone of ours lets go before the timestamp is full");
    assert_eq!(after(&mut desk, &caller, &packets), "9");
}

#[test]
fn a_key_held_for_longer_than_one_timestamp_can_say_is_one() {
    let mut desk = Desk::new();
    let caller = desk.phone(1, Codec::Pcmu);
    // RFC 4733 section 2.5.1.3: the next segment begins where the full one ends, without a marker.
    let event = |sequence: u16, timestamp: u32, marker: bool, end: bool, duration: u16| {
        let mut bytes = vec![0x80, if marker { 0xe5 } else { 0x65 }];
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&timestamp.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 5, 6, if end { 0x8a } else { 0x0a }]);
        bytes.extend_from_slice(&duration.to_be_bytes());
        bytes
    };
    let mut packets = Vec::new();
    for i in 0..409u16 {
        packets.push(event(i, 1000, i == 0, false, (i + 1) * 160));
    }
    packets.push(event(409, 1000, false, false, 0xffff));
    let next = 1000 + 0xffff;
    for i in 0..50u16 {
        packets.push(event(410 + i, next, false, false, (i + 1) * 160));
    }
    packets.push(event(460, next, false, true, 8000));
    packets.push(event(461, 1000, false, false, 0xffff));
    for packet in &packets {
        desk.hears(caller.leg, caller.at, packet);
        desk.tick();
    }
    desk.ticks(10);
    let events = desk.events();
    let expected = Duration::from_micros((0xffff + 8000) * 125);
    assert!(matches!(events[..], [(_, Event::Digit(_, held))] if held == expected), "{events:?}");
}

#[test]
fn flash_and_fax_tones_are_no_keys() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let mut packets = caller.press('1', HOLD);
    for (packet, code) in packets.iter_mut().zip(16u8..) {
        packet[12] = code;
    }
    assert_eq!(after(&mut desk, &caller, &packets), "");
}

#[test]
fn keys_that_were_not_agreed_are_not_heard() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    desk.command(caller.leg, media::Command::Connect(Far { events: None, ..caller.far() }));
    let packets = caller.press('1', HOLD);
    assert_eq!(after(&mut desk, &caller, &packets), "");
}

#[test]
fn a_phone_that_sends_keys_as_another_source_is_understood() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let mut other = Phone { sender: media::rtp::Sender::new(&mut Random::from_number(99)), ..desk.phone(2, Codec::Pcmu) };
    let mut packets = Vec::new();
    for packet in other.press('8', HOLD) {
        packets.push(packet);
        packets.push(caller.silence());
        caller.sender.tick();
    }
    assert_eq!(after(&mut desk, &caller, &packets), "8");
}

proptest! {
    /// A number dialled through a network that loses, doubles and swaps packets comes out as it was dialled, as long as one
    /// packet of each press gets through in its time.
    #[test]
    fn a_number_is_heard_as_it_was_dialled(
        number in "[0-9*#]{1,12}",
        hold in 40u64..300,
        pause in 1usize..20,
        fates in proptest::collection::vec(0u8..10, 1..64),
    ) {
        let mut desk = Desk::new();
        let mut caller = desk.phone(1, Codec::Pcmu);
        let mut fate = fates.iter().cycle();
        for key in number.chars() {
            let mut packets: Vec<Vec<u8>> = Vec::new();
            for packet in caller.press(key, Duration::from_millis(hold)) {
                match fate.next() {
                    Some(0..=2) => {}
                    Some(3) => packets.extend([packet.clone(), packet]),
                    Some(4) => {
                        let at = packets.len().saturating_sub(1);
                        packets.insert(at, packet);
                    }
                    _ => packets.push(packet),
                }
            }
            if packets.is_empty() {
                packets.push(caller.press(key, Duration::from_millis(hold)).remove(0));
            }
            for packet in &packets {
                desk.hears(caller.leg, caller.at, packet);
                desk.tick();
            }
            for _ in 0..pause {
                let sound = caller.silence();
                caller.sender.tick();
                desk.hears(caller.leg, caller.at, &sound);
                desk.tick();
            }
        }
        desk.ticks(10);
        prop_assert_eq!(desk.digits(), number);
    }
}
