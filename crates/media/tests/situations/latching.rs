//! Whose packets are heard, and where ours go.

use crate::desk::{Desk, Phone, address, read};
use media::{Channel, Command, Event};
use model::{Codec, LegId, Random};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

fn stranger() -> Phone {
    let mut desk = Desk::new();
    Phone { sender: media::rtp::Sender::new(&mut Random::from_number(666)), at: address(66, 6666), ..desk.phone(1, Codec::Pcmu) }
}

#[test]
fn a_stranger_can_neither_press_keys_nor_speak_nor_take_the_sound_away() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let agent = desk.phone(2, Codec::Pcmu);
    desk.join(&[&caller, &agent], 1);
    let sound = caller.silence();
    desk.hears(caller.leg, caller.at, &sound);
    desk.out.sent.clear();
    let mut attacker = stranger();
    for packet in attacker.press('1', Duration::from_millis(60)) {
        desk.hears(caller.leg, attacker.at, &packet);
        // From the caller's own host, too: the latch is closed.
        desk.hears(caller.leg, address(11, 4002), &packet);
    }
    for _ in 0..100 {
        let packet = attacker.silence();
        desk.hears(caller.leg, attacker.at, &packet);
    }
    assert!(desk.out.sent.is_empty(), "nothing of it reaches the agent");
    desk.tick();
    assert_eq!(desk.digits(), "");
    assert!(desk.out.sent.iter().filter(|sent| sent.leg == caller.leg).all(|sent| sent.to == caller.at));
    let stats = desk.rack.stats(caller.leg).unwrap();
    assert_eq!((stats.received, stats.foreign), (1, 112));
}

#[test]
fn a_phone_behind_a_nat_gets_its_sound_where_it_sends_from() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let outside = address(11, 61_000);
    desk.tick();
    assert_eq!(desk.out.sent.pop().unwrap().to, caller.at);
    let sound = caller.silence();
    desk.hears(caller.leg, outside, &sound);
    desk.tick();
    assert_eq!(desk.out.sent.pop().unwrap().to, outside);
    desk.command(caller.leg, Command::Connect(caller.far()));
    desk.tick();
    assert_eq!(desk.out.sent.pop().unwrap().to, outside, "a session refresh does not turn it away");
}

/// What a socket for both kinds of addresses says of a packet that came by IPv4.
#[test]
fn a_phone_by_ipv4_is_heard_by_a_socket_for_both() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let std::net::IpAddr::V4(v4) = caller.at.ip() else { panic!("the desk's phones have IPv4") };
    let sound = caller.silence();
    desk.hears(caller.leg, SocketAddr::new(v4.to_ipv6_mapped().into(), caller.at.port()), &sound);
    let stats = desk.rack.stats(caller.leg).unwrap();
    assert_eq!((stats.received, stats.foreign), (1, 0));
}

/// Its SIP comes from another host and says nothing of the sound.
#[test]
fn the_sound_of_a_phone_follows_its_sip_once_it_speaks_there() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let sound = caller.silence();
    desk.hears(caller.leg, caller.at, &sound);
    let moved = address(40, 61_000);
    desk.command(caller.leg, Command::Follow { from: caller.at.ip(), to: moved.ip() });
    desk.tick();
    assert_eq!(desk.out.sent.pop().unwrap().to, caller.at);
    let sound = caller.silence();
    desk.hears(caller.leg, moved, &sound);
    desk.tick();
    assert_eq!(desk.out.sent.pop().unwrap().to, moved);
}

/// It writes a private address before and after, so that only the host that stands for it is another.
#[test]
fn the_sound_of_a_phone_stays_where_it_is_heard_when_only_its_sip_goes() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let written = "10.0.0.9".parse().ok();
    desk.command(caller.leg, Command::Connect(media::Far { written, ..caller.far() }));
    let sound = caller.silence();
    desk.hears(caller.leg, caller.at, &sound);
    let moved = address(40, caller.at.port());
    desk.command(caller.leg, Command::Follow { from: caller.at.ip(), to: moved.ip() });
    let far = media::Far { remote: moved, remote_rtcp: address(40, moved.port() + 1), written, ..caller.far() };
    desk.command(caller.leg, Command::Connect(far));
    desk.tick();
    assert_eq!(desk.out.sent.pop().unwrap().to, moved, "until it is heard");
    let sound = caller.silence();
    desk.hears(caller.leg, caller.at, &sound);
    desk.tick();
    assert_eq!(desk.out.sent.pop().unwrap().to, caller.at);
    assert_eq!(desk.rack.stats(caller.leg).unwrap().foreign, 0);
}

/// Who is behind the same router can send to us from its address. What they would need is in the reports that go to the phone.
#[test]
fn a_session_refresh_lets_no_neighbour_in_and_a_new_port_of_the_phones_stream_at_once() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let (first, second, neighbour) = (address(11, 61_000), address(11, 61_002), address(11, 7000));
    for _ in 0..60 {
        let sound = caller.silence();
        desk.hears(caller.leg, first, &sound);
        desk.tick();
    }
    let leg = caller.leg;
    let report = |desk: &mut Desk, from: SocketAddr, source: u32| {
        let mut report = [0x80, 201, 0, 1, 0, 0, 0, 0];
        report[4..].copy_from_slice(&source.to_be_bytes());
        desk.rack.handle_packet(desk.now, leg, Channel::Rtcp, from, &report, &mut desk.out);
    };
    let mut other = stranger();
    report(&mut desk, address(11, 61_001), caller.sender.ssrc());
    let sound = caller.silence();
    desk.command(caller.leg, Command::Connect(caller.far()));
    desk.hears(caller.leg, neighbour, &other.silence());
    desk.hears(caller.leg, first, &sound);
    report(&mut desk, address(11, 7001), other.sender.ssrc());
    desk.out.sent.clear();
    for _ in 0..20 {
        let (sound, noise) = (caller.silence(), other.silence());
        desk.hears(caller.leg, neighbour, &noise);
        desk.hears(caller.leg, first, &sound);
        desk.tick();
    }
    assert!(desk.out.sent.iter().all(|sent| sent.to == first));
    let sound = caller.silence();
    desk.hears(caller.leg, second, &sound);
    report(&mut desk, address(11, 61_003), caller.sender.ssrc());
    desk.out.sent.clear();
    desk.ticks(500);
    let at = |channel| desk.out.sent.iter().filter(|sent| sent.channel == channel).map(|sent| sent.to).collect::<BTreeSet<_>>();
    assert_eq!((at(Channel::Rtp), at(Channel::Rtcp)), ([second].into(), [address(11, 61_003)].into()));
    assert_eq!(desk.rack.stats(caller.leg).unwrap().foreign, 21);
}

/// Our reports name the source of a phone's stream and its last number: nobody gets them who does not know the first already.
#[test]
fn reports_go_to_nobody_who_does_not_know_the_phones_stream() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    for _ in 0..60 {
        let sound = caller.silence();
        desk.hears(caller.leg, caller.at, &sound);
        desk.tick();
    }
    for _ in 0..2 {
        desk.rack.handle_packet(desk.now, caller.leg, Channel::Rtcp, address(11, 7001), &[0x80, 201, 0, 1, 0, 0, 0, 9], &mut desk.out);
        desk.out.sent.clear();
        desk.ticks(500);
        let reports: BTreeSet<_> = desk.out.sent.iter().filter(|sent| sent.channel == Channel::Rtcp).map(|sent| sent.to).collect();
        assert_eq!(reports, [caller.far().remote_rtcp].into());
        desk.command(caller.leg, Command::Connect(caller.far()));
    }
}

/// A neighbour may ask for them before the phone is heard. It gets them then, and they say nothing of the phone.
#[test]
fn reports_say_nothing_of_a_phones_stream_to_who_asked_before_it_spoke() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let (neighbour, router) = (address(11, 7001), address(11, 61_001));
    let leg = caller.leg;
    let asks = |desk: &mut Desk, from: SocketAddr, source: u32| {
        let mut report = [0x80, 201, 0, 1, 0, 0, 0, 0];
        report[4..].copy_from_slice(&source.to_be_bytes());
        desk.rack.handle_packet(desk.now, leg, Channel::Rtcp, from, &report, &mut desk.out);
    };
    let (own, mut blocks) = (caller.sender.ssrc(), BTreeSet::new());
    let mut speaks = |desk: &mut Desk| {
        desk.out.sent.clear();
        for _ in 0..500 {
            let sound = caller.silence();
            desk.hears(caller.leg, caller.at, &sound);
            desk.tick();
        }
        blocks.clear();
        blocks.extend(desk.out.sent.iter().filter(|sent| sent.channel == Channel::Rtcp).map(|sent| (sent.to, sent.packet[0] & 31)));
        blocks.clone()
    };
    asks(&mut desk, neighbour, 9);
    assert_eq!(speaks(&mut desk), [(neighbour, 0)].into());
    // Its router has another port for its reports, too, and it knows its own source.
    asks(&mut desk, router, own);
    assert_eq!(speaks(&mut desk), [(router, 1)].into());
}

/// Comfort noise (RFC 3389) was not agreed on: it moves nothing, and tells that the phone is there.
#[test]
fn a_muted_phone_that_sends_comfort_noise_keeps_its_place() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let (old, moved) = (caller.at, address(40, 61_000));
    let mut speaks = |desk: &mut Desk, from: SocketAddr, payload_type: u8| {
        let mut sound = caller.silence();
        sound[1] = payload_type;
        desk.hears(caller.leg, from, &sound);
    };
    (0..60).for_each(|_| {
        speaks(&mut desk, old, 0);
        desk.tick();
    });
    desk.command(LegId(1), Command::Follow { from: old.ip(), to: moved.ip() });
    speaks(&mut desk, moved, 0);
    let mut other = stranger();
    desk.out.sent.clear();
    for tick in 0..500 {
        if tick % 10 == 0 {
            speaks(&mut desk, moved, 13);
        }
        let noise = other.silence();
        desk.hears(LegId(1), old, &noise);
        desk.tick();
        assert!(desk.out.sent.drain(..).filter(|sent| sent.channel == Channel::Rtp).all(|sent| sent.to == moved), "after {tick} ticks");
    }
}

#[test]
fn a_datagram_that_was_not_agreed_cannot_choose_the_address() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let mut packet = caller.silence();
    packet[1] = 96;
    desk.hears(caller.leg, address(11, 61_000), &packet);
    desk.hears(caller.leg, address(11, 61_000), b"not RTP at all");
    desk.tick();
    assert_eq!(desk.out.sent.pop().unwrap().to, caller.at);
}

#[test]
fn a_phone_that_moves_is_found_by_the_next_agreement() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    let sound = caller.silence();
    desk.hears(caller.leg, caller.at, &sound);
    caller.at = address(40, 5000);
    desk.command(caller.leg, Command::Connect(caller.far()));
    let press = caller.press('6', Duration::from_millis(40));
    for packet in &press {
        desk.hears(caller.leg, caller.at, packet);
        desk.tick();
    }
    assert_eq!(desk.digits(), "6");
    assert!(desk.taken(&caller).iter().all(|packet| read(packet).payload_type == 0));
}

#[test]
fn a_vanished_phone_is_told_once_in_half_a_minute() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    desk.ticks(1499);
    assert_eq!(desk.events(), []);
    desk.tick();
    assert_eq!(desk.events(), [(caller.leg, Event::Silent)]);
    desk.ticks(1499);
    assert_eq!(desk.events(), []);
    desk.tick();
    assert_eq!(desk.events(), [(caller.leg, Event::Silent)]);
    let sound = caller.silence();
    desk.hears(caller.leg, caller.at, &sound);
    desk.ticks(1499);
    assert_eq!(desk.events(), []);
}

#[test]
fn a_phone_that_is_not_to_send_is_not_missed() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    desk.command(caller.leg, Command::Connect(media::Far { we_receive: false, ..caller.far() }));
    desk.ticks(4000);
    let press = caller.press('6', Duration::from_millis(40));
    for packet in &press {
        desk.hears(caller.leg, caller.at, packet);
    }
    assert_eq!(desk.events(), []);
}
