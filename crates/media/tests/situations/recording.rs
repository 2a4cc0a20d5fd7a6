//! A caller leaves a message: what is written down, and what ends it.

use crate::desk::{Desk, Phone};
use media::{Command, Event, FRAME, RATE, RecordEnd, TICK, listen};
use model::{Codec, LegId, Pcm, RecordId};
use std::time::Duration;

const ID: RecordId = RecordId(5);

fn begins(desk: &mut Desk, leg: LegId, max: u64, silence: u64) {
    desk.command(leg, Command::Record { id: ID, max: Duration::from_secs(max), silence: Duration::from_secs(silence) });
}

/// The caller says a tone of so many frames.
fn says(desk: &mut Desk, phone: &mut Phone, hz: f64, frames: usize) {
    for frame in Pcm::tone(RATE, hz, 8000, frames * FRAME).samples.chunks(FRAME) {
        let packet = phone.sound(frame);
        desk.hears(phone.leg, phone.at, &packet);
        desk.tick();
    }
}

fn ended(desk: &mut Desk) -> Option<(RecordEnd, Duration, Duration)> {
    desk.events().into_iter().find_map(|(_, event)| match event {
        Event::Recorded { id: ID, how, length, spoken } => Some((how, length, spoken)),
        _ => None,
    })
}

#[test]
fn a_message_is_what_was_said_after_the_beep_and_as_long_as_it_took() {
    for codec in Codec::ALL {
        let mut desk = Desk::new();
        let mut phone = desk.phone(1, codec);
        says(&mut desk, &mut phone, 440.0, 20);
        begins(&mut desk, phone.leg, 60, 10);
        says(&mut desk, &mut phone, 1000.0, 100);
        desk.command(phone.leg, Command::StopRecord(ID));
        assert_eq!(ended(&mut desk).unwrap().1, TICK * 100);
        assert_eq!(desk.out.kept.len(), 100 * FRAME);
        let tone = listen::dominant(&desk.out.kept[8 * FRAME..], RATE).unwrap();
        assert!((tone.hz - 1000.0).abs() < 1.0 && tone.purity > 0.98, "{tone:?}");
        assert!(listen::goertzel(&desk.out.kept, RATE, 440.0) < 100.0, "nothing of before the beep");
    }
}

#[test]
fn a_message_ends_when_it_is_full() {
    let mut desk = Desk::new();
    let mut phone = desk.phone(1, Codec::Pcmu);
    begins(&mut desk, phone.leg, 1, 10);
    says(&mut desk, &mut phone, 1000.0, 49);
    assert_eq!(ended(&mut desk), None);
    says(&mut desk, &mut phone, 1000.0, 5);
    let (how, length, _) = ended(&mut desk).unwrap();
    assert_eq!((how, length, desk.out.kept.len()), (RecordEnd::Full, Duration::from_secs(1), 50 * FRAME));
}

#[test]
fn whoever_says_nothing_more_is_not_recorded_for_ever() {
    let mut desk = Desk::new();
    let mut phone = desk.phone(1, Codec::Pcma);
    begins(&mut desk, phone.leg, 60, 3);
    says(&mut desk, &mut phone, 300.0, 50);
    // Not even packets come: a phone that sends nothing in silence.
    desk.ticks(149);
    assert_eq!(ended(&mut desk), None);
    desk.ticks(3);
    let (how, length, spoken) = ended(&mut desk).unwrap();
    assert_eq!(how, RecordEnd::Silent);
    assert!(length - spoken == Duration::from_secs(3) && spoken >= Duration::from_secs(1) && spoken < Duration::from_millis(1100));
}

#[test]
fn a_caller_who_hangs_up_ends_the_message_before_the_session() {
    let mut desk = Desk::new();
    let mut phone = desk.phone(1, Codec::Pcmu);
    begins(&mut desk, phone.leg, 60, 10);
    says(&mut desk, &mut phone, 1000.0, 60);
    desk.command(phone.leg, Command::Close);
    let events = desk.events();
    assert!(matches!(events[0].1, Event::Recorded { how: RecordEnd::Closed, .. }), "{events:?}");
    assert!(matches!(events[1].1, Event::Closed(_)), "{events:?}");
}

#[test]
fn a_writer_that_takes_nothing_more_ends_the_message_honestly() {
    let mut desk = Desk::new();
    let mut phone = desk.phone(1, Codec::Pcmu);
    desk.out.room = Some(30);
    begins(&mut desk, phone.leg, 60, 10);
    says(&mut desk, &mut phone, 1000.0, 60);
    assert_eq!(ended(&mut desk).unwrap().0, RecordEnd::Lost);
    assert_eq!(desk.out.kept.len(), 30 * FRAME);
    // A leg that is not there records nothing, and says so.
    begins(&mut desk, LegId(99), 60, 10);
    assert_eq!(ended(&mut desk), Some((RecordEnd::Lost, Duration::ZERO, Duration::ZERO)));
}

#[test]
fn lost_and_late_packets_leave_no_hole_in_time() {
    let mut desk = Desk::new();
    let mut phone = desk.phone(1, Codec::Pcmu);
    begins(&mut desk, phone.leg, 60, 10);
    for (i, frame) in Pcm::tone(RATE, 1000.0, 8000, 200 * FRAME).samples.chunks(FRAME).enumerate() {
        let packet = phone.sound(frame);
        if i % 5 != 3 {
            desk.hears(phone.leg, phone.at, &packet);
        }
        desk.tick();
    }
    desk.command(phone.leg, Command::StopRecord(ID));
    assert_eq!(ended(&mut desk).unwrap().1, Duration::from_secs(4));
    assert!(listen::goertzel(&desk.out.kept[20 * FRAME..], RATE, 1000.0) > 5000.0, "what came lies where it belongs");
}
