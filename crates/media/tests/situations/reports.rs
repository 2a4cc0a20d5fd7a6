//! RTCP, and the end of a leg.

use crate::desk::{Desk, Out, Sent};
use media::{Channel, Command, Event, OnKey, rtcp};
use model::Codec;

fn reports(out: &Out) -> Vec<&Sent> {
    out.sent.iter().filter(|sent| sent.channel == Channel::Rtcp).collect()
}

#[test]
fn a_report_goes_out_every_five_seconds_or_so() {
    let mut desk = Desk::new();
    let caller = desk.phone(1, Codec::Pcmu);
    desk.ticks(50 * 60);
    let reports = reports(&desk.out);
    assert!((9..=18).contains(&reports.len()), "{} in a minute", reports.len());
    assert!(reports.iter().all(|sent| sent.to.port() == caller.at.port() + 1 && sent.packet[1] == 200));
}

#[test]
fn a_report_tells_what_was_lost_and_echoes_their_own() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    for i in 0..100 {
        let packet = caller.silence();
        caller.sender.tick();
        if i % 4 != 1 {
            desk.hears(caller.leg, caller.at, &packet);
        }
    }
    let mut theirs = [0; rtcp::PACKET_MAX];
    let info = caller.sender.info(desk.now);
    let length = rtcp::write(caller.sender.ssrc(), Some(info), None, b"................", true, &mut theirs);
    let rtcp_at = "192.0.2.11:4001".parse().unwrap();
    desk.rack.handle_packet(desk.now, caller.leg, Channel::Rtcp, rtcp_at, &theirs[..length], &mut desk.out);
    let before = desk.now;
    while reports(&desk.out).is_empty() {
        desk.tick();
    }
    let packet = &reports(&desk.out)[0].packet;
    let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
    assert_eq!(word(28), caller.sender.ssrc());
    assert_eq!(word(32), 64 << 24 | 25, "a quarter since the last, 25 in all");
    assert_eq!(word(44), (info.ntp >> 16) as u32);
    let delay = f64::from(word(48)) / 65_536.0;
    assert!((delay - desk.now.since(before).as_secs_f64()).abs() < 0.001);
    assert_eq!(desk.events(), [], "their BYE ends nothing: SIP does");
}

#[test]
fn a_leg_that_closes_says_goodbye_and_gives_its_figures() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    desk.ticks(10);
    let packet = caller.silence();
    desk.hears(caller.leg, caller.at, &packet);
    desk.out.sent.clear();
    desk.command(caller.leg, Command::Close);
    desk.rack.send_farewells(&mut desk.out);
    let sent = desk.out.sent.pop().unwrap();
    assert_eq!((sent.channel, sent.to.port()), (Channel::Rtcp, 4001));
    assert!(rtcp::read(&sent.packet, 0).unwrap().bye);
    let events = desk.events();
    assert!(matches!(events[..], [(_, Event::Closed(stats))] if stats.sent == 10 && stats.received == 1 && stats.lost == 0), "{events:?}");
    assert_eq!((desk.rack.sessions(), desk.rack.stats(caller.leg)), (0, None));
    desk.command(caller.leg, Command::Close);
    desk.ticks(3);
    assert!(desk.events().is_empty() && desk.out.sent.is_empty(), "once");
}

#[test]
fn a_leg_that_never_spoke_leaves_without_a_word() {
    let mut desk = Desk::new();
    let caller = desk.phone(1, Codec::Pcmu);
    desk.command(caller.leg, Command::Close);
    desk.rack.send_farewells(&mut desk.out);
    assert!(desk.out.sent.is_empty());
}

#[test]
fn two_runs_of_one_seed_send_the_same_bytes() {
    let run = || {
        let mut desk = Desk::new();
        let caller = desk.phone(1, Codec::Pcmu);
        desk.play(caller.leg, 1, vec![crate::desk::tone(440.0, 8000)], OnKey::Cut, true);
        desk.ticks(500);
        desk.out.sent.into_iter().map(|sent| sent.packet).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
