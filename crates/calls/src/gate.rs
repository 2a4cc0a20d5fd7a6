//! The gate: what the world sees waits until the journal has it, for at most 50 ms (law 5).

use crate::Act;
use model::{ActId, Instant, LegId, Seq};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Holds acts until the record they depend on is durable.
///
/// An act that has waited [`Gate::PATIENCE`] goes out all the same and its record is reported by [`Gate::poll_overdue`]: a caller
/// hears "not durable" as an ordinary call, the person on call reads it as a warning. What may leave only after its record (a call to the
/// outside, which somebody must be able to end) is dropped instead, as if the network had lost it: SIP sends it again. Over a reliable transport SIP
/// does not, and the call would have failed: there an INVITE waits for [`Gate::PATIENCE_RELIABLE`] and an ACK for [`Gate::PATIENCE_ANSWERED`], unless
/// something follows. What follows in the same leg waits behind them, for [`Gate::PATIENCE_RELIABLE`] at most. The gate is bounded by that patience.
#[derive(Debug, Default)]
pub struct Gate {
    confirmed: Seq,
    held: VecDeque<Held>,
    open: VecDeque<(ActId, Act)>,
    overdue: Option<Seq>,
    /// The newest that was reported.
    reported: Seq,
    dropped: VecDeque<(ActId, Act)>,
}

#[derive(Debug)]
struct Held {
    id: ActId,
    after: Seq,
    until: Instant,
    /// When it came, another message of its leg was before it, and so it is before those that came later.
    follows: bool,
    act: Act,
}

impl Held {
    /// Whether it leaves with its record or not at all.
    fn only_written(&self) -> bool {
        matches!(self.act, Act::Transmit { only_written: true, .. })
    }

    /// The leg in which nothing may overtake it.
    fn bars(&self) -> Option<LegId> {
        leg_by_connection(&self.act).filter(|_| self.only_written() || self.follows)
    }
}

/// What becomes of an act that is held.
enum Fate {
    Passes,
    Stays,
    Dropped,
}

/// The leg of a message over a connection, which keeps the order of what it is given.
fn leg_by_connection(act: &Act) -> Option<LegId> {
    match act {
        Act::Transmit { leg, flow, .. } if flow.is_stream() => *leg,
        _ => None,
    }
}

/// For how long an act waits for its record.
fn patience(act: &Act) -> Duration {
    match act {
        Act::Transmit { only_written: true, flow, bytes, .. } if flow.is_stream() => {
            if bytes.starts_with(b"ACK ") {
                Gate::PATIENCE_ANSWERED
            } else {
                Gate::PATIENCE_RELIABLE
            }
        }
        _ => Gate::PATIENCE,
    }
}

impl Gate {
    /// How long an act waits for its record.
    pub const PATIENCE: Duration = Duration::from_millis(50);

    /// How long a call out waits where nothing repeats it: a disk that is busy for a moment costs no call. It is over before the machine that it goes to
    /// counts as deaf, for then the next one is called.
    pub const PATIENCE_RELIABLE: Duration = Duration::from_millis(1_400);

    /// How long the ACK of its answer waits there: as long as whoever answered waits for it, and then hangs up (64*T1, RFC 3261 section 13.3.1.4).
    pub const PATIENCE_ANSWERED: Duration = Duration::from_secs(32);

    /// A gate behind which records up to `confirmed` are durable.
    pub fn new(confirmed: Seq) -> Self {
        Gate { confirmed, ..Gate::default() }
    }

    /// An act wants to pass.
    pub fn handle_act(&mut self, now: Instant, id: ActId, after: Seq, act: Act) {
        let leg = leg_by_connection(&act);
        let follows = leg.is_some() && self.held.iter().any(|held| held.bars() == leg);
        if after <= self.confirmed && !follows {
            self.open.push_back((id, act));
            return;
        }
        let held = Held { id, after, until: now + patience(&act), follows, act };
        if follows && !held.only_written() {
            // An ACK keeps nothing waiting for longer than a call would: a BYE, or our answer to theirs.
            let latest = now + Self::PATIENCE_RELIABLE;
            self.held.iter_mut().filter(|earlier| earlier.bars() == leg).for_each(|earlier| earlier.until = earlier.until.min(latest));
        }
        self.held.push_back(held);
    }

    /// The journal has everything up to `seq`.
    pub fn handle_confirmed(&mut self, seq: Seq) {
        self.confirmed = self.confirmed.max(seq);
        let confirmed = self.confirmed;
        self.sort(|held| if held.after <= confirmed { Fate::Passes } else { Fate::Stays });
    }

    /// Time has passed: acts whose patience is over go out.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(overdue) = self.impatient().filter(|held| held.until <= now).map(|held| held.after).max() else { return };
        self.overdue = self.overdue.max(Some(overdue));
        // Whatever depends on no later record goes with it: an act of the same call never overtakes an earlier one.
        self.sort(|held| match held.only_written() {
            true if held.until <= now => Fate::Dropped,
            false if held.after <= overdue => Fate::Passes,
            _ => Fate::Stays,
        });
    }

    /// The next act that may be done, in the order they were asked for.
    pub fn poll_act(&mut self) -> Option<(ActId, Act)> {
        self.open.pop_front()
    }

    /// The newest record that acts did not wait for, once.
    pub fn poll_overdue(&mut self) -> Option<Seq> {
        let newest = self.overdue.take().filter(|seq| *seq > self.reported)?;
        self.reported = newest;
        Some(newest)
    }

    /// An act that was not done, because its record came too late. Over a reliable transport SIP does not send again: such a message is
    /// unsent.
    pub fn poll_dropped(&mut self) -> Option<(ActId, Act)> {
        self.dropped.pop_front()
    }

    /// When [`Gate::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.impatient().map(|held| held.until).min()
    }

    /// Those to whom time makes a difference: not what waits behind another message of its leg, unless it would be dropped.
    fn impatient(&self) -> impl Iterator<Item = &Held> {
        let mut barred = BTreeSet::new();
        self.held.iter().filter(move |held| {
            let behind = leg_by_connection(&held.act).is_some_and(|leg| barred.contains(&leg));
            barred.extend(held.bars());
            !behind || held.only_written()
        })
    }

    /// Lets go what passes, but for what waits behind another message of its leg.
    fn sort(&mut self, fate: impl Fn(&Held) -> Fate) {
        let mut barred = BTreeSet::new();
        let mut rest = VecDeque::with_capacity(self.held.len());
        for held in self.held.drain(..) {
            let behind = leg_by_connection(&held.act).is_some_and(|leg| barred.contains(&leg));
            match fate(&held) {
                Fate::Passes if !behind => self.open.push_back((held.id, held.act)),
                Fate::Dropped => self.dropped.push_back((held.id, held.act)),
                Fate::Passes | Fate::Stays => {
                    barred.extend(held.bars());
                    rest.push_back(held);
                }
            }
        }
        self.held = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reply;
    use model::ControlId;

    fn act(n: u64) -> Act {
        Act::Reply(ControlId(n), Reply::Done)
    }
    fn passed(gate: &mut Gate) -> Vec<u64> {
        std::iter::from_fn(|| gate.poll_act()).map(|(id, _)| id.0).collect()
    }

    #[test]
    fn the_200_waits_until_the_dialog_is_written_down() {
        let mut gate = Gate::new(Seq(4));
        let t0 = Instant::ZERO;
        gate.handle_act(t0, ActId(1), Seq(4), act(1));
        gate.handle_act(t0, ActId(2), Seq(5), act(2));
        gate.handle_act(t0, ActId(3), Seq(6), act(3));
        assert_eq!(passed(&mut gate), [1]);
        gate.handle_confirmed(Seq(5));
        assert_eq!(passed(&mut gate), [2]);
        gate.handle_confirmed(Seq(6));
        assert_eq!(passed(&mut gate), [3]);
        assert_eq!(gate.poll_timeout(), None);
    }

    #[test]
    fn a_dead_journal_delays_a_caller_by_50_ms_and_is_reported() {
        let mut gate = Gate::new(Seq(0));
        let t0 = Instant::from_millis(1000);
        gate.handle_act(t0, ActId(1), Seq(1), act(1));
        assert_eq!(gate.poll_timeout(), Some(Instant::from_millis(1050)));
        gate.handle_timeout(Instant::from_millis(1049));
        assert_eq!(passed(&mut gate), [0u64; 0]);
        gate.handle_timeout(Instant::from_millis(1050));
        assert_eq!(passed(&mut gate), [1]);
        assert_eq!(gate.poll_overdue(), Some(Seq(1)));
        assert_eq!(gate.poll_overdue(), None);
        // More of the same, while the disk is full.
        gate.handle_act(Instant::from_millis(1060), ActId(2), Seq(1), act(2));
        gate.handle_timeout(Instant::from_millis(2000));
        assert_eq!((passed(&mut gate), gate.poll_overdue()), (vec![2], None));
    }

    fn outside(transport: model::Transport) -> Act {
        message(transport, "INVITE sip:ward SIP/2.0", None, true)
    }
    fn message(transport: model::Transport, text: &'static str, leg: Option<u64>, only_written: bool) -> Act {
        let (flow, to) = (model::FlowId::any(transport), std::net::SocketAddr::from(([127, 0, 0, 1], 5090)));
        Act::Transmit { flow, to, bytes: bytes::Bytes::from_static(text.as_bytes()), leg: leg.map(LegId), only_written }
    }

    #[test]
    fn a_call_to_the_outside_that_nothing_repeats_waits_for_a_busy_disk() {
        for transport in [model::Transport::Tcp, model::Transport::Tls] {
            let mut gate = Gate::new(Seq(0));
            gate.handle_act(Instant::ZERO, ActId(1), Seq(1), outside(transport));
            gate.handle_act(Instant::ZERO, ActId(2), Seq(1), act(2));
            gate.handle_timeout(Instant::from_millis(50));
            assert_eq!((passed(&mut gate), gate.poll_dropped().map(|(id, _)| id)), (vec![2], None));
            gate.handle_confirmed(Seq(1));
            assert_eq!(passed(&mut gate), [1]);
            // A disk that is dead.
            gate.handle_act(Instant::ZERO, ActId(3), Seq(2), outside(transport));
            gate.handle_timeout(Instant::from_millis(1_399));
            assert_eq!((passed(&mut gate), gate.poll_dropped().map(|(id, _)| id)), (vec![], None));
            assert_eq!(gate.poll_timeout(), Some(Instant::from_millis(1_400)));
            gate.handle_timeout(Instant::from_millis(1_400));
            assert_eq!((passed(&mut gate), gate.poll_dropped().map(|(id, _)| id)), (vec![], Some(ActId(3))));
        }
    }

    #[test]
    fn over_a_connection_nothing_overtakes_a_message_of_its_leg_that_waits_for_the_disk() {
        let of_leg = |leg: u64, only_written: bool| message(model::Transport::Tcp, "INVITE sip:ward SIP/2.0", Some(leg), only_written);
        let mut gate = Gate::new(Seq(0));
        gate.handle_act(Instant::ZERO, ActId(1), Seq(1), of_leg(7, true));
        // Its BYE, one that depends on no record, and one of another leg.
        gate.handle_act(Instant::from_millis(10), ActId(2), Seq(2), of_leg(7, false));
        gate.handle_act(Instant::from_millis(10), ActId(3), Seq(0), of_leg(7, false));
        gate.handle_act(Instant::from_millis(10), ActId(4), Seq(2), of_leg(8, false));
        gate.handle_timeout(Instant::from_millis(60));
        assert_eq!(passed(&mut gate), [4]);
        assert_eq!(gate.poll_timeout(), Some(Instant::from_millis(1_400)), "nobody asks for them before");
        gate.handle_confirmed(Seq(1));
        assert_eq!(passed(&mut gate), [1], "a record that is confirmed lets go what depends on it");
        gate.handle_confirmed(Seq(2));
        assert_eq!(passed(&mut gate), [2, 3]);
        // The disk is dead: what waited behind leaves when it is given up.
        gate.handle_act(Instant::from_millis(100), ActId(5), Seq(3), of_leg(7, true));
        gate.handle_act(Instant::from_millis(110), ActId(6), Seq(3), of_leg(7, false));
        gate.handle_timeout(Instant::from_millis(1_499));
        assert_eq!(passed(&mut gate), [0u64; 0]);
        gate.handle_timeout(Instant::from_millis(1_500));
        assert_eq!((passed(&mut gate), gate.poll_dropped().map(|(id, _)| id)), (vec![6], Some(ActId(5))));
        assert_eq!(gate.poll_timeout(), None);
    }

    #[test]
    fn the_ack_of_an_answer_over_a_connection_waits_as_long_as_whoever_answered() {
        let of_leg = |text, only_written| message(model::Transport::Tls, text, Some(7), only_written);
        let mut gate = Gate::new(Seq(0));
        gate.handle_act(Instant::ZERO, ActId(1), Seq(1), of_leg("ACK sip:ward SIP/2.0", true));
        gate.handle_timeout(Instant::from_millis(31_999));
        assert_eq!((passed(&mut gate), gate.poll_dropped().map(|(id, _)| id)), (vec![], None));
        gate.handle_confirmed(Seq(1));
        assert_eq!(passed(&mut gate), [1]);
        // Behind it an INVITE that becomes too old meanwhile, and a BYE whose own patience is long over when the ACK has left.
        gate.handle_act(Instant::ZERO, ActId(2), Seq(2), of_leg("ACK sip:ward SIP/2.0", true));
        gate.handle_act(Instant::ZERO, ActId(3), Seq(2), of_leg("INVITE sip:ward SIP/2.0", true));
        gate.handle_timeout(Instant::from_millis(1_400));
        assert_eq!((passed(&mut gate), gate.poll_dropped().map(|(id, _)| id)), (vec![], Some(ActId(3))));
        gate.handle_act(Instant::from_millis(2_000), ActId(4), Seq(3), of_leg("BYE sip:ward SIP/2.0", false));
        assert_eq!(gate.poll_timeout(), Some(Instant::from_millis(3_400)), "and the BYE waits for the ACK for so long at most");
        gate.handle_confirmed(Seq(2));
        assert_eq!((passed(&mut gate), gate.poll_timeout()), (vec![2], Some(Instant::from_millis(2_050))));
        gate.handle_timeout(Instant::from_millis(3_000));
        assert_eq!(passed(&mut gate), [4]);
        // The disk is dead, and the answer came again before the BYE.
        for (id, millis) in [(6, 0), (7, 500)] {
            gate.handle_act(Instant::from_millis(millis), ActId(id), Seq(4), of_leg("ACK sip:ward SIP/2.0", true));
        }
        gate.handle_act(Instant::from_millis(8_000), ActId(8), Seq(4), of_leg("BYE sip:ward SIP/2.0", false));
        gate.handle_timeout(Instant::from_millis(9_400));
        assert_eq!((passed(&mut gate), gate.poll_dropped().map(|(id, _)| id)), (vec![8], Some(ActId(6))));
        assert_eq!((gate.poll_dropped().map(|(id, _)| id), gate.poll_timeout()), (Some(ActId(7)), None));
        gate.handle_act(Instant::ZERO, ActId(5), Seq(4), of_leg("ACK sip:ward SIP/2.0", true));
        gate.handle_timeout(Instant::from_millis(32_000));
        assert_eq!((passed(&mut gate), gate.poll_dropped().map(|(id, _)| id)), (vec![], Some(ActId(5))));
        assert_eq!(gate.poll_timeout(), None);
    }

    #[test]
    fn a_call_to_the_outside_leaves_with_its_record_or_not_at_all() {
        let invite = || outside(model::Transport::Udp);
        let mut gate = Gate::new(Seq(0));
        gate.handle_act(Instant::ZERO, ActId(1), Seq(1), invite());
        gate.handle_act(Instant::ZERO, ActId(2), Seq(1), act(2));
        gate.handle_timeout(Instant::from_millis(50));
        assert_eq!((passed(&mut gate), gate.poll_dropped().map(|(id, _)| id)), (vec![2], Some(ActId(1))));
        gate.handle_confirmed(Seq(1));
        assert_eq!(passed(&mut gate), [0u64; 0], "what was dropped does not leave later");
        gate.handle_act(Instant::from_millis(500), ActId(3), Seq(1), invite());
        assert_eq!(passed(&mut gate), [3], "SIP's copy does");
        gate.handle_act(Instant::from_millis(510), ActId(4), Seq(2), invite());
        gate.handle_confirmed(Seq(2));
        assert_eq!((passed(&mut gate), gate.poll_dropped().map(|(id, _)| id)), (vec![4], None));
    }

    #[test]
    fn acts_of_one_call_never_overtake_each_other() {
        let mut gate = Gate::new(Seq(0));
        gate.handle_act(Instant::ZERO, ActId(1), Seq(1), act(1));
        gate.handle_act(Instant::from_millis(20), ActId(2), Seq(1), act(2));
        gate.handle_timeout(Instant::from_millis(50));
        assert_eq!(passed(&mut gate), [1, 2]);
    }
}
