//! Two trunks of which one dies: wards and callbacks go over the other one, and no hotline ever gets a call too many.

use calls::{City, Control};
use model::{Direction, Event, HostName, LineId, Machine, Method, Now, TransferEnd, Transport, Trunk, TrunkCheck, UnixMillis, WhyPassed};
use phone::{AnswerPolicy, Command, Key};
use sim::{Ailment, Clerk, Neighbour, Pace, PersonId, Resident, Town, World, town};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The town with a second trunk; the ward's two telephones are reached by both.
fn city(change: impl Fn(&mut Trunk, &mut Trunk)) -> Arc<City> {
    let city = town::with_outside(&Town { callbacks: true, ..Town::default() }.build());
    let mut book = (*city.book).clone();
    let mut first = book.lines.iter().find_map(|line| line.trunk.clone()).unwrap();
    let mut spare = Trunk { order: 2, ..Trunk::plain(town::SPARE, town::CHANNELS) };
    change(&mut first, &mut spare);
    for line in &mut book.lines {
        if line.trunk.is_some() {
            line.trunk = Some(first.clone());
        }
        if let Some(target) = &mut line.target {
            target.trunks.push(LineId::from("spare"));
        }
    }
    book.lines.push(model::Line { id: LineId::from("spare"), trunk: Some(spare), loopback: true, ..model::Line::default() });
    Arc::new(City { book: Arc::new(book), ..city })
}

fn plain() -> Arc<City> {
    city(|_, _| {})
}

/// yuki talks with a resident from second 16 on and asks the ward at second 30.
fn asks_the_ward(city: Arc<City>, telephones: usize) -> (World, PersonId) {
    let mut world = World::new(city, 1).audited();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(120)), ..Resident::default() });
    for _ in 0..telephones {
        world.add_neighbour_behind_the_spare(Neighbour { answer: AnswerPolicy::After(secs(3)), ..Neighbour::default() });
    }
    world.at(secs(30), yuki, Command::Press(Key::parse_script("*271").unwrap()));
    world.at(secs(50), yuki, Command::Press(Key::parse_script("*5").unwrap()));
    (world, yuki)
}

fn passed_over(world: &World) -> Vec<(String, WhyPassed)> {
    let each =
        world.notes().filter_map(|(_, e)| if let Event::TrunkPassedOver { line, why } = e { Some((line.to_string(), *why)) } else { None });
    each.collect()
}

fn transfers(world: &World) -> Vec<TransferEnd> {
    world.notes().filter_map(|(_, e)| if let Event::Transferred { how, .. } = e { Some(*how) } else { None }).collect()
}

fn rest(world: &mut World) {
    world.run_until_quiet(secs(3600));
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn what_is_said_is_counted_by_the_line_at_the_other_end() {
    let (mut world, _) = asks_the_ward(plain(), 2);
    rest(&mut world);
    let mut invites = BTreeMap::<_, u32>::new();
    for (_, event) in world.notes() {
        if let Event::SipRequest { line: Some(line), method: Method::Invite, direction, again: false } = event {
            *invites.entry((line.as_str(), *direction)).or_default() += 1;
        }
    }
    // The trunk's address lies in the network of `local`, too.
    let theirs = [(("carrier", Direction::Out), 1), (("local", Direction::In), 1), (("local", Direction::Out), 1)];
    assert_eq!(invites, BTreeMap::from(theirs));
}

#[test]
fn a_trunk_has_the_channels_of_those_who_came_over_it_and_of_those_who_are_called() {
    let mut city = (*plain()).clone();
    let mut book = (*city.book).clone();
    let local = book.lines.iter_mut().find(|line| line.id == LineId::from("local")).map(|line| std::mem::take(&mut line.from));
    book.lines.iter_mut().filter(|line| line.id == LineId::from("carrier")).for_each(|line| line.from = local.clone().unwrap());
    city.book = Arc::new(book);
    let (mut world, _) = asks_the_ward(Arc::new(city), 2);
    let channels = |world: &World| -> Vec<(String, u64, u64)> {
        let now = Now { mono: world.now(), wall: UnixMillis(0) };
        let trunks = world.engine().unwrap().snapshot(now).trunk_channels;
        assert!(trunks.iter().all(|trunk| trunk.max == u64::from(town::CHANNELS)));
        trunks.into_iter().map(|trunk| (trunk.line.to_string(), trunk.incoming, trunk.outgoing)).collect()
    };
    world.run_until(secs(45));
    assert_eq!(channels(&world), [("carrier".to_owned(), 1, 1), ("spare".to_owned(), 0, 0)]);
    rest(&mut world);
    assert_eq!(channels(&world), [("carrier".to_owned(), 0, 0), ("spare".to_owned(), 0, 0)]);
}

#[test]
fn a_ward_is_reached_over_the_other_trunk_when_the_first_one_is_dead() {
    let (mut world, _) = asks_the_ward(plain(), 2);
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    rest(&mut world);
    assert_eq!(transfers(&world), [TransferEnd::Connected]);
    assert_eq!(passed_over(&world), [("carrier".to_owned(), WhyPassed::Deaf)]);
    let rang = world.calls_out();
    assert_eq!(rang.len(), 1, "the ward's telephone rang once");
    let at = rang[0].0.since(model::Instant::ZERO);
    assert!(at < invited(&world) + secs(2), "within two seconds of the first INVITE: {at:?}");
    assert_eq!(world.records()[0].transferred_to.as_deref(), Some("ward"));
}

#[test]
fn a_ward_is_reached_over_the_other_trunk_when_the_first_one_is_in_trouble() {
    for status in [408, 500, 503] {
        let (mut world, _) = asks_the_ward(plain(), 2);
        world.ails(town::TRUNK, Some(Ailment::Refuses(status)));
        rest(&mut world);
        assert_eq!(transfers(&world), [TransferEnd::Connected], "{status}");
        assert_eq!(passed_over(&world), [("carrier".to_owned(), WhyPassed::Refused)], "{status}");
    }
    // What the ward itself says is the ward's, and no other trunk is asked.
    for status in [486, 603, 404] {
        let (mut world, _) = asks_the_ward(plain(), 2);
        world.ails(town::TRUNK, Some(Ailment::Refuses(status)));
        rest(&mut world);
        assert_eq!((passed_over(&world).len(), world.calls_out().len()), (0, 0), "{status}");
    }
    // Nothing works: the caller goes back to the nurse, and hears no silence.
    let (mut world, _) = asks_the_ward(plain(), 2);
    world.ails(town::TRUNK, Some(Ailment::Refuses(503)));
    world.ails(town::SPARE, Some(Ailment::Deaf));
    rest(&mut world);
    assert_eq!(transfers(&world), [TransferEnd::Failed]);
}

#[test]
fn a_hotline_with_one_line_is_never_called_twice_however_its_trunk_fails() {
    // The trunk's answers are lost, and the telephone rings all the same: over the other trunk it would ring a second time.
    let one_line = {
        let mut city = (*plain()).clone();
        let mut book = (*city.book).clone();
        for target in book.lines.iter_mut().filter_map(|line| line.target.as_mut()) {
            target.lines = 1;
        }
        city.book = Arc::new(book);
        Arc::new(city)
    };
    let (mut world, _) = asks_the_ward(Arc::clone(&one_line), 0);
    let ward = world.add_neighbour(Neighbour { answer: AnswerPolicy::Never, ..Neighbour::default() });
    world.ails(town::TRUNK, Some(Ailment::Mute));
    world.run_until(secs(60));
    // The simulator itself fails where a number gets more calls than it has telephones.
    assert_eq!(world.calls_out().len(), 1);
    assert_eq!(transfers(&world), [TransferEnd::Failed]);
    let used = |world: &World| {
        world
            .notes()
            .filter_map(|(_, e)| if let Event::LineTaken { line, used, .. } = e { Some((line.to_string(), *used)) } else { None })
            .collect::<Vec<_>>()
    };
    assert!(used(&world).iter().all(|(line, used)| line != "ward" || *used <= 1));
    // When it can be heard again it is told to stop.
    world.ails(town::TRUNK, None);
    world.run_until_quiet(secs(3600));
    assert!(world.told(ward).any(|(_, e)| matches!(e, phone::Event::Ended { .. })));
    // A trunk that refuses has called nobody: then one line is enough.
    let (mut world, _) = asks_the_ward(one_line, 1);
    world.ails(town::TRUNK, Some(Ailment::Refuses(503)));
    rest(&mut world);
    assert_eq!(transfers(&world), [TransferEnd::Connected]);
}

#[test]
fn a_hotline_with_two_lines_never_gets_a_third_call_while_a_trunk_dies() {
    let mut world = World::new(plain(), 4).audited();
    for (n, name) in ["yuki", "mio", "aya"].into_iter().enumerate() {
        let n = n as u64;
        let nurse = world.add_clerk(secs(n), name, Clerk::default());
        world.add_resident(secs(5 + n), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(200)), ..Resident::default() });
        world.at(secs(30 + n), nurse, Command::Press(Key::parse_script("*271").unwrap()));
        world.at(secs(90 + n), nurse, Command::Press(Key::parse_script("*5").unwrap()));
        world.at(secs(75 + n), nurse, Command::Press(Key::parse_script("*271").unwrap()));
    }
    for _ in 0..2 {
        world.add_neighbour_behind_the_spare(Neighbour { answer: AnswerPolicy::After(secs(2)), ..Neighbour::default() });
    }
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    rest(&mut world);
    let most =
        world.notes().filter_map(|(_, e)| if let Event::LineTaken { line, used, .. } = e { Some((line.as_str(), *used)) } else { None });
    assert_eq!(most.filter(|(line, _)| *line == "ward").map(|(_, used)| used).max(), Some(2));
    assert!(transfers(&world).contains(&TransferEnd::Connected));
}

#[test]
fn a_trunk_that_is_marked_down_costs_nobody_a_second() {
    let checked = city(|first, _| first.check = Some(TrunkCheck { every: secs(10), failures: 2 }));
    let (mut world, _) = asks_the_ward(checked, 2);
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    world.run_until(secs(29));
    let down =
        |world: &World, well: bool| world.notes().any(|(_, e)| matches!(e, Event::TrunkReachable { reachable, .. } if *reachable == well));
    assert!(down(&world, false));
    let state = world.engine().unwrap().snapshot(model::Now { mono: world.now(), wall: model::UnixMillis(0) });
    assert_eq!(state.trunks.iter().map(|t| (t.line.as_str(), t.reachable)).collect::<Vec<_>>(), [("carrier", Some(false))]);
    world.run_until(secs(40));
    let at = world.calls_out()[0].0.since(model::Instant::ZERO);
    assert!(at < secs(32), "at once: {at:?}");
    assert_eq!(passed_over(&world), []);
    world.ails(town::TRUNK, None);
    world.run_until(secs(100));
    assert!(down(&world, true), "and it is up again");
    rest(&mut world);
}

#[test]
fn who_is_called_back_is_reached_over_the_other_trunk() {
    const MINE: &str = "08011112222";
    let mut world = World::new(plain(), 8).audited();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.dials_code(secs(5), yuki, "*2");
    let keys = "WWWW1WWWWWWWWWW9WWWWWWWWWW1".to_owned();
    world.add_resident(secs(10), Resident { keys, number: Some(MINE.to_owned()), ..Resident::default() });
    let keys = "WW1".to_owned();
    world.add_neighbour_behind_the_spare(Neighbour { number: MINE.to_owned(), keys, talk: Some(secs(30)), ..Neighbour::default() });
    world.dials_code(secs(100), yuki, "*1");
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    world.run_until(secs(600));
    rest(&mut world);
    assert_eq!(world.calls_out().iter().filter(|(_, number)| number == MINE).count(), 1);
    assert!(world.notes().any(|(_, e)| matches!(e, Event::CallbackEnded { how: model::CallbackEnd::Served, .. })));
    assert_eq!(passed_over(&world), [("carrier".to_owned(), WhyPassed::Deaf)]);
}

#[test]
fn the_engine_that_died_while_a_trunk_failed_leaves_nobody_ringing() {
    for millis in [31_000, 32_500, 34_000, 36_000] {
        let (mut world, _) = asks_the_ward(plain(), 2);
        world.ails(town::TRUNK, Some(Ailment::Deaf));
        world.crash(Duration::from_millis(millis), secs(2));
        world.run_until(secs(120));
        world.run_until_quiet(secs(3600));
        assert_eq!(world.repairs(), 0);
    }
}

#[test]
fn calls_are_shared_by_weight_and_a_full_trunk_leads_to_the_next() {
    let shared = city(|first, spare| (first.order, first.weight, spare.order, spare.weight) = (1, 1, 1, 3));
    let mut over = std::collections::BTreeMap::new();
    for seed in 0..60 {
        let mut world = World::new(Arc::clone(&shared), seed);
        let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
        world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(40)), ..Resident::default() });
        world.add_neighbour_behind_the_spare(Neighbour::default());
        world.at(secs(30), yuki, Command::Press(Key::parse_script("*271").unwrap()));
        world.run_until(secs(40));
        let taken = world.notes().filter_map(|(_, e)| if let Event::LineTaken { line, .. } = e { Some(line.to_string()) } else { None });
        taken.filter(|line| line != "ward").for_each(|line| *over.entry(line).or_insert(0) += 1);
    }
    let (few, many) = (over["carrier"], over["spare"]);
    assert!(few + many == 60 && (5..=25).contains(&few), "{over:?}");

    // Whatever they are called.
    let (mut world, _) = asks_the_ward(city(|first, spare| (first.order, spare.order) = (2, 1)), 2);
    world.ails(town::SPARE, Some(Ailment::Refuses(503)));
    rest(&mut world);
    assert_eq!(passed_over(&world), [("spare".to_owned(), WhyPassed::Refused)], "the lowest order first");

    let full = city(|first, _| first.channels = 0);
    let (mut world, _) = asks_the_ward(full, 2);
    rest(&mut world);
    assert_eq!(transfers(&world), [TransferEnd::Connected]);
    assert_eq!(passed_over(&world), [("carrier".to_owned(), WhyPassed::Full)]);
}

fn udp(addr: SocketAddr) -> Machine {
    Machine { transport: Transport::Udp, addr }
}

/// A town whose carrier has a name, and whose second trunk is nowhere.
fn named() -> (Arc<City>, HostName) {
    let name = HostName { host: "sip.carrier.example".to_owned(), port: None, transport: None };
    let town = city(|first, spare| {
        (first.machines, first.name) = (Vec::new(), Some(name.clone()));
        spare.machines = vec![udp("127.9.9.9:5060".parse().unwrap())];
    });
    (town, name)
}

#[test]
fn a_carrier_is_called_where_its_name_leads_and_its_second_machine_takes_over_from_a_dead_one() {
    let (town, name) = named();
    let (mut world, _) = asks_the_ward(town, 2);
    world.name_leads(secs(1), name, vec![udp(town::TRUNK), udp(town::SPARE)]);
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    rest(&mut world);
    assert_eq!(transfers(&world), [TransferEnd::Connected]);
    assert_eq!(passed_over(&world), [("carrier".to_owned(), WhyPassed::Deaf)]);
    let at = world.calls_out()[0].0.since(model::Instant::ZERO);
    assert!(at < invited(&world) + secs(2), "within two seconds: {at:?}");
}

/// When the first call of all left the house.
fn invited(world: &World) -> Duration {
    let first = world.notes().find(|(_, e)| matches!(e, Event::LineTaken { line, .. } if line.as_str() == "ward"));
    first.unwrap().0.since(model::Instant::ZERO)
}

/// The town with both trunks reached by connections.
fn connected(transport: Transport) -> Arc<City> {
    city(move |first, spare| {
        for trunk in [first, spare] {
            trunk.transport = Some(transport);
            trunk.machines[0].transport = transport;
        }
    })
}

#[test]
fn a_ward_is_called_over_connections_and_all_of_the_call_goes_by_them() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let (mut world, _) = asks_the_ward(connected(transport), 2);
        rest(&mut world);
        assert_eq!((transfers(&world), passed_over(&world)), (vec![TransferEnd::Connected], vec![]), "{transport:?}");
        assert_eq!(world.calls_out().len(), 1);
    }
}

#[test]
fn a_slow_disk_keeps_no_ack_from_a_ward_that_says_once_that_it_has_answered() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let (mut world, _) = asks_the_ward(connected(transport), 2);
        world.ails(town::TRUNK, Some(Ailment::SaysOnce));
        // The ward's telephone rings by then; its answer is written down after ten seconds.
        world.journal_pace(secs(33), Pace { least: secs(10), most: secs(10) });
        world.journal_pace(secs(40), Pace::PROMISED);
        rest(&mut world);
        assert_eq!((transfers(&world), passed_over(&world)), (vec![TransferEnd::Connected], vec![]), "{transport:?}");
    }
}

/// The same city, where every ward is called over the spare trunk and the first one is no more.
fn without_the_first(city: &City) -> Arc<City> {
    let mut book = (*city.book).clone();
    book.lines.retain(|line| line.trunk.is_none() || line.id == LineId::from("spare"));
    book.lines.iter_mut().filter_map(|line| line.target.as_mut()).for_each(|target| target.trunks = vec![LineId::from("spare")]);
    Arc::new(City { book: Arc::new(book), ..city.clone() })
}

#[test]
fn a_call_over_a_trunk_that_has_been_taken_out_is_ended_there() {
    let neighbours = city(|first, spare| {
        first.machines[0].transport = Transport::Tls;
        // Another customer's door of the same carrier.
        spare.machines = vec![Machine { transport: Transport::Tls, addr: SocketAddr::new(town::TRUNK.ip(), 5099) }];
    });
    for city in [connected(Transport::Tcp), connected(Transport::Tls), neighbours] {
        let (mut world, _) = asks_the_ward(city.clone(), 0);
        world.add_neighbour(Neighbour::default());
        world.control(secs(60), Control::Publish(without_the_first(&city)));
        rest(&mut world);
        assert_eq!(transfers(&world), [TransferEnd::Connected]);
        let bye = |e: &Event| matches!(e, Event::SipRequest { method: Method::Bye, direction: Direction::Out, again: false, .. });
        let (said, agreed) = (world.notes().filter(|(_, e)| bye(e)), world.notes().filter(|(_, e)| matches!(e, Event::ByeDone { .. })));
        assert_eq!((said.count(), agreed.count()), (2, 2), "to the agent, and to the ward");
    }
}

/// A gateway names the machine behind it, which no line lists: what belongs to that call is heard from there, and nothing else of it, and no longer.
#[test]
fn whoever_a_carrier_names_as_the_one_called_is_heard_until_the_call_is_over() {
    let peer: SocketAddr = "198.51.100.66:5060".parse().unwrap();
    let gateway: SocketAddr = "127.2.0.77:5060".parse().unwrap();
    let (mut world, _) = asks_the_ward(city(|first, _| first.machines = vec![udp(gateway)]), 0);
    let called = (300..500).map(|tenth| Duration::from_millis(tenth * 100)).find(|at| {
        world.run_until(*at);
        world.mail(gateway).next().is_some()
    });
    let at = called.unwrap();
    let invite = world.mail(gateway).next().unwrap();
    let line = |name: &str| invite.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap().to_owned();
    let sdp = format!("v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n", peer.ip());
    let head = [line("Via"), line("From"), format!("{};tag=w", line("To")), line("Call-ID"), line("CSeq")].join("\r\n");
    let answer = format!(
        "SIP/2.0 200 OK\r\n{head}\r\nContact: <sip:ward@{peer}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    world.inject(at, gateway, answer.as_bytes());
    let (us, them) = (line("From").replacen("From", "To", 1), line("To").replacen("To", "From", 1));
    let says = |method: &str, cseq: u32| {
        format!(
            "{method} sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch=z9hG4bK{method}{cseq}\r\nMax-Forwards: 70\r\n{them};tag=w\r\n{us}\r\n\
             {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
            line("Call-ID")
        )
    };
    world.inject(at + secs(1), peer, says("OPTIONS", 7).replace(&us, "To: <sip:127.0.0.1>").as_bytes());
    world.inject(at + secs(2), peer, says("BYE", 8).as_bytes());
    world.inject(at + secs(4), peer, says("OPTIONS", 9).as_bytes());
    rest(&mut world);
    let heard: Vec<String> = world.mail(peer).map(|text| format!("{}, {}", text.lines().next().unwrap(), cseq_of(&text))).collect();
    assert_eq!(heard, [format!("ACK sip:ward@{peer} SIP/2.0, CSeq: 1 ACK"), "SIP/2.0 200 OK, CSeq: 8 BYE".to_owned()]);
}

fn cseq_of(text: &str) -> &str {
    text.lines().find(|line| line.starts_with("CSeq: ")).unwrap()
}

#[test]
fn a_carrier_that_has_another_port_by_tls_is_met_at_no_other_any_more() {
    let (before, after) = (connected(Transport::Tls), connected(Transport::Tls));
    let mut book = (*after.book).clone();
    let trunks = book.lines.iter_mut().filter(|line| line.id != LineId::from("spare")).filter_map(|line| line.trunk.as_mut());
    trunks.for_each(|trunk| trunk.machines[0].addr.set_port(5099));
    let after = Arc::new(City { book: Arc::new(book), ..(*after).clone() });
    let (mut world, _) = asks_the_ward(before, 0);
    world.add_neighbour(Neighbour::default());
    world.run_until(secs(60));
    assert!(world.meets(town::TRUNK));
    world.control(secs(60), Control::Publish(after));
    world.run_until(secs(61));
    let moved = SocketAddr::new(town::TRUNK.ip(), 5099);
    assert_eq!((world.meets(town::TRUNK), world.meets(moved)), (false, true));
}

/// The engine is killed at second 60 while the ward talks, and is back a second later; then `after`. When and how the ward's telephone was let go.
fn killed_while_the_ward_talks(city: Arc<City>, before: impl Fn(&mut World), after: impl Fn(&mut World)) -> (Vec<Duration>, World) {
    let (ends, world) = killed_in_a_call(city, Neighbour::default(), before, after);
    let talked = |(at, status): (Duration, Option<u16>)| status.is_none().then_some(at);
    (ends.into_iter().filter_map(talked).collect(), world)
}

/// The same for any telephone of the ward, with the status that its call ended with.
fn killed_in_a_call(
    city: Arc<City>,
    ward: Neighbour,
    before: impl Fn(&mut World),
    after: impl Fn(&mut World),
) -> (Vec<(Duration, Option<u16>)>, World) {
    let (mut world, _) = asks_the_ward(city, 0);
    let ward = world.add_neighbour(ward);
    before(&mut world);
    world.crash(secs(60), secs(1));
    world.run_until(Duration::from_millis(61_500));
    after(&mut world);
    // Who hears nothing hangs up after half a minute.
    world.run_until(secs(100));
    let ended = |(at, e): (model::Instant, &phone::Event)| match e {
        phone::Event::Ended { by_us: false, status } => Some((at.since(model::Instant::ZERO), *status)),
        _ => None,
    };
    (world.told(ward).filter_map(ended).collect(), world)
}

/// The same town with an account at both carriers, the first of which has this name.
fn with_accounts(city: &City, name: &HostName) -> Arc<City> {
    let mut city = city.clone();
    let register = model::Register {
        user: "0440000000".to_owned(),
        domain: Some("city.example".to_owned()),
        login: None,
        realm: None,
        password_file: Some("carrier".to_owned()),
        expires: secs(3600),
        digest: vec![model::DigestAlgorithm::Sha256],
    };
    for line in &mut Arc::make_mut(&mut city.book).lines {
        let Some(trunk) = &mut line.trunk else { continue };
        trunk.register = Some(register.clone());
        trunk.name.iter_mut().for_each(|known| known.clone_from(name));
        city.passwords.insert(line.id.clone(), model::Secret::new("himitsu".to_owned()));
    }
    Arc::new(city)
}

/// Whose account it was stands in the journal, and its password in the configuration: nobody waits for DNS, and here nobody answers for the name any more.
#[test]
fn a_call_over_a_trunk_by_name_is_ended_at_once_after_a_kill_wherever_that_name_leads_by_then() {
    let (town, name) = named();
    for city in [town.clone(), with_accounts(&town, &name)] {
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            let machines = vec![Machine { transport, addr: town::TRUNK }];
            let leads = |world: &mut World| world.name_leads(secs(1), name.clone(), machines.clone());
            let (ends, world) = killed_while_the_ward_talks(city.clone(), leads, |_| ());
            assert!(matches!(ends[..], [at] if at >= secs(61) && at < Duration::from_millis(61_100)), "{transport:?}: {ends:?}");
            let ward_is_free = |engine: &calls::Engine| engine.state().abroad.is_empty();
            assert!(world.engine().is_some_and(ward_is_free), "{transport:?}");
            let rings = Neighbour { answer: AnswerPolicy::Never, ..Neighbour::default() };
            let (ends, _) = killed_in_a_call(city.clone(), rings, leads, |_| ());
            let at_once = |at: &Duration| *at >= secs(61) && *at < Duration::from_millis(61_100);
            assert!(matches!(&ends[..], [(at, Some(487))] if at_once(at)), "{transport:?}: {ends:?}");
        }
    }
}

/// Whose name is another one by now may be of another carrier, until it is found where the call is.
#[test]
fn a_call_whose_carrier_has_another_name_is_ended_once_that_is_found() {
    let (town, name) = named();
    let other = HostName { host: "sip.other.example".to_owned(), ..name.clone() };
    let (city, then) = (with_accounts(&town, &name), with_accounts(&town, &other));
    let machines = vec![udp(town::TRUNK)];
    let before = |world: &mut World| {
        world.name_leads(secs(1), name.clone(), machines.clone());
        world.next_city(then.clone());
    };
    let (ends, _) = killed_while_the_ward_talks(city.clone(), before, |world| world.name_leads(secs(63), other.clone(), machines.clone()));
    assert!(matches!(ends[..], [at] if at > secs(63) && at < Duration::from_millis(63_100)), "{ends:?}");
    // A ward that rings waits for a second only, and one that talks for as long as SIP waits for an answer.
    let rings = Neighbour { answer: AnswerPolicy::Never, ..Neighbour::default() };
    let (ends, _) = killed_in_a_call(city.clone(), rings, before, |_| ());
    assert!(matches!(ends[..], [(at, Some(487))] if at > secs(62) && at < Duration::from_millis(62_100)), "{ends:?}");
    let (_, world) = killed_while_the_ward_talks(city, before, |_| ());
    let bye = |e: &Event| matches!(e, Event::SipRequest { method: Method::Bye, direction: Direction::Out, again: false, .. });
    let said = world.notes().filter(|(_, e)| bye(e)).map(|(at, _)| at.since(model::Instant::ZERO));
    let said: Vec<Duration> = said.filter(|at| *at > secs(60)).collect();
    assert!(matches!(said[..], [at] if at >= secs(93) && at < Duration::from_millis(93_100)), "{said:?}");
}

#[test]
fn a_trunk_that_is_no_more_when_the_engine_is_back_is_told_all_the_same() {
    // By the time it is back its supervisors have taken the trunk out.
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let city = connected(transport);
        let then = without_the_first(&city);
        // Its answer is heard, too, though it is nobody's address any more.
        let is_over = |world: &mut World| assert!(world.engine().is_some_and(|engine| engine.state().abroad.is_empty()), "{transport:?}");
        let (ends, _) = killed_while_the_ward_talks(city, |world| world.next_city(then.clone()), is_over);
        assert!(matches!(ends[..], [at] if at > secs(61) && at < Duration::from_millis(61_100)), "{transport:?}: {ends:?}");
    }
}

#[test]
fn a_trunk_that_takes_no_connection_costs_nobody_a_second_and_one_that_is_silent_less_than_two() {
    for transport in [Transport::Tcp, Transport::Tls] {
        for (lines, ailment, most) in
            [(2, Ailment::Closed, 100), (1, Ailment::Closed, 100), (2, Ailment::Deaf, 1999), (1, Ailment::Deaf, 1999)]
        {
            let (mut world, _) = asks_the_ward(with_lines(&connected(transport), lines), 1);
            world.ails(town::TRUNK, Some(ailment));
            rest(&mut world);
            assert_eq!(transfers(&world), [TransferEnd::Connected], "{transport:?} {lines} {ailment:?}");
            let at = world.calls_out()[0].0.since(model::Instant::ZERO);
            assert!(at < invited(&world) + Duration::from_millis(most), "{transport:?} {lines} {ailment:?}: {at:?}");
            assert_eq!(world.calls_out().len(), 1);
        }
    }
}

#[test]
fn a_hotline_with_one_line_is_reached_over_the_other_trunk_when_the_first_one_is_silent() {
    let (mut world, _) = asks_the_ward(with_lines(&plain(), 1), 1);
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    rest(&mut world);
    assert_eq!((transfers(&world), passed_over(&world)), (vec![TransferEnd::Connected], vec![("carrier".to_owned(), WhyPassed::Deaf)]));
    let at = world.calls_out()[0].0.since(model::Instant::ZERO);
    assert!(at < invited(&world) + secs(2), "within two seconds: {at:?}");
    assert_eq!(most_of_the_ward(&world), 1);
    // A trunk that answers no questions and takes calls all the same is called when nobody else takes it.
    let (mut world, _) = asks_the_ward(with_lines(&plain(), 1), 1);
    world.ails(town::TRUNK, Some(Ailment::Refuses(503)));
    world.ails(town::SPARE, Some(Ailment::AnswersCallsOnly));
    rest(&mut world);
    assert_eq!(transfers(&world), [TransferEnd::Connected]);
    assert_eq!(most_of_the_ward(&world), 1);
}

#[test]
fn a_hotline_with_one_line_is_not_called_twice_by_a_trunk_that_dies_between_the_question_and_the_call() {
    let (mut world, _) = asks_the_ward(with_lines(&plain(), 1), 0);
    world.add_neighbour(Neighbour { answer: AnswerPolicy::Never, ..Neighbour::default() });
    world.ails(town::TRUNK, Some(Ailment::MuteToCalls));
    world.run_until(secs(60));
    assert_eq!((world.calls_out().len(), transfers(&world)), (1, vec![TransferEnd::Failed]));
    assert_eq!(most_of_the_ward(&world), 1);
    world.ails(town::TRUNK, None);
    rest(&mut world);
}

#[test]
fn a_trunk_that_is_checked_is_asked_before_each_call_and_its_silence_holds_no_place() {
    // By the time of the call nobody has found out yet.
    let check = Some(TrunkCheck { every: secs(3600), failures: 20 });
    let checked = || city(|first, spare| (first.check, spare.check) = (check, check));
    let (mut world, _) = asks_the_ward(checked(), 2);
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    rest(&mut world);
    assert_eq!((transfers(&world), most_of_the_ward(&world)), (vec![TransferEnd::Connected], 1));
    assert_eq!(passed_over(&world), [("carrier".to_owned(), WhyPassed::Deaf)]);
    // One that hears us and is not heard rings no telephone in vain.
    let (mut world, _) = asks_the_ward(checked(), 2);
    world.ails(town::TRUNK, Some(Ailment::Mute));
    rest(&mut world);
    assert_eq!((transfers(&world), world.calls_out().len()), (vec![TransferEnd::Connected], 1));
}

fn most_of_the_ward(world: &World) -> u32 {
    let taken =
        world.notes().filter_map(|(_, e)| if let Event::LineTaken { line, used, .. } = e { Some((line.as_str(), *used)) } else { None });
    taken.filter(|(line, _)| *line == "ward").map(|(_, used)| used).max().unwrap_or(0)
}

#[test]
fn a_dead_machine_of_a_name_rests_and_not_the_trunk_and_is_tried_again() {
    let (town, name) = named();
    let mut world = World::new(town, 1).audited();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(300)), ..Resident::default() });
    world.add_neighbour_behind_the_spare(Neighbour { answer: AnswerPolicy::Never, ..Neighbour::default() });
    for at in [30, 50, 150] {
        world.at(secs(at), yuki, Command::Press(Key::parse_script("*271").unwrap()));
        world.at(secs(at + 10), yuki, Command::Press(Key::parse_script("*0").unwrap()));
    }
    world.name_leads(secs(1), name, vec![udp(town::TRUNK), udp(town::SPARE)]);
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    world.run_until(secs(320));
    rest(&mut world);
    let rang: Vec<Duration> = world.calls_out().iter().map(|(at, _)| at.since(model::Instant::ZERO)).collect();
    assert_eq!(rang.len(), 3, "{rang:?}");
    // Keys take most of a second.
    let took: Vec<bool> = rang.iter().zip([30, 50, 150]).map(|(rang, asked)| *rang > secs(asked + 2)).collect();
    assert_eq!(
        took,
        [true, false, true],
        "the first call finds out, the second goes to the other machine at once, and later it is tried again"
    );
    assert_eq!(passed_over(&world).len(), 2);
}

/// A machine that has just failed a call is asked nothing before one that answers calls only is called: else each of the next calls would wait twice.
#[test]
fn while_a_dead_machine_holds_a_place_the_next_call_waits_for_one_question_only() {
    let (town, name) = named();
    let mut town = (*with_lines(&town, 2)).clone();
    let mut book = (*town.book).clone();
    book.lines.iter_mut().filter_map(|line| line.target.as_mut()).for_each(|target| target.trunks.truncate(1));
    town.book = Arc::new(book);
    let mut world = World::new(Arc::new(town), 1).audited();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(300)), ..Resident::default() });
    world.add_neighbour_behind_the_spare(Neighbour { answer: AnswerPolicy::Never, ..Neighbour::default() });
    for at in [30, 45] {
        world.at(secs(at), yuki, Command::Press(Key::parse_script("*271").unwrap()));
        world.at(secs(at + 8), yuki, Command::Press(Key::parse_script("*0").unwrap()));
    }
    world.name_leads(secs(1), name, vec![udp(town::TRUNK), udp(town::SPARE)]);
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    world.ails(town::SPARE, Some(Ailment::AnswersCallsOnly));
    world.run_until(secs(120));
    rest(&mut world);
    let rang: Vec<Duration> = world.calls_out().iter().map(|(at, _)| at.since(model::Instant::ZERO)).collect();
    let asked: Vec<Duration> = world
        .notes()
        .filter(|(_, e)| matches!(e, Event::LineTaken { line, .. } if line.as_str() == "ward"))
        .map(|(at, _)| at.since(model::Instant::ZERO))
        .collect();
    let first_of_second = *asked.iter().find(|at| **at > secs(44)).unwrap();
    assert_eq!(rang.len(), 2, "{rang:?}");
    assert!(rang[1] > first_of_second + secs(1), "it was asked: {rang:?} {asked:?}");
    assert!(rang[1] < first_of_second + secs(2), "within two seconds: {rang:?} {asked:?}");
}

/// The same town, whose ward has so many lines.
fn with_lines(city: &Arc<City>, lines: u32) -> Arc<City> {
    let mut city = (**city).clone();
    let mut book = (*city.book).clone();
    for target in book.lines.iter_mut().filter_map(|line| line.target.as_mut()) {
        target.lines = lines;
    }
    city.book = Arc::new(book);
    Arc::new(city)
}

#[test]
fn a_carrier_whose_name_nobody_has_found_is_not_called_and_one_that_moved_is_called_there() {
    let (town, name) = named();
    let (mut world, _) = asks_the_ward(Arc::clone(&town), 1);
    rest(&mut world);
    assert_eq!((transfers(&world), world.calls_out().len()), (vec![TransferEnd::Failed], 0));

    let (mut world, _) = asks_the_ward(Arc::clone(&town), 1);
    world.name_leads(secs(1), name.clone(), vec![udp(town::TRUNK)]);
    world.control(secs(2), Control::Publish(town));
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    world.name_leads(secs(20), name, vec![udp(town::SPARE)]);
    rest(&mut world);
    assert_eq!((transfers(&world), passed_over(&world)), (vec![TransferEnd::Connected], vec![]));
}

/// RFC 3261 section 21.5.4: whoever says how long is left alone for so long, longer or shorter than a machine that says nothing.
#[test]
fn a_trunk_in_trouble_rests_for_as_long_as_it_says() {
    let asked = |says: u32, rings: bool| {
        let mut world = World::new(plain(), 1).audited();
        let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
        world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(600)), ..Resident::default() });
        world.add_neighbour_behind_the_spare(Neighbour { answer: AnswerPolicy::Never, ..Neighbour::default() });
        for at in [30, 50, 150, 450] {
            world.at(secs(at), yuki, Command::Press(Key::parse_script("*271").unwrap()));
            world.at(secs(at + 10), yuki, Command::Press(Key::parse_script("*0").unwrap()));
        }
        world.ails(town::TRUNK, Some(Ailment::BusyFor { secs: says, rings }));
        rest(&mut world);
        // What has rung is not called again another way: the transfer fails.
        let refused = |e: &Event| match e {
            Event::TrunkPassedOver { .. } => true,
            Event::Transferred { how, .. } => rings && *how == TransferEnd::Failed,
            _ => false,
        };
        let refused = world.notes().filter(|(_, e)| refused(e));
        refused.map(|(at, _)| at.since(model::Instant::ZERO).as_secs() / 10 * 10).collect::<Vec<_>>()
    };
    for rings in [false, true] {
        assert_eq!(asked(300, rings), [30, 450], "after five minutes and not before ({rings})");
        assert_eq!(asked(10, rings), [30, 50, 150, 450], "sooner than one that says nothing ({rings})");
    }
}
