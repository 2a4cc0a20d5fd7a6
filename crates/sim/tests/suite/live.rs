//! The city is changed while it answers: publications in the middle of everything, and what the duty officer sets by hand.

use calls::Control;
use model::{
    AgentId, CallEnd, Event, Hours, Instant, Lang, Level, Override, OverrideId, ScheduleId, Setting, Skill, SlotId, UnixMillis, Version,
};
use sim::{Clerk, Resident, Town, Voice, World, town};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = secs(3 * 3600);
/// How long a notice sounds.
const NOTICE: Duration = secs(4);
/// What the greeting takes, which comes before it.
const GREETING: Duration = Duration::from_millis(2_500);

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The moment so long after the beginning.
fn wall(at: Duration) -> UnixMillis {
    UnixMillis(town::MONDAY.0 + i64::try_from(at.as_millis()).unwrap())
}

fn set(setting: Setting, until: Duration) -> Control {
    let clips = match &setting {
        Setting::Notice { texts, .. } => texts.iter().map(|(lang, _)| (lang.clone(), town::notice())).collect(),
        Setting::Schedule { .. } | Setting::Skill { .. } => BTreeMap::new(),
    };
    let (by, why) = ("duty".to_owned(), String::new());
    Control::SetOverride(Box::new(Override { setting, by, why, since: wall(secs(0)), until: wall(until) }), clips)
}

fn notice() -> Setting {
    Setting::Notice { slot: SlotId::from("city"), texts: vec![(Lang::from("ja"), "台風のため混み合っています。".to_owned())] }
}

/// The town with a notice after its greeting, and its hours looked at.
fn city() -> Arc<calls::City> {
    Town::default().build_with(|flow| {
        *flow = flow.replacen("barge_in: false }, next: main }", "barge_in: false }, next: today }", 1);
        flow.push_str("  today: { notice: { slot: city }, next: hours }\n  hours: { schedule: centre, open: main, closed: nobody }\n");
    })
}

fn presses(keys: &str) -> Resident {
    Resident { keys: keys.to_owned(), talk: Some(secs(20)), ..Resident::default() }
}

/// When notices began to sound.
fn spoken(world: &World) -> Vec<Duration> {
    let began = |(at, event): (Instant, &Event)| {
        matches!(event, Event::PromptStarted { prompt, .. } if prompt.as_str() == "notice:city").then(|| at.since(Instant::ZERO))
    };
    world.notes().filter_map(began).collect()
}

/// When callers came to a step.
fn came_to(world: &World, step: &str) -> Vec<Duration> {
    let came = |(at, event): (Instant, &Event)| {
        matches!(event, Event::StepEntered { step: s, .. } if s.as_str() == step).then(|| at.since(Instant::ZERO))
    };
    world.notes().filter_map(came).collect()
}

/// When what was set ended, in whole seconds, and by whom.
fn ended(world: &World) -> Vec<(Duration, Option<String>)> {
    let over = |(at, event): (Instant, &Event)| match event {
        Event::OverrideEnded { by, .. } => Some((secs(at.since(Instant::ZERO).as_secs()), by.clone())),
        _ => None,
    };
    world.notes().filter_map(over).collect()
}

fn refusals(world: &World) -> Vec<String> {
    let refused = |told: &sim::Told| match &told.what {
        Voice::Reply(reply) if reply != "done" && !reply.starts_with("Snapshot") => Some(reply.clone()),
        _ => None,
    };
    world.events().iter().filter_map(refused).collect()
}

fn rest(world: &mut World) {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn a_thousand_calls_and_fifty_publications_and_each_record_names_the_version_it_began_with() {
    let version = |n: u64| Town { wrap_up_secs: 5, ..Town::default() }.build_with(|flow| *flow = format!("note: \"{n}\"\n{flow}"));
    let cities: Vec<_> = (0..=50).map(version).collect();
    let mut world = World::new(Arc::clone(&cities[0]), 7);
    for name in town::NURSES.iter().chain(&town::CLERKS) {
        world.add_clerk(secs(0), name, Clerk::default());
    }
    let keys = ["WWWW1", "WWWW2", "WWWW3", "WWWW3", ""];
    let callers: Vec<_> =
        (0..1000).map(|n| world.add_resident(secs(5) + Duration::from_millis(2_003 * n), presses(keys[n as usize % 5]))).collect();
    // In force from these moments on.
    let mut from: Vec<(Duration, Version)> = vec![(secs(0), cities[0].book.version.clone())];
    for (n, city) in cities.iter().enumerate().skip(1) {
        let at = secs(10) + Duration::from_millis(39_111 * n as u64);
        world.control(at, Control::Publish(Arc::clone(city)));
        from.push((at, city.book.version.clone()));
    }
    rest(&mut world);

    assert_eq!(world.records().len(), 1000);
    let mut seen = BTreeSet::new();
    for record in world.records() {
        let arrived = Duration::from_millis(u64::try_from(record.arrived.0 - town::MONDAY.0).unwrap());
        // A call that comes in the very millisecond of a publication may belong to either.
        let at = |limit: Duration| &from.iter().rfind(|(at, _)| *at <= limit).unwrap().1;
        assert!([at(arrived), at(arrived + Duration::from_millis(1))].contains(&&record.version), "{record:?}");
        assert!(matches!(record.end, CallEnd::Served | CallEnd::FlowEnded), "{record:?}");
        seen.insert(record.version.clone());
    }
    assert_eq!(seen.len(), 51, "each version had callers of its own");
    for caller in callers {
        assert!(world.told(caller).any(|(_, event)| matches!(event, phone::Event::Ended { status: None, .. })), "{caller:?}");
        assert!(!world.told(caller).any(|(_, event)| matches!(event, phone::Event::Ended { status: Some(_), .. })), "{caller:?}");
    }
}

#[test]
fn a_notice_set_during_a_call_is_heard_by_the_next_caller_and_by_nobody_after_its_end() {
    let mut world = World::new(city(), 1);
    world.add_clerk(secs(0), "ken", Clerk::default());
    for at in [5, 40, 95, 130] {
        world.add_resident(secs(at), presses(""));
    }
    // The first caller is in the menu by then.
    world.control(secs(12), set(notice(), secs(100)));
    rest(&mut world);
    let (spoken, hours) = (spoken(&world), came_to(&world, "hours"));
    assert_eq!(spoken.len(), 2, "the second and the third caller: {spoken:?}");
    let today = came_to(&world, "today");
    assert_eq!([hours[0] - today[0], hours[3] - today[3]], [Duration::ZERO; 2], "without a notice no time passes");
    // The third hears it from 97.5 s on, when it still holds; it ends at 100 s, and they hear it out.
    assert!(spoken[1] > secs(95) + GREETING && spoken[1] < secs(99), "{spoken:?}");
    let heard = hours[2] - spoken[1];
    assert!(heard >= NOTICE && heard < NOTICE + secs(1), "{heard:?}");
    assert_eq!(ended(&world), [(secs(100), None)]);
}

#[test]
fn what_an_edit_takes_away_under_a_notice_and_a_skill_set_by_hand_harms_nobody_and_both_act_again_when_it_is_back() {
    let mut world = World::new(city(), 1);
    world.add_clerk(secs(0), "ken", Clerk::default());
    let skill = Setting::Skill { agent: AgentId::from("rin"), skill: Skill::from("nurse"), level: Level::new(5) };
    world.control(secs(1), set(notice(), secs(3_000)));
    world.control(secs(2), set(skill, secs(3_000)));
    // Without the step that speaks it, and without rin.
    let mut other = (*Town::default().build()).clone();
    let mut book = (*other.book).clone();
    book.agents.remove(&AgentId::from("rin"));
    other.book = Arc::new(book);
    world.control(secs(10), Control::Publish(Arc::new(other)));
    let without = world.add_resident(secs(20), presses("WWWWW2"));
    world.control(secs(200), Control::Publish(city()));
    let with = world.add_resident(secs(210), presses("WWWWW2"));
    rest(&mut world);
    assert_eq!(refusals(&world), [""; 0]);
    let spoken = spoken(&world);
    assert!(matches!(spoken[..], [at] if at > secs(210)), "{spoken:?}");
    for caller in [without, with] {
        assert!(world.told(caller).any(|(_, event)| matches!(event, phone::Event::Ended { status: None, .. })), "{caller:?}");
    }
}

#[test]
fn whoever_hears_a_notice_when_it_is_ended_by_hand_hears_it_out() {
    let mut world = World::new(city(), 1);
    world.add_clerk(secs(0), "ken", Clerk::default());
    world.control(secs(2), set(notice(), secs(3000)));
    world.add_resident(secs(5), presses(""));
    world.control(secs(9), Control::LiftOverride(OverrideId::from("notice city"), "mori".to_owned()));
    world.add_resident(secs(20), presses(""));
    world.control(secs(30), Control::LiftOverride(OverrideId::from("notice city"), "mori".to_owned()));
    rest(&mut world);
    let spoken = spoken(&world);
    assert!(spoken.len() == 1 && spoken[0] < secs(9), "{spoken:?}");
    assert!(came_to(&world, "hours")[0] - spoken[0] >= NOTICE);
    assert_eq!(ended(&world), [(secs(9), Some("mori".to_owned()))]);
    assert_eq!(refusals(&world), ["nothing of that name is set: `toritsugi status` lists what is"]);
}

#[test]
fn what_is_set_by_hand_outlives_the_engine_and_ends_while_it_is_away() {
    let mut world = World::new(city(), 1);
    world.add_clerk(secs(0), "ken", Clerk::default());
    world.control(secs(2), set(notice(), secs(700)));
    world.control(secs(3), set(Setting::Schedule { schedule: ScheduleId::from("centre"), hours: Hours::Closed }, secs(15)));
    world.crash(secs(10), secs(20));
    world.add_resident(secs(300), presses(""));
    world.crash(secs(690), secs(20));
    world.add_resident(secs(900), presses(""));
    rest(&mut world);
    let spoken = spoken(&world);
    assert!(spoken.len() == 1 && spoken[0] > secs(300) && spoken[0] < secs(310), "{spoken:?}");
    assert_eq!(came_to(&world, "nobody"), [], "the centre is open again since 15 s");
    let ended: Vec<Duration> = ended(&world).into_iter().map(|(at, _)| at).collect();
    assert_eq!(ended, [secs(30), secs(710)], "with the first input after each outage");
    assert_eq!(world.records().iter().filter(|r| r.end == CallEnd::Served).count(), 2);
}

#[test]
fn the_wall_clock_decides_and_what_has_ended_stays_so_when_it_goes_back() {
    let mut world = World::new(city(), 1);
    world.add_clerk(secs(0), "ken", Clerk::default());
    world.control(secs(2), set(notice(), secs(3600)));
    world.add_resident(secs(5), presses(""));
    // An hour ahead, then right again.
    world.clock_jumps(secs(60), 3_600_000);
    world.add_resident(secs(70), presses(""));
    world.clock_jumps(secs(120), -3_600_000);
    world.add_resident(secs(130), presses(""));
    rest(&mut world);
    assert_eq!(spoken(&world).len(), 1);
    assert_eq!(ended(&world).len(), 1);
}

#[test]
fn a_clock_that_is_put_back_makes_it_last_as_long_as_the_clock_on_the_wall_says() {
    let mut world = World::new(city(), 1);
    world.add_clerk(secs(0), "ken", Clerk::default());
    world.control(secs(2), set(notice(), secs(60)));
    world.clock_jumps(secs(30), -120_000);
    world.add_resident(secs(100), presses(""));
    world.add_resident(secs(200), presses(""));
    rest(&mut world);
    assert_eq!(spoken(&world).len(), 1, "at 100 s the clock shows 10:00 less 20 s");
    assert_eq!(ended(&world), [(secs(180), None)]);
}

#[test]
fn a_schedule_is_closed_by_hand_for_callers_who_are_in_the_menu_already_and_opens_by_itself() {
    let mut world = World::new(city(), 1);
    world.add_clerk(secs(0), "ken", Clerk::default());
    // Amid the greeting of the first caller.
    world.control(secs(6), set(Setting::Schedule { schedule: ScheduleId::from("centre"), hours: Hours::Closed }, secs(60)));
    for at in [5, 50, 70] {
        world.add_resident(secs(at), presses(""));
    }
    rest(&mut world);
    assert_eq!(came_to(&world, "nobody").len(), 2);
    assert_eq!(came_to(&world, "main").len(), 1);
}

#[test]
fn an_agent_helps_as_a_nurse_until_the_end_and_the_file_counts_again() {
    let mut world = World::new(Town::default().build(), 1);
    world.add_clerk(secs(0), "ken", Clerk::default());
    let nurse = Setting::Skill { agent: AgentId::from("ken"), skill: Skill::from("nurse"), level: Level::new(4) };
    // The only nurse is needed elsewhere: whoever asks for one is told that nobody is there.
    world.add_clerk(secs(1), "yuki", Clerk::default());
    world.add_resident(secs(5), presses("WWWW1"));
    let away = Setting::Skill { agent: AgentId::from("yuki"), skill: Skill::from("nurse"), level: None };
    world.control(secs(2), set(away, secs(2000)));
    world.control(secs(60), set(nurse.clone(), secs(200)));
    // A publication changes nothing about what is set by hand.
    world.control(secs(61), Control::Publish(Town { wrap_up_secs: 5, ..Town::default() }.build()));
    world.add_resident(secs(150), presses("WWWW1"));
    world.add_resident(secs(210), presses("WWWW1"));
    rest(&mut world);
    let by: Vec<_> = world.records().iter().map(|r| (r.end, r.agent.as_ref().map(|a| a.to_string()))).collect();
    assert_eq!(by, [(CallEnd::FlowEnded, None), (CallEnd::Served, Some("ken".to_owned())), (CallEnd::FlowEnded, None)]);
}

#[test]
fn what_nobody_could_keep_in_mind_or_nobody_speaks_is_refused_and_changes_nothing() {
    let mut world = World::new(city(), 1);
    world.add_clerk(secs(0), "ken", Clerk::default());
    let closed = |name: &str| Setting::Schedule { schedule: ScheduleId::from(name), hours: Hours::Closed };
    let texts = |slot: &str, text: &str| Setting::Notice { slot: SlotId::from(slot), texts: vec![(Lang::from("ja"), text.to_owned())] };
    let mute = match set(notice(), secs(60)) {
        Control::SetOverride(set, _) => Control::SetOverride(set, BTreeMap::new()),
        other => other,
    };
    for (n, control) in [
        set(closed("centre"), secs(1)),
        set(closed("centre"), secs(40 * 24 * 3600)),
        set(closed("center"), secs(60)),
        set(texts("town", "本日"), secs(60)),
        set(texts("city", " "), secs(60)),
        set(texts("city", "a\u{1b}[31m"), secs(60)),
        set(texts("city", &"長".repeat(301)), secs(60)),
        set(Setting::Skill { agent: AgentId::from("kenn"), skill: Skill::from("nurse"), level: None }, secs(60)),
        set(Setting::Skill { agent: AgentId::from("ken"), skill: Skill::from("nusre"), level: None }, secs(60)),
        mute,
    ]
    .into_iter()
    .enumerate()
    {
        world.control(secs(2) + Duration::from_millis(n as u64), control);
    }
    world.add_resident(secs(5), presses(""));
    rest(&mut world);
    let refusals = refusals(&world);
    assert_eq!(refusals.len(), 10, "{refusals:#?}");
    for (refusal, part) in refusals.iter().zip([
        "over already",
        "more than 31 days",
        "calendar.yaml has callback_hours, centre",
        "spoken are: city",
        "1 to 300 characters",
        "1 to 300 characters",
        "1 to 300 characters",
        "agents.yaml has aya, eri",
        "there are: general, ja, nurse",
        "no voice speaks ja",
    ]) {
        assert!(refusal.contains(part), "{refusal:?} should say {part:?}");
    }
    assert_eq!((spoken(&world).len(), came_to(&world, "nobody").len()), (0, 0));
}
