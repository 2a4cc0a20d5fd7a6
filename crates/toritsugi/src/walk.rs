//! `toritsugi try`: walk a draft in the terminal as a caller, before anybody else does.
//!
//! The same `flow::Run` that leads real callers, under virtual time: nothing is dialled and nobody waits. Whoever types plays the caller,
//! and decides what queues, agents and lines do.

use crate::StateArgs;
use crate::diagram::{FlowPlace, Language};
use crate::files::Files;
use crate::publish::{self, Wait};
use crate::tape::Tape;
use crate::words::{Stop, clock, say};
use crate::zone::parse_day;
use clap::Args;
use flow::{Answered, Ask, Book, Calendar, Draft, Heard, Note, Run, Severity, Spoken, Tongue, Wanted};
use model::{Digit, Estimate, FlowName, Instant, KeyMeaning, Millis, Now, Number, QueueEnd, QueueFacts, TransferEnd, UnixMillis};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The place that a queue gives, and how long it takes to come one nearer.
const PLACE: u32 = 3;
const PLACE_BUSY: u32 = 12;
const NEARER: Duration = Duration::from_secs(60);
/// Events of one silence: a flow that asks for more without a word is broken.
const EVENTS_MAX: u32 = 10_000;
/// The longest `w`, in seconds: a day.
const WAIT_MAX: u64 = 86_400;
/// What a sentence takes that nobody has measured.
const LENGTH_UNKNOWN: Duration = Duration::from_secs(4);

#[derive(Args)]
pub(crate) struct WalkArgs {
    /// Folder with the flow files and prompts/, or one flow file in it [default: ./flows, or the built-in example city]
    #[arg(value_name = "DIR|FILE")]
    path: Option<PathBuf>,
    /// Folder with engine.yaml and the rest
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Which flow, where there are several
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// The number you call from; `withheld` for none
    #[arg(long, value_name = "NUMBER", default_value = "0440000001")]
    from: String,
    /// When you call, by the city's clock: "2026-08-24 10:00" [default: now]
    #[arg(long, value_name = "DATE TIME")]
    at: Option<String>,
    /// Leave what the caller hears in this WAV file, from the first word to the last
    #[arg(long, value_name = "FILE.wav")]
    play: Option<PathBuf>,
    /// Language of what this command says: en or ja
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
    #[command(flatten)]
    state: StateArgs,
}

pub(crate) fn run(args: &WalkArgs) -> Result<(), Stop> {
    let tongue = args.lang.tongue();
    let place = FlowPlace::of(args.path.as_deref(), args.config.as_deref());
    let files = Files::find(&place.city)?;
    let sources = files.read()?;
    let draft = flow::read(sources.clone());
    let mut speech = publish::voices(&args.state.state, draft.settings())?;
    let mut progress = |done: usize, total: usize| {
        if args.play.is_some() && io::stderr().is_terminal() {
            let end = if done == total { "\n" } else { "" };
            let _ = write!(io::stderr(), "\r{} {done}/{total}{end}", word(tongue, "speaking sentences", "音声を作っています"));
        }
    };
    // Whoever wants to hear it hears their place in the queue, too.
    let wait = if args.play.is_some() { Wait::All } else { Wait::Plain };
    let (sounds, known) = publish::sound(&draft, &files, &mut speech, wait, &mut progress);
    let mut checked = flow::check(&draft, &known);
    let Some(book) = checked.book.take() else {
        checked.problems.retain(|problem| problem.severity == Severity::Error);
        say(files.render(&checked.problems, &sources, tongue, io::stdout().is_terminal()))?;
        return Err(Stop::new(word(
            tongue,
            "no caller may walk a flow with errors: mend them first",
            "誤りがあるうちは試せません。先に直してください。",
        )));
    };
    let all = flow::diagrams(&draft, &known, &[], &sources, tongue);
    let name = place.choose(&all, args.flow.as_deref(), flow::Diagram::name, flow::Diagram::path)?.name().clone();
    let from = match args.from.as_str() {
        "withheld" => None,
        text => Some(Number::parse(text).map_err(|fault| Stop::new(format!("--from {text}: {fault}; write 0440000001, or withheld")))?),
    };
    let wall = match &args.at {
        Some(text) => moment(text, draft.calendar())
            .ok_or_else(|| Stop::new(format!("--at {text}: write a date and a time, \"2026-08-24 10:00\"")))?,
        None => {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        }
    };
    let recording = args.play.as_deref().map(|path| begin(path, tongue)).transpose()?;
    let echo = !io::stdin().is_terminal();
    let lengths = move |spoken: &Spoken| known.lengths.get(spoken).copied();
    let mut walk = Walk::new(Arc::new(book), &draft, &lengths, &name, from.as_ref(), wall, tongue, io::stdout().lock())
        .ok_or_else(|| Stop::new(format!("there is no flow {name}")))?;
    walk.tape = args.play.is_some().then(|| Tape::new(sounds));
    walk.go(&mut io::stdin().lock(), echo).map_err(|_| Stop(String::new()))?;
    let Some((path, mut file)) = args.play.as_ref().zip(recording) else { return Ok(()) };
    let Some((pcm, short)) = walk.tape.take().map(|tape| tape.finish(walk.began, walk.now.mono)) else { return Ok(()) };
    let bytes = media::wav::write(&pcm).map_err(Stop::new)?;
    file.write_all(&bytes).map_err(|fault| Stop::new(format!("{} cannot be written: {fault}", path.display())))?;
    let left_out = word(tongue, "; the rest is longer than is kept", "。これより長い分は省きました");
    let length = clock(pcm.length());
    say(format!("{}: {length}{}", path.display(), if short { left_out } else { "" }))
}

/// The file that will hold what is heard: made before anybody walks, and never over another one.
fn begin(path: &Path, tongue: Tongue) -> Result<File, Stop> {
    let shown = path.display();
    File::create_new(path).map_err(|fault| {
        Stop(match (fault.kind(), tongue) {
            (io::ErrorKind::AlreadyExists, Tongue::En) => {
                format!("{shown} is already there and stays as it is: name a new file with --play, or delete this one")
            }
            (io::ErrorKind::AlreadyExists, Tongue::Ja) => {
                format!("{shown} はすでにあります。上書きはしません。--play に別の名前を指定するか、このファイルを消してください。")
            }
            (_, Tongue::En) => format!("{shown} cannot be written: {fault}; name a file in a folder that is there with --play"),
            (_, Tongue::Ja) => {
                format!("{shown} に書き込めません({fault})。--play に、実在するフォルダー内のファイル名を指定してください。")
            }
        })
    })
}

/// A date and a time by the city's clock.
pub(crate) fn moment(text: &str, calendar: &Calendar) -> Option<UnixMillis> {
    let (date, time) = text.trim().split_once([' ', 'T'])?;
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute) =
        (hour.parse::<i64>().ok().filter(|h| (0..24).contains(h))?, minute.parse::<i64>().ok().filter(|m| (0..60).contains(m))?);
    let local = ((parse_day(date)? * 24 + hour) * 60 + minute) * 60_000;
    let guess = UnixMillis(local - i64::from(calendar.offset_seconds(UnixMillis(local))) * 1000);
    Some(UnixMillis(local - i64::from(calendar.offset_seconds(guess)) * 1000))
}

fn word(tongue: Tongue, en: &'static str, ja: &'static str) -> &'static str {
    match tongue {
        Tongue::En => en,
        Tongue::Ja => ja,
    }
}

/// Where the caller is, as far as others decide what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Alone with the flow.
    Flow,
    /// With a place in a queue.
    Queue,
    /// A line outside rings; nobody answers after that.
    Ringing(Instant),
    /// Another house is asked.
    Asked,
    /// A message is recorded.
    Recording,
    /// With a person.
    Talking,
    Over,
}

/// One call, and whoever plays it.
struct Walk<'a, W: Write> {
    run: Run,
    draft: &'a Draft,
    lengths: &'a dyn Fn(&Spoken) -> Option<Millis>,
    tongue: Tongue,
    now: Now,
    began: Instant,
    stage: Stage,
    /// When the sentence that sounds is over.
    sounding: Option<Instant>,
    /// Nothing that the caller does counts while it sounds.
    deaf: bool,
    /// Age zero of the wait: it survives every move, as with real callers.
    since: Option<Instant>,
    /// Queues are long from now on.
    busy: bool,
    /// The last time that was printed.
    shown: Option<Instant>,
    /// Something was heard since the last line was typed.
    audible: bool,
    /// What is heard, where somebody wants to keep it.
    tape: Option<Tape>,
    out: W,
}

impl<'a, W: Write> Walk<'a, W> {
    #[expect(clippy::too_many_arguments, reason = "what a call is: whose flow, from where, when, told how")]
    fn new(
        book: Arc<Book>,
        draft: &'a Draft,
        lengths: &'a dyn Fn(&Spoken) -> Option<Millis>,
        flow: &FlowName,
        from: Option<&Number>,
        wall: UnixMillis,
        tongue: Tongue,
        out: W,
    ) -> Option<Self> {
        let run = Run::new(book, flow)?.calling_from(from.map(Number::kind));
        let began = Instant::from_millis(1_000_000);
        let now = Now { mono: began, wall };
        let (stage, sounding) = (Stage::Flow, None);
        let (since, shown) = (None, None);
        Some(Walk {
            run,
            draft,
            lengths,
            tongue,
            now,
            began,
            stage,
            sounding,
            deaf: false,
            since,
            busy: false,
            shown,
            audible: false,
            tape: None,
            out,
        })
    }

    /// Calls, then does what is typed, line by line; the end of the input hangs up.
    fn go(&mut self, lines: &mut dyn BufRead, echo: bool) -> io::Result<()> {
        let help = word(
            self.tongue,
            "Type keys (2, 1#, *) · Enter: press nothing · w5: wait 5 s · q: hang up · ?: what else can happen here",
            "キー（2、1#、*）を入力 · Enter: 何も押さない · w5: 5 秒待つ · q: 切る · ?: ほかに起こりうること",
        );
        writeln!(self.out, "{help}")?;
        self.tell(Heard::Started)?;
        loop {
            // Nobody can do anything while a sentence sounds that cannot be stopped.
            while let Some(end) = self.sounding.filter(|_| self.deaf && self.stage != Stage::Over) {
                self.advance(end)?;
            }
            if self.stage == Stage::Over {
                return Ok(());
            }
            write!(self.out, "> ")?;
            self.out.flush()?;
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                line = "q".to_owned();
            }
            if echo {
                writeln!(self.out, "{}", line.trim())?;
            }
            self.audible = false;
            self.typed(&line.trim().to_lowercase())?;
        }
    }

    fn typed(&mut self, line: &str) -> io::Result<()> {
        let seconds = line.strip_prefix('w').map(|rest| rest.trim().parse::<u64>());
        match (line, seconds) {
            ("q", _) => {
                self.line(word(self.tongue, "you hang up", "電話を切りました"))?;
                self.stage = Stage::Over;
                Ok(())
            }
            ("?", _) => self.offer(),
            ("" | "w", _) => self.silence(),
            (_, Some(Ok(seconds))) if seconds <= WAIT_MAX => self.advance(self.now.mono + Duration::from_secs(seconds)),
            ("busy" | "quiet", _) if !matches!(self.stage, Stage::Ringing(_)) => {
                self.busy = line == "busy";
                self.line(match self.busy {
                    true => word(
                        self.tongue,
                        "queues are long from now on: place 12, a wait of 15 to 25 minutes",
                        "ここから待ち列が混みます: 12 番目、15〜25 分待ち",
                    ),
                    false => word(self.tongue, "queues are short from now on", "ここから待ち列は空いています"),
                })
            }
            _ => match self.met(line) {
                Some(heard) => {
                    self.sounding = None;
                    self.tell(heard)
                }
                None => self.keys(line),
            },
        }
    }

    /// What others do, by a word.
    fn met(&self, line: &str) -> Option<Heard> {
        Some(match (self.stage, line) {
            (Stage::Queue | Stage::Ringing(_), "a" | "agent") => Heard::Connected,
            (Stage::Queue, "nobody") => Heard::Refused(QueueEnd::NobodyLoggedIn),
            (Stage::Queue, "full") => Heard::Refused(QueueEnd::Full),
            (Stage::Queue, "closed") => Heard::Refused(QueueEnd::Closed),
            (Stage::Ringing(_), "busy") => Heard::NotTransferred(TransferEnd::Busy),
            (Stage::Ringing(_), "nobody") => Heard::NotTransferred(TransferEnd::NoAnswer),
            (Stage::Ringing(_), "refused") => Heard::NotTransferred(TransferEnd::Refused),
            (Stage::Ringing(_), "full") => Heard::NotTransferred(TransferEnd::AtCapacity),
            (Stage::Ringing(_), "failed") => Heard::NotTransferred(TransferEnd::Failed),
            (Stage::Recording, "said") => Heard::Recorded { kept: true },
            (Stage::Recording, "full") => Heard::NotRecorded,
            (Stage::Asked, "failed") => Heard::NotAnswered,
            (Stage::Asked, words) => {
                let mut words = words.split_whitespace();
                let answer = words.next().filter(|word| self.run.usable().0.contains(word))?.to_owned();
                let words = words.filter_map(|word| word.split_once('=')).map(|(name, word)| (name.to_owned(), word.to_owned())).collect();
                let answered = Answered { answer, words };
                // What is not listed cannot be used, here as in the city.
                if self.run.can_use(&answered) { Heard::Answered(answered) } else { Heard::NotAnswered }
            }
            (Stage::Talking, "lost") => Heard::Returned,
            (Stage::Talking, "done") => Heard::Served,
            _ => return None,
        })
    }

    fn keys(&mut self, line: &str) -> io::Result<()> {
        let digits: Option<Vec<Digit>> = line.chars().filter(|c| *c != ' ').map(Digit::from_char).collect();
        let Some(digits) = digits else { return self.offer() };
        for digit in digits {
            if self.stage == Stage::Over {
                break;
            }
            // A key is pressed when its words were heard, and cuts the rest.
            if let Some(end) = self.sounding.take() {
                self.now = at(self.now, end);
            }
            self.tell(Heard::Digit(digit))?;
            while let Some(end) = self.sounding.filter(|_| self.deaf && self.stage != Stage::Over) {
                self.advance(end)?;
            }
        }
        Ok(())
    }

    /// What another house may answer.
    fn answers(&self) -> String {
        let (answers, keep) = self.run.usable();
        let keep = keep.iter().map(|(name, words)| format!(" [{name}={}]", words.join("|"))).collect::<String>();
        match self.tongue {
            Tongue::En => format!("it answers: {}{keep} · failed · Enter or w5: it says nothing yet · q", answers.join(" · ")),
            Tongue::Ja => format!("回答: {}{keep} · failed（回答なし） · Enter か w5: まだ答えない · q", answers.join(" · ")),
        }
    }

    /// What can be typed here.
    fn offer(&mut self) -> io::Result<()> {
        if self.stage == Stage::Asked {
            return self.line(&self.answers());
        }
        self.line(match self.stage {
            Stage::Recording => word(
                self.tongue,
                "said: you speak your message · #: you speak it and end it · Enter or w: you say nothing · full: the box is full · q",
                "said: 用件を話す · #: 話して録音を終える · Enter か w: 何も話さない · full: 伝言箱がいっぱい · q",
            ),
            Stage::Asked | Stage::Flow | Stage::Over => word(
                self.tongue,
                "keys, Enter, w5, q; busy: queues are long from now on; quiet: they are short",
                "キー、Enter、w5、q。busy: これから待ち列が混む、quiet: 空く",
            ),
            Stage::Queue => word(
                self.tongue,
                "a: an agent answers · Enter or w: wait on · nobody, full, closed: the queue takes nobody · busy, quiet · keys, w5, q",
                "a: 担当者が出る · Enter か w: 待ち続ける · nobody（不在）, full（満杯）, closed（閉鎖）: 受けられない · busy, quiet · キー、w5、q",
            ),
            Stage::Ringing(_) => word(
                self.tongue,
                "a: they answer and accept · Enter or nobody: nobody answers · busy, refused, full, failed · q",
                "a: 相手が出て受ける · Enter か nobody: 誰も出ない · busy（話し中）, refused（断られる）, full（回線満杯）, failed（故障） · q",
            ),
            Stage::Talking => word(
                self.tongue,
                "Enter or done: they have helped you and hang up · lost: their telephone fails · q",
                "Enter か done: 用が済んで相手が切る · lost: 相手の電話が切れる · q",
            ),
        })
    }

    /// The caller does nothing until something is heard again.
    fn silence(&mut self) -> io::Result<()> {
        if self.stage == Stage::Talking {
            return self.tell(Heard::Served);
        }
        if self.stage == Stage::Recording {
            return self.tell(Heard::Recorded { kept: false });
        }
        for _ in 0..EVENTS_MAX {
            let Some(next) = self.next() else {
                return self.line(word(
                    self.tongue,
                    "nothing more happens by itself here (? shows what can)",
                    "このままでは何も起こりません（? で起こりうることを表示）",
                ));
            };
            self.advance(next)?;
            if self.audible || self.stage == Stage::Over {
                break;
            }
        }
        Ok(())
    }

    /// When something happens by itself.
    fn next(&self) -> Option<Instant> {
        let ringing = if let Stage::Ringing(until) = self.stage { Some(until) } else { None };
        // What came due while somebody talked is due at once.
        [self.sounding, self.run.poll_timeout(), ringing].into_iter().flatten().min().map(|at| at.max(self.now.mono))
    }

    /// Time passes, and what comes due happens.
    fn advance(&mut self, until: Instant) -> io::Result<()> {
        for _ in 0..EVENTS_MAX {
            let Some(next) = self.next().filter(|next| *next <= until && self.stage != Stage::Over) else { break };
            self.now = at(self.now, next);
            if self.sounding.is_some_and(|end| end <= next) {
                self.sounding = None;
                self.tell(Heard::Played)?;
            } else if matches!(self.stage, Stage::Ringing(end) if end <= next) {
                self.tell(Heard::NotTransferred(TransferEnd::NoAnswer))?;
            } else {
                if self.stage == Stage::Queue {
                    let (position, wait) = (self.place(), self.wait());
                    self.run.handle(self.now, Heard::Place { position, wait });
                    self.drain()?;
                }
                self.run.handle_timeout(self.now);
                self.drain()?;
            }
        }
        self.now = at(self.now, until);
        Ok(())
    }

    /// The place in a queue, nearer by one each minute of the whole wait.
    fn place(&self) -> u32 {
        let waited = self.since.map_or(Duration::ZERO, |since| self.now.mono.since(since));
        let nearer = u32::try_from(waited.as_secs() / NEARER.as_secs()).unwrap_or(u32::MAX);
        let first = if self.busy { PLACE_BUSY } else { PLACE };
        first.saturating_sub(nearer).max(1)
    }

    /// A quiet day tells no wait: there is none to speak of.
    fn wait(&self) -> Option<Estimate> {
        let minutes = |n: u64| Millis(n * 60_000);
        self.busy.then(|| Estimate { low: minutes(15), high: minutes(25), support: 40, rose: None })
    }

    fn tell(&mut self, heard: Heard) -> io::Result<()> {
        let turn = match &heard {
            Heard::Connected => Some((Stage::Talking, word(self.tongue, "somebody answers: you talk", "つながりました。お話し中です"))),
            Heard::Returned => {
                let words = word(self.tongue, "their telephone fails: you wait again", "相手の電話が切れ、待ち列に戻りました");
                Some((Stage::Queue, words))
            }
            Heard::Refused(_) | Heard::NotTransferred(_) => {
                Some((Stage::Flow, word(self.tongue, "nobody takes the call", "受ける人がいません")))
            }
            Heard::Recorded { kept: true } => Some((Stage::Flow, word(self.tongue, "the message is kept", "伝言をお預かりしました"))),
            Heard::Recorded { kept: false } => {
                Some((Stage::Flow, word(self.tongue, "nothing was said: no message is kept", "お話がなかったので、伝言は残りません")))
            }
            Heard::NotRecorded => Some((Stage::Flow, word(self.tongue, "the box takes no message", "伝言箱に録音できません"))),
            Heard::Answered(_) => Some((Stage::Flow, word(self.tongue, "an answer comes", "回答がありました"))),
            Heard::NotAnswered => Some((Stage::Flow, word(self.tongue, "no answer comes that can be used", "使える回答がありません"))),
            Heard::Started
            | Heard::Digit(_)
            | Heard::Played
            | Heard::Queued { .. }
            | Heard::Place { .. }
            | Heard::Facts(_)
            | Heard::CallbackBooked
            | Heard::CallbackRefused
            | Heard::Served => None,
        };
        if let Some((stage, words)) = turn {
            self.stage = stage;
            self.hush();
            self.line(words)?;
        }
        self.run.handle(self.now, heard);
        self.drain()
    }

    fn drain(&mut self) -> io::Result<()> {
        while let Some(ask) = self.run.poll_output() {
            self.does(ask)?;
        }
        Ok(())
    }

    /// What the engine would do.
    fn does(&mut self, ask: Ask) -> io::Result<()> {
        match ask {
            Ask::Prompt { sentences, barge_in } => self.speaks(&sentences, barge_in),
            Ask::Music(music) => {
                self.sounding = None;
                if let Some(tape) = &mut self.tape {
                    tape.plays(self.now.mono, &music);
                }
                self.line(&format!("♪ {}", music.prompt))
            }
            Ask::Hush => {
                self.sounding = None;
                self.hush();
                Ok(())
            }
            Ask::Enqueue(wanted) => {
                self.stage = Stage::Queue;
                self.audible = true;
                let since = *self.since.get_or_insert(self.now.mono);
                let position = self.place();
                let place = match self.tongue {
                    Tongue::En => format!("queue {}, place {position}", self.wanted(&wanted)),
                    Tongue::Ja => format!("待ち列 {}、{position} 番目", self.wanted(&wanted)),
                };
                self.line(&place)?;
                self.offer()?;
                self.tell(Heard::Queued { since, position })
            }
            Ask::Look { .. } => {
                let facts = QueueFacts {
                    waiting: if self.busy { PLACE_BUSY } else { PLACE },
                    staffed: 2,
                    available: 0,
                    expected: self.wait(),
                    ..QueueFacts::default()
                };
                self.tell(Heard::Facts(Some(facts)))
            }
            Ask::Transfer { line, brief, timeout, .. } => {
                self.stage = Stage::Ringing(self.now.mono + timeout);
                self.audible = true;
                let rings = match self.tongue {
                    Tongue::En => format!("the line {line} rings, for {} s at most", timeout.as_secs()),
                    Tongue::Ja => format!("回線 {line} を呼び出しています（最長 {} 秒）", timeout.as_secs()),
                };
                self.line(&rings)?;
                for spoken in brief.iter().flatten() {
                    let says =
                        format!("{} “{}” [{}]", word(self.tongue, "they would hear:", "相手への案内:"), self.text(spoken), spoken.prompt);
                    self.line(&says)?;
                }
                self.offer()
            }
            Ask::Callback { wanted, .. } => {
                let booked = format!(
                    "{} {}",
                    word(self.tongue, "a callback is written down for the queue", "折り返しを受け付けました。待ち列"),
                    self.wanted(&wanted)
                );
                self.line(&booked)?;
                self.tell(Heard::CallbackBooked)
            }
            Ask::Record { mailbox, max, .. } => {
                self.stage = Stage::Recording;
                self.audible = true;
                let (sounding, max) = (word(self.tongue, "beep! a message is recorded", "ピーッ。伝言を録音しています"), max.as_secs());
                self.line(&match self.tongue {
                    Tongue::En => format!("{sounding} in the box {mailbox}, for {max} s at most"),
                    Tongue::Ja => format!("{sounding}（伝言箱 {mailbox}、最長 {max} 秒）"),
                })?;
                self.offer()
            }
            Ask::StopRecording => {
                if self.stage == Stage::Recording {
                    self.tell(Heard::Recorded { kept: true })
                } else {
                    Ok(())
                }
            }
            Ask::Lookup { at, send, .. } => {
                self.stage = Stage::Asked;
                self.audible = true;
                let names = send.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                self.line(&match self.tongue {
                    Tongue::En => format!("{at} is asked, and sent: {names}"),
                    Tongue::Ja => format!("{at} に問い合わせます（送るもの: {names}）"),
                })?;
                self.offer()
            }
            Ask::Told { .. } => Ok(()),
            Ask::LeaveQueue => {
                self.stage = Stage::Flow;
                self.line(word(self.tongue, "out of the queue; the age of the wait is kept", "待ち列を離れました（待った時間は残ります）"))
            }
            Ask::HangUp => {
                self.stage = Stage::Over;
                self.line(word(self.tongue, "the call ends", "通話が終わりました"))
            }
            Ask::Note(note) => self.notes(note),
        }
    }

    fn notes(&mut self, note: Note) -> io::Result<()> {
        match note {
            Note::StepEntered { step } => {
                if matches!(self.stage, Stage::Asked | Stage::Recording) {
                    self.stage = Stage::Flow;
                }
                let position = self.run.position();
                let class = ["", " priority=high", " priority=urgent"].get(usize::from(position.class)).copied().unwrap_or_default();
                let variables: String = position.variables.iter().map(|(name, value)| format!(" {name}={value}")).collect();
                let time = self.time();
                writeln!(self.out, "{time}  {step}  (lang={}{class}{variables})", position.lang)
            }
            Note::Pressed { digit, meaning, .. } => match meaning {
                KeyMeaning::Choice => Ok(()),
                KeyMeaning::Unknown => {
                    self.line(&format!("{digit}: {}", word(self.tongue, "this key means nothing here", "ここでは使えないキーです")))
                }
                KeyMeaning::Ignored => {
                    self.line(&format!("{digit}: {}", word(self.tongue, "no key counts at this moment", "いまはキーを受け付けません")))
                }
            },
            Note::NoInput { .. } => self.line(word(self.tongue, "nothing was pressed", "何も押されませんでした")),
            // The step that takes over says so itself.
            Note::Handed { .. } => Ok(()),
        }
    }

    fn speaks(&mut self, sentences: &[Spoken], barge_in: bool) -> io::Result<()> {
        let mut whole = Duration::ZERO;
        for spoken in sentences {
            let length = (self.lengths)(spoken).map_or(LENGTH_UNKNOWN, Duration::from);
            whole += length;
            let line = format!("“{}” [{} {}, {} s]", self.text(spoken), spoken.prompt, spoken.lang, length.as_millis().div_ceil(1000));
            self.line(&line)?;
        }
        (self.sounding, self.deaf, self.audible) = (Some(self.now.mono + whole), !barge_in, true);
        if let Some(tape) = &mut self.tape {
            tape.says(self.now.mono, sentences);
        }
        Ok(())
    }

    /// Nothing sounds any more.
    fn hush(&mut self) {
        if let Some(tape) = &mut self.tape {
            tape.stops(self.now.mono);
        }
    }

    fn text(&self, spoken: &Spoken) -> String {
        self.draft.words(spoken).unwrap_or_default()
    }

    /// `看護 (nurse:3 ja:1, high)`.
    fn wanted(&self, wanted: &Wanted) -> String {
        let queue = self.draft.queues().find(|queue| queue.id == wanted.queue).map_or(wanted.queue.as_str(), |queue| &queue.label);
        let needs: Vec<String> = wanted.needs.iter().map(|need| format!("{}:{}", need.skill, need.level.get())).collect();
        let class = ["normal", "high", "urgent"].get(usize::from(wanted.class)).copied().unwrap_or_default();
        format!("{queue} ({}, {class})", needs.join(" "))
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        let time = self.time();
        writeln!(self.out, "{time}     {text}")
    }

    /// The time since the call began, where it is another one than in the line before.
    fn time(&mut self) -> String {
        if self.shown.replace(self.now.mono) == Some(self.now.mono) {
            return " ".repeat(5);
        }
        format!("{:>5}", clock(self.now.mono.since(self.began)))
    }
}

/// Both clocks move together, and never back.
fn at(now: Now, then: Instant) -> Now {
    let passed = i64::try_from(then.since(now.mono).as_millis()).unwrap_or(i64::MAX);
    Now { mono: then.max(now.mono), wall: UnixMillis(now.wall.0.saturating_add(passed)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CityArgs;
    use crate::explain::golden;
    use flow::Known;

    /// What a walk through the shipped city prints.
    fn walked(tongue: Tongue, when: &str, from: Option<&str>, typed: &str) -> String {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = Files::find(&CityArgs { config: Some(root.join("config")), flows: Some(root.join("flows")) }).unwrap();
        let draft = flow::read(files.read().unwrap());
        // No voice is asked: each sentence takes four seconds, so that the transcript is the same on every machine.
        let known = Known { voices: ["ja", "en"].map(model::Lang::from).into(), ..Known::default() };
        let book = flow::check(&draft, &known).book.unwrap();
        let from = from.map(|text| Number::parse(text).unwrap());
        let wall = moment(when, draft.calendar()).unwrap();
        let mut out = Vec::new();
        let mut walk = Walk::new(Arc::new(book), &draft, &|_| None, &"city".into(), from.as_ref(), wall, tongue, &mut out).unwrap();
        walk.go(&mut typed.as_bytes(), true).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_caller_waits_for_a_nurse_takes_a_callback_and_is_done() {
        // Japanese, worried, an unknown key, a fever, waits over a minute, asks to be called back.
        golden("walk.ja.txt", &walked(Tongue::Ja, "2026-08-24 10:00", Some("0440000001"), "1\n7\n1\n2\n1\nw65\n1\n1\n"));
    }

    #[test]
    fn a_caller_goes_to_a_ward_that_is_busy_comes_back_to_the_front_and_reaches_a_nurse() {
        golden("walk.en.txt", &walked(Tongue::En, "2026-08-24 10:00", None, "2\n\n1\n1\nw95\n5\n3\nbusy\n\na\nlost\n?\na\n\n"));
    }

    /// What a walk through a small flow prints.
    fn walked_small(step: &str, typed: &str) -> String {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = Files::find(&CityArgs { config: Some(root.join("config")), flows: Some(root.join("flows")) }).unwrap();
        let text = |path: &str| std::fs::read_to_string(root.join("flows/examples").join(path)).unwrap();
        let mut sources = files.read().unwrap();
        // The other cities go, and with them the numbers that lead there.
        sources
            .retain(|source| source.path.contains("prompts/") || source.path.contains("config/") && !source.path.ends_with("numbers.yaml"));
        let mut add = |path: &str, text: String| sources.push(flow::Source { path: path.to_owned(), text });
        add("flows/city.yaml", text(&format!("{step}.yaml")));
        add("flows/prompts/examples.yaml", text("prompts.yaml"));
        add("config/numbers.yaml", "\"0440000000\": { flow: city }\n".to_owned());
        let draft = flow::read(sources);
        let known = Known { voices: ["ja"].map(model::Lang::from).into(), ..Known::default() };
        let book = flow::check(&draft, &known).book.unwrap();
        let wall = moment("2026-08-24 10:00", draft.calendar()).unwrap();
        let mut out = Vec::new();
        let mut walk = Walk::new(Arc::new(book), &draft, &|_| None, &"city".into(), None, wall, Tongue::En, &mut out).unwrap();
        walk.go(&mut typed.as_bytes(), true).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn whoever_walks_says_what_another_house_answers() {
        let found = walked_small("lookup", "2\n12345\n?\nfound ward=kawasaki\nq\n");
        assert!(found.contains("vaccine is asked, and sent: ticket") && !found.contains("12345\n  "), "{found}");
        assert!(found.contains("it answers: found · full · unknown [ward=kawasaki|saiwai] · failed"), "{found}");
        assert!(found.contains("  which  ") && found.contains("priority=high"), "{found}");
        assert!(walked_small("lookup", "2\n12345\nfound ward=tokyo\nq\n").contains("no answer comes that can be used"));
        let silent = walked_small("lookup", "2\n12345\n\nq\n");
        assert!(silent.contains("  general  ") && !silent.contains("  which  "), "{silent}");
    }

    #[test]
    fn whoever_walks_leaves_a_message_or_finds_the_box_full() {
        let left = walked_small("voicemail", "2\nw5\n#\n");
        assert!(left.contains("beep! a message is recorded in the box general, for 120 s at most"), "{left}");
        assert!(left.contains("the message is kept") && left.contains("  thanks  "), "{left}");
        assert!(walked_small("voicemail", "2\nw5\nfull\n").contains("  sorry  "));
        assert!(walked_small("voicemail", "2\nw5\nsaid\n").contains("the message is kept"));
    }

    #[test]
    fn whoever_says_nothing_after_the_beep_leaves_no_message() {
        for nothing in ["", "w"] {
            let told = walked_small("voicemail", &format!("2\nw5\n{nothing}\n"));
            assert!(told.contains("nothing was said: no message is kept") && !told.contains("the message is kept"), "{told}");
        }
    }

    #[test]
    fn a_recording_begins_in_a_file_that_was_not_there() {
        let path = std::env::temp_dir().join(format!("toritsugi-walk-{}.wav", std::process::id()));
        drop(begin(&path, Tongue::En).unwrap());
        let refused = begin(&path, Tongue::En).unwrap_err().0;
        std::fs::remove_file(&path).unwrap();
        assert!(refused.contains("is already there") && refused.contains("--play"), "{refused}");
        let nowhere = begin(&path.join("x/walk.wav"), Tongue::En).unwrap_err().0;
        assert!(nowhere.contains("cannot be written"), "{nowhere}");
    }

    #[test]
    fn silence_leads_to_a_person_and_the_end_of_the_input_hangs_up() {
        let told = walked(Tongue::En, "2026-08-24 10:00", None, "\n\n\n");
        assert!(told.contains("queue 一般 (general:1 ja:1, normal), place 3"), "{told}");
        assert!(told.ends_with("you hang up\n"), "{told}");
    }

    #[test]
    fn the_hour_is_the_citys() {
        let at_night = walked(Tongue::En, "2026-08-24 03:00", None, "1\nq\n");
        assert!(at_night.contains("night_menu ja"), "{at_night}");
        let calendar = Calendar::default();
        assert_eq!(moment("2026-08-24 10:00", &calendar), Some(UnixMillis(1_787_533_200_000)));
        for nonsense in ["2026-08-24", "24.8.2026 10:00", "2026-02-30 10:00", "2026-08-24 25:00", ""] {
            assert_eq!(moment(nonsense, &calendar), None, "{nonsense}");
        }
    }

    #[test]
    fn on_a_busy_day_a_callback_is_offered_before_a_place_is_taken() {
        let told = walked(Tongue::En, "2026-08-24 10:00", Some("0440000001"), "busy\n1\n1\n2\n1\nq\n");
        assert!(told.contains("  callback  ") && !told.contains("queue 看護"), "{told}");
    }
}
