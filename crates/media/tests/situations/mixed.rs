//! Three or four people who hear each other.

use crate::desk::tone;
use crate::hall::{Hall, UNHEARD, alike};
use media::{Command, Event, MIX_MAX, OnKey, PlayEnd, listen};
use model::{Codec, PlayId};
use std::time::Duration;

const PITCHES: [f64; 4] = [440.0, 1000.0, 1700.0, 2300.0];

fn hall(count: usize) -> Hall {
    let codecs = [Codec::Pcmu, Codec::Pcma, Codec::Pcmu, Codec::Pcma];
    let people: Vec<_> = PITCHES.into_iter().zip(codecs).take(count).collect();
    Hall::new(&people)
}

/// Everybody hears exactly the others of these, each as loud as they speak.
fn assert_each_hears_the_others(hall: &mut Hall, among: &[usize]) {
    for person in among {
        let heard = hall.pitches(*person, &PITCHES);
        for (other, amplitude) in heard.iter().enumerate() {
            if other != *person && among.contains(&other) {
                assert!(alike(*amplitude, 6000.0), "{person} hears {other} at {amplitude}");
            } else {
                assert!(*amplitude < UNHEARD, "{person} hears {other} at {amplitude}");
            }
        }
    }
}

#[test]
fn each_of_three_hears_the_two_others_and_never_itself() {
    let mut hall = hall(3);
    hall.join(&[0, 1, 2], 1);
    hall.talk(2000);
    assert_each_hears_the_others(&mut hall, &[0, 1, 2]);
}

#[test]
fn each_of_four_hears_the_three_others_and_a_fifth_hears_silence() {
    let mut hall = Hall::new(&[
        (PITCHES[0], Codec::Pcmu),
        (PITCHES[1], Codec::Pcma),
        (PITCHES[2], Codec::Pcmu),
        (PITCHES[3], Codec::Pcma),
        (3000.0, Codec::Pcmu),
    ]);
    assert_eq!(MIX_MAX, 4);
    hall.join(&[0, 1, 2, 3, 4], 1);
    hall.talk(1000);
    let heard_by_fifth = hall.heard(4);
    assert!(heard_by_fifth.len() >= 7800 && listen::rms(&heard_by_fifth) < 10.0);
    for person in 0..4 {
        let got = hall.people[person].got.clone();
        assert!(hall.pitches(person, &[3000.0])[0] < UNHEARD);
        hall.people[person].got = got;
    }
    assert_each_hears_the_others(&mut hall, &[0, 1, 2, 3]);
    hall.desk.command(hall.leg(3), Command::Close);
    hall.join(&[4], 1);
    hall.talk(1000);
    assert!(alike(hall.pitches(0, &[3000.0])[0], 6000.0), "a place came free");
}

#[test]
fn the_loudest_voices_together_stay_at_full_scale_and_do_not_turn_over() {
    // 400 Hz fits a frame, so all are in phase whatever each waits.
    let mut hall = Hall::new(&[(400.0, Codec::Pcmu), (400.0, Codec::Pcmu), (400.0, Codec::Pcma), (400.0, Codec::Pcma)]);
    for person in &mut hall.people {
        person.amplitude = 32_000.0;
    }
    hall.join(&[0, 1, 2, 3], 1);
    hall.talk(600);
    for person in 0..4 {
        let heard = hall.heard(person);
        let stretch = &heard[1600..4000];
        let tone = listen::dominant(stretch, 8000).unwrap();
        assert!((tone.hz - 400.0).abs() < 1.0, "{tone:?}");
        // Three full voices are a sine of three times full scale, cut off: nearly a square, whose first tone is 1.27 of its height.
        assert!(tone.amplitude > 36_000.0, "{tone:?}");
        let turns = stretch.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        assert!(turns <= 2 * 400 * stretch.len() / 8000 + 1, "{turns} crossings of zero: it goes through it twice a wave");
    }
}

#[test]
fn consult_music_conference_and_farewell_follow_each_other_without_a_hole() {
    let mut hall = Hall::new(&[(PITCHES[0], Codec::Pcmu), (PITCHES[1], Codec::Pcma), (PITCHES[2], Codec::Pcmu)]);
    let music = 2500.0;
    let (a, b, c) = (hall.leg(0), hall.leg(1), hall.leg(2));
    let stage = |hall: &mut Hall, name: &str, hears: [&[f64]; 3]| {
        hall.talk(1000);
        for (person, expected) in hears.into_iter().enumerate() {
            hall.people[person].assert_one_stream(60);
            // The last packet of this stage stays, so that the next one is seen to follow it.
            let last = hall.people[person].got.last().cloned();
            let heard = hall.heard(person);
            hall.people[person].got.extend(last);
            for hz in [PITCHES[0], PITCHES[1], PITCHES[2], music] {
                let amplitude = listen::goertzel(&heard[1600..1600 + 5600], 8000, hz);
                if !expected.contains(&hz) {
                    assert!(amplitude < UNHEARD, "{name}: {person} hears {hz} Hz at {amplitude}");
                } else if hz != music {
                    assert!(alike(amplitude, 6000.0), "{name}: {person} hears {hz} Hz at {amplitude}");
                } else {
                    assert!(alike(amplitude, 8000.0), "{name}: {person} hears music at {amplitude}");
                }
            }
            if !expected.is_empty() {
                let holes = listen::silences(&heard, 1000.0, 480);
                assert_eq!(holes, [], "{name}: {person} hears nothing for 60 ms");
            }
        }
    };
    hall.join(&[0, 1], 1);
    stage(&mut hall, "A and B talk", [&[PITCHES[1]], &[PITCHES[0]], &[]]);

    hall.desk.command(a, Command::Leave);
    hall.desk.play(a, 1, vec![tone(music, 8000)], OnKey::Ignore, true);
    hall.join(&[1, 2], 2);
    stage(&mut hall, "A has music, B asks C", [&[music], &[PITCHES[2]], &[PITCHES[1]]]);

    hall.join(&[0], 2);
    stage(&mut hall, "all three", [&[PITCHES[1], PITCHES[2]], &[PITCHES[0], PITCHES[2]], &[PITCHES[0], PITCHES[1]]]);
    assert_eq!(hall.desk.events(), [(a, Event::Played { id: PlayId(1), how: PlayEnd::Cut })]);

    hall.desk.command(b, Command::Leave);
    stage(&mut hall, "B leaves", [&[PITCHES[2]], &[], &[PITCHES[0]]]);

    // The other way round: a talk of two straight into a mix of two others.
    hall.join(&[1], 1);
    hall.desk.command(c, Command::Join(model::MixId(1)));
    stage(&mut hall, "C goes to B", [&[], &[PITCHES[2]], &[PITCHES[1]]]);
    hall.join(&[0], 1);
    stage(&mut hall, "A follows", [&[PITCHES[1], PITCHES[2]], &[PITCHES[0], PITCHES[2]], &[PITCHES[0], PITCHES[1]]]);
}

#[test]
fn two_become_three_and_two_again_a_hundred_times_in_one_stream_that_keeps_time() {
    let mut hall = hall(3);
    hall.join(&[0, 1], 1);
    for _ in 0..100 {
        hall.talk(130);
        hall.join(&[2], 1);
        hall.talk(150);
        hall.desk.command(hall.leg(2), Command::Leave);
    }
    for person in 0..2 {
        let person = &hall.people[person];
        person.assert_one_stream(40);
        let samples = person.got.iter().map(|(_, packet)| crate::desk::read(packet).payload.len() as u64).sum::<u64>();
        let late = hall.millis.abs_diff(samples / 8);
        assert!(late <= 40, "the timestamps are {late} ms off after 200 changes");
    }
}

#[test]
fn a_prompt_for_one_of_three_is_heard_by_that_one_and_a_key_cuts_it() {
    let mut hall = hall(3);
    hall.join(&[0, 1, 2], 1);
    hall.talk(300);
    let prompt = 2500.0;
    hall.desk.play(hall.leg(0), 7, vec![tone(prompt, 80_000)], OnKey::Cut, false);
    for person in 0..3 {
        hall.heard(person);
    }
    hall.talk(1000);
    let heard = hall.pitches(0, &[prompt, PITCHES[1], PITCHES[2]]);
    assert!(alike(heard[0], 8000.0) && heard[1] < UNHEARD && heard[2] < UNHEARD, "{heard:?}");
    for (person, others) in [(1, [PITCHES[0], PITCHES[2]]), (2, [PITCHES[0], PITCHES[1]])] {
        let heard = hall.pitches(person, &[others[0], others[1], prompt]);
        assert!(alike(heard[0], 6000.0) && alike(heard[1], 6000.0) && heard[2] < UNHEARD, "{heard:?}");
    }
    let (leg, at) = (hall.leg(0), hall.people[0].phone.at);
    let press = hall.people[0].phone.press('*', Duration::from_millis(100));
    hall.desk.hears(leg, at, &press[0]);
    assert_eq!(hall.desk.events(), [(leg, Event::Played { id: PlayId(7), how: PlayEnd::Cut })], "when the key goes down");
    for packet in &press[1..] {
        hall.desk.hears(leg, at, packet);
    }
    assert_eq!(hall.desk.digits(), "*");
    hall.talk(1000);
    // `heard` also holds that nobody was sent anything but sound.
    assert_each_hears_the_others(&mut hall, &[0, 1, 2]);
    assert_eq!(hall.desk.digits(), "", "once");
}

#[test]
fn keys_do_not_pass_in_a_sum_even_where_they_would_between_two() {
    let mut hall = hall(3);
    hall.join(&[0, 1, 2], 1);
    hall.desk.command(hall.leg(0), Command::PassKeys);
    let (leg, at) = (hall.leg(0), hall.people[0].phone.at);
    for packet in hall.people[0].phone.press('5', Duration::from_millis(100)) {
        hall.desk.hears(leg, at, &packet);
        hall.talk(20);
    }
    assert_eq!(hall.desk.digits(), "5");
    for person in 1..3 {
        hall.heard(person);
    }
}

#[test]
fn a_held_leg_gets_nothing_and_is_not_heard_while_the_others_talk() {
    let mut hall = hall(3);
    hall.join(&[0, 1, 2], 1);
    hall.talk(300);
    let far = media::Far { we_send: false, we_receive: false, ..hall.people[0].phone.far() };
    hall.desk.command(hall.leg(0), Command::Connect(far));
    for person in 0..3 {
        hall.heard(person);
    }
    hall.talk(1000);
    assert!(hall.people[0].got.is_empty());
    assert_each_hears_the_others(&mut hall, &[1, 2]);
    let far = hall.people[0].phone.far();
    hall.desk.command(hall.leg(0), Command::Connect(far));
    hall.talk(1000);
    assert_each_hears_the_others(&mut hall, &[0, 1, 2]);
}

#[test]
fn packets_of_any_length_fill_the_sum() {
    for ptime in [10, 30, 40, 60] {
        let mut hall = hall(3);
        hall.people[0].ptime = ptime;
        hall.join(&[0, 1, 2], 1);
        hall.talk(2000);
        for person in 1..3 {
            let heard = hall.pitches(person, &[PITCHES[0]]);
            assert!(alike(heard[0], 6000.0), "{ptime} ms: {heard:?}");
        }
    }
}

/// How much of what the second hears of the first is silence, in percent, when only the first speaks; the first `warmup` are not counted.
fn holes(hall: &mut Hall, warmup: u64, millis: u64) -> f64 {
    for person in &mut hall.people[1..] {
        person.amplitude = 0.0;
    }
    hall.talk(warmup);
    hall.heard(1);
    hall.talk(millis);
    let heard = hall.heard(1);
    let silent: usize = listen::silences(&heard, 1000.0, 1).into_iter().map(|hole| hole.len()).sum();
    100.0 * silent as f64 / heard.len() as f64
}

#[test]
fn jitter_of_one_leg_does_not_chop_what_the_others_hear() {
    // Within one frame nothing is lost from the start; up to about three, nothing once the wait has grown.
    for (jitter, warmup) in [(0, 60), (15, 60), (30, 3000), (40, 3000)] {
        let mut hall = hall(3);
        hall.people[0].jitter = jitter;
        hall.join(&[0, 1, 2], 1);
        let holes = holes(&mut hall, warmup, 20_000);
        assert!(holes < 0.2, "{jitter} ms of jitter: {holes:.2} % of the sound is missing");
    }
    let mut hall = hall(3);
    hall.people[0].jitter = 120;
    hall.join(&[0, 1, 2], 1);
    let holes = holes(&mut hall, 3000, 20_000);
    assert!((0.5..30.0).contains(&holes), "beyond the bound it is chopped, and still heard: {holes:.2} %");
}

/// Milliseconds from when the first begins to speak until the second hears it.
fn delay(hall: &mut Hall) -> usize {
    for person in &mut hall.people {
        person.amplitude = 0.0;
    }
    hall.talk(400);
    hall.heard(1);
    hall.people[0].amplitude = 6000.0;
    hall.talk(400);
    let heard = hall.heard(1);
    let quiet = listen::silences(&heard, 1000.0, 1).first().map_or(0, |hole| hole.end);
    quiet / 8
}

#[test]
fn after_a_stall_nobody_hears_the_past_for_long() {
    let mut hall = hall(3);
    hall.join(&[0, 1, 2], 1);
    hall.talk(1000);
    let before = delay(&mut hall);
    assert!(before <= 60, "{before} ms");
    hall.people[0].stalled_until = hall.millis + 300;
    hall.talk(350);
    let after = delay(&mut hall);
    assert!(after <= 100, "three frames, the packet and the tick at most: {after} ms");
    for person in &mut hall.people {
        person.amplitude = 0.0;
    }
    hall.talk(10_000);
    let later = delay(&mut hall);
    assert!(later <= before + 20, "what was not needed is given back: {later} ms, {before} before");
}

#[test]
fn keys_in_a_stream_of_their_own_do_not_chop_the_voice_beside_them() {
    let mut hall = hall(3);
    hall.join(&[0, 1, 2], 1);
    hall.talk(100);
    for person in &mut hall.people[1..] {
        person.amplitude = 0.0;
    }
    hall.talk(100);
    hall.heard(1);
    let (leg, at) = (hall.leg(0), hall.people[0].phone.at);
    let voice = std::mem::replace(&mut hall.people[0].phone.sender, media::rtp::Sender::new(&mut model::Random::from_number(99)));
    let press = hall.people[0].phone.press('3', Duration::from_secs(1));
    hall.people[0].phone.sender = voice;
    for packet in &press {
        hall.desk.hears(leg, at, packet);
        hall.talk(20);
    }
    assert_eq!(hall.desk.digits(), "3");
    let heard = hall.heard(1);
    assert_eq!(listen::silences(&heard, 1000.0, 1), []);
}

#[test]
fn our_own_stream_that_comes_back_is_not_summed_again() {
    let mut hall = hall(3);
    hall.join(&[0, 1, 2], 1);
    hall.talk(1000);
    // What the third was sent comes back by way of the second, who says nothing else.
    let back: Vec<_> = std::mem::take(&mut hall.people[2].got);
    hall.people[0].amplitude = 0.0;
    hall.people[2].amplitude = 0.0;
    hall.people[1].stalled_until = u64::MAX;
    hall.talk(500);
    hall.heard(0);
    let (leg, at) = (hall.leg(1), hall.people[1].phone.at);
    for (_, packet) in back {
        hall.desk.hears(leg, at, &packet);
        hall.talk(20);
    }
    let heard = hall.heard(0);
    assert!(listen::rms(&heard) < 20.0, "{}", listen::rms(&heard));
}
