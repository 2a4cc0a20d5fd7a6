//! Two people who hear each other.

use crate::desk::{Desk, Phone, assert_seamless, read, tone};
use media::{Command, FRAME, Far, OnKey, listen};
use model::{Codec, MixId, Pcm};
use std::time::Duration;

/// Both speak a tone for a second; what each of them heard.
fn talk(desk: &mut Desk, a: &mut Phone, b: &mut Phone) -> (Vec<i16>, Vec<i16>) {
    let (low, high) = (Pcm::tone(8000, 440.0, 8000, 8000), Pcm::tone(8000, 1020.0, 8000, 8000));
    desk.out.sent.clear();
    for (x, y) in low.samples.chunks(FRAME).zip(high.samples.chunks(FRAME)) {
        for (phone, samples) in [(&mut *a, x), (&mut *b, y)] {
            let packet = phone.sound(samples);
            phone.sender.tick();
            desk.hears(phone.leg, phone.at, &packet);
        }
        desk.tick();
    }
    (desk.heard(a), desk.heard(b))
}

#[test]
fn a_tone_in_is_the_same_tone_out_in_every_pair_of_codecs() {
    for (one, other) in [(Codec::Pcmu, Codec::Pcmu), (Codec::Pcma, Codec::Pcma), (Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
        let mut desk = Desk::new();
        let (mut a, mut b) = (desk.phone(1, one), desk.phone(2, other));
        desk.join(&[&a, &b], 1);
        let (heard_by_a, heard_by_b) = talk(&mut desk, &mut a, &mut b);
        assert_eq!((heard_by_a.len(), heard_by_b.len()), (8000, 8000), "nothing beside it");
        for (heard, hz, other_hz) in [(&heard_by_a, 1020.0, 440.0), (&heard_by_b, 440.0, 1020.0)] {
            let sound = listen::dominant(heard, 8000).unwrap();
            assert!(
                (sound.hz - hz).abs() < 1.0 && sound.purity > 0.99 && (sound.amplitude - 8000.0).abs() < 200.0,
                "{one:?} {other:?} {sound:?}"
            );
            assert!((listen::goertzel(heard, 8000, hz) - 8000.0).abs() < 200.0);
            assert!(listen::goertzel(heard, 8000, other_hz) < 50.0, "and nobody hears himself");
        }
    }
}

#[test]
fn the_same_codec_passes_bit_by_bit() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcmu));
    desk.join(&[&a, &b], 1);
    let mut packet = a.silence();
    for (byte, value) in packet[12..].iter_mut().zip(0..=255) {
        *byte = value;
    }
    desk.hears(a.leg, a.at, &packet);
    assert_eq!(desk.taken(&b)[0][12..], packet[12..]);
}

#[test]
fn who_waits_for_the_other_hears_silence_until_the_other_speaks() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcma));
    desk.join(&[&b], 1);
    desk.ticks(5);
    desk.join(&[&a], 1);
    desk.ticks(5);
    let packet = a.silence();
    desk.hears(a.leg, a.at, &packet);
    desk.ticks(5);
    let packets = desk.taken(&b);
    assert_eq!(packets.len(), 11, "ten of silence, then the other's");
    assert_seamless(&packets);
    assert!(read(&packets[10]).marker, "the other begins to speak");
    desk.ticks(10);
    assert_eq!(desk.taken(&b).len(), 0, "a short pause is the other's own");
    desk.ticks(10);
    let packets = desk.taken(&b);
    assert_eq!(packets.len(), 10, "but not for ever");
    assert!(read(&packets[0]).marker);
    assert_seamless(&packets);
}

#[test]
fn loss_and_disorder_stay_visible_to_the_listening_phone() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcmu));
    desk.join(&[&a, &b], 1);
    let mut packets = Vec::new();
    for _ in 0..6 {
        packets.push(a.silence());
        a.sender.tick();
    }
    for i in [0, 1, 4, 3, 3, 5] {
        desk.hears(a.leg, a.at, &packets[i]);
        desk.tick();
    }
    let out = desk.taken(&b);
    let first = read(&out[0]);
    let steps: Vec<_> =
        out.iter().map(|p| (read(p).sequence.wrapping_sub(first.sequence), read(p).timestamp.wrapping_sub(first.timestamp))).collect();
    assert_eq!(steps, [(0, 0), (1, 160), (4, 640), (3, 480), (5, 800)], "2 is missed, 3 is late, its double is dropped");
    let stats = desk.rack.stats(a.leg).unwrap();
    assert_eq!((stats.received, stats.lost, stats.late), (5, 1, 1));
}

#[test]
fn numbers_go_on_through_prompt_talk_another_source_and_prompt() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcmu));
    desk.play(b.leg, 1, vec![tone(440.0, 160 * 5)], OnKey::Ignore, false);
    desk.ticks(5);
    desk.join(&[&a, &b], 1);
    let mut expected = 5;
    for source in 0..2 {
        a.sender = media::rtp::Sender::new(&mut model::Random::from_number(70 + source));
        for _ in 0..50 {
            let packet = a.silence();
            a.sender.tick();
            desk.hears(a.leg, a.at, &packet);
            desk.tick();
        }
        expected += 50;
    }
    desk.command(b.leg, Command::Leave);
    desk.play(b.leg, 2, vec![tone(440.0, 160 * 5)], OnKey::Ignore, false);
    desk.ticks(5);
    let packets = desk.taken(&b);
    assert_eq!(packets.len(), expected + 5);
    assert_seamless(&packets);
    let marked: Vec<_> = packets.iter().enumerate().filter(|(_, p)| read(p).marker).map(|(i, _)| i).collect();
    assert_eq!(marked, [0, 5, 55, 105], "each voice begins with a marker");
}

#[test]
fn sequence_and_timestamp_wrap_without_a_seam() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcmu));
    desk.join(&[&a, &b], 1);
    for i in 0..70_000u32 {
        let mut packet = a.silence();
        packet[2..4].copy_from_slice(&(65_000u16.wrapping_add(i as u16)).to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::MAX - 1_000_000).wrapping_add(i * 160).to_be_bytes());
        desk.hears(a.leg, a.at, &packet);
        desk.tick();
    }
    let packets = desk.taken(&b);
    assert_eq!(packets.len(), 70_000);
    assert_seamless(&packets);
}

#[test]
fn other_packet_times_pass_packet_by_packet() {
    for (ptime, other) in [(10, Codec::Pcmu), (30, Codec::Pcma), (40, Codec::Pcma), (60, Codec::Pcmu)] {
        let mut desk = Desk::new();
        let (mut a, b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, other));
        desk.join(&[&a, &b], 1);
        let samples = ptime * 8;
        let pcm = Pcm::tone(8000, 440.0, 8000, samples * 20);
        for chunk in pcm.samples.chunks(samples) {
            let packet = a.sound(chunk);
            desk.hears(a.leg, a.at, &packet);
        }
        let packets = desk.taken(&b);
        assert_eq!(packets.len(), 20);
        for pair in packets.windows(2) {
            assert_eq!(read(&pair[1]).timestamp, read(&pair[0]).timestamp.wrapping_add(samples as u32));
        }
        let heard: Vec<i16> = packets.iter().flat_map(|p| read(p).payload.to_vec()).map(|byte| media::g711::decode(other, byte)).collect();
        assert!(listen::dominant(&heard, 8000).unwrap().purity > 0.99);
    }
}

#[test]
fn keys_are_for_us_and_do_not_sound_in_the_others_ear() {
    let mut desk = Desk::new();
    let (caller, agent) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcma));
    desk.join(&[&caller, &agent], 1);
    let (mut presses, mut listens) = (agent, caller);
    for key in ['*', '1'] {
        let mut packets = vec![presses.silence()];
        presses.sender.tick();
        packets.extend(presses.press(key, Duration::from_millis(60)));
        packets.push(presses.silence());
        presses.sender.tick();
        desk.out.sent.clear();
        for packet in &packets {
            desk.hears(presses.leg, presses.at, packet);
            desk.tick();
        }
        assert_eq!(desk.digits(), key.to_string());
        let out = desk.taken(&listens);
        assert!(out.iter().all(|packet| read(packet).payload_type == listens.codec.payload_type()));
        let (before, after) = (read(&out[out.len() - 2]), read(&out[out.len() - 1]));
        assert_eq!(after.sequence, before.sequence.wrapping_add(1), "and nothing looks lost");
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(7 * 160));
        std::mem::swap(&mut presses, &mut listens);
    }
}

#[test]
fn keys_for_the_menu_of_another_house_pass_until_the_leg_leaves() {
    let mut desk = Desk::new();
    let (mut a, mut b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcma));
    desk.command(a.leg, Command::PassKeys);
    desk.join(&[&a, &b], 1);
    let events = |desk: &mut Desk, presses: &mut Phone, listens: &Phone| {
        for packet in presses.press('7', Duration::from_millis(60)) {
            desk.hears(presses.leg, presses.at, &packet);
        }
        assert_eq!(desk.digits(), "7");
        desk.taken(listens).iter().filter(|packet| read(packet).payload.len() == 4).count()
    };
    assert_eq!(events(&mut desk, &mut a, &b), 0, "said before there was a mix");
    desk.command(a.leg, Command::PassKeys);
    assert_eq!(events(&mut desk, &mut a, &b), 6);
    assert_eq!(events(&mut desk, &mut b, &a), 0, "the other's are not asked for");
    desk.join(&[&a], 2);
    desk.join(&[&b], 2);
    assert_eq!(events(&mut desk, &mut a, &b), 0, "another talk");
}

#[test]
fn keys_that_pass_come_under_the_listening_phones_own_number() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcma));
    desk.command(b.leg, Command::Connect(Far { events: Some(96), ..b.far() }));
    desk.join(&[&a, &b], 1);
    desk.command(a.leg, Command::PassKeys);
    for packet in a.press('5', Duration::from_millis(60)) {
        desk.hears(a.leg, a.at, &packet);
        desk.tick();
    }
    assert_eq!(desk.digits(), "5", "and we hear them too");
    let packets = desk.taken(&b);
    assert_eq!(packets.len(), 6);
    for packet in &packets {
        let packet = read(packet);
        assert_eq!((packet.payload_type, packet.payload.len(), packet.payload[0]), (96, 4, 5));
        assert_eq!(packet.timestamp, read(&packets[0]).timestamp, "one press");
    }
}

#[test]
fn keys_for_a_phone_that_does_not_know_them_are_left_out_without_looking_lost() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcmu));
    desk.command(b.leg, Command::Connect(Far { events: None, ..b.far() }));
    desk.join(&[&a, &b], 1);
    desk.command(a.leg, Command::PassKeys);
    let mut packets = vec![a.silence()];
    a.sender.tick();
    packets.extend(a.press('5', Duration::from_millis(60)));
    packets.push(a.silence());
    for packet in &packets {
        desk.hears(a.leg, a.at, packet);
        desk.tick();
    }
    let out = desk.taken(&b);
    assert_eq!(out.len(), 2);
    assert_eq!(read(&out[1]).sequence, read(&out[0]).sequence.wrapping_add(1));
    assert_eq!(read(&out[1]).timestamp, read(&out[0]).timestamp.wrapping_add(7 * 160));
}

#[test]
fn a_held_phone_gets_nothing_and_the_other_hears_silence() {
    let mut desk = Desk::new();
    let (mut a, mut b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcmu));
    desk.join(&[&a, &b], 1);
    talk(&mut desk, &mut a, &mut b);
    desk.command(b.leg, Command::Connect(Far { we_send: false, we_receive: false, ..b.far() }));
    let (heard_by_a, heard_by_b) = talk(&mut desk, &mut a, &mut b);
    assert!(heard_by_b.is_empty());
    assert!(heard_by_a.len() > 5000 && listen::rms(&heard_by_a) < 10.0);
    desk.command(b.leg, Command::Connect(b.far()));
    let (heard_by_a, heard_by_b) = talk(&mut desk, &mut a, &mut b);
    assert!(listen::rms(&heard_by_a) > 5000.0 && listen::rms(&heard_by_b) > 5000.0);
}

#[test]
fn who_leaves_is_heard_no_more() {
    let mut desk = Desk::new();
    let (mut a, mut b, mut c) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcmu), desk.phone(3, Codec::Pcmu));
    desk.join(&[&a, &b], 1);
    desk.command(a.leg, Command::Leave);
    let (heard_by_a, heard_by_b) = talk(&mut desk, &mut a, &mut b);
    assert!(listen::rms(&heard_by_a) < 10.0 && listen::rms(&heard_by_b) < 10.0);
    desk.command(c.leg, Command::Join(MixId(1)));
    let (heard_by_b, heard_by_c) = talk(&mut desk, &mut b, &mut c);
    assert!(listen::rms(&heard_by_b) > 5000.0 && listen::rms(&heard_by_c) > 5000.0, "the place was free again");
    desk.command(b.leg, Command::Close);
    desk.ticks(1);
    let (_, heard_by_c) = talk(&mut desk, &mut a, &mut c);
    assert!(listen::rms(&heard_by_c) < 10.0);
}

#[test]
fn a_prompt_in_a_talk_sounds_in_place_of_the_other() {
    let mut desk = Desk::new();
    let (mut a, mut b) = (desk.phone(1, Codec::Pcmu), desk.phone(2, Codec::Pcmu));
    desk.join(&[&a, &b], 1);
    desk.play(b.leg, 1, vec![tone(2000.0, 8000)], OnKey::Ignore, false);
    let (heard_by_a, heard_by_b) = talk(&mut desk, &mut a, &mut b);
    assert!((listen::dominant(&heard_by_a, 8000).unwrap().hz - 1020.0).abs() < 1.0);
    assert!((listen::dominant(&heard_by_b, 8000).unwrap().hz - 2000.0).abs() < 1.0);
    let (_, heard_by_b) = talk(&mut desk, &mut a, &mut b);
    assert!((listen::dominant(&heard_by_b, 8000).unwrap().hz - 440.0).abs() < 1.0);
}
