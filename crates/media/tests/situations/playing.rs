//! Prompts, music, silence and hold.

use crate::desk::{Desk, assert_seamless, read, tone};
use media::{Command, Event, Far, OnKey, PlayEnd, listen};
use model::{Codec, LegId, PlayId};
use std::time::Duration;

fn played(leg: LegId, id: u64, how: PlayEnd) -> (LegId, Event) {
    (leg, Event::Played { id: PlayId(id), how })
}

#[test]
fn a_prompt_sounds_as_it_was_recorded_and_ends_exactly_once() {
    for codec in Codec::ALL {
        let mut desk = Desk::new();
        let caller = desk.phone(1, codec);
        desk.play(caller.leg, 1, vec![tone(440.0, 4000)], OnKey::Cut, false);
        desk.ticks(24);
        assert_eq!(desk.events(), []);
        desk.tick();
        assert_eq!(desk.events(), [played(caller.leg, 1, PlayEnd::Finished)], "with its last frame");
        let heard = desk.heard(&caller);
        let sound = listen::dominant(&heard, 8000).unwrap();
        assert!((sound.hz - 440.0).abs() < 1.0 && sound.purity > 0.99 && (sound.amplitude - 8000.0).abs() < 100.0, "{sound:?}");
        desk.ticks(50);
        assert_eq!(desk.events(), []);
        assert!(listen::rms(&desk.heard(&caller)) < 10.0, "then silence");
    }
}

#[test]
fn one_prompt_after_the_other_leaves_no_gap_between() {
    let mut desk = Desk::new();
    let caller = desk.phone(1, Codec::Pcmu);
    desk.play(caller.leg, 1, vec![tone(500.0, 1600)], OnKey::Cut, false);
    desk.ticks(10);
    assert_eq!(desk.events(), [played(caller.leg, 1, PlayEnd::Finished)]);
    desk.play(caller.leg, 2, vec![tone(500.0, 1600)], OnKey::Cut, false);
    desk.ticks(10);
    let packets = desk.taken(&caller);
    assert_seamless(&packets);
    assert!(read(&packets[0]).marker && packets[1..].iter().all(|p| !read(p).marker), "one talkspurt");
    let heard: Vec<i16> = packets.iter().flat_map(|p| read(p).payload.to_vec()).map(|b| media::g711::decode(Codec::Pcmu, b)).collect();
    assert_eq!(listen::silences(&heard, 1000.0, 1), []);
}

#[test]
fn a_key_cuts_a_prompt_within_one_frame() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcma);
    desk.play(caller.leg, 1, vec![tone(440.0, 80_000)], OnKey::Cut, false);
    desk.ticks(10);
    let press = caller.press('2', Duration::from_millis(100));
    desk.hears(caller.leg, caller.at, &press[0]);
    assert_eq!(desk.events(), [played(caller.leg, 1, PlayEnd::Cut)], "when the key goes down, not when it comes up");
    desk.heard(&caller);
    desk.tick();
    assert!(listen::rms(&desk.heard(&caller)) < 10.0, "the next frame is silence");
    for packet in &press[1..] {
        desk.hears(caller.leg, caller.at, packet);
    }
    assert_eq!(desk.digits(), "2");
}

#[test]
fn a_key_does_not_stop_what_must_be_heard() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    desk.play(caller.leg, 1, vec![tone(440.0, 8000)], OnKey::Ignore, false);
    for packet in caller.press('2', Duration::from_millis(100)) {
        desk.hears(caller.leg, caller.at, &packet);
        desk.tick();
    }
    assert_eq!(desk.digits(), "2");
    assert!(listen::rms(&desk.heard(&caller)) > 5000.0);
}

#[test]
fn each_play_ends_once_whatever_ends_it() {
    let mut desk = Desk::new();
    let caller = desk.phone(1, Codec::Pcmu);
    let leg = caller.leg;
    desk.play(leg, 1, vec![tone(440.0, 8000)], OnKey::Cut, true);
    desk.ticks(3);
    desk.play(leg, 2, vec![tone(440.0, 8000)], OnKey::Cut, false);
    assert_eq!(desk.events(), [played(leg, 1, PlayEnd::Cut)], "another took its place");
    desk.command(leg, Command::Stop(PlayId(1)));
    assert_eq!(desk.events(), [], "a stale stop stops nothing");
    desk.command(leg, Command::Stop(PlayId(2)));
    desk.command(leg, Command::Stop(PlayId(2)));
    assert_eq!(desk.events(), [played(leg, 2, PlayEnd::Cut)]);
    desk.play(leg, 3, vec![], OnKey::Cut, true);
    assert_eq!(desk.events(), [played(leg, 3, PlayEnd::Failed)], "nothing to play");
    desk.play(leg, 4, vec![tone(440.0, 8000)], OnKey::Cut, true);
    desk.join(&[&caller], 1);
    assert_eq!(desk.events(), [played(leg, 4, PlayEnd::Cut)], "people come first");
    desk.play(leg, 5, vec![tone(440.0, 8000)], OnKey::Cut, true);
    desk.command(leg, Command::Close);
    let events = desk.events();
    assert_eq!(events[0], played(leg, 5, PlayEnd::Cut));
    assert!(matches!(events[..], [_, (_, Event::Closed(stats))] if stats.sent == 3));
    desk.play(leg, 6, vec![tone(440.0, 8000)], OnKey::Cut, true);
    assert_eq!(desk.events(), [played(leg, 6, PlayEnd::Failed)], "nobody to play it to");
    assert_eq!(desk.rack.sessions(), 0);
}

#[test]
fn a_prompt_waits_for_the_far_end_to_be_known() {
    let mut desk = Desk::new();
    let leg = LegId(9);
    desk.command(leg, Command::Open { local: "192.0.2.1:20018".parse().unwrap() });
    desk.legs.push(leg);
    desk.play(leg, 1, vec![tone(440.0, 160)], OnKey::Cut, false);
    desk.ticks(10);
    assert!(desk.out.sent.is_empty());
    let caller = desk.phone(9, Codec::Pcmu);
    desk.legs.pop();
    desk.tick();
    assert_eq!(desk.events(), [played(leg, 1, PlayEnd::Finished)]);
    assert!(listen::rms(&desk.heard(&caller)) > 5000.0);
}

#[test]
fn on_hold_nothing_is_sent_and_time_goes_on() {
    let mut desk = Desk::new();
    let caller = desk.phone(1, Codec::Pcmu);
    desk.play(caller.leg, 1, vec![tone(440.0, 8000)], OnKey::Cut, false);
    desk.ticks(10);
    let before = desk.taken(&caller);
    desk.command(caller.leg, Command::Connect(Far { we_send: false, ..caller.far() }));
    desk.ticks(20);
    assert!(desk.taken(&caller).is_empty());
    desk.command(caller.leg, Command::Connect(caller.far()));
    desk.ticks(20);
    assert_eq!(desk.events(), [played(caller.leg, 1, PlayEnd::Finished)], "50 ticks in all, as if nothing had been");
    let after = desk.taken(&caller);
    let (last, first) = (read(before.last().unwrap()), read(&after[0]));
    assert_eq!(first.sequence, last.sequence.wrapping_add(1), "nothing is lost");
    assert_eq!(first.timestamp, last.timestamp.wrapping_add(21 * 160), "but time has passed");
    assert!(first.marker, "a talkspurt begins");
    assert_seamless(&after);
}

#[test]
fn hold_the_old_way_sends_nothing_to_nowhere() {
    let mut desk = Desk::new();
    let caller = desk.phone(1, Codec::Pcmu);
    let nowhere = "0.0.0.0:4000".parse().unwrap();
    desk.command(caller.leg, Command::Connect(Far { remote: nowhere, remote_rtcp: nowhere, ..caller.far() }));
    desk.ticks(1000);
    assert!(desk.out.sent.is_empty());
    // In the middle of a call, too, and then it is where it was.
    desk.command(caller.leg, Command::Connect(caller.far()));
    desk.play(caller.leg, 1, vec![tone(440.0, 80_000)], OnKey::Cut, false);
    desk.ticks(25);
    assert!(!desk.taken(&caller).is_empty());
    desk.out.sent.clear();
    desk.command(caller.leg, Command::Connect(Far { remote: nowhere, remote_rtcp: nowhere, ..caller.far() }));
    desk.ticks(1000);
    assert!(desk.out.sent.is_empty());
    desk.command(caller.leg, Command::Connect(caller.far()));
    desk.ticks(25);
    assert!(!desk.taken(&caller).is_empty());
}

#[test]
fn the_codec_may_change_in_the_middle_of_a_prompt() {
    let mut desk = Desk::new();
    let mut caller = desk.phone(1, Codec::Pcmu);
    desk.play(caller.leg, 1, vec![tone(440.0, 8000)], OnKey::Cut, false);
    desk.ticks(25);
    let mut heard = desk.heard(&caller);
    caller.codec = Codec::Pcma;
    desk.command(caller.leg, Command::Connect(caller.far()));
    desk.ticks(25);
    heard.extend(desk.heard(&caller));
    assert_eq!(heard.len(), 8000);
    assert!(listen::dominant(&heard, 8000).unwrap().purity > 0.99, "not a sample is missing");
}

#[test]
fn silence_keeps_the_path_open() {
    let mut desk = Desk::new();
    let caller = desk.phone(1, Codec::Pcma);
    desk.ticks(100);
    let packets = desk.taken(&caller);
    assert_eq!(packets.len(), 100);
    assert_seamless(&packets);
    assert!(packets.iter().all(|p| read(p).payload.iter().all(|b| *b == 0xd5)));
}
