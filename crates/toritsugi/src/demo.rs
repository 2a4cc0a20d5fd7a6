//! `toritsugi demo`: the real engine on loopback sockets, with residents and agents that are real SIP and RTP parties.

use crate::call::{Sounds, write_both_sides};
use crate::calls_list::journal_dir;
use crate::files::Files;
use crate::hub::{self, Listener};
use crate::publish::{self, Wait};
use crate::words::{Stop, clock, say};
use crate::{CityArgs, DemoArgs, accounts};
use calls::Control;
use model::{CallRecord, Codec, Event, Ha1, Lang, Pcm, UnixMillis};
use phone::{AnswerPolicy, Command, Config, Key, Phone, Sound, Sounding};
use reactor::{Clock, Exchange, PhoneId, bind_phone};
use speech::{Request, Speech};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use telemetry::log::Form;

/// Monday 2026-11-09, 10:00 in Tokyo: an open hour, no holiday, whatever the hour is where this runs.
const TEN_ON_A_MONDAY: UnixMillis = UnixMillis(1_794_186_000_000);
/// The demo ends by itself.
const LONGEST: Duration = Duration::from_secs(150);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A resident of the story.
pub(crate) struct Resident {
    name: &'static str,
    pub(crate) number: &'static str,
    /// When they dial, in seconds of the story.
    dials_at: u64,
    /// What they press once connected.
    keys: &'static str,
    /// In words, for the story.
    wants: &'static str,
    says: &'static str,
    lang: &'static str,
    /// Hangs up this long after dialling, if still waiting then.
    patience: Option<u64>,
    /// Hangs up this long after the agent answered; otherwise the agent does.
    talks: Option<u64>,
}

pub(crate) const RESIDENTS: [Resident; 6] = [
    Resident {
        name: "Sato",
        number: "0440000021",
        dials_at: 0,
        keys: "WWWWWWWWW1WWWW1WWWW2WWWW1",
        wants: "has a fever, presses 1 for Japanese, 1 for a nurse, 2 for easy breathing, 1 for the fever",
        says: "もしもし。昨日から熱があって、心配なんです。",
        lang: "ja",
        patience: None,
        talks: Some(14),
    },
    Resident {
        name: "Smith",
        number: "0440000022",
        dials_at: 2,
        keys: "WWWWWWWWWW2WWWWW2",
        wants: "asks about prevention, presses 2 for English, 2 for general questions",
        says: "Hello, how can I protect my family?",
        lang: "en",
        patience: None,
        talks: Some(9),
    },
    Resident {
        name: "Suzuki",
        number: "0440000023",
        dials_at: 4,
        keys: "",
        wants: "has a rotary phone and presses nothing",
        says: "あのう、ダイヤル式の電話なのですが。",
        lang: "ja",
        patience: None,
        talks: Some(8),
    },
    Resident {
        name: "Tanaka",
        number: "0440000024",
        dials_at: 6,
        keys: "WWWWWWWWW1WWWW1WWWW2WWWW2",
        wants: "also needs the nurse, and waits for her with music",
        says: "子どもが咳をしています。",
        lang: "ja",
        patience: None,
        talks: None,
    },
    Resident {
        name: "Ito",
        number: "0440000025",
        dials_at: 8,
        keys: "WWWWWWWWW1WWWW1WWWW2WWWW1",
        wants: "needs the nurse too, but loses patience",
        says: "まだでしょうか。",
        lang: "ja",
        patience: Some(30),
        talks: None,
    },
    Resident {
        name: "Kato",
        number: "0440000026",
        dials_at: 12,
        keys: "WWWWWWWWW1WW8WWWWWWWWW0",
        wants: "presses a wrong key, then 0 for a person",
        says: "すみません、間違えました。",
        lang: "ja",
        patience: None,
        talks: Some(7),
    },
];

/// Who answers, after how many seconds of ringing, and what they say.
const AGENTS: [(&str, u64, &str); 3] = [
    ("yuki", 2, "はい、看護師です。どうなさいましたか。"),
    ("ken", 3, "はい、総合窓口です。"),
    ("hana", 2, "はい、相談センターでございます。"),
];

/// Whose call is kept as a WAV file.
const KEPT: usize = 0;

/// Runs it.
pub(crate) fn run(args: &DemoArgs) -> Result<(), Stop> {
    telemetry::log::start("error", Form::Human).map_err(Stop::new)?;
    let state = args.state.as_deref().unwrap_or(Path::new("./.toritsugi"));
    if args.state.is_some() {
        fresh(state)?;
    }
    crate::files::make_private(state).map_err(|f| Stop::new(format!("the state folder {} cannot be made: {f}", state.display())))?;
    if args.state.is_some() {
        tell(&args.city, state, state, Beside::default())?;
        let (calls, explain) = (format!("toritsugi calls --state {0}", state.display()), "toritsugi explain");
        return say(format_args!(
            "All of it is written down. `{calls}` lists the calls, `{explain} 5 --state {}` tells why one waited.",
            state.display()
        ));
    }
    let scratch = state.join(format!("demo-{}", std::process::id()));
    let told = tell(&args.city, state, &scratch, Beside::default());
    let swept = std::fs::remove_dir_all(&scratch);
    told?;
    swept.map_err(|f| Stop::new(format!("{} cannot be removed: {f}", scratch.display())))
}

/// A made-up day must not be mixed into the journal of a city.
fn fresh(state: &Path) -> Result<(), Stop> {
    if journal_dir(state).exists() {
        return Err(Stop::new(format!(
            "{} has a journal already, and the demo's calls are none of it: name a folder that is not there yet",
            state.display()
        )));
    }
    Ok(())
}

/// Looks at the engine when the story is over.
pub(crate) type AtTheEnd = Box<dyn FnOnce(&hub::Running)>;

/// What happens beside the story: whom the engine tells of it, and what else is done with it.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) outlets: hub::Outlets,
    /// Called when the engine answers, with its address; and when the story is over.
    pub(crate) begun: Option<Box<dyn FnOnce(SocketAddr)>>,
    pub(crate) over: Option<AtTheEnd>,
}

/// Tells the story. Voices are kept in `state`, and what the engine remembers in `kept_in`.
pub(crate) fn tell(city: &CityArgs, state: &Path, kept_in: &Path, beside: Beside) -> Result<(), Stop> {
    say("Toritsugi demo: the real engine, six residents and three agents, on loopback sockets of this machine.")?;
    let files = Files::find(city)?;
    let mut speech = publish::voices(state, &model::Settings::default())?;
    let mut published = publish::publish(&files, &files.read()?, state, Wait::All, None, &mut |done, total| {
        if done == 0 || done == total {
            eprintln!("  voice: {done} of {total} sentences");
        }
    })?;

    // Passwords of this demo live in memory only.
    let mut passwords = BTreeMap::new();
    let mut users: BTreeMap<String, Ha1> = BTreeMap::new();
    let doors = hub::bind((HERE, 0).into())?;
    let server = doors.socket.local_addr().map_err(Stop::new)?;
    let number = {
        let city = Arc::make_mut(&mut published.city);
        let book = Arc::make_mut(&mut city.book);
        book.settings.sip = server;
        book.settings.advertise = None;
        (book.settings.tls, book.settings.websocket) = (None, None);
        // Away from a running engine's ports.
        (book.settings.rtp_first, book.settings.rtp_last) = (26_000, 27_999);
        for (agent, ..) in AGENTS {
            let password = accounts::random_password()?;
            users.insert(agent.to_owned(), sip::digest::ha1(agent, &book.settings.realm, &password));
            passwords.insert(agent, password);
        }
        city.users = users;
        city.book.numbers.keys().next().cloned().ok_or_else(|| Stop::new("no number leads to a flow: see config/numbers.yaml"))?
    };

    let clock_of_the_story = Clock::start_at(TEN_ON_A_MONDAY);
    std::fs::create_dir_all(kept_in).map_err(Stop::new)?;
    let (story, lines) = channel();
    let listener: Listener = Box::new(move |event| {
        let _ = story.send(event.clone());
    });
    let running = hub::start(published.city, kept_in, doors, clock_of_the_story, Some(listener), &beside.outlets)?;

    let mut seats = Vec::new();
    for resident in &RESIDENTS {
        let (sockets, sip, rtp) = bind_phone(HERE).map_err(Stop::new)?;
        let says = voice(&mut speech, resident.says, resident.lang, 500);
        let user = resident.number.to_owned();
        let answer = AnswerPolicy::Decline(486);
        seats.push((sockets, Config { user, password: None, sip, rtp, server, answer, says, codecs: Codec::ALL.to_vec(), trace: false }));
    }
    for (agent, rings, text) in AGENTS {
        let (sockets, sip, rtp) = bind_phone(HERE).map_err(Stop::new)?;
        let says = voice(&mut speech, text, "ja", 0);
        let answer = AnswerPolicy::After(Duration::from_secs(rings));
        let (user, password) = (agent.to_owned(), passwords.get(agent).cloned());
        seats.push((sockets, Config { user, password, sip, rtp, server, answer, says, codecs: Codec::ALL.to_vec(), trace: false }));
    }
    if let Some(begun) = beside.begun {
        begun(server);
    }
    let exchange = Exchange::start(seats, Clock::start(), 20_260_409).map_err(Stop::new)?;
    let records = play(&exchange, &lines, number.as_str(), server)?;

    running.handle.ask_blocking(Control::EndAll);
    let phones = exchange.finish();
    if let Some(over) = beside.over {
        over(&running);
    }
    let stats = running.handle.workers.iter().map(|w| w.borrow().clone()).collect::<Vec<_>>();
    running.stop();
    figures(&records, &stats)?;
    keep(&phones, state)
}

/// The story as it happens, until everyone has been served.
fn play(exchange: &Exchange, events: &Receiver<Event>, number: &str, server: SocketAddr) -> Result<Vec<CallRecord>, Stop> {
    let mut story = Story::new();
    for agent in 0..AGENTS.len() {
        exchange.tell(PhoneId(RESIDENTS.len() + agent), Command::Register);
    }
    let signed_in = Instant::now();
    while story.signed_in < AGENTS.len() {
        if signed_in.elapsed() > Duration::from_secs(10) {
            return Err(Stop::new("the agents' phones could not register within 10 s: is this machine's loopback blocked?"));
        }
        story.hear(exchange, events)?;
    }
    story.began = Instant::now();
    let mut dialled = [false; RESIDENTS.len()];
    let mut gave_up = [false; RESIDENTS.len()];
    while story.records.len() < RESIDENTS.len() {
        let now = story.began.elapsed();
        if now > LONGEST {
            return Err(Stop::new("the story did not come to its end in time; the machine may be too busy"));
        }
        for (index, resident) in RESIDENTS.iter().enumerate() {
            if !dialled[index] && now.as_secs() >= resident.dials_at {
                dialled[index] = true;
                story.line(format_args!("{} calls {number}: {}", resident.name, resident.wants))?;
                exchange.tell(PhoneId(index), Command::Dial { uri: format!("sip:{number}@{server}") });
                if let Ok(keys) = Key::parse_script(resident.keys) {
                    exchange.tell(PhoneId(index), Command::Press(keys));
                }
            }
            let late = resident.patience.is_some_and(|patience| now.as_secs() >= resident.dials_at + patience);
            if late && !gave_up[index] && !story.talking.contains_key(&index) {
                gave_up[index] = true;
                story.line(format_args!("{} loses patience and hangs up", resident.name))?;
                exchange.tell(PhoneId(index), Command::HangUp);
            }
        }
        story.hang_ups(exchange)?;
        story.hear(exchange, events)?;
        story.progress()?;
    }
    story.end_progress()?;
    Ok(story.records)
}

struct Story {
    began: Instant,
    signed_in: usize,
    /// Call id to resident, learnt from the caller's masked number.
    who: BTreeMap<model::CallId, usize>,
    /// Residents who talk, since when, with whom.
    talking: BTreeMap<usize, (Instant, String)>,
    waiting: usize,
    records: Vec<CallRecord>,
    shown: Instant,
    on_line: bool,
}

impl Story {
    fn new() -> Story {
        let now = Instant::now();
        Story {
            began: now,
            signed_in: 0,
            who: BTreeMap::new(),
            talking: BTreeMap::new(),
            waiting: 0,
            records: Vec::new(),
            shown: now,
            on_line: false,
        }
    }

    fn line(&mut self, text: impl std::fmt::Display) -> Result<(), Stop> {
        self.end_progress()?;
        say(format_args!("[{}] {text}", clock(self.began.elapsed())))
    }

    fn name(&self, call: model::CallId) -> &'static str {
        self.who.get(&call).map_or("somebody", |i| RESIDENTS[*i].name)
    }

    /// Listens for a moment to the phones and to the engine.
    fn hear(&mut self, exchange: &Exchange, events: &Receiver<Event>) -> Result<(), Stop> {
        if let Some(heard) = exchange.listen(Duration::from_millis(20)) {
            self.phone_says(heard.phone, &heard.event)?;
        }
        while let Ok(event) = events.try_recv() {
            self.engine_says(event)?;
        }
        Ok(())
    }

    fn phone_says(&mut self, phone: PhoneId, event: &phone::Event) -> Result<(), Stop> {
        let agent = phone.0.checked_sub(RESIDENTS.len()).and_then(|i| AGENTS.get(i)).map(|(name, ..)| *name);
        match (agent, event) {
            (Some(name), phone::Event::Registered) => {
                self.signed_in += 1;
                say(format_args!("{name}'s phone is registered"))
            }
            (Some(name), phone::Event::RegisterFailed(status)) => Err(Stop::new(format!("{name}'s phone could not register: {status}"))),
            (Some(name), phone::Event::Incoming { from }) => self.line(format_args!("{name}'s phone rings and shows {from}")),
            (None, phone::Event::Heard(stretch))
                if stretch.what != Sounding::Silence && stretch.to - stretch.from > Duration::from_secs(1) =>
            {
                let name = RESIDENTS.get(phone.0).map_or("somebody", |r| r.name);
                let seconds = (stretch.to - stretch.from).as_secs_f32();
                self.line(format_args!("    {name} heard {} for {seconds:.1} s", Sounds(&stretch.what)))
            }
            (_, phone::Event::Violation(sentence)) => Err(Stop::new(format!("the engine broke the protocol: {sentence}"))),
            _ => Ok(()),
        }
    }

    fn engine_says(&mut self, event: Event) -> Result<(), Stop> {
        match event {
            Event::Arrived { call, caller, .. } => {
                if let Some(index) = RESIDENTS.iter().position(|r| r.number == caller.reveal()) {
                    self.who.insert(call, index);
                }
                self.line(format_args!("the engine takes {}'s call (logged as {caller})", self.name(call)))
            }
            Event::PromptStarted { call, prompt, lang } => self.line(format_args!("    {} hears \"{prompt}\" ({lang})", self.name(call))),
            Event::Pressed { call, step, digit, meaning } => {
                self.line(format_args!("    {} presses {digit} in {step} ({meaning})", self.name(call)))
            }
            Event::NoInput { call, step } => self.line(format_args!("    {} presses nothing in {step}", self.name(call))),
            Event::Enqueued { call, queue, position, .. } => {
                self.waiting += 1;
                self.line(format_args!("{} waits for {queue}, place {position}, with music", self.name(call)))
            }
            Event::LeftQueue { .. } => {
                self.waiting = self.waiting.saturating_sub(1);
                Ok(())
            }
            Event::Offered { call, agent, why, .. } => {
                let others: Vec<String> = why.passed_over.iter().map(|p| format!("{} {}", p.agent, reason(&p.why))).collect();
                self.line(format_args!("{} is offered to {agent} (others: {})", self.name(call), others.join(", ")))
            }
            Event::Bridged { call, agent, waited, to_human, .. } => {
                if let Some(index) = self.who.get(&call) {
                    self.talking.insert(*index, (Instant::now(), agent.to_string()));
                }
                let (waited, to_human) = (Duration::from(waited), Duration::from(to_human));
                let name = self.name(call);
                self.line(format_args!(
                    "{agent} answers {name}: waited {}, {} from the first ring to a person",
                    clock(waited),
                    clock(to_human)
                ))
            }
            Event::Ended { record } => {
                let name = self.name(record.call);
                if let Some(index) = self.who.get(&record.call) {
                    self.talking.remove(index);
                }
                self.line(format_args!("{name}'s call is over: {} ({} hung up)", record.end, record.hung_up_by))?;
                // Whoever else calls meanwhile is no part of the story.
                if self.who.contains_key(&record.call) {
                    self.records.push(*record);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Conversations come to their end.
    fn hang_ups(&mut self, exchange: &Exchange) -> Result<(), Stop> {
        let mut over = Vec::new();
        for (index, (since, agent)) in &self.talking {
            match RESIDENTS[*index].talks {
                Some(talks) if since.elapsed() >= Duration::from_secs(talks) => over.push((PhoneId(*index), *index)),
                // The agent ends it, after ten seconds.
                None if since.elapsed() >= Duration::from_secs(10) => {
                    if let Some(agent) = AGENTS.iter().position(|(name, ..)| name == agent) {
                        over.push((PhoneId(RESIDENTS.len() + agent), *index));
                    }
                }
                Some(_) | None => {}
            }
        }
        for (phone, resident) in over {
            self.talking.remove(&resident);
            exchange.tell(phone, Command::HangUp);
        }
        Ok(())
    }

    fn progress(&mut self) -> Result<(), Stop> {
        if std::io::stdout().is_terminal() && self.shown.elapsed() > Duration::from_millis(500) {
            self.shown = Instant::now();
            self.on_line = true;
            let mut out = std::io::stdout().lock();
            let (talking, done, all) = (self.talking.len(), self.records.len(), RESIDENTS.len());
            let _ = write!(out, "\r[{}] waiting {}, talking {talking}, done {done} of {all} ", clock(self.began.elapsed()), self.waiting);
            let _ = out.flush();
        }
        Ok(())
    }

    fn end_progress(&mut self) -> Result<(), Stop> {
        if std::mem::take(&mut self.on_line) {
            print!("\r                                                  \r");
        }
        Ok(())
    }
}

fn reason(why: &model::WhyNot) -> String {
    match why {
        model::WhyNot::State(state) => format!("is {state}"),
        model::WhyNot::Skill { skill, has, needs } => match has {
            Some(level) => format!("has {skill} {} of {}", level.get(), needs.get()),
            None => format!("lacks {skill}"),
        },
        model::WhyNot::DoesNotServe => "does not serve it".to_owned(),
        model::WhyNot::JustMissed => "just missed it".to_owned(),
        model::WhyNot::LaterRing { .. } => "joins in later".to_owned(),
        model::WhyNot::Reserved { keep, .. } => format!("is kept back ({keep} stay idle)"),
        model::WhyNot::Excluded => "is excluded".to_owned(),
        model::WhyNot::PrefersAnother => "is not the one the caller knows".to_owned(),
        model::WhyNot::TookAnother => "took somebody else".to_owned(),
        model::WhyNot::RankedLower => "was idle for less long".to_owned(),
    }
}

fn figures(records: &[CallRecord], workers: &[model::WorkerStats]) -> Result<(), Stop> {
    let served = records.iter().filter(|r| r.agent.is_some()).count();
    let mut waits: Vec<u64> = records.iter().filter_map(|r| r.to_human.map(|m| m.0)).collect();
    waits.sort_unstable();
    let middle = waits.get(waits.len() / 2).copied().unwrap_or(0);
    let worst = waits.last().copied().unwrap_or(0);
    let sum = |f: fn(&model::WorkerStats) -> u64| workers.iter().map(f).sum::<u64>();
    say("")?;
    say(format_args!("{} calls, {served} reached a person, {} gave up.", records.len(), records.len() - served))?;
    say(format_args!("Seconds to a person: median {:.1}, worst {:.1}.", middle as f64 / 1000.0, worst as f64 / 1000.0))?;
    say(format_args!(
        "Sound: {} packets sent, {} received, {} lost, {} late.",
        sum(|w| w.packets_sent),
        sum(|w| w.packets_received),
        sum(|w| w.packets_lost),
        sum(|w| w.packets_late),
    ))
}

fn keep(phones: &[Phone], state: &std::path::Path) -> Result<(), Stop> {
    let Some(phone) = phones.get(KEPT) else { return Ok(()) };
    let path = state.join("demo.wav");
    write_both_sides(&path, phone)?;
    let shown = std::fs::canonicalize(&path).unwrap_or(path);
    say(format_args!("{}'s call, both sides (left the resident, right what the resident heard): {}", RESIDENTS[KEPT].name, shown.display()))
}

/// A spoken sentence, over and over with a pause, starting after `lead` ms; a tone where no voice can speak.
fn voice(speech: &mut Speech, text: &str, lang: &str, lead: usize) -> Sound {
    let request = Request { lang: Lang::from(lang), text: text.to_owned(), reading: None };
    let spoken = speech.cached(&request).map(Ok).unwrap_or_else(|| speech.render(&request));
    match spoken {
        Ok(pcm) => {
            let mut samples = vec![0; lead * 8];
            samples.extend(pcm.samples);
            samples.extend(std::iter::repeat_n(0, 8 * 1500));
            Sound::Pcm(Arc::new(Pcm { rate: 8000, samples }), true)
        }
        Err(_) => Sound::Tone(440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_of_a_city_is_no_place_for_a_made_up_day() {
        let state = std::env::temp_dir().join(format!("toritsugi-demo-{}", std::process::id()));
        assert!(fresh(&state).is_ok(), "a folder that is not there yet");
        std::fs::create_dir_all(journal_dir(&state)).unwrap();
        let Stop(why) = fresh(&state).unwrap_err();
        std::fs::remove_dir_all(&state).unwrap();
        assert!(why.contains("has a journal already"), "{why}");
    }
}
