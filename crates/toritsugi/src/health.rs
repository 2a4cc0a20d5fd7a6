//! How the engine is: for probes, for systemd, and for whoever wonders at three in the morning.
//!
//! [`Pulse`] is felt twice a second. What it finds stands on a [`Board`], which answers `/healthz` (what should somebody know?), `/livez` (does
//! the process live, or must it be started again?) and `/readyz` (can a call be taken at this moment?). The same doubts are the alarms of `/board`,
//! which is worked out when somebody asks for it, at most twice a second.
//!
//! Ready is telephony's word here: an engine whose carrier does not know it, whose sound comes late or whose journal cannot be written is not
//! ready, however well its process does.

use crate::board::{self, Known, Tally};
use crate::publisher::Front;
use crate::status::{Refusal, Stand, minute, no_effect};
use crate::words::Both;
use model::{AgentState, Channels, LineId, QueueId, QueueNow, Setting, Snapshot, TrunkNow, Version, WorkerStats};
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use telemetry::{Health, Metrics};
use web::{Alarm, BoardNow, Floor, STALE_MS, Severity};

/// A signalling thread that has said nothing for so long is stuck: it says something twice a second.
pub(crate) const SILENCE_MAX: Duration = Duration::from_millis(STALE_MS);
/// The board is worked out anew at most so often, whoever asks.
const BOARD_RESTS: Duration = Duration::from_millis(500);
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
    /// The doubt as the board shows it to everybody; empty where all is good.
    shown: Both,
}

/// All is good.
fn good(of: impl Into<String>, said: impl Into<String>) -> Check {
    Check { grade: Grade::Good, of: of.into(), said: said.into(), shown: Both::default() }
}

/// A doubt; in Japanese as a whole sentence.
fn doubt(grade: Grade, of: impl Into<String>, said: impl Into<String>, ja: impl Into<String>) -> Check {
    let (of, said) = (of.into(), said.into());
    let shown = Both { en: format!("{of}: {said}"), ja: ja.into() };
    Check { grade, of, said, shown }
}

impl Check {
    fn alarm(&self) -> Option<Alarm> {
        let severity = match self.grade {
            Grade::Good => return None,
            Grade::Warning => Severity::Warning,
            Grade::NotReady => Severity::NotReady,
        };
        let Both { en, ja } = self.shown.clone();
        Some(Alarm { severity, about: self.of.clone(), en, ja })
    }
}

/// What one beat found.
pub(crate) struct Beat<'a> {
    /// The engine as it stands.
    pub(crate) snapshot: &'a Arc<Snapshot>,
    /// Whether the journal can be written.
    pub(crate) journal: bool,
    /// Whether call records can be written.
    pub(crate) records: bool,
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
    /// The version that was in force.
    version: Option<Version>,
}

impl Pulse {
    /// Whether another version is in force than at the last beat.
    pub(crate) fn is_new(&mut self, version: &Version) -> bool {
        let new = self.version.as_ref() != Some(version);
        if new {
            self.version = Some(version.clone());
        }
        new
    }

    /// What `/readyz` says after this beat; `open` are the queues that callers are led to at this hour.
    fn feel(&mut self, now: Instant, beat: &Beat<'_>, open: &BTreeSet<QueueId>) -> Vec<Check> {
        let mut checks = Vec::new();
        if beat.draining {
            let ja = "停止の準備中です。新しい電話は受けません。通話中の電話は続けられます。";
            checks.push(doubt(Grade::NotReady, "stopping", "new calls are refused, calls in progress may finish", ja));
        }
        let calls = beat.snapshot.census.calls;
        checks.push(good("engine", format!("answers, calls in progress: {calls}")));
        checks.push(match beat.journal {
            true => good("journal", "written"),
            false => doubt(
                Grade::NotReady,
                "journal",
                "CANNOT BE WRITTEN, see the log. Make room on its disk: it goes on by itself, and what a restart finds unwritten is lost",
                "ジャーナル（記録）を書き込めません。ログを確認し、ディスクを空けてください。空けば自動で再開します。その前に再起動すると、まだ書けていない記録が失われます。",
            ),
        });
        if !beat.records {
            checks.push(doubt(
                Grade::Warning,
                "call records",
                "CANNOT BE WRITTEN, see the log. Make room on the disk of the state folder: they are tried again by themselves",
                "通話の記録（calls.sqlite）を書き込めません。状態フォルダーのディスクを空けてください。自動で再び書き込みます。",
            ));
        }
        checks.push(self.sound(now, beat.workers));
        checks.push(match &beat.stand.in_force {
            Some(city) => good("city", format!("{} in force (version {})", city.version, city.number)),
            None => doubt(
                Grade::Warning,
                "city",
                "in force, and NOT WRITTEN DOWN as a version, see the log. Make room on the disk of the state folder: it is tried again",
                "公開中の設定を版として書き込めていません。状態フォルダーのディスクを空けてください。自動で再び書き込みます。",
            ),
        });
        checks.extend(beat.stand.refused.as_ref().map(files));
        checks.extend(channels(beat.snapshot));
        checks.extend(trunks(beat.snapshot));
        checks.extend(agents(beat.snapshot, open));
        checks
    }

    /// Whether sound leaves in time.
    fn sound(&mut self, now: Instant, workers: &[Option<WorkerStats>]) -> Check {
        if let Some(ended) = workers.iter().position(Option::is_none) {
            let said = format!("media worker {ended} has ended, its calls are silent: restart the engine");
            let ja = format!("音声の処理（{ended} 番）が止まり、その通話は無音です。エンジンを再起動してください。");
            return doubt(Grade::NotReady, "sound", said, ja);
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
            _ if sent < PACKETS_MIN => good("sound", "workers wait for calls, or have just begun"),
            LATE_FAILS.. => doubt(
                Grade::NotReady,
                "sound",
                format!("{said}: callers hear gaps. What else runs on this machine?"),
                "音声の送出が遅れ、途切れて聞こえています。このマシンでほかに何が動いているか、確かめてください。",
            ),
            LATE_WARNS.. => doubt(
                Grade::Warning,
                "sound",
                format!("{said}. What else runs on this machine?"),
                "音声の送出に遅れが出ています。このマシンでほかに何が動いているか、確かめてください。",
            ),
            _ => good("sound", said),
        }
    }
}

/// The files as they lie were refused. What is wrong in them may name anybody, so the board only says that there is something.
fn files(refused: &Refusal) -> Check {
    let Refusal { first, at_local, .. } = refused;
    let said = format!("refused, the city before them stays in force. First: {}", first.en);
    let shown = Both::new(
        format_args!("files: refused since {at_local}, the city before them stays in force. `toritsugi status` says why"),
        format_args!("いまのファイルは {at_local} から公開できません。前の版で受けています。理由は toritsugi status で見られます。"),
    );
    Check { shown, ..doubt(Grade::Warning, "files", said, "") }
}

/// Whoever calls while all channels are used hears an engaged tone.
fn channels(snapshot: &Snapshot) -> Option<Check> {
    let Channels { in_use, max } = snapshot.channels;
    let said = format!("ALL {max} ARE IN USE: whoever calls hears an engaged tone");
    let ja = format!("着信用のチャネル {max} 本がすべて使われています。いま電話をかけた人は話し中になります。");
    (max > 0 && in_use >= max).then(|| doubt(Grade::Warning, "channels", said, ja))
}

/// What is wrong with a trunk, if anything is: in English, and in Japanese after its name.
fn trouble(trunk: &TrunkNow) -> Option<(&'static str, &'static str)> {
    match (trunk.registers, trunk.registered, trunk.reachable) {
        (true, false, _) => Some((
            "NOT REGISTERED with its carrier: nobody can call over it, see the log",
            "通信会社に登録できていません。この回線には電話がかかりません。ログを見てください。",
        )),
        (_, _, Some(false)) => Some((
            "DOES NOT ANSWER: calls out take another trunk, if there is one",
            "応答がありません。外へかける電話は、あれば別の回線を使います。",
        )),
        _ => None,
    }
}

fn trunk_says(trunk: &TrunkNow) -> &'static str {
    trouble(trunk).map_or(if trunk.registers { "registered" } else { "answers" }, |(en, _)| en)
}

/// One trunk in trouble is a warning; all of them are the end of the telephone. One that nobody asks may work.
fn trunks(snapshot: &Snapshot) -> impl Iterator<Item = Check> {
    let fails = |line: &LineId| snapshot.trunks.iter().any(|trunk| trunk.line == *line && trouble(trunk).is_some());
    let bad = if snapshot.trunk_channels.iter().all(|trunk| fails(&trunk.line)) { Grade::NotReady } else { Grade::Warning };
    snapshot.trunks.iter().map(move |trunk| {
        let of = format!("trunk {}", trunk.line);
        match trouble(trunk) {
            Some((said, ja)) => doubt(bad.clone(), of, said, format!("回線 {}：{ja}", trunk.line)),
            None => good(of, trunk_says(trunk)),
        }
    })
}

/// Somebody should be there where callers wait, and where they are led at this hour: who finds nobody is led on, and out at last.
fn agents(snapshot: &Snapshot, open: &BTreeSet<QueueId>) -> Vec<Check> {
    let deserted = snapshot.queues.iter().filter(|queue| queue.staff == 0 && (queue.depth > 0 || open.contains(&queue.queue)));
    let mut checks: Vec<Check> = deserted
        .map(|QueueNow { queue, depth, .. }| {
            let (said, ja) = match depth {
                0 => (
                    "NOBODY IS THERE, and callers are led to it at this hour".to_owned(),
                    format!("待ち行列 {queue}：いまの時間に電話が回ってきますが、担当者がひとりもいません。"),
                ),
                depth => (
                    format!("NOBODY IS THERE, and {depth} wait"),
                    format!("待ち行列 {queue}：担当者がひとりもいないのに、{depth} 人が待っています。"),
                ),
            };
            doubt(Grade::Warning, format!("queue {queue}"), said, ja)
        })
        .collect();
    let away = snapshot.agents.iter().filter(|agent| agent.state == AgentState::NotResponding).count();
    if away > 0 {
        let said = format!("NOT RESPONDING: {away}. Phones rang and nobody took them: go and look");
        let ja = format!("{away} 人の担当者が電話に出ないため、呼び出しを止めています。様子を見に行ってください。");
        checks.push(doubt(Grade::Warning, "agents", said, ja));
    }
    if checks.is_empty() {
        checks.push(good("agents", format!("logged in: {}", logged_in(snapshot))));
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
        // The page is open: what somebody can do is told, and not who.
        let what = match &set.setting {
            Setting::Skill { skill, .. } => format!("skill {skill} of an agent"),
            other @ (Setting::Notice { .. } | Setting::Schedule { .. }) => other.to_string(),
        };
        let _ = writeln!(text, "by hand: {what}, until {}{effect}", minute(&zone, set.until));
    }
    for trunk in &snapshot.trunks {
        let _ = writeln!(text, "trunk {}: {}", trunk.line, trunk_says(trunk));
    }
    if !beat.records {
        text.push_str("call records: CANNOT BE WRITTEN, see the log\n");
    }
    text.push_str(if beat.journal { "journal: written\n" } else { "journal: CANNOT BE WRITTEN, see the log\n" });
    text
}

/// What the HTTP side shows.
pub(crate) struct Board {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) front: Arc<Front>,
    tally: Arc<Mutex<Tally>>,
    seat: RwLock<Seat>,
    shown: Mutex<Option<Shown>>,
}

/// The last beat.
struct Seat {
    at: Instant,
    healthy: bool,
    page: String,
    checks: Vec<Check>,
    snapshot: Arc<Snapshot>,
}

/// The board as it was worked out last.
struct Shown {
    at: Instant,
    now: Arc<BoardNow>,
    floor: Arc<Floor>,
}

impl Board {
    /// A board before the first beat: alive, and not ready.
    pub(crate) fn new(metrics: Arc<Metrics>, front: Arc<Front>, tally: Arc<Mutex<Tally>>) -> Board {
        let checks = vec![doubt(Grade::NotReady, "engine", "has just been started", "エンジンは起動したばかりです。")];
        let snapshot = Arc::default();
        let seat = RwLock::new(Seat { at: Instant::now(), healthy: false, page: String::new(), checks, snapshot });
        Board { metrics, front, tally, seat, shown: Mutex::new(None) }
    }

    /// Puts up what a beat found.
    pub(crate) fn beat(&self, pulse: &mut Pulse, beat: &Beat<'_>) {
        let at = Instant::now();
        let open = board::queues_open(beat.snapshot, &self.front.city());
        let checks = pulse.feel(at, beat, &open);
        let ready = !checks.iter().any(|check| check.grade == Grade::NotReady);
        self.metrics.health(Health { ready, journal: beat.journal, records: beat.records });
        let page = page(beat, &self.front);
        let (zone, wall) = (self.front.zone(), beat.snapshot.wall);
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).turn(zone.day(wall), zone.midnight(wall));
        if let Ok(mut seat) = self.seat.write() {
            *seat = Seat { at, healthy: beat.journal, page, checks, snapshot: Arc::clone(beat.snapshot) };
        }
    }

    /// What the board shows, in both its forms. Whoever asks again within half a second is shown the same.
    fn look(&self) -> (Arc<BoardNow>, Arc<Floor>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = shown.take().filter(|shown| shown.at.elapsed() < BOARD_RESTS).unwrap_or_else(|| self.work_out());
        let Shown { now, floor, .. } = shown.insert(fresh);
        (Arc::clone(now), Arc::clone(floor))
    }

    fn work_out(&self) -> Shown {
        let (silence, live) = (self.silence(), web::Board::live(self));
        let (snapshot, checks) = match self.seat.read() {
            Ok(seat) if live.ok => (Arc::clone(&seat.snapshot), seat.checks.clone()),
            // What was found before it fell silent counts no more.
            Ok(seat) => (Arc::clone(&seat.snapshot), vec![silent(&live.text, silence)]),
            Err(_) => (Arc::default(), vec![silent(&live.text, silence)]),
        };
        let alarms = checks.iter().filter_map(Check::alarm).collect();
        let (city, stand) = (self.front.city(), self.front.stand());
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let floor = board::floor(Known { snapshot: &snapshot, tally: &tally, city: &city, stand: &stand, alarms, silence });
        Shown { at: Instant::now(), now: Arc::new(floor.board.clone()), floor: Arc::new(floor) }
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
            Some(Check { grade, of, said, .. }) => format!("{}{of}: {said}", label(grade, " ")),
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
    for Check { grade, of, said, .. } in of(Grade::NotReady).chain(of(Grade::Warning)).chain(of(Grade::Good)) {
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
        match self.seat.read() {
            Ok(seat) if live.ok => listed(&seat.checks),
            // What was found before it fell silent counts no more.
            _ => listed(&[silent(&live.text, self.silence())]),
        }
    }
    fn now(&self) -> Arc<BoardNow> {
        self.look().0
    }
    fn floor(&self) -> Arc<Floor> {
        self.look().1
    }
}

fn silent(said: &str, silence: Duration) -> Check {
    let ja = format!("エンジンの本体から {} 秒間応答がありません。再起動してください：systemctl restart toritsugi", silence.as_secs());
    doubt(Grade::NotReady, "engine", said.trim_end(), ja)
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
    use model::{TrunkChannels, UnixMillis};

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
        let beat =
            Beat { snapshot: &Arc::new(snapshot.clone()), journal, records: true, workers: &[worker(0, 0)], draining, stand: &stand };
        listed(&Pulse::default().feel(Instant::now(), &beat, &BTreeSet::new()))
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
        let channels = |line: &LineId| TrunkChannels { line: line.clone(), incoming: 0, outgoing: 0, max: 2 };
        let among = |trunks: &[TrunkNow], unasked: &[LineId]| {
            let trunk_channels = trunks.iter().map(|trunk| &trunk.line).chain(unasked).map(channels).collect();
            ready(&Snapshot { trunks: trunks.to_vec(), trunk_channels, ..Snapshot::default() }, true, false)
        };
        let with = |trunks: &[TrunkNow]| among(trunks, &[]);
        let (good, lost) = (trunk("a", true, true, None), trunk("b", true, false, None));
        let deaf = trunk("c", false, false, Some(false));
        let one = with(&[good, lost.clone()]);
        assert!(one.ok && one.text.contains("WARNING    trunk b: NOT REGISTERED") && one.text.contains("ok         trunk a: registered"));
        assert!(!with(&[lost.clone(), deaf.clone()]).ok);
        assert!(among(&[lost, deaf], &[LineId::from("main")]).ok, "the one that nobody asks may work");
    }

    #[test]
    fn a_queue_with_callers_and_nobody_there_is_a_warning() {
        let with = |depth: u64, staff: u64| {
            let queue = QueueNow {
                queue: "nurse".into(),
                depth,
                longest_wait_millis: 0,
                staff,
                free: 0,
                promised_millis: 20_000,
                promised_percent: 80,
            };
            ready(&Snapshot { queues: vec![queue], ..Snapshot::default() }, true, false)
        };
        let deserted = with(2, 0);
        assert!(deserted.ok && deserted.text.contains("WARNING    queue nurse: NOBODY IS THERE, and 2 wait"), "{}", deserted.text);
        assert!(!with(2, 1).text.contains("NOBODY") && !with(0, 0).text.contains("NOBODY"));
        let queue = QueueNow {
            queue: "nurse".into(),
            depth: 0,
            longest_wait_millis: 0,
            staff: 0,
            free: 0,
            promised_millis: 1,
            promised_percent: 80,
        };
        let empty = Snapshot { queues: vec![queue], ..Snapshot::default() };
        let said = |open: &[&str]| {
            let open = open.iter().map(|queue| QueueId::from(*queue)).collect();
            agents(&empty, &open).into_iter().map(|check| (check.grade, check.of, check.said)).collect::<Vec<_>>()
        };
        let nobody = "NOBODY IS THERE, and callers are led to it at this hour".to_owned();
        assert_eq!(said(&["nurse"]), [(Grade::Warning, "queue nurse".to_owned(), nobody)]);
        assert_eq!(said(&["general"]), [(Grade::Good, "agents".to_owned(), "logged in: 0".to_owned())]);
    }

    #[test]
    fn an_alarm_is_a_sentence_in_both_languages_and_names_nobody_who_is_in_the_files() {
        let first = Both::new("agents.yaml:3: yuki has no such skill", "agents.yaml:3: yuki");
        let refused = Refusal {
            at: UnixMillis(0),
            at_local: "2026-11-26 17:00".to_owned(),
            by: "mori".to_owned(),
            problems: 1,
            said: first.clone(),
            first,
        };
        let stand = Stand { refused: Some(refused), ..stand() };
        let agents =
            [AgentState::NotResponding, AgentState::Idle].map(|state| model::AgentNow { agent: "yuki".into(), state, on_break: None });
        let channels = Channels { in_use: 9, max: 9 };
        let trunks = vec![trunk("ntt", true, false, None), trunk("spare", false, false, Some(true))];
        let snapshot = Arc::new(Snapshot { agents: agents.to_vec(), channels, trunks, ..Snapshot::default() });
        let beat = Beat { snapshot: &snapshot, journal: false, records: false, workers: &[worker(0, 0)], draining: true, stand: &stand };
        let alarms: Vec<Alarm> = Pulse::default().feel(Instant::now(), &beat, &BTreeSet::new()).iter().filter_map(Check::alarm).collect();
        let about: Vec<&str> = alarms.iter().map(|alarm| alarm.about.as_str()).collect();
        assert_eq!(about, ["stopping", "journal", "call records", "files", "channels", "trunk ntt", "agents"]);
        for Alarm { about, en, ja, .. } in &alarms {
            assert!(en.starts_with(&format!("{about}: ")) && ja.ends_with('。'), "{en} {ja}");
            assert!(!en.contains("yuki") && !ja.contains("yuki") && !en.contains("mori"), "{en} {ja}");
        }
    }

    fn board() -> Board {
        let front = Front { stand: RwLock::new(stand()), city: RwLock::default() };
        Board::new(Arc::new(Metrics::new()), Arc::new(front), Arc::new(Mutex::new(Tally::new(UnixMillis(0)))))
    }

    #[test]
    fn a_board_is_worked_out_at_most_twice_a_second_whoever_asks() {
        let board = board();
        let (now, floor) = board.look();
        assert!(!now.ready && now.at_local.is_empty(), "before the first beat nothing is known: {now:?}");
        let (again, named) = board.look();
        assert!(Arc::ptr_eq(&now, &again) && Arc::ptr_eq(&floor, &named));
        if let Some(shown) = board.shown.lock().unwrap().as_mut() {
            shown.at -= BOARD_RESTS;
        }
        assert!(!Arc::ptr_eq(&now, &board.look().0));
    }

    #[test]
    fn a_board_of_a_silent_engine_says_how_old_it_is_and_what_was_found_before_counts_no_more() {
        let board = board();
        let trunks = vec![trunk("ntt", true, false, None)];
        let snapshot = Arc::new(Snapshot { wall: UnixMillis(1_795_557_600_000), trunks, ..Snapshot::default() });
        board.beat(
            &mut Pulse::default(),
            &Beat { snapshot: &snapshot, journal: true, records: true, workers: &[], draining: false, stand: &stand() },
        );
        let now = board.look().0;
        assert_eq!((now.at_local.as_str(), now.alarms[0].about.as_str()), ("07:00:00", "trunk ntt"));
        assert!(now.age_ms < STALE_MS);
        board.seat.write().unwrap().at -= Duration::from_secs(9);
        *board.shown.lock().unwrap() = None;
        let now = board.look().0;
        assert!(now.age_ms >= 9_000 && !now.ready && now.alarms.len() == 1, "{now:?}");
        assert!(now.alarms[0].about == "engine" && now.alarms[0].en.contains("nothing for 9 s"), "{:?}", now.alarms);
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
