//! How much the shipped city asks of Prometheus when everything in it has happened once: few enough series, told fast enough, and no telephone number.
//!
//! Need O7 of the on-call: fewer than 2,000 series at 200 channels, and a scrape in under 50 ms at 500 calls.

use model::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant as Clock;
use telemetry::Metrics;
use toritsugi_tests::root;

/// The names that stand below `section:` in a file, and the block of each.
fn named(file: &str, section: Option<&str>) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    let indent = if section.is_some() { "  " } else { "" };
    let mut inside = section.is_none();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut last = None;
    for line in text.lines() {
        if !line.starts_with([' ', '#']) && !line.is_empty() && section.is_some() {
            inside = section.is_some_and(|section| line.starts_with(&format!("{section}:")));
            continue;
        }
        let head = line.strip_prefix(indent).filter(|rest| inside && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '"'));
        if let Some((name, rest)) = head.and_then(|rest| rest.split_once(':')) {
            let name = name.trim_matches('"').to_owned();
            found.insert(name.clone(), rest.to_owned());
            last = Some(name);
        } else if let Some(block) = last.as_ref().and_then(|name| found.get_mut(name)) {
            block.push_str(line);
            block.push('\n');
        }
    }
    assert!(!found.is_empty(), "{file} has nothing below {section:?}");
    found
}

/// Everything that can happen in the shipped city, once.
fn everything() -> Metrics {
    let metrics = Metrics::new();
    let note = |event: Event| metrics.note(&event);
    let (call, ticket, lang) = (CallId(1), TicketId(1), Lang::from("ja"));
    let queues: Vec<QueueId> = named("config/queues.yaml", Some("queues")).into_keys().map(QueueId::from).collect();
    let numbers: Vec<Number> = named("config/numbers.yaml", None).into_keys().map(|number| Number::parse(&number).unwrap()).collect();
    let described = named("config/lines.yaml", None);
    let lines: Vec<LineId> = described.keys().map(|line| LineId::from(line.as_str())).collect();
    let agents = named("config/agents.yaml", None);
    assert!(queues.len() >= 6 && numbers.len() == 3 && lines.len() >= 9 && agents.len() >= 7, "the city was read");
    for flow in ["city", "vaccination", "disaster"] {
        for (step, block) in named(&format!("flows/{flow}.yaml"), Some("steps")) {
            let step = StepId::from(step);
            note(Event::StepEntered { call, flow: FlowName::from(flow), step: step.clone() });
            let keys: BTreeSet<char> = block.split('"').filter(|part| part.len() == 1).filter_map(|part| part.chars().next()).collect();
            if !keys.is_empty() {
                note(Event::NoInput { call, step: step.clone() });
            }
            for digit in keys.iter().filter_map(|key| Digit::from_char(*key)) {
                note(Event::Pressed { call, step: step.clone(), digit, meaning: KeyMeaning::Choice });
            }
            let stage = if block.contains("queue") { AbandonStage::Queue } else { AbandonStage::Menu };
            for gave_up in [stage, AbandonStage::Short] {
                note(Event::Ended { record: Box::new(record(&numbers[0], &queues[0], vec![step.to_string()], Some(gave_up))) });
            }
        }
        for manner in [Manner::Pressing, Manner::Silent, Manner::Mixed] {
            note(Event::HandedToPeople { call, flow: FlowName::from(flow), manner, took: Millis(20_000) });
        }
    }
    metrics.numbers(&numbers);
    for number in &numbers {
        note(Event::Arrived { call, number: number.clone(), caller: Redacted::new("0449876543".to_owned()), line: lines[0].clone() });
    }
    for queue in &queues {
        let queue = queue.clone();
        note(Event::Enqueued { call, ticket, queue: queue.clone(), position: 1 });
        // What callers can do in a queue that takes them; the rest is counted without buckets.
        for how in [QueueEnd::Answered, QueueEnd::Abandoned, QueueEnd::Moved] {
            note(Event::LeftQueue { call, ticket, queue: queue.clone(), waited: Millis(1), how, promised: Millis(1) });
        }
        let why = Why { counts: BTreeMap::from([(Reason::Reserved, 1)]), relax_step: 1, overtook_count: 1, ..Why::default() };
        note(Event::Waits { call: Some(call), ticket, queue: queue.clone(), why: why.clone() });
        let agent = AgentId::from("yuki");
        for relax_step in 0..2 {
            let why = Why { relax_step, ..why.clone() };
            note(Event::Offered { call, ticket, offer: OfferId(1), queue: queue.clone(), agent: agent.clone(), why });
        }
        note(Event::WaitJudged { call, queue: queue.clone(), low: Millis(1), high: Millis(2), waited: Millis(3) });
        note(Event::CallbackBooked { call, ticket, queue: queue.clone() });
        note(Event::Bridged { call, queue: queue.clone(), agent, waited: Millis(1), to_human: Millis(1) });
        note(Event::Ended { record: Box::new(record(&numbers[0], &queue, Vec::new(), None)) });
    }
    // Where messages come from and go to: the networks that may call, the trunks, and phones that no line lists.
    let peers: Vec<Option<LineId>> = ["from:", "trunk: {"]
        .into_iter()
        .flat_map(|key| described.iter().filter(move |(_, block)| block.contains(key)).map(|(line, _)| Some(LineId::from(line.as_str()))))
        .chain([None])
        .collect();
    assert_eq!(peers.len(), 3, "{peers:?}");
    for line in &peers {
        for direction in [Direction::In, Direction::Out] {
            note(Event::InviteDone { line: line.clone(), direction, status: 200 });
        }
        note(Event::InviteHeard { line: line.clone(), took: Millis(1) });
    }
    note(Event::ByeDone { took: Millis(1) });
    for line in &lines {
        note(Event::LineTaken { line: line.clone(), used: 1, lines: 2 });
        for how in [TransferEnd::Connected, TransferEnd::NoAnswer, TransferEnd::AtCapacity] {
            note(Event::Transferred { call, to: line.to_string(), kind: TransferKind::Warm, by: None, how });
        }
    }
    use Method::*;
    for (line, direction) in peers.iter().flat_map(|line| [(line, Direction::In), (line, Direction::Out)]) {
        for method in [Invite, Ack, Bye, Cancel, Options, Register, Info, Prack, Update, Refer, Notify, Other] {
            [false, true].into_iter().for_each(|again| note(Event::SipRequest { line: line.clone(), method, direction, again }));
        }
        (1..=6).for_each(|class| note(Event::SipResponse { line: line.clone(), class, direction }));
    }
    for lookup in named("config/lookups.yaml", None).into_keys() {
        for how in LookupEnd::ALL {
            note(Event::LookedUp { call, lookup: LookupId::from(lookup.clone()), how, took: Millis(1) });
        }
    }
    note(Event::MessageLeft { call, mailbox: MailboxId::from("general"), length: Millis(1), how: MessageEnd::Key });
    note(Event::MessageNotKept { call, mailbox: MailboxId::from("general"), why: NotKept::Empty });
    note(Event::PromptMissing { call, prompt: PromptId::from("menu"), lang });
    note(Event::Media { leg: LegId(1), stats: MediaStats { sent: 1, received: 1, ..MediaStats::default() } });
    let skills: BTreeSet<String> = agents
        .values()
        .flat_map(|agent| agent.split(['{', ',', '}']).filter_map(|word| word.split_once(':')).map(|(skill, _)| skill.trim().to_owned()))
        .collect();
    metrics.snapshot(&Snapshot {
        queues: queues
            .into_iter()
            .map(|queue| QueueNow { queue, depth: 1, longest_wait_millis: 1, staff: 1, free: 0, promised_millis: 1, promised_percent: 80 })
            .collect(),
        skills: skills.into_iter().map(|skill| SkillNow { skill: Skill::from(skill.as_str()), agents: BTreeMap::new() }).collect(),
        channels: Channels { in_use: 200, max: 200 },
        trunk_channels: vec![TrunkChannels { line: LineId::from("ntt"), incoming: 170, outgoing: 30, max: 30 }],
        version: Some(Version::from("4f2a9c")),
        ..Snapshot::default()
    });
    metrics.health(telemetry::Health { ready: true, journal: true, records: true });
    (0..2).for_each(|worker| metrics.worker(worker, &WorkerStats::default()));
    metrics
}

fn record(number: &Number, queue: &QueueId, path: Vec<String>, gave_up: Option<AbandonStage>) -> CallRecord {
    CallRecord {
        called_first: None,
        cause: None,
        call: CallId(1),
        arrived: UnixMillis(0),
        number: number.clone(),
        caller: String::new(),
        lang: Lang::from("ja"),
        path,
        queue: Some(queue.clone()),
        waited: None,
        to_human: None,
        agent: None,
        talked: Some(Millis(1)),
        ended: UnixMillis(1),
        end: CallEnd::Served,
        hung_up_by: Party::Caller,
        version: Version::from("4f2a9c"),
        person: None,
        ticket: None,
        class: 0,
        gave_up,
        transferred_to: None,
        called_back: false,
    }
}

#[test]
fn the_shipped_city_has_fewer_than_2000_series_when_everything_in_it_has_happened() {
    let page = everything().render();
    let series = page.lines().filter(|line| line.starts_with("toritsugi_")).count();
    println!("{series} series");
    let mut by_metric: BTreeMap<&str, usize> = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("toritsugi_")) {
        *by_metric.entry(line.split(['{', ' ']).next().unwrap_or_default()).or_default() += 1;
    }
    let mut largest: Vec<_> = by_metric.into_iter().collect();
    largest.sort_by_key(|(_, count)| usize::MAX - count);
    assert!(series < 2000, "{series} series; the largest: {:?}", &largest[..8]);
    // A number is a label only where it is the city's.
    for value in page.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split('"').skip(1).step_by(2)) {
        let digits = value.chars().filter(char::is_ascii_digit).count();
        assert!(digits < 8 || value.starts_with("04400000"), "{value} may be somebody's number");
    }
}

#[test]
fn a_scrape_is_told_in_time_while_500_calls_are_noted() {
    let metrics = everything();
    let began = Clock::now();
    let worst = std::thread::scope(|scope| {
        scope.spawn(|| {
            for call in 0..500 {
                for _ in 0..20 {
                    metrics.note(&Event::StepEntered { call: CallId(call), flow: FlowName::from("city"), step: StepId::from("main") });
                }
            }
        });
        (0..20)
            .map(|_| {
                let began = Clock::now();
                assert!(metrics.render().len() > 10_000);
                began.elapsed()
            })
            .max()
    });
    let worst = worst.unwrap_or_default();
    println!("the longest of 20 scrapes took {:.1} ms, {:.0} ms in all", worst.as_secs_f64() * 1e3, began.elapsed().as_secs_f64() * 1e3);
    assert!(worst.as_millis() < 500, "a scrape took {worst:?}: ten times what is promised");
}
