//! How the engine is: for probes, for systemd, and for whoever wonders at three in the morning.
//!
//! [`Pulse`] is felt twice a second. What it finds stands on a [`Board`], which answers `/healthz` (what should somebody know?), `/livez` (does
//! the process live, or must it be started again?) and `/readyz` (can a call be taken at this moment?).
//!
//! Ready is telephony's word here: an engine whose carrier does not know it, whose sound comes late or whose journal cannot be written is not
//! ready, however well its process does.

use crate::publisher::Front;
use crate::status::{Stand, minute, no_effect};
use model::{AgentState, Snapshot, TrunkNow, WorkerStats};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use telemetry::Metrics;

/// A signalling thread that has said nothing for so long is stuck: it says something twice a second.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Over how long the lateness of sound is judged.
const SOUND_OVER: Duration = Duration::from_secs(10);
/// A packet counts as late from so many of [`model::LATENESS_BOUNDS_MICROS`] on: above 20 ms, a whole packet.
const LATE_FROM: usize = 6;
/// Fewer packets say nothing.
const PACKETS_MIN: u64 = 200;
/// Of a thousand packets so many late ones are worth a warning ..
const LATE_WARNS: u64 = 10;
/// .. and with so many, nobody understands a word.
const LATE_FAILS: u64 = 300;

/// What is known of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Grade {
    Good,
    /// Somebody should look; calls are taken all the same.
    Warning,
    /// No call can be taken as it should be.
    NotReady,
}

/// One line of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    grade: Grade,
    of: String,
    said: String,
}

fn check(grade: Grade, of: impl Into<String>, said: impl Into<String>) -> Check {
    Check { grade, of: of.into(), said: said.into() }
}

/// What one beat found.
pub(crate) struct Beat<'a> {
    /// The engine as it stands.
    pub(crate) snapshot: &'a Snapshot,
    /// Whether the journal can be written.
    pub(crate) journal: bool,
    /// What each media worker has done; `None`: its thread has ended.
    pub(crate) workers: &'a [Option<WorkerStats>],
    /// Whether no new calls are taken, because the engine is to stop.
    pub(crate) draining: bool,
    /// How the city's files stand.
    pub(crate) stand: &'a Stand,
}

/// What is remembered from one beat to the next.
#[derive(Default)]
pub(crate) struct Pulse {
    /// When, the packets that were sent until then, and how many of them late.
    sound: VecDeque<(Instant, u64, u64)>,
}

impl Pulse {
    /// What `/readyz` says after this beat.
    fn feel(&mut self, now: Instant, beat: &Beat<'_>) -> Vec<Check> {
        let mut checks = Vec::new();
        if beat.draining {
            checks.push(check(Grade::NotReady, "stopping", "new calls are refused, calls in progress may finish"));
        }
        let calls = beat.snapshot.census.calls;
        checks.push(check(Grade::Good, "engine", format!("answers, calls in progress: {calls}")));
        checks.push(match beat.journal {
            true => check(Grade::Good, "journal", "written"),
            false => check(Grade::NotReady, "journal", "CANNOT BE WRITTEN, see the log; make room on its disk, then restart"),
        });
        checks.push(self.sound(now, beat.workers));
        checks.push(match &beat.stand.in_force {
            Some(city) => check(Grade::Good, "city", format!("{} in force (version {})", city.version, city.number)),
            None => check(Grade::NotReady, "city", "none is in force"),
        });
        if let Some(refused) = &beat.stand.refused {
            checks.push(check(
                Grade::Warning,
                "files",
                format!("refused, the city before them stays in force. First: {}", refused.first.en),
            ));
        }
        checks.extend(trunks(&beat.snapshot.trunks));
        checks.extend(agents(beat.snapshot));
        checks
    }

    /// Whether sound leaves in time.
    fn sound(&mut self, now: Instant, workers: &[Option<WorkerStats>]) -> Check {
        if let Some(ended) = workers.iter().position(Option::is_none) {
            return check(Grade::NotReady, "sound", format!("media worker {ended} has ended, its calls are silent: restart the engine"));
        }
        let all = workers.iter().flatten();
        let sent = all.clone().map(|w| w.packets_sent).sum::<u64>();
        let late = all.flat_map(|w| w.lateness.iter().skip(LATE_FROM)).sum::<u64>();
        self.sound.push_back((now, sent, late));
        while self.sound.len() > 1 && self.sound.front().is_some_and(|(at, ..)| now.duration_since(*at) > SOUND_OVER) {
            self.sound.pop_front();
        }
        let (sent, late) = self.sound.front().map_or((0, 0), |(_, s, l)| (sent.saturating_sub(*s), late.saturating_sub(*l)));
        let permille = late.saturating_mul(1000) / sent.max(1);
        let said = format!("{late} of {sent} packets left more than 20 ms late in the last {} s", SOUND_OVER.as_secs());
        match permille {
            _ if sent < PACKETS_MIN => check(Grade::Good, "sound", "workers wait for calls, or have just begun"),
            LATE_FAILS.. => check(Grade::NotReady, "sound", format!("{said}: callers hear gaps. What else runs on this machine?")),
            LATE_WARNS.. => check(Grade::Warning, "sound", format!("{said}. What else runs on this machine?")),
            _ => check(Grade::Good, "sound", said),
        }
    }
}

/// What is wrong with a trunk, if anything is.
fn trouble(trunk: &TrunkNow) -> Option<&'static str> {
    match (trunk.registers, trunk.registered, trunk.reachable) {
        (true, false, _) => Some("NOT REGISTERED with its carrier: nobody can call over it, see the log"),
        (_, _, Some(false)) => Some("DOES NOT ANSWER: calls out take another trunk"),
        _ => None,
    }
}

fn trunk_says(trunk: &TrunkNow) -> &'static str {
    trouble(trunk).unwrap_or(if trunk.registers { "registered" } else { "answers" })
}

/// One trunk in trouble is a warning; all of them are the end of the telephone.
fn trunks(trunks: &[TrunkNow]) -> impl Iterator<Item = Check> {
    let bad = if trunks.iter().all(|trunk| trouble(trunk).is_some()) { Grade::NotReady } else { Grade::Warning };
    trunks.iter().map(move |trunk| {
        let grade = if trouble(trunk).is_some() { bad.clone() } else { Grade::Good };
        check(grade, format!("trunk {}", trunk.line), trunk_says(trunk))
    })
}

/// A queue is open to who monitors it when somebody waits in it.
fn agents(snapshot: &Snapshot) -> Vec<Check> {
    let deserted = snapshot.queues.iter().filter(|queue| queue.depth > 0 && queue.staff == 0);
    let mut checks: Vec<Check> = deserted
        .map(|queue| check(Grade::Warning, format!("queue {}", queue.queue), format!("NOBODY IS THERE, and {} wait", queue.depth)))
        .collect();
    if checks.is_empty() {
        checks.push(check(Grade::Good, "agents", format!("logged in: {}", logged_in(snapshot))));
    }
    checks
}

fn logged_in(snapshot: &Snapshot) -> usize {
    snapshot.agents.iter().filter(|a| a.state != AgentState::SignedOut).count()
}

/// What `/healthz` says: whatever somebody should know, in plain sentences.
fn page(beat: &Beat<'_>, front: &Front) -> String {
    let snapshot = beat.snapshot;
    let mut text = format!("calls in progress: {}\nagents logged in: {}\n", snapshot.census.calls, logged_in(snapshot));
    // A refused file is nobody's outage: callers are served by the city in force.
    text.push_str(&beat.stand.lines());
    let (zone, city) = (front.zone(), front.city());
    for set in &snapshot.overrides {
        let effect = no_effect(&city, &set.setting).map_or_else(String::new, |why| format!("; WITHOUT EFFECT: {}", why.en));
        let _ = writeln!(text, "by hand: {}, until {}{effect}", set.setting, minute(&zone, set.until));
    }
    for trunk in &snapshot.trunks {
        let _ = writeln!(text, "trunk {}: {}", trunk.line, trunk_says(trunk));
    }
    text.push_str(if beat.journal { "journal: written\n" } else { "journal: CANNOT BE WRITTEN, see the log\n" });
    text
}

/// What the HTTP side shows.
pub(crate) struct Board {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) front: Arc<Front>,
    seat: RwLock<Seat>,
}

/// The last beat.
struct Seat {
    at: Instant,
    healthy: bool,
    page: String,
    checks: Vec<Check>,
}

impl Board {
    /// A board before the first beat: alive, and not ready.
    pub(crate) fn new(metrics: Arc<Metrics>, front: Arc<Front>) -> Board {
        let checks = vec![check(Grade::NotReady, "engine", "has just been started")];
        let seat = RwLock::new(Seat { at: Instant::now(), healthy: false, page: String::new(), checks });
        Board { metrics, front, seat }
    }

    /// Puts up what a beat found.
    pub(crate) fn beat(&self, pulse: &mut Pulse, beat: &Beat<'_>) {
        let at = Instant::now();
        let checks = pulse.feel(at, beat);
        let page = page(beat, &self.front);
        if let Ok(mut seat) = self.seat.write() {
            *seat = Seat { at, healthy: beat.journal, page, checks };
        }
    }

    /// How long ago the engine said something.
    pub(crate) fn silence(&self) -> Duration {
        self.seat.read().map_or(Duration::MAX, |seat| seat.at.elapsed())
    }

    /// One line for `systemctl status`.
    pub(crate) fn headline(&self) -> String {
        let Ok(seat) = self.seat.read() else { return String::new() };
        let worst =
            seat.checks.iter().find(|c| c.grade == Grade::NotReady).or_else(|| seat.checks.iter().find(|c| c.grade == Grade::Warning));
        match worst.or(seat.checks.first()) {
            Some(Check { grade, of, said }) => format!("{}{of}: {said}", label(grade, " ")),
            None => String::new(),
        }
    }
}

fn label(grade: &Grade, end: &str) -> String {
    match grade {
        Grade::Good => String::new(),
        Grade::Warning => format!("WARNING{end}"),
        Grade::NotReady => format!("NOT READY{end}"),
    }
}

/// The lines of `/readyz`, what matters first.
fn listed(checks: &[Check]) -> web::Health {
    let of = |grade: Grade| checks.iter().filter(move |c| c.grade == grade);
    let ok = of(Grade::NotReady).next().is_none();
    let mut text = if ok { "ready\n".to_owned() } else { "NOT READY\n".to_owned() };
    for Check { grade, of, said } in of(Grade::NotReady).chain(of(Grade::Warning)).chain(of(Grade::Good)) {
        let mark = if *grade == Grade::Good { "ok".to_owned() } else { label(grade, "") };
        let _ = writeln!(text, "{mark:9}  {of}: {said}");
    }
    web::Health { ok, text }
}

impl web::Board for Board {
    fn metrics(&self) -> String {
        self.metrics.render()
    }
    fn health(&self) -> web::Health {
        let seat = self.seat.read().map(|seat| (seat.healthy, seat.page.clone())).unwrap_or_default();
        web::Health { ok: seat.0, text: seat.1 }
    }
    fn live(&self) -> web::Health {
        alive(self.silence())
    }
    fn ready(&self) -> web::Health {
        let live = self.live();
        // What was found before it fell silent counts no more.
        let silent = || vec![check(Grade::NotReady, "engine", live.text.trim_end())];
        match self.seat.read() {
            Ok(seat) if live.ok => listed(&seat.checks),
            _ => listed(&silent()),
        }
    }
}

fn alive(silence: Duration) -> web::Health {
    let stuck = format!("the signalling thread has said nothing for {} s, restart it: systemctl restart toritsugi\n", silence.as_secs());
    let ok = silence <= SILENCE_MAX;
    web::Health { ok, text: if ok { "alive\n".to_owned() } else { stuck } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::InForce;
    use model::{QueueNow, UnixMillis};

    fn stand() -> Stand {
        let city = InForce {
            number: 3,
            version: "a1b2".to_owned(),
            at: UnixMillis(0),
            at_local: String::new(),
            by: String::new(),
            why: String::new(),
            again: None,
            instead: false,
        };
        Stand { in_force: Some(city), ..Stand::default() }
    }
    fn trunk(line: &str, registers: bool, registered: bool, reachable: Option<bool>) -> TrunkNow {
        TrunkNow { line: line.into(), registration: None, registers, registered, reachable }
    }
    fn worker(sent: u64, late: u64) -> Option<WorkerStats> {
        let mut stats = WorkerStats { packets_sent: sent, ..WorkerStats::default() };
        stats.lateness[0] = sent - late;
        stats.lateness[LATE_FROM] = late;
        Some(stats)
    }
    /// What `/readyz` says of this.
    fn ready(snapshot: &Snapshot, journal: bool, draining: bool) -> web::Health {
        let stand = stand();
        let beat = Beat { snapshot, journal, workers: &[worker(0, 0)], draining, stand: &stand };
        listed(&Pulse::default().feel(Instant::now(), &beat))
    }

    #[test]
    fn an_engine_without_trouble_is_ready_with_nobody_logged_in() {
        let health = ready(&Snapshot::default(), true, false);
        assert!(
            health.ok && health.text.starts_with("ready\n") && health.text.contains("ok         agents: logged in: 0"),
            "{}",
            health.text
        );
    }

    #[test]
    fn a_journal_that_cannot_be_written_and_a_stop_come_first() {
        for (journal, draining, first) in [(false, false, "NOT READY  journal: CANNOT BE WRITTEN"), (true, true, "NOT READY  stopping: ")] {
            let health = ready(&Snapshot::default(), journal, draining);
            assert!(!health.ok && health.text.lines().nth(1).unwrap().starts_with(first), "{}", health.text);
        }
    }

    #[test]
    fn an_engine_that_is_silent_is_to_be_started_again() {
        assert!(alive(Duration::from_secs(5)).ok);
        let silent = alive(Duration::from_millis(7900));
        assert!(!silent.ok && silent.text.contains("nothing for 7 s"), "{}", silent.text);
    }

    #[test]
    fn one_trunk_in_trouble_is_a_warning_and_all_of_them_are_an_outage() {
        let with = |trunks: &[TrunkNow]| ready(&Snapshot { trunks: trunks.to_vec(), ..Snapshot::default() }, true, false);
        let (good, lost) = (trunk("a", true, true, None), trunk("b", true, false, None));
        let deaf = trunk("c", false, false, Some(false));
        let one = with(&[good, lost.clone()]);
        assert!(one.ok && one.text.contains("WARNING    trunk b: NOT REGISTERED") && one.text.contains("ok         trunk a: registered"));
        assert!(!with(&[lost, deaf]).ok);
    }

    #[test]
    fn a_queue_with_callers_and_nobody_there_is_a_warning() {
        let with = |depth: u64, staff: u64| {
            let queue =
                QueueNow { queue: "nurse".into(), depth, longest_wait_millis: 0, staff, promised_millis: 20_000, promised_percent: 80 };
            ready(&Snapshot { queues: vec![queue], ..Snapshot::default() }, true, false)
        };
        let deserted = with(2, 0);
        assert!(deserted.ok && deserted.text.contains("WARNING    queue nurse: NOBODY IS THERE, and 2 wait"), "{}", deserted.text);
        assert!(!with(2, 1).text.contains("NOBODY") && !with(0, 0).text.contains("NOBODY"));
    }

    #[test]
    fn sound_that_comes_late_is_judged_by_the_last_seconds_only() {
        let mut pulse = Pulse::default();
        let began = Instant::now();
        let mut at = |secs: u64, sent: u64, late: u64| pulse.sound(began + Duration::from_secs(secs), &[worker(sent, late)]).grade;
        assert_eq!(at(0, 0, 0), Grade::Good);
        assert_eq!(at(1, 150, 150), Grade::Good, "too few to judge");
        assert_eq!(at(2, 1000, 320), Grade::NotReady);
        assert_eq!(at(12, 2000, 340), Grade::Warning, "320 of them are an old story");
        assert_eq!(at(23, 3000, 340), Grade::Good);
        assert_eq!(pulse.sound(began, &[worker(9, 0), None]).grade, Grade::NotReady, "a thread has ended");
    }
}
