//! What a dashboard sees after a day at the city's front door.

use model::*;
use std::collections::{BTreeMap, BTreeSet};
use telemetry::Metrics;

const CALLER: &str = "0449876543";
const PERSON: &str = "b81f09c2d7";
const CITY: &str = "0440000001";

/// One of each event, as one caller and one agent would make them happen.
fn day() -> Vec<Event> {
    let (call, ticket, offer, leg) = (CallId(17), TicketId(3), OfferId(5), LegId(34));
    let (queue, agent, lang) = (QueueId::from("nurse"), AgentId::from("yuki"), Lang::from("ja"));
    let number = Number::parse(CITY).unwrap();
    let record = CallRecord {
        call,
        arrived: UnixMillis(1_582_845_300_000),
        number: number.clone(),
        caller: Redacted::new(CALLER).to_string(),
        lang: lang.clone(),
        path: vec!["greeting".to_owned()],
        queue: Some(queue.clone()),
        waited: Some(Millis(25_000)),
        to_human: Some(Millis(61_000)),
        agent: Some(agent.clone()),
        talked: Some(Millis(240_000)),
        ended: UnixMillis(1_582_845_700_000),
        end: CallEnd::Served,
        hung_up_by: Party::Caller,
        version: Version::from("4f2a9c"),
        person: Some(Person::from(PERSON)),
        ticket: Some(ticket),
        class: 0,
        gave_up: Some(AbandonStage::Ringing),
        transferred_to: None,
        called_back: false,
        called_first: None,
        cause: None,
    };
    let ward = LineId::from("ward_kawasaki");
    let held = Why { counts: BTreeMap::from([(Reason::Reserved, 1), (Reason::State(AgentState::Talking), 2)]), ..Why::default() };
    let eased = Why { relax_step: 1, overtook: vec![TicketId(1), TicketId(2)], overtook_count: 2, ..Why::default() };
    let stats = MediaStats { sent: 900, received: 880, lost: 2, late: 1, foreign: 0, jitter: 40, keys_rtp: 3, keys_sip: 1 };
    let deaf = MediaStats { sent: 250, ..MediaStats::default() };
    vec![
        Event::Published { version: Version::from("4f2a9c") },
        Event::PublicationRefused { problems: 2 },
        Event::OverrideSet { set: Box::new(closed()) },
        Event::OverrideEnded { what: closed().setting.id(), by: None },
        Event::Arrived { call, number, caller: Redacted::new(CALLER.to_owned()), line: LineId::from("ntt") },
        Event::Withheld { call, why: model::Withheld::Payphone },
        Event::CalledFirst { call, line: LineId::from("ward_kawasaki") },
        Event::Refused { why: Refusal::Full, person: Some(Person::from(PERSON)) },
        Event::Answered { call },
        Event::StepEntered { call, flow: FlowName::from("city"), step: StepId::from("greeting") },
        Event::PromptStarted { call, prompt: PromptId::from("welcome"), lang: lang.clone() },
        Event::PromptMissing { call, prompt: PromptId::from("menu"), lang: lang.clone() },
        Event::Pressed { call, step: StepId::from("main"), digit: Digit::from_char('2').unwrap(), meaning: KeyMeaning::Choice },
        Event::NoInput { call, step: StepId::from("main") },
        Event::HandedToPeople { call, flow: FlowName::from("city"), manner: Manner::Silent, took: Millis(61_500) },
        Event::Enqueued { call, ticket, queue: queue.clone(), position: 1 },
        Event::LeftQueue { call, ticket, queue: queue.clone(), waited: Millis(25_000), how: QueueEnd::Answered, promised: Millis(25_000) },
        Event::Waits { call: Some(call), ticket, queue: queue.clone(), why: held },
        Event::Offered { call, ticket, offer, queue: queue.clone(), agent: agent.clone(), why: eased },
        Event::OfferEnded { offer, agent: agent.clone(), how: OfferEnd::Answered },
        Event::WaitJudged { call, queue: queue.clone(), low: Millis(10_000), high: Millis(20_000), waited: Millis(25_000) },
        Event::PlaceKept { call, age: Millis(90_000) },
        Event::LineTaken { line: ward.clone(), used: 1, lines: 2 },
        Event::LineTaken { line: ward.clone(), used: 2, lines: 2 },
        Event::LineFull { line: ward.clone() },
        Event::LineFreed { line: ward, used: 1, lines: 2 },
        Event::TrunkRegistration { line: LineId::from("ntt"), how: model::TrunkRegistration::WrongPassword },
        Event::TrunkReachable { line: LineId::from("ntt"), reachable: false },
        Event::TrunkPassedOver { line: LineId::from("ntt"), why: model::WhyPassed::Deaf },
        Event::CallsOutLimited,
        Event::Transferred {
            call,
            to: "ward_kawasaki".to_owned(),
            kind: TransferKind::Warm,
            by: Some(agent.clone()),
            how: TransferEnd::AtCapacity,
        },
        Event::CallbackBooked { call, ticket, queue: queue.clone() },
        Event::CallbackTried { ticket, attempt: 1, how: CallbackTry::NotConfirmed },
        Event::CallbackEnded { ticket, queue: queue.clone(), how: CallbackEnd::Expired },
        Event::AgentCalledOut { agent: agent.clone(), answered: false },
        Event::Repaired { agent: agent.clone(), what: "talking, and in no call".to_owned() },
        Event::Bridged { call, queue, agent: agent.clone(), waited: Millis(25_000), to_human: Millis(61_000) },
        Event::Ended { record: Box::new(record) },
        Event::AgentState { agent: agent.clone(), from: AgentState::Offered, to: AgentState::Talking, ended: None, reason: None },
        Event::AgentState {
            agent: agent.clone(),
            from: AgentState::NotReady,
            to: AgentState::NotReady,
            ended: Some(BreakOver { reason: Some(BreakReason::from("lunch")), lasted: Millis(1_800_500) }),
            reason: None,
        },
        Event::AgentState {
            agent: agent.clone(),
            from: AgentState::NotReady,
            to: AgentState::Idle,
            ended: Some(BreakOver { reason: None, lasted: Millis(60_000) }),
            reason: None,
        },
        Event::Registered { agent: agent.clone() },
        Event::Unregistered { agent: agent.clone(), expired: true },
        Event::PhoneGone { agent, why: PhoneGone::Silent },
        Event::AuthenticationFailed { challenged: true },
        Event::SipRequest { line: Some(LineId::from("ntt")), method: Method::Invite, direction: Direction::In, again: true },
        Event::SipResponse { line: None, class: 2, direction: Direction::Out },
        Event::InviteDone { line: Some(LineId::from("ntt")), direction: Direction::In, status: 200 },
        Event::InviteDone { line: None, direction: Direction::Out, status: 503 },
        Event::InviteHeard { line: None, took: Millis(40) },
        Event::ByeDone { took: Millis(30) },
        Event::SipMalformed { answered: false },
        Event::Stranger,
        Event::StrangerNamed { from: "203.0.113.9".parse().unwrap() },
        Event::AimedAtUs { from: "203.0.113.9".parse().unwrap() },
        Event::Flood,
        Event::SourceBanned { from: "203.0.113.9".parse().unwrap(), lasts: Millis(600_000) },
        Event::Banned,
        Event::ForeignRequest,
        Event::ConnectionClosed { why: model::ConnectionEnd::Slow },
        Event::Certificate { expires: UnixMillis(1_590_000_000_000) },
        Event::CertificateRefused,
        Event::Media { leg, stats },
        Event::Media { leg, stats: deaf },
        Event::MediaFailed { leg },
        Event::NotDurable { seq: Seq(9) },
        Event::CallEvicted { call },
        Event::MessageLeft { call, mailbox: MailboxId::from("general"), length: Millis(4200), how: MessageEnd::Key },
        Event::MessageNotKept { call, mailbox: MailboxId::from("general"), why: NotKept::DiskShort },
        Event::LookedUp { call, lookup: LookupId::from("vaccine"), how: LookupEnd::TimedOut, took: Millis(4000) },
    ]
}
fn away(reason: &str) -> Option<BreakNow> {
    Some(BreakNow { reason: Some(BreakReason::from(reason)), since: None })
}
fn closed() -> Override {
    let setting = Setting::Schedule { schedule: ScheduleId::from("centre"), hours: Hours::Closed };
    Override { setting, by: "duty".to_owned(), why: String::new(), since: UnixMillis(0), until: UnixMillis(1_000) }
}
fn board() -> Snapshot {
    Snapshot {
        wall: UnixMillis(1_582_845_700_500),
        version: Some(Version::from("4f2a9c")),
        census: Census { calls: 3, legs: 4, dialogs: 5, transactions: 6, tickets: 2, ports: 8, timers: 9, callbacks: 10 },
        queues: vec![QueueNow {
            queue: QueueId::from("nurse"),
            depth: 2,
            longest_wait_millis: 31_500,
            staff: 4,
            free: 1,
            promised_millis: 60_000,
            promised_percent: 80,
        }],
        agents: vec![
            AgentNow { agent: AgentId::from("ken"), state: AgentState::Idle, on_break: None },
            // Asked for during the call: not yet a break.
            AgentNow { agent: AgentId::from("yuki"), state: AgentState::Talking, on_break: away("lunch") },
            AgentNow { agent: AgentId::from("mio"), state: AgentState::NotReady, on_break: away("meeting") },
            AgentNow { agent: AgentId::from("aoi"), state: AgentState::NotReady, on_break: Some(BreakNow::default()) },
            AgentNow { agent: AgentId::from("rin"), state: AgentState::NotReady, on_break: away("taken_out") },
        ],
        breaks: ["lunch", "meeting"].map(|reason| Break { reason: BreakReason::from(reason), code: 1, label: BTreeMap::new() }).to_vec(),
        overrides: vec![closed()],
        lines: Vec::new(),
        trunks: vec![model::TrunkNow {
            line: LineId::from("ntt"),
            registration: Some(model::TrunkRegistration::Registered),
            registers: true,
            registered: true,
            reachable: Some(false),
        }],
        trunk_channels: vec![model::TrunkChannels { line: LineId::from("ntt"), incoming: 2, outgoing: 1, max: 30 }],
        channels: Channels { in_use: 3, max: 3 },
        oldest_call_millis: 61_500,
        skills: vec![SkillNow { skill: Skill::from("nurse"), agents: BTreeMap::from([(AgentState::Talking, 1)]) }],
        holidays_until: Some(UnixMillis(1_600_000_000_000)),
    }
}
fn worker() -> WorkerStats {
    WorkerStats {
        packets_sent: 100,
        packets_received: 90,
        packets_lost: 3,
        packets_late: 2,
        packets_foreign: 1,
        send_failures: 4,
        lateness: [10, 5, 0, 0, 0, 1, 0, 0, 2],
        lateness_sum_micros: 350_000,
        sessions: 7,
    }
}
fn busy() -> Metrics {
    let metrics = Metrics::new();
    day().iter().for_each(|event| metrics.note(event));
    metrics.snapshot(&Snapshot { wall: UnixMillis(board().wall.0 - 1_500), ..board() });
    metrics.snapshot(&board());
    metrics.files(telemetry::Files { refused: true, rolled_back: false });
    metrics.health(telemetry::Health { ready: true, journal: false, records: false });
    metrics.boxes(&[(MailboxId::from("general"), 3)].into());
    metrics.worker(0, &worker());
    metrics.worker(1, &WorkerStats::default());
    metrics
}

/// What a page of the text exposition format says.
#[derive(Default)]
struct Page {
    help: BTreeMap<String, String>,
    kind: BTreeMap<String, String>,
    rows: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

/// Reads the format's version 0.0.4, strictly: a line that does not parse is a panic.
fn read(page: &str) -> Page {
    let mut read = Page::default();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("HELP has a name and a text");
            assert!(read.help.insert(name.to_owned(), help.to_owned()).is_none(), "HELP twice: {line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("TYPE has a name and a kind");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(read.kind.insert(name.to_owned(), kind.to_owned()).is_none(), "TYPE twice: {line}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            let (name, labels) = series.split_once('{').map_or((series, ""), |(n, l)| (n, l.strip_suffix('}').expect("a closing brace")));
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
            let mut pairs = BTreeMap::new();
            for pair in labels.split(',').filter(|p| !p.is_empty()) {
                let (label, value) = pair.split_once('=').expect("a label has a value");
                let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).expect("a label's value is quoted");
                assert!(!value.contains(['"', '\\', '\n']), "our labels need no escapes: {line}");
                pairs.insert(label.to_owned(), value.to_owned());
            }
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(read.rows.insert((name.to_owned(), pairs), value).is_none(), "twice: {line}");
        }
    }
    read
}
impl Page {
    /// The figure of `name` with exactly these labels.
    fn figure(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.rows.get(&(name.to_owned(), labels)).copied()
    }
    /// The metric that a row belongs to.
    fn metric<'a>(&self, row: &'a str) -> &'a str {
        let parts = ["_bucket", "_sum", "_count"].iter().filter_map(|s| row.strip_suffix(s));
        parts.into_iter().find(|base| self.kind.get(*base).is_some_and(|k| k == "histogram")).unwrap_or(row)
    }
}

#[test]
fn the_page_parses_and_every_metric_says_what_it_means() {
    let page = read(&busy().render());
    for (row, _) in page.rows.keys() {
        let metric = page.metric(row);
        let help = page.help.get(metric).unwrap_or_else(|| panic!("{metric} has no help"));
        assert!(help.len() >= 15, "{metric}: {help}");
        assert!(metric.starts_with("toritsugi_") || metric.starts_with("process_"), "{metric}");
        let kind = &page.kind[metric];
        assert_eq!(kind == "counter", metric.ends_with("_total"), "{metric} is a {kind}");
        assert!(kind != "histogram" || metric.ends_with("_seconds"), "{metric}");
    }
    for telemetry::Described { name, help, .. } in telemetry::catalogue() {
        assert_eq!(page.help.get(&name).map(String::as_str), Some(help), "{name} is on the page once everything has happened");
        assert!(help.ends_with('.') && !help.contains("  "), "{name}: {help:?}");
    }
    assert!(page.figure("process_resident_memory_bytes", &[]).is_some_and(|bytes| bytes > 0.0));
}

#[test]
fn messages_that_wait_are_seen_by_box_and_a_box_that_is_no_more_leaves_the_board() {
    let metrics = busy();
    let unheard = |metrics: &Metrics| read(&metrics.render()).figure("toritsugi_voicemail_unheard", &[("box", "general")]);
    assert_eq!(unheard(&metrics), Some(3.0));
    metrics.boxes(&BTreeMap::new());
    assert_eq!(unheard(&metrics), None);
}

#[test]
fn a_callers_number_is_nowhere_not_even_masked() {
    let page = busy().render();
    let masked = Redacted::new(CALLER).to_string();
    assert!(!page.contains(CALLER) && !page.contains(&CALLER[1..]) && !page.contains(&masked) && !page.contains(PERSON), "{page}");
    let labels: BTreeSet<String> = read(&page).rows.keys().flat_map(|(_, labels)| labels.keys().cloned()).collect();
    let known = [
        "answered",
        "box",
        "class",
        "direction",
        "end",
        "expired",
        "flow",
        "how",
        "key",
        "kind",
        "lang",
        "le",
        "line",
        "lookup",
        "loss",
        "meaning",
        "method",
        "number",
        "outcome",
        "prompt",
        "queue",
        "reason",
        "result",
        "retransmission",
        "skill",
        "stage",
        "state",
        "step",
        "to",
        "verdict",
        "version",
        "worker",
    ];
    assert_eq!(labels, known.iter().map(|l| (*l).to_owned()).collect(), "a label that nobody has reviewed: may it hold a person's number?");
    for ((row, labels), _) in read(&page).rows {
        for (label, value) in labels.iter().filter(|(label, _)| !["le", "version"].contains(&label.as_str())) {
            let digits = value.chars().filter(char::is_ascii_digit).count();
            assert!(digits < 5 || (label == "number" && value == CITY), "{row}: {label}={value} looks like a telephone number");
        }
    }
}

/// A metric, its labels, its figure.
type Figure = (&'static str, &'static [(&'static str, &'static str)], f64);

#[test]
fn the_day_is_counted_where_it_belongs() {
    let page = read(&busy().render());
    let expected: &[Figure] = &[
        ("toritsugi_calls_arrived_total", &[("number", CITY)], 1.0),
        ("toritsugi_calls_ended_total", &[("number", CITY), ("outcome", "served")], 1.0),
        ("toritsugi_calls_ended_total", &[("number", CITY), ("outcome", "abandoned_in_menu")], 0.0),
        ("toritsugi_calls_refused_total", &[("reason", "full")], 1.0),
        ("toritsugi_calls_refused_total", &[("reason", "no_port")], 0.0),
        ("toritsugi_menu_to_human_seconds_sum", &[("flow", "city"), ("how", "silent")], 61.5),
        ("toritsugi_menu_to_human_seconds_bucket", &[("flow", "city"), ("how", "silent"), ("le", "60")], 0.0),
        ("toritsugi_menu_to_human_seconds_bucket", &[("flow", "city"), ("how", "silent"), ("le", "75")], 1.0),
        ("toritsugi_time_to_human_seconds_count", &[("queue", "nurse")], 1.0),
        ("toritsugi_time_to_human_seconds_bucket", &[("queue", "nurse"), ("le", "60")], 0.0),
        ("toritsugi_time_to_human_seconds_bucket", &[("queue", "nurse"), ("le", "90")], 1.0),
        ("toritsugi_queue_wait_seconds_sum", &[("queue", "nurse"), ("outcome", "answered")], 25.0),
        ("toritsugi_queue_depth_callers", &[("queue", "nurse")], 2.0),
        ("toritsugi_queue_longest_wait_seconds", &[("queue", "nurse")], 31.5),
        ("toritsugi_overrides", &[("kind", "schedule")], 1.0),
        ("toritsugi_overrides", &[("kind", "notice")], 0.0),
        ("toritsugi_call_records_refused", &[], 1.0),
        ("toritsugi_journal_refused", &[], 1.0),
        ("toritsugi_ready", &[], 1.0),
        ("toritsugi_city_files_refused", &[], 1.0),
        ("toritsugi_city_rolled_back", &[], 0.0),
        ("toritsugi_agents", &[("state", "idle")], 1.0),
        ("toritsugi_agents", &[("state", "not_responding")], 0.0),
        ("toritsugi_agents_not_ready", &[("reason", "lunch")], 0.0),
        ("toritsugi_agents_not_ready", &[("reason", "meeting")], 1.0),
        ("toritsugi_agents_not_ready", &[("reason", "none")], 1.0),
        ("toritsugi_agents_not_ready", &[("reason", "taken_out")], 1.0),
        ("toritsugi_agent_not_ready_seconds_total", &[("reason", "lunch")], 1800.5),
        ("toritsugi_agent_not_ready_seconds_total", &[("reason", "none")], 60.0),
        ("toritsugi_offers_ended_total", &[("result", "answered")], 1.0),
        ("toritsugi_sip_requests_total", &[("line", "ntt"), ("method", "INVITE"), ("direction", "in"), ("retransmission", "true")], 1.0),
        ("toritsugi_sip_responses_total", &[("line", "unlisted"), ("class", "2xx"), ("direction", "out")], 1.0),
        ("toritsugi_trunk_channels_in_use", &[("line", "ntt"), ("direction", "in")], 2.0),
        ("toritsugi_trunk_channels_in_use", &[("line", "ntt"), ("direction", "out")], 1.0),
        ("toritsugi_trunk_channels", &[("line", "ntt")], 30.0),
        ("toritsugi_sip_malformed_total", &[("answered", "false")], 1.0),
        ("toritsugi_sip_strangers_total", &[], 1.0),
        ("toritsugi_sip_authentication_failures_total", &[], 1.0),
        ("toritsugi_agent_phones_lost_total", &[("expired", "true")], 1.0),
        ("toritsugi_media_failures_total", &[], 1.0),
        ("toritsugi_rtp_jitter_seconds_sum", &[], 0.005),
        ("toritsugi_rtp_packets_sent_total", &[("worker", "0")], 100.0),
        ("toritsugi_rtp_packets_foreign_total", &[("worker", "0")], 1.0),
        ("toritsugi_media_sessions", &[("worker", "1")], 0.0),
        ("toritsugi_rtp_ports", &[], 8.0),
        ("toritsugi_timers", &[], 9.0),
        ("toritsugi_not_durable_total", &[], 1.0),
        ("toritsugi_publications_total", &[("result", "refused")], 1.0),
        ("toritsugi_city_info", &[("version", "4f2a9c")], 1.0),
        ("toritsugi_waits_total", &[("queue", "nurse")], 1.0),
        ("toritsugi_reserve_held_total", &[("queue", "nurse")], 1.0),
        ("toritsugi_offers_by_easing_total", &[("queue", "nurse"), ("step", "1")], 1.0),
        ("toritsugi_overtakings_total", &[("queue", "nurse")], 2.0),
        ("toritsugi_wait_estimates_total", &[("queue", "nurse"), ("verdict", "longer")], 1.0),
        ("toritsugi_wait_estimates_total", &[("queue", "nurse"), ("verdict", "inside")], 0.0),
        ("toritsugi_wait_estimate_error_seconds_sum", &[("queue", "nurse")], 5.0),
        ("toritsugi_wait_estimate_error_seconds_bucket", &[("queue", "nurse"), ("le", "0")], 0.0),
        ("toritsugi_wait_estimate_error_seconds_bucket", &[("queue", "nurse"), ("le", "10")], 1.0),
        ("toritsugi_places_kept_total", &[], 1.0),
        ("toritsugi_line_places_in_use", &[("line", "ward_kawasaki")], 1.0),
        ("toritsugi_line_places", &[("line", "ward_kawasaki")], 2.0),
        ("toritsugi_trunk_registered", &[("line", "ntt")], 1.0),
        ("toritsugi_trunk_up", &[("line", "ntt")], 0.0),
        ("toritsugi_trunk_registrations_failed_total", &[("line", "ntt"), ("reason", "wrong_password")], 1.0),
        ("toritsugi_trunk_passed_over_total", &[("line", "ntt"), ("reason", "deaf")], 1.0),
        ("toritsugi_calls_withheld_total", &[("reason", "payphone")], 1.0),
        ("toritsugi_calls_withheld_total", &[("reason", "by_caller")], 0.0),
        ("toritsugi_calls_sent_on_total", &[("line", "ward_kawasaki")], 1.0),
        ("toritsugi_sip_thrown_away_total", &[("reason", "flood")], 1.0),
        ("toritsugi_sip_thrown_away_total", &[("reason", "banned")], 1.0),
        ("toritsugi_sip_bans_total", &[], 1.0),
        ("toritsugi_sip_foreign_requests_total", &[], 1.0),
        ("toritsugi_line_full_total", &[("line", "ward_kawasaki")], 1.0),
        ("toritsugi_transfers_total", &[("to", "ward_kawasaki"), ("kind", "warm"), ("result", "at_capacity")], 1.0),
        ("toritsugi_callbacks_booked_total", &[("queue", "nurse")], 1.0),
        ("toritsugi_callback_attempts_total", &[("result", "not_confirmed")], 1.0),
        ("toritsugi_callback_attempts_total", &[("result", "busy")], 0.0),
        ("toritsugi_callbacks_ended_total", &[("queue", "nurse"), ("result", "expired")], 1.0),
        ("toritsugi_calls_out_limited_total", &[], 1.0),
        ("toritsugi_agent_calls_out_total", &[("answered", "false")], 1.0),
        ("toritsugi_agent_repairs_total", &[], 1.0),
        ("toritsugi_calls_given_up_total", &[("stage", "ringing")], 1.0),
        ("toritsugi_calls_given_up_at_total", &[("step", "greeting"), ("stage", "ringing")], 1.0),
        ("toritsugi_call_duration_seconds_sum", &[("number", CITY)], 400.0),
        ("toritsugi_call_duration_seconds_bucket", &[("number", CITY), ("le", "300")], 0.0),
        ("toritsugi_menu_choices_total", &[("step", "main"), ("key", "2")], 1.0),
        ("toritsugi_menu_timeouts_total", &[("step", "main")], 1.0),
        ("toritsugi_flow_steps_total", &[("flow", "city"), ("step", "greeting")], 1.0),
        ("toritsugi_queue_left_in_time_total", &[("queue", "nurse"), ("outcome", "answered")], 1.0),
        ("toritsugi_queue_left_in_time_total", &[("queue", "nurse"), ("outcome", "abandoned")], 0.0),
        ("toritsugi_queue_left_total", &[("queue", "nurse"), ("outcome", "answered")], 1.0),
        ("toritsugi_queue_left_total", &[("queue", "nurse"), ("outcome", "nobody_logged_in")], 0.0),
        ("toritsugi_queue_promise_seconds", &[("queue", "nurse")], 60.0),
        ("toritsugi_queue_promise_ratio", &[("queue", "nurse")], 0.8),
        ("toritsugi_queue_staff", &[("queue", "nurse")], 4.0),
        ("toritsugi_agents_by_skill", &[("skill", "nurse"), ("state", "talking")], 1.0),
        ("toritsugi_agents_by_skill", &[("skill", "nurse"), ("state", "idle")], 0.0),
        ("toritsugi_sip_session_attempts_total", &[("line", "ntt"), ("direction", "in"), ("result", "established")], 1.0),
        ("toritsugi_sip_session_attempts_total", &[("line", "ntt"), ("direction", "in"), ("result", "ineffective")], 0.0),
        ("toritsugi_sip_session_attempts_total", &[("line", "phones"), ("direction", "out"), ("result", "ineffective")], 1.0),
        ("toritsugi_sip_request_delay_seconds_bucket", &[("line", "phones"), ("le", "0.05")], 1.0),
        ("toritsugi_sip_request_delay_seconds_bucket", &[("line", "phones"), ("le", "0.025")], 0.0),
        ("toritsugi_legs_one_way_total", &[], 1.0),
        ("toritsugi_legs_total", &[("loss", "under_1_percent")], 1.0),
        ("toritsugi_legs_total", &[("loss", "none")], 0.0),
        ("toritsugi_digits_total", &[("method", "rfc4733")], 3.0),
        ("toritsugi_digits_total", &[("method", "info")], 1.0),
        ("toritsugi_channels_in_use", &[], 3.0),
        ("toritsugi_channels", &[], 3.0),
        ("toritsugi_all_channels_busy_seconds_total", &[], 1.5),
        ("toritsugi_call_oldest_seconds", &[], 61.5),
        ("toritsugi_callbacks_booked", &[], 10.0),
        ("toritsugi_holidays_known_until_timestamp_seconds", &[], 1_600_000_000.0),
        ("toritsugi_snapshot_timestamp_seconds", &[], 1_582_845_700.5),
    ];
    for (name, labels, value) in expected {
        assert_eq!(page.figure(name, labels), Some(*value), "{name} {labels:?}");
    }
}

#[test]
fn send_lateness_comes_ready_counted_and_is_shown_summed_up() {
    let page = read(&busy().render());
    let bucket = |le: &str| page.figure("toritsugi_rtp_send_lateness_seconds_bucket", &[("worker", "0"), ("le", le)]);
    assert_eq!(["0.0005", "0.001", "0.01", "0.02", "0.1", "+Inf"].map(bucket), [10.0, 15.0, 15.0, 16.0, 16.0, 18.0].map(Some));
    assert_eq!(page.figure("toritsugi_rtp_send_lateness_seconds_count", &[("worker", "0")]), Some(18.0));
    assert_eq!(page.figure("toritsugi_rtp_send_lateness_seconds_sum", &[("worker", "0")]), Some(0.35));
}

#[test]
fn a_queue_that_is_no_more_leaves_the_board() {
    let metrics = busy();
    metrics.snapshot(&Snapshot { queues: Vec::new(), version: Some(Version::from("5b11d0")), ..board() });
    let page = read(&metrics.render());
    assert_eq!(page.figure("toritsugi_queue_depth_callers", &[("queue", "nurse")]), None);
    assert_eq!(page.figure("toritsugi_city_info", &[("version", "4f2a9c")]), None);
    assert_eq!(page.figure("toritsugi_city_info", &[("version", "5b11d0")]), Some(1.0));
}

#[test]
fn before_the_first_call_alarms_have_something_to_grow_from() {
    let page = read(&Metrics::new().render());
    assert_eq!(page.figure("toritsugi_calls_refused_total", &[("reason", "full")]), Some(0.0));
    assert_eq!(page.figure("toritsugi_calls_evicted_total", &[]), Some(0.0));
    // Rows of the start use the same words as events: nothing is there twice under two spellings.
    let before = page.rows.keys().filter(|(name, _)| name == "toritsugi_calls_refused_total").count();
    let metrics = Metrics::new();
    use Refusal::{AimedAtUs, Draining, Forbidden, Full, NoCodec, NoPort, SameNumber, TooFast, UnknownNumber};
    for why in [UnknownNumber, NoCodec, Full, Draining, NoPort, Forbidden, SameNumber, TooFast, AimedAtUs] {
        metrics.note(&Event::Refused { why, person: None });
    }
    use OfferEnd::{Answered, Declined, NoAnswer, Unreachable, Withdrawn};
    for how in [Answered, NoAnswer, Declined, Unreachable, Withdrawn] {
        metrics.note(&Event::OfferEnded { offer: OfferId(1), agent: AgentId::from("yuki"), how });
    }
    for why in [PhoneGone::Left, PhoneGone::Expired, PhoneGone::Silent, PhoneGone::Lost, PhoneGone::Full] {
        metrics.note(&Event::PhoneGone { agent: AgentId::from("yuki"), why });
    }
    let page = read(&metrics.render());
    let count = |metric: &str| page.rows.iter().filter(|((name, _), value)| name == metric && **value == 1.0).count();
    assert_eq!((before, count("toritsugi_calls_refused_total"), count("toritsugi_offers_ended_total")), (9, 9, 5));
    assert_eq!(count("toritsugi_agent_spare_phones_gone_total"), 5);
    assert_eq!(page.rows.keys().filter(|(name, _)| name == "toritsugi_calls_refused_total").count(), 9);
}

#[test]
fn a_promise_from_before_the_restart_that_is_broken_after_it_is_seen_as_growth() {
    let metrics = Metrics::new();
    metrics.snapshot(&board());
    let ended = |how: &str| read(&metrics.render()).figure("toritsugi_callbacks_ended_total", &[("queue", "nurse"), ("result", how)]);
    assert_eq!([ended("exhausted"), ended("expired")], [Some(0.0); 2], "bookings are not told again at a start");
    metrics.note(&Event::CallbackEnded { ticket: TicketId(1), queue: QueueId::from("nurse"), how: CallbackEnd::Expired });
    assert_eq!([ended("exhausted"), ended("expired")], [Some(0.0), Some(1.0)]);
}

#[test]
fn the_first_call_to_each_number_is_seen_as_growth() {
    let (metrics, number) = (Metrics::new(), Number::parse(CITY).unwrap());
    metrics.numbers([&number]);
    let shown = || {
        let page = read(&metrics.render());
        let ended = page.figure("toritsugi_calls_ended_total", &[("number", CITY), ("outcome", "internal_error")]);
        let short = page.figure("toritsugi_call_duration_seconds_bucket", &[("number", CITY), ("le", "5")]);
        let all = page.figure("toritsugi_call_duration_seconds_count", &[("number", CITY)]);
        [page.figure("toritsugi_calls_arrived_total", &[("number", CITY)]), ended, short, all]
    };
    assert_eq!(shown(), [Some(0.0); 4]);
    day().iter().for_each(|event| metrics.note(event));
    metrics.numbers([&number]);
    assert_eq!(shown(), [Some(1.0), Some(0.0), Some(0.0), Some(1.0)], "and told again they stay");
}

#[test]
fn a_label_that_runs_away_is_bounded() {
    let metrics = Metrics::new();
    for i in 0..5000 {
        metrics.note(&Event::PromptMissing { call: CallId(i), prompt: PromptId::from(format!("p{i}")), lang: Lang::from("ja") });
    }
    let page = read(&metrics.render());
    let rows: Vec<f64> = page.rows.iter().filter(|((name, _), _)| name == "toritsugi_prompts_missing_total").map(|(_, v)| *v).collect();
    assert_eq!((rows.len(), rows.iter().sum::<f64>()), (2001, 5000.0), "and none is uncounted");
}
