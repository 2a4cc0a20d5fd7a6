//! A small town to simulate: one number, a menu of three keys, two queues, twelve agents.
//!
//! Written in the flow language as a supervisor would, and read by `flow` like any other city, so that a simulation runs the whole way
//! from the text of a file to the last BYE. Its sentences are tones of a length, because nobody listens.

use calls::City;
use flow::{Known, Source, Spoken};
use media::Clip;
use model::{Lang, Line, LineId, Millis, Net, Number, Pcm, QueueId, Target, Trunk, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The number that residents dial.
pub const NUMBER: &str = "0440000000";
/// Who answers worries about one's own body.
pub const NURSES: [&str; 4] = ["yuki", "mio", "aya", "rin"];
/// Who answers everything else.
pub const CLERKS: [&str; 8] = ["ken", "hana", "jun", "mai", "sho", "nao", "eri", "taro"];
/// Where the town's trunk is.
pub const TRUNK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 2, 0, 1)), 5060);
/// Where a second trunk is, for towns that have one.
pub const SPARE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 2, 0, 2)), 5060);
/// Calls that the trunk carries at once.
pub const CHANNELS: u32 = 6;
/// A ward's hotline: two telephones, code 71.
pub const WARD: &str = "0441110000";
/// Another ward's: one telephone, code 72.
pub const SMALL_WARD: &str = "0442220000";
/// Interpreters: three telephones, code 8.
pub const INTERPRETERS: &str = "0443330000";
/// Monday, 2026-08-24, 10:00 in Tokyo: the wall clock when a simulation begins.
pub const MONDAY: UnixMillis = UnixMillis(1_787_533_200_000);

/// What a scenario may want otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Town {
    /// Calls at once.
    pub calls_max: u32,
    /// Callers who may wait in each queue.
    pub waiting_max: u32,
    /// How long an agent's phone rings, in seconds.
    pub ring_secs: u32,
    /// After-call work, in seconds.
    pub wrap_up_secs: u32,
    /// Whether the town calls back: key 9 in the nurse's queue, between nine and five, over a trunk.
    pub callbacks: bool,
    /// Whether the town puts callers through to a ward's hotline by itself: key 4 in the menu, key 8 in the nurse's queue.
    pub hotline: bool,
}

impl Default for Town {
    fn default() -> Self {
        Town { calls_max: 1000, waiting_max: 500, ring_secs: 15, wrap_up_secs: 20, callbacks: false, hotline: false }
    }
}

const FLOW: &str = r#"
flow: town
languages: { default: ja, offer: [ja] }
budget: { to_human: { pressing: 30s, silent: 75s }, mandatory_speech: 10s }
defaults:
  no_input: { after: 5s, repeat: 1, then: general }
  bad_key: { say: try_again, repeat: 1, then: general }
  barge_in: true
  on_error: general
start: greeting
steps:
  greeting: { say: { prompt: welcome, barge_in: false }, next: main }
  main:
    menu:
      say: main_menu
      keys: { "1": nurse, "2": general, "3": information }
  nurse:
    queue: nurse
    while_waiting:
      music: calm
      announce:
        - { at: 0s, say: please_wait }
        - { every: 45s, say: queue_position, only_if: improved }
      keys: { "0": { next: general } }
    outcomes: { nobody_logged_in: nobody, full: nobody }
  general:
    queue: general
    while_waiting:
      music: calm
      announce:
        - { at: 0s, say: please_wait }
        - { every: 45s, say: queue_position, only_if: improved }
    outcomes: { nobody_logged_in: nobody, full: nobody }
  information: { hang_up: { say: [information, goodbye] } }
  nobody: { hang_up: { say: nobody_available } }
"#;

/// What the flow has more where the town calls back.
const CALLBACK_STEPS: &str = r#"
  callback:
    callback:
      queue: nurse
      number: { accept: [jp_landline, jp_mobile] }
      window: callback_hours
      attempts: 3
      spacing: 10m
      expires: 24h
      say: callback_offer
      no_input: { after: 5s, then: nurse }
      refused: nurse
    next: booked
  booked: { hang_up: { say: callback_booked } }
"#;

/// What the flow has more where the town puts callers through.
const HOTLINE_STEPS: &str = r#"
  hotline:
    transfer:
      to: ward
      kind: warm
      brief: brief_ward
      timeout: 20s
      busy: nurse
      no_answer: nurse
      refused: nurse
      at_capacity: nurse
      failed: nurse
"#;

const PROMPTS: &str = r#"
welcome: { ja: "市の健康相談です。" }
main_menu: { ja: "お体の心配は1、そのほかのご質問は2、ご案内は3を押してください。" }
try_again: { ja: "恐れ入ります。もう一度お願いします。" }
please_wait: { ja: "順番におつなぎします。" }
queue_wait: { ja: "あと{{ minutes }}分ほどです。" }
queue_position: { ja: "ただいま{{ position }}番目です。" }
information: { ja: "朝8時半から夜8時までお受けしています。" }
goodbye: { ja: "お電話ありがとうございました。" }
nobody_available: { ja: "申し訳ありません。のちほどおかけ直しください。" }
callback_offer: { ja: "折り返しをご希望なら1を押してください。" }
callback_booked: { ja: "折り返しお電話します。" }
callback_greeting: { ja: "市役所です。お話しになるには1を押してください。" }
closing_down: { ja: "ただいま受付を終了します。おかけ直しください。" }
brief_ward: { ja: "市の窓口からのお電話です。" }
place_kept: { ja: "先ほどの順番を取ってあります。" }
agent_ready: { ja: "受付を始めます。" }
agent_break: { ja: "休憩に入ります。" }
agent_break_for: { ja: "受付を止めます。" }
agent_break_unknown: { ja: "その番号の理由はありません。" }
agent_no_phone: { ja: "電話機が登録されていません。" }
agent_wrap_up_done: { ja: "後処理を終わりました。" }
music:
  calm: { file: calm.wav }
"#;

const BREAKS: &str = r#"
lunch: { code: 1, label: { ja: 昼休み, en: Lunch } }
meeting: { code: 4, label: { ja: 会議, en: Meeting } }
"#;

/// Whom a flow of the town may ask: `sim::House` says what they do.
const LOOKUPS: &str = "register: { url: \"http://127.0.0.1:8090/\", caller_number: true }\n";

const CALENDAR: &str = r#"
timezone: Asia/Tokyo
schedules:
  centre:
    weekly: { mon-sun: "08:30-20:00" }
  callback_hours:
    weekly: { mon-sun: "09:00-17:00" }
"#;

impl Town {
    /// Reads, checks and sounds it.
    ///
    /// # Panics
    /// When the language has changed and these texts have not: with what `check` says.
    pub fn build(&self) -> Arc<City> {
        self.build_with(|_| {})
    }

    /// The same with more keys in the main menu and more steps, in the flow language: `"5": other` and
    /// `  other: { hang_up: { say: goodbye } }`, indented as in the file.
    ///
    /// # Panics
    /// When the texts have mistakes: with what `check` says.
    pub fn build_with_steps(&self, keys: &str, steps: &str) -> Arc<City> {
        self.build_with(|flow| {
            let last = r#""3": information"#;
            *flow = flow.replacen(last, &format!("{last}, {keys}"), 1);
            flow.push_str(steps.trim_start_matches('\n'));
        })
    }

    /// The same with a changed flow: `change` gets its text.
    ///
    /// # Panics
    /// When the changed text is not fit to be published: with what `check` says.
    pub fn build_with(&self, change: impl FnOnce(&mut String)) -> Arc<City> {
        let mut flow = self.flow();
        change(&mut flow);
        let sources = self.sources(flow);
        let (draft, known) = known(&sources);
        let checked = flow::check(&draft, &known);
        let Some(book) = checked.book else {
            panic!("the town's files have mistakes:\n{}", flow::render(&checked.problems, &sources, flow::Tongue::En, false));
        };
        let realm = book.settings.realm.clone();
        let users =
            NURSES.iter().chain(&CLERKS).map(|name| ((*name).to_owned(), sip::digest::ha1(name, &realm, &password(name)))).collect();
        // One clip for each length is enough: a sentence is a tone.
        let mut sounds: BTreeMap<Millis, Arc<Clip>> = BTreeMap::new();
        let clips = known
            .lengths
            .into_iter()
            .map(|(spoken, millis)| (spoken, Arc::clone(sounds.entry(millis).or_insert_with(|| tone(millis.into())))))
            .collect();
        Arc::new(City { book: Arc::new(book), clips, users, ..City::default() })
    }

    /// How soon the town hands its callers to people, as `check` reckons it from the lengths of its tones.
    pub fn reach(&self) -> Vec<flow::Reach> {
        let (draft, known) = known(&self.sources(self.flow()));
        flow::paths(&draft, &known)
    }

    fn sources(&self, flow: String) -> Vec<Source> {
        let source = |path: &str, text: String| Source { path: path.to_owned(), text };
        vec![
            source("flows/town.yaml", flow),
            source("flows/prompts/town.yaml", PROMPTS.to_owned()),
            source("config/agents.yaml", agents()),
            source("config/breaks.yaml", BREAKS.to_owned()),
            source("config/calendar.yaml", CALENDAR.to_owned()),
            source(
                "config/engine.yaml",
                format!(
                    "listen: {{ sip: 127.0.0.1:5060, admin: 127.0.0.1:8080 }}\nrtp_ports: 20000-29999\ncalls_max: {}\n",
                    self.calls_max
                ),
            ),
            source("config/lines.yaml", self.lines()),
            source("config/lookups.yaml", LOOKUPS.to_owned()),
            source("config/numbers.yaml", format!("\"{NUMBER}\": {{ flow: town }}\n")),
            source("config/queues.yaml", self.queues()),
        ]
    }

    fn flow(&self) -> String {
        let mut flow = FLOW.to_owned();
        let mut more = |steps: &str, at: &str, keys: &str| {
            flow = flow.replacen(at, &format!("{at}{keys}"), 1);
            flow.push_str(steps.trim_start_matches('\n'));
        };
        let nurse = r#"keys: { "0": { next: general }"#;
        if self.callbacks {
            more(CALLBACK_STEPS, nurse, r#", "9": { next: callback }"#);
        }
        if self.hotline {
            more(HOTLINE_STEPS, nurse, r#", "8": { next: hotline }"#);
            more("", r#""3": information"#, r#", "4": hotline"#);
        }
        flow
    }

    fn lines(&self) -> String {
        if !self.callbacks && !self.hotline {
            return "local: { from: [127.0.0.0/8], targets: loopback }\n".to_owned();
        }
        let ward = format!("ward: {{ trunk: carrier, number: \"{WARD}\", lines: 2, code: \"71\" }}\n");
        format!(
            "local: {{ from: [127.1.0.0/16], targets: loopback }}\ncarrier: {{ trunk: {{ host: \"{TRUNK}\", channels: {CHANNELS} }}, targets: loopback }}\n{}",
            if self.hotline { ward.as_str() } else { "" }
        )
    }

    fn queues(&self) -> String {
        let queue = |name: &str, need: &str| {
            format!(
                "  {name}:\n    needs: {{ {need}: 1, lang: \"{{lang}}\" }}\n    choose_agent: longest_idle\n    \
                 ring: {{ for: {}s, missed: 2 }}\n    wrap_up: {}s\n    max_waiting: {}\n    \
                 service_level: {{ answered_within: 20s, target: 80% }}\n",
                self.ring_secs, self.wrap_up_secs, self.waiting_max
            )
        };
        format!("queues:\n{}{}", queue("nurse", "nurse"), queue("general", "general"))
    }
}

/// The town's files, and what is known of their sentences.
fn known(sources: &[Source]) -> (flow::Draft, Known) {
    let draft = flow::read(sources.to_vec());
    let lengths = flow::sentences(&draft).into_iter().map(|s| (s.spoken.clone(), length(&s.spoken))).collect();
    let known = Known { lengths, voices: BTreeSet::from([Lang::from("ja")]), wall: MONDAY, ..Known::default() };
    (draft, known)
}

/// The town with lines to the outside: a trunk, two ward hotlines and the interpreters; queues have the codes 21 (general) and 22 (nurse).
/// The trunk may place no calls.
///
/// # Panics
/// Never: its numbers are numbers.
pub fn with_outside(city: &City) -> City {
    let number = |text: &str| Number::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let mut book = (*city.book).clone();
    let trunk = LineId::from("carrier");
    for line in book.lines.iter_mut().filter(|line| line.trunk.is_none() && line.target.is_none()) {
        line.from = vec![Net { addr: IpAddr::V4(Ipv4Addr::new(127, 1, 0, 0)), prefix: 16 }];
    }
    let mut add = |line: Line| {
        if book.lines.iter().all(|there| there.id != line.id) {
            book.lines.push(line);
        }
    };
    add(Line { id: trunk.clone(), trunk: Some(Trunk::plain(TRUNK, CHANNELS)), loopback: true, ..Line::default() });
    for (name, reaches, lines, code) in
        [("ward", WARD, 2, "71"), ("small_ward", SMALL_WARD, 1, "72"), ("interpreters", INTERPRETERS, 3, "8")]
    {
        let target = Target { trunks: vec![trunk.clone()], number: number(reaches), lines, code: Some(number(code)) };
        add(Line { id: LineId::from(name), target: Some(target), ..Line::default() });
    }
    for (name, code) in [("general", "21"), ("nurse", "22")] {
        if let Some(queue) = book.queues.get_mut(&QueueId::from(name)) {
            queue.code = Some(number(code));
        }
    }
    City { book: Arc::new(book), ..city.clone() }
}

fn agents() -> String {
    let nurses = NURSES.iter().map(|name| (name, "nurse"));
    let clerks = CLERKS.iter().map(|name| (name, "general"));
    let line =
        |(n, (name, skill)): (usize, (&&str, &str))| format!("{name}: {{ extension: \"{}\", skills: {{ {skill}: 3, ja: 5 }} }}\n", 201 + n);
    nurses.chain(clerks).enumerate().map(line).collect()
}

/// The password of an agent's phone.
pub fn password(name: &str) -> String {
    format!("{name}-secret")
}

/// How long a sentence of the town takes; music goes round every four seconds.
fn length(spoken: &Spoken) -> Millis {
    match spoken.prompt.as_str() {
        "calm" | "main_menu" => Millis(4000),
        "welcome" | "please_wait" | "nobody_available" => Millis(2500),
        _ => Millis(1500),
    }
}

/// How any notice of the town sounds: four seconds.
pub fn notice() -> Arc<Clip> {
    tone(Duration::from_secs(4))
}

fn tone(length: Duration) -> Arc<Clip> {
    // A frequency for each length, so that a scenario with sound can tell which sentence it hears.
    let samples = usize::try_from(length.as_millis().saturating_mul(8)).unwrap_or(0);
    let hz = 300.0 + length.as_millis() as f64 / 10.0;
    let Ok(clip) = Clip::encode(&Pcm::tone(media::RATE, hz, 8000, samples)) else { panic!("a tone of {length:?} can be encoded") };
    Arc::new(clip)
}
