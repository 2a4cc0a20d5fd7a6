//! Two endpoints and a bad network between them: whatever is lost, doubled or overtaken, both come to the same end.

use crate::common::{ANSWER, OFFER, REALM};
use bytes::Bytes;
use model::{DialogId, DigestAlgorithm, FlowId, Instant, Now, Random, UnixMillis};
use sip::{Census, Command, Config, Endpoint, Event, Identity, Output, Target};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What the network does to the n-th datagram: when each of its copies arrives, in milliseconds from now.
type Fate<'a> = Box<dyn FnMut(usize) -> Vec<u64> + 'a>;

/// What the two people do, in milliseconds from the start.
#[derive(Clone, Copy, Debug, Default)]
struct Story {
    answers: Option<u64>,
    refuses: Option<u64>,
    caller_cancels: Option<u64>,
    caller_hangs_up: Option<u64>,
    callee_hangs_up: Option<u64>,
}

struct World<'a> {
    now: Instant,
    ends: [Endpoint; 2],
    dialogs: [Option<DialogId>; 2],
    events: [Vec<Event>; 2],
    /// Datagrams under way: when, to whom, in which order.
    wire: BTreeMap<(Instant, u64), (usize, Bytes)>,
    sent: usize,
    fate: Fate<'a>,
}

fn addr(end: usize) -> SocketAddr {
    ["192.0.2.1:5060", "192.0.2.2:5060"][end].parse().unwrap()
}

impl<'a> World<'a> {
    fn new(seed: u64, fate: Fate<'a>) -> World<'a> {
        let endpoint = |end: usize| {
            let config = Config { local: addr(end), realm: REALM.to_owned(), digest: vec![DigestAlgorithm::Md5] };
            Endpoint::new(config, Random::from_number(seed * 2 + end as u64))
        };
        World {
            now: Instant::ZERO,
            ends: [endpoint(0), endpoint(1)],
            dialogs: [None, None],
            events: [Vec::new(), Vec::new()],
            wire: BTreeMap::new(),
            sent: 0,
            fate,
        }
    }
    fn drain(&mut self, end: usize) {
        while let Some(output) = self.ends[end].poll_output() {
            match output {
                Output::Transmit { to, bytes, .. } => {
                    let other = 1 - end;
                    assert_eq!(to, addr(other));
                    for delay in (self.fate)(self.sent) {
                        let key = (self.now + Duration::from_millis(delay), self.wire.len() as u64 + self.sent as u64 * 1000);
                        self.wire.insert(key, (other, bytes.clone()));
                    }
                    self.sent += 1;
                }
                Output::Event(event) => {
                    if let Event::Invite { dialog, .. } = event {
                        assert!(self.dialogs[1].is_none(), "one call, not two");
                        self.dialogs[1] = Some(dialog);
                    }
                    self.events[end].push(event);
                }
                Output::Note(_) | Output::Passed { .. } => {}
            }
        }
    }
    fn both(&self) -> Now {
        Now { mono: self.now, wall: UnixMillis(0) }
    }
    fn command(&mut self, end: usize, command: impl FnOnce(DialogId) -> Command) {
        if let Some(dialog) = self.dialogs[end] {
            let now = self.both();
            self.ends[end].handle_command(now, command(dialog));
            self.drain(end);
        }
    }
    /// Lets the network and the timers work until `end`.
    fn pass(&mut self, end: Instant) {
        loop {
            let arrival = self.wire.first_key_value().map(|((at, _), _)| *at);
            let timers = self.ends.iter().filter_map(Endpoint::poll_timeout).min();
            let Some(next) = [arrival, timers].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            let now = self.both();
            if arrival == Some(next) {
                let (_, (to, bytes)) = self.wire.pop_first().unwrap();
                self.ends[to].handle_message(now, FlowId::UDP, addr(1 - to), &bytes);
                self.drain(to);
            } else {
                for at in 0..2 {
                    self.ends[at].handle_timeout(now);
                    self.drain(at);
                }
            }
        }
        self.now = end;
    }
    /// Runs the story for five minutes; people act every 50 ms when their time has come.
    fn run(&mut self, story: Story) {
        let dialog = self.ends[0].new_dialog();
        self.dialogs[0] = Some(dialog);
        let to =
            Target { uri: "sip:b@192.0.2.2".to_owned(), flow: FlowId::UDP, addr: addr(1), routes: Vec::new(), user: None, trunk: None };
        let from = Identity { display: "A".to_owned(), user: "a".to_owned() };
        self.command(0, |dialog| Command::Invite { dialog, to, from, sdp: Bytes::from(OFFER) });
        let (mut rang, mut done) = (false, [false; 5]);
        for tick in 0..6_000u64 {
            self.pass(Instant::from_millis(tick * 50));
            let come = |at: Option<u64>| at.is_some_and(|at| at <= tick * 50);
            if self.dialogs[1].is_some() && !std::mem::replace(&mut rang, true) {
                self.command(1, |dialog| Command::Provisional { dialog, status: 180 });
            }
            if rang && come(story.answers) && !std::mem::replace(&mut done[0], true) {
                self.command(1, |dialog| Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
            }
            if rang && come(story.refuses) && !std::mem::replace(&mut done[1], true) {
                self.command(1, |dialog| Command::Reject { dialog, status: 486, retry_after_secs: None });
            }
            if come(story.caller_cancels) && !std::mem::replace(&mut done[2], true) {
                self.command(0, |dialog| Command::Cancel { dialog, reason: None });
            }
            let (answered, acked) =
                (self.heard(0, |e| matches!(e, Event::Answered { .. })), self.heard(1, |e| matches!(e, Event::Acked { .. })));
            if answered && come(story.caller_hangs_up) && !std::mem::replace(&mut done[3], true) {
                self.command(0, |dialog| Command::Bye { dialog });
            }
            if acked && come(story.callee_hangs_up) && !std::mem::replace(&mut done[4], true) {
                self.command(1, |dialog| Command::Bye { dialog });
            }
        }
    }
    /// Both hang up whatever they still hold.
    fn close(&mut self) {
        for end in 0..2 {
            self.command(end, |dialog| Command::Bye { dialog });
        }
        self.pass(self.now + Duration::from_secs(120));
    }
    fn heard(&self, end: usize, what: impl Fn(&Event) -> bool) -> bool {
        self.events[end].iter().any(what)
    }
    /// Each dialog ended exactly once and last, and nothing is left.
    fn assert_over(&self, context: &str) {
        for end in 0..2 {
            let ended = self.events[end].iter().filter(|e| matches!(e, Event::Ended { .. })).count();
            assert_eq!(ended, usize::from(self.dialogs[end].is_some()), "{context}: end {end}: {:?}", self.events[end]);
            assert!(
                self.dialogs[end].is_none() || matches!(self.events[end].last(), Some(Event::Ended { .. })),
                "{context}: {:?}",
                self.events[end]
            );
            assert_eq!(self.ends[end].census(), Census::default(), "{context}: end {end}");
        }
    }
}

fn stories() -> Vec<Story> {
    let calm = Story { answers: Some(1_000), ..Story::default() };
    vec![
        Story { caller_hangs_up: Some(5_000), ..calm },
        Story { callee_hangs_up: Some(5_000), ..calm },
        Story { caller_hangs_up: Some(5_000), callee_hangs_up: Some(5_000), ..calm },
        Story { refuses: Some(1_000), ..Story::default() },
        Story { caller_cancels: Some(700), ..Story::default() },
        // The CANCEL and the 200 pass each other on the wire.
        Story { caller_cancels: Some(1_000), callee_hangs_up: Some(9_000), ..calm },
        Story { caller_cancels: Some(0), ..calm },
    ]
}

#[test]
fn any_one_message_may_be_lost() {
    for (number, story) in stories().into_iter().enumerate() {
        let mut world = World::new(1, Box::new(|_| vec![20]));
        world.run(story);
        world.assert_over(&format!("story {number}"));
        let (whole, calm) = (world.sent, world.events.clone());
        drop(world);
        for lost in 0..whole {
            let mut world = World::new(1, Box::new(move |n| if n == lost { vec![] } else { vec![20] }));
            world.run(story);
            let context = format!("story {number}, datagram {lost} lost");
            world.assert_over(&context);
            let talked = |events: &[Vec<Event>; 2]| events.iter().flatten().any(|e| matches!(e, Event::Answered { .. }));
            if story.caller_cancels.is_none() {
                assert_eq!(talked(&world.events), talked(&calm), "{context}");
            }
            assert!(!world.events.iter().flatten().any(|e| matches!(e, Event::AckMissing { .. })), "{context}");
        }
    }
}

#[test]
fn a_network_that_loses_doubles_and_reorders_leaves_nothing_behind() {
    let mut completed = 0;
    for seed in 0..60 {
        for (number, story) in stories().into_iter().enumerate() {
            let mut dice = Random::from_number(seed);
            let fate = move |_| match dice.below(10) {
                0 | 1 => vec![],
                2 => vec![5 + dice.below(700), 5 + dice.below(900)],
                _ => vec![5 + dice.below(300)],
            };
            let mut world = World::new(seed, Box::new(fate));
            world.run(story);
            world.assert_over(&format!("seed {seed}, story {number}"));
            completed += usize::from(world.heard(0, |e| matches!(e, Event::Answered { .. })));
        }
    }
    assert!(completed > 150, "at 20 % loss most calls come about: {completed}");
}

#[test]
fn a_network_that_is_cut_leaves_nothing_behind() {
    for cut in 0..14 {
        for (number, story) in stories().into_iter().enumerate() {
            let mut world = World::new(3, Box::new(move |n| if n < cut { vec![20] } else { vec![] }));
            world.run(story);
            // Whoever does not notice that the other is gone holds the line until the calls tell it to hang up.
            world.close();
            world.assert_over(&format!("cut after {cut}, story {number}"));
        }
    }
}
