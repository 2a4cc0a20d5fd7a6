//! Two phones call each other over a wire in memory, good and bad.

use model::{Codec, Instant, Random};
use phone::{AnswerPolicy, Command, Config, Event, Output, Phone, Socket, Sound};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const CALLER: usize = 0;
const CALLEE: usize = 1;

/// To whom, by which socket, from where, and what.
type Flying = (usize, Socket, SocketAddr, Vec<u8>);

/// Two phones, the datagrams between them, and what each has told.
struct Wire {
    now: Instant,
    phones: [Phone; 2],
    addrs: [SocketAddr; 2],
    flying: BTreeMap<(Instant, u64), Flying>,
    serial: u64,
    random: Random,
    /// Lost datagrams of SIP, in percent.
    loss_percent: u64,
    /// Lost on purpose: the first so many datagrams that begin so.
    swallow: Vec<(&'static str, u32)>,
    /// Every third datagram of RTP is lost.
    thins_sound: bool,
    told: Vec<(usize, Instant, Event)>,
}

fn config(at: usize, answer: AnswerPolicy, says: Sound) -> Config {
    let addr = |ip: usize, port: u16| SocketAddr::from(([192, 0, 2, u8::try_from(ip).unwrap() + 1], port));
    Config {
        user: ["yuki", "nurse"][at].to_owned(),
        password: None,
        sip: addr(at, 5060),
        rtp: addr(at, 4000),
        server: addr(1 - at, 5060),
        answer,
        says,
        codecs: Codec::ALL.to_vec(),
        trace: false,
    }
}

impl Wire {
    fn new(answer: AnswerPolicy) -> Wire {
        Wire::of([config(CALLER, AnswerPolicy::Never, Sound::Nothing), config(CALLEE, answer, Sound::Nothing)])
    }

    fn of(configs: [Config; 2]) -> Wire {
        let addrs = [configs[0].sip, configs[1].sip];
        let mut random = Random::from_number(7);
        let phones = configs.map(|c| Phone::new(c, random.fork()));
        let now = Instant::from_millis(1000);
        Wire {
            now,
            phones,
            addrs,
            flying: BTreeMap::new(),
            serial: 0,
            random,
            loss_percent: 0,
            swallow: Vec::new(),
            thins_sound: false,
            told: Vec::new(),
        }
    }

    fn command(&mut self, who: usize, command: Command) {
        self.phones[who].handle_command(self.now, command);
        self.drain(who);
    }

    fn dial(&mut self) {
        let uri = format!("sip:nurse@{}", self.addrs[CALLEE]);
        self.command(CALLER, Command::Dial { uri });
    }

    fn drain(&mut self, who: usize) {
        while let Some(output) = self.phones[who].poll_output() {
            match output {
                Output::Event(event) => self.told.push((who, self.now, event)),
                Output::Send { socket, to, bytes } => {
                    assert_eq!(to.ip(), self.addrs[1 - who].ip(), "sent to a stranger");
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if let Some((_, left)) = self.swallow.iter_mut().find(|(start, left)| *left > 0 && text.starts_with(start)) {
                        *left -= 1;
                        continue;
                    }
                    if socket == Socket::Sip && self.random.below(100) < self.loss_percent {
                        continue;
                    }
                    self.serial += 1;
                    if socket == Socket::Rtp && self.thins_sound && self.serial.is_multiple_of(3) {
                        continue;
                    }
                    let from = SocketAddr::new(self.addrs[who].ip(), if socket == Socket::Sip { 5060 } else { 4000 });
                    self.flying.insert((self.now + Duration::from_millis(10), self.serial), (1 - who, socket, from, bytes));
                }
            }
        }
    }

    /// Lets time pass, event by event.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let arrival = self.flying.keys().next().map(|k| k.0);
            let timers = self.phones.iter().filter_map(Phone::poll_timeout);
            let Some(next) = timers.chain(arrival).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            match self.flying.first_entry().filter(|e| e.key().0 <= next) {
                Some(entry) => {
                    let (who, socket, from, bytes) = entry.remove();
                    self.phones[who].handle_packet(self.now, socket, from, &bytes);
                    self.drain(who);
                }
                None => {
                    for who in [CALLER, CALLEE] {
                        self.phones[who].handle_timeout(self.now);
                        self.drain(who);
                    }
                }
            }
        }
        self.now = end;
    }

    fn told(&self, who: usize) -> Vec<&Event> {
        self.told.iter().filter(|(w, _, e)| *w == who && !matches!(e, Event::Heard(_))).map(|(_, _, e)| e).collect()
    }

    fn count(&self, who: usize, event: &Event) -> usize {
        self.told(who).into_iter().filter(|e| *e == event).count()
    }

    fn violations(&self) -> Vec<&String> {
        self.told.iter().filter_map(|(_, _, e)| if let Event::Violation(v) = e { Some(v) } else { None }).collect()
    }

    /// Nothing under way any more, and nobody complained.
    fn assert_quiet(&mut self) {
        self.run(Duration::from_secs(70));
        assert!(self.violations().is_empty(), "{:#?}", self.violations());
        for phone in &self.phones {
            assert!(!phone.is_busy(), "still busy");
            assert_eq!(phone.poll_timeout(), None);
        }
    }
}

fn ended(by_us: bool, status: Option<u16>) -> Event {
    Event::Ended { by_us, status }
}

const SOON: AnswerPolicy = AnswerPolicy::After(Duration::from_millis(1500));

#[test]
fn the_nurse_answers_and_the_caller_hangs_up() {
    let mut wire = Wire::new(SOON);
    wire.dial();
    wire.run(Duration::from_secs(5));
    assert!(wire.phones.iter().all(Phone::is_connected));
    wire.command(CALLER, Command::HangUp);
    wire.run(Duration::from_secs(1));
    assert_eq!(wire.told(CALLER), [&Event::Progress(100), &Event::Progress(180), &Event::Connected, &ended(true, None)]);
    assert_eq!(wire.told(CALLEE), [&Event::Incoming { from: "<sip:yuki@192.0.2.2>".to_owned() }, &Event::Connected, &ended(false, None)]);
    wire.assert_quiet();
}

#[test]
fn the_nurse_hangs_up() {
    let mut wire = Wire::new(SOON);
    wire.dial();
    wire.run(Duration::from_secs(5));
    wire.command(CALLEE, Command::HangUp);
    wire.run(Duration::from_secs(1));
    assert_eq!(wire.count(CALLER, &ended(false, None)), 1);
    assert_eq!(wire.count(CALLEE, &ended(true, None)), 1);
    wire.assert_quiet();
}

#[test]
fn both_hang_up_at_once() {
    let mut wire = Wire::new(SOON);
    wire.dial();
    wire.run(Duration::from_secs(5));
    wire.command(CALLER, Command::HangUp);
    wire.command(CALLEE, Command::HangUp);
    wire.run(Duration::from_secs(1));
    assert_eq!(wire.count(CALLER, &ended(true, None)), 1);
    assert_eq!(wire.count(CALLEE, &ended(true, None)), 1);
    wire.assert_quiet();
}

#[test]
fn the_caller_gives_up_while_it_rings() {
    let mut wire = Wire::new(AnswerPolicy::Never);
    wire.dial();
    wire.run(Duration::from_secs(20));
    wire.command(CALLER, Command::Cancel);
    wire.run(Duration::from_secs(1));
    assert_eq!(wire.count(CALLER, &ended(true, Some(487))), 1);
    assert_eq!(wire.count(CALLEE, &ended(false, Some(487))), 1);
    wire.assert_quiet();
}

#[test]
fn the_caller_gives_up_before_any_answer_came() {
    let mut wire = Wire::new(AnswerPolicy::Never);
    wire.dial();
    wire.command(CALLER, Command::Cancel);
    assert!(!wire.flying.values().any(|(_, _, _, bytes)| bytes.starts_with(b"CANCEL")), "RFC 3261 section 9.1 makes it wait");
    wire.run(Duration::from_secs(1));
    assert_eq!(wire.count(CALLER, &ended(true, Some(487))), 1);
    wire.assert_quiet();
}

#[test]
fn a_cancel_crosses_the_answer() {
    let mut wire = Wire::new(AnswerPolicy::After(Duration::from_secs(2)));
    wire.dial();
    // The 200 leaves at 2.010 s; the CANCEL meets it half way.
    wire.run(Duration::from_millis(2015));
    wire.command(CALLER, Command::Cancel);
    wire.run(Duration::from_secs(1));
    assert_eq!(wire.count(CALLER, &Event::Connected), 0);
    assert_eq!(wire.count(CALLER, &ended(true, Some(487))), 1);
    assert_eq!(wire.count(CALLEE, &Event::Connected), 1);
    assert_eq!(wire.count(CALLEE, &ended(false, None)), 1);
    wire.assert_quiet();
}

#[test]
fn the_line_is_busy_and_the_call_that_is_on_goes_on() {
    let mut wire = Wire::new(AnswerPolicy::Decline(486));
    wire.dial();
    wire.run(Duration::from_secs(1));
    assert_eq!(wire.count(CALLER, &ended(false, Some(486))), 1);
    assert_eq!(wire.count(CALLEE, &ended(true, Some(486))), 1);
    wire.assert_quiet();
}

#[test]
fn nobody_is_there() {
    let mut wire = Wire::new(SOON);
    wire.command(CALLEE, Command::Vanish);
    wire.dial();
    wire.run(Duration::from_secs(33));
    assert_eq!(wire.told(CALLER), [&ended(false, Some(408))]);
    wire.assert_quiet();
}

#[test]
fn the_callee_vanishes_and_the_bye_is_never_answered() {
    let mut wire = Wire::new(SOON);
    wire.dial();
    wire.run(Duration::from_secs(5));
    wire.command(CALLEE, Command::Vanish);
    wire.command(CALLER, Command::HangUp);
    wire.run(Duration::from_secs(40));
    assert_eq!(wire.violations().len(), 1, "{:?}", wire.violations());
    assert!(wire.violations()[0].contains("BYE"));
}

#[test]
fn any_message_is_lost_and_the_call_works() {
    // A 180 is sent once: the 100 before it has stopped the INVITE from being repeated.
    for (start, times) in [("INVITE", 2), ("SIP/2.0 100", 1), ("SIP/2.0 180", 1), ("SIP/2.0 200", 2), ("ACK", 2), ("BYE", 2)] {
        let mut wire = Wire::new(SOON);
        wire.swallow.push((start, times));
        wire.dial();
        wire.run(Duration::from_secs(10));
        wire.command(CALLER, Command::HangUp);
        wire.run(Duration::from_secs(20));
        assert_eq!(wire.count(CALLER, &Event::Connected), 1, "{start}");
        assert_eq!(wire.count(CALLEE, &ended(false, None)), 1, "{start}");
        assert!(wire.swallow.iter().all(|(_, left)| *left == 0), "{start} was never sent");
        wire.assert_quiet();
    }
}

#[test]
fn the_callee_hangs_up_before_the_ack_and_waits_for_it() {
    let mut wire = Wire::new(SOON);
    wire.swallow.push(("ACK", 1));
    wire.dial();
    wire.run(Duration::from_millis(1600));
    wire.command(CALLEE, Command::HangUp);
    assert_eq!(wire.count(CALLEE, &ended(true, None)), 0, "RFC 3261 section 15 makes it wait");
    wire.run(Duration::from_secs(2));
    assert_eq!(wire.count(CALLEE, &ended(true, None)), 1);
    wire.assert_quiet();
}

#[test]
fn no_ack_ever_comes() {
    let mut wire = Wire::new(SOON);
    wire.swallow.push(("ACK", u32::MAX));
    wire.dial();
    wire.run(Duration::from_secs(40));
    assert!(wire.violations().iter().any(|v| v.contains("got no ACK")), "{:?}", wire.violations());
    assert_eq!(wire.count(CALLEE, &ended(true, Some(408))), 1);
    assert_eq!(wire.count(CALLER, &ended(false, None)), 1);
}

#[test]
fn a_hundred_calls_through_a_bad_network() {
    for seed in 0..100 {
        let mut wire = Wire::new(SOON);
        wire.random = Random::from_number(seed);
        wire.loss_percent = 30;
        wire.dial();
        wire.run(Duration::from_secs(30));
        let who = usize::try_from(seed % 2).unwrap();
        wire.command(who, Command::HangUp);
        wire.run(Duration::from_secs(60));
        for who in [CALLER, CALLEE] {
            let ends = wire.told(who).into_iter().filter(|e| matches!(e, Event::Ended { .. })).count();
            assert_eq!(ends, 1, "seed {seed}: {:?}", wire.told(who));
        }
        wire.assert_quiet();
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = || {
        let mut wire = Wire::new(SOON);
        wire.loss_percent = 20;
        wire.dial();
        wire.run(Duration::from_secs(20));
        wire.command(CALLER, Command::HangUp);
        wire.run(Duration::from_secs(60));
        format!("{:?}", wire.told)
    };
    assert_eq!(story(), story());
}

/// What a phone heard, word by word.
fn heard(wire: &Wire, who: usize) -> Vec<phone::Sounding> {
    wire.phones[who].timeline().iter().map(|s| s.what).collect()
}

fn talking(says: [Sound; 2]) -> Wire {
    let [caller, callee] = says;
    Wire::of([config(CALLER, AnswerPolicy::Never, caller), config(CALLEE, AnswerPolicy::After(Duration::from_secs(1)), callee)])
}

#[test]
fn two_people_hear_each_other_and_the_record_is_aligned() {
    let mut wire = talking([Sound::Tone(440), Sound::Tone(1000)]);
    wire.dial();
    wire.run(Duration::from_secs(6));
    wire.command(CALLER, Command::HangUp);
    wire.run(Duration::from_secs(1));
    let tone = |who: usize| media::listen::dominant(&wire.phones[who].heard().samples[8000..16_000], 8000).unwrap().hz.round();
    assert_eq!((tone(CALLER), tone(CALLEE)), (1000.0, 440.0));
    assert_eq!(heard(&wire, CALLER), [phone::Sounding::Tone(1000)]);
    assert_eq!(heard(&wire, CALLEE), [phone::Sounding::Tone(440)]);
    for phone in &wire.phones {
        assert_eq!(phone.heard().samples.len(), phone.said().samples.len());
        assert!(phone.heard().length() > Duration::from_millis(4900), "{:?}", phone.heard().length());
        let stats = phone.media_stats();
        assert_eq!((stats.lost, stats.foreign), (0, 0), "{stats:?}");
    }
    wire.assert_quiet();
}

#[test]
fn lost_packets_leave_holes_and_nothing_shifts() {
    let mut wire = talking([Sound::Silence, Sound::Tone(1000)]);
    wire.dial();
    wire.run(Duration::from_secs(2));
    wire.thins_sound = true;
    wire.run(Duration::from_secs(2));
    wire.thins_sound = false;
    wire.run(Duration::from_secs(3));
    let stats = wire.phones[CALLER].media_stats();
    assert!((20..50).contains(&stats.lost), "{stats:?}");
    let phone = &wire.phones[CALLER];
    let holes = media::listen::silences(&phone.heard().samples, 50.0, 160).len();
    assert!(holes.abs_diff(usize::try_from(stats.lost).unwrap()) <= 3, "{holes} holes, {stats:?}");
    let after = media::listen::dominant(&phone.heard().samples[34_000..40_000], 8000).unwrap();
    assert_eq!(after.hz.round(), 1000.0);
}

#[test]
fn keys_are_pressed_by_script_once_the_call_is_up() {
    for says in [Sound::Silence, Sound::Nothing] {
        let mut wire = talking([says.clone(), Sound::Silence]);
        wire.command(CALLER, Command::Press(phone::Key::parse_script("1w2W#").unwrap()));
        wire.dial();
        wire.run(Duration::from_millis(900));
        assert!(!wire.told(CALLER).iter().any(|e| matches!(e, Event::Pressed(_))), "not before the call is up");
        wire.run(Duration::from_secs(5));
        let pressed: Vec<(char, u128)> = wire
            .told
            .iter()
            .filter_map(|(who, at, e)| {
                if let (CALLER, Event::Pressed(d)) = (*who, e) { Some((d.as_char(), at.since(Instant::ZERO).as_millis())) } else { None }
            })
            .collect();
        assert_eq!(pressed.iter().map(|p| p.0).collect::<String>(), "12#", "{says:?}");
        assert!(pressed[1].1 - pressed[0].1 >= 500 && pressed[2].1 - pressed[1].1 >= 1000, "{pressed:?}");
        wire.command(CALLER, Command::HangUp);
        wire.assert_quiet();
    }
}

#[test]
fn a_broken_path_stops_the_sound_and_nothing_else() {
    let mut wire = talking([Sound::Silence, Sound::Tone(440)]);
    wire.dial();
    wire.run(Duration::from_secs(4));
    let before = wire.phones[CALLEE].media_stats().sent;
    wire.command(CALLEE, Command::StopSending);
    wire.run(Duration::from_secs(4));
    assert_eq!(wire.phones[CALLEE].media_stats().sent, before);
    wire.command(CALLER, Command::HangUp);
    wire.run(Duration::from_secs(1));
    assert_eq!(heard(&wire, CALLER), [phone::Sounding::Tone(440), phone::Sounding::Silence]);
    wire.assert_quiet();
}

#[test]
fn a_phone_that_was_not_woken_for_a_minute_does_not_burst() {
    let mut wire = talking([Sound::Tone(440), Sound::Silence]);
    wire.dial();
    wire.run(Duration::from_secs(3));
    wire.now += Duration::from_secs(60);
    wire.phones[CALLER].handle_timeout(wire.now);
    let sent = std::iter::from_fn(|| wire.phones[CALLER].poll_output()).filter(|o| matches!(o, Output::Send { .. })).count();
    assert!(sent <= 51, "{sent} packets at once");
    assert_eq!(wire.phones[CALLER].heard().samples.len(), wire.phones[CALLER].said().samples.len());
}
