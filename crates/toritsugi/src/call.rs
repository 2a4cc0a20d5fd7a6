//! `toritsugi call`: be a phone. Dial, press keys, play a sound, listen, record, and say what was heard.

use crate::words::{Stop, say};
use clap::Args;
use media::wav;
use model::{Codec, Pcm};
use phone::{AnswerPolicy, Command, Config, Event, Key, Phone, Sound, Sounding};
use reactor::{Clock, Exchange, PhoneId, bind_phone};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PHONE: PhoneId = PhoneId(0);

/// Be a phone.
#[derive(Args)]
pub(crate) struct CallArgs {
    /// Whom to call: sip:NUMBER@HOST, with :PORT if it is not 5060
    #[arg(value_name = "SIP-URI")]
    uri: String,
    /// Keys to press once connected: 0-9 * # are keys, w waits half a second, W one second
    #[arg(long, value_name = "SCRIPT", default_value = "")]
    digits: String,
    /// Hang up after this many seconds of connection
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,
    /// Play a tone of this many Hz
    #[arg(long, value_name = "HZ", conflicts_with = "play")]
    tone: Option<u32>,
    /// Play a WAV file of 8000 Hz, over and over
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,
    /// Record both sides to this WAV file: left is what we said, right is what we heard
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Our user name
    #[arg(long, default_value = "0440000099")]
    user: String,
    /// Our password, when the server asks for one
    #[arg(long)]
    password: Option<String>,
    /// Speak A-law only, instead of offering mu-law first
    #[arg(long)]
    pcma: bool,
    /// Print every SIP message
    #[arg(long)]
    trace: bool,
}

/// Runs it; a call that never came about is a failure.
pub(crate) fn run(args: &CallArgs) -> Result<(), Stop> {
    let keys = Key::parse_script(&args.digits).map_err(Stop::new)?;
    let server = server_of(&args.uri)?;
    let ip = source_for(server)?;
    let (sockets, sip, rtp) = bind_phone(ip).map_err(Stop::new)?;
    let config = Config {
        user: args.user.clone(),
        password: args.password.clone(),
        sip,
        rtp,
        server,
        answer: AnswerPolicy::Decline(486),
        says: sound(args)?,
        codecs: if args.pcma { vec![Codec::Pcma] } else { Codec::ALL.to_vec() },
        trace: args.trace,
    };
    let clock = Clock::start();
    let mut seed = [0; 8];
    seed.copy_from_slice(&crate::accounts::seed()?[..8]);
    let exchange = Exchange::start(vec![(sockets, config)], clock, u64::from_le_bytes(seed)).map_err(Stop::new)?;
    let began = Instant::now();
    exchange.tell(PHONE, Command::Dial { uri: args.uri.clone() });
    let outcome = follow(&exchange, args, keys, began)?;
    // The last BYE's answer, and retransmissions, before the socket goes.
    let _ = exchange.listen(Duration::from_millis(300));
    let phones = exchange.finish();
    if let (Some(path), Some(phone)) = (&args.record, phones.first()) {
        write_both_sides(path, phone)?;
        say(format_args!("recorded: {} (left: what we said, right: what we heard)", path.display()))?;
    }
    match outcome {
        Outcome::Talked => Ok(()),
        Outcome::Refused(Some(status)) => Err(Stop::new(format!("the call was refused with {status}"))),
        Outcome::Refused(None) => Err(Stop::new("the call was never answered")),
        Outcome::Violated(count) => Err(Stop::new(format!("the server broke the protocol {count} time(s), see above"))),
    }
}

enum Outcome {
    Talked,
    Refused(Option<u16>),
    Violated(usize),
}

fn follow(exchange: &Exchange, args: &CallArgs, mut keys: Vec<Key>, began: Instant) -> Result<Outcome, Stop> {
    let mut connected: Option<Instant> = None;
    let mut hung_up = false;
    let mut violations = 0;
    loop {
        let limit = connected.map_or(began + Duration::from_secs(60), |at| at + Duration::from_secs(args.seconds));
        if Instant::now() >= limit && !hung_up {
            hung_up = true;
            exchange.tell(PHONE, Command::HangUp);
        }
        // Forty seconds after we hung up, whatever there is to come has come (RFC 3261 timer B, 32 s).
        if hung_up && Instant::now() >= limit + Duration::from_secs(40) {
            return Ok(Outcome::Refused(None));
        }
        let Some(heard) = exchange.listen(Duration::from_millis(100)) else { continue };
        let at = Stamp(began.elapsed());
        match heard.event {
            Event::Trace { sent, text } => {
                let arrow = if sent { ">>>" } else { "<<<" };
                say(format_args!("{at} {arrow}\n{}", text.trim_end()))?;
            }
            Event::Progress(status) => say(format_args!("{at} progress: {status}"))?,
            Event::Connected => {
                connected = Some(Instant::now());
                exchange.tell(PHONE, Command::Press(std::mem::take(&mut keys)));
                say(format_args!("{at} connected"))?;
            }
            Event::Pressed(digit) => say(format_args!("{at} we press {digit}"))?,
            Event::Heard(stretch) => {
                let what = Sounds(&stretch.what);
                say(format_args!("{at} heard {what} from {:.1} s to {:.1} s", stretch.from.as_secs_f32(), stretch.to.as_secs_f32()))?;
            }
            Event::Violation(sentence) => {
                violations += 1;
                say(format_args!("{at} PROTOCOL: {sentence}"))?;
            }
            Event::Ended { by_us, status } => {
                let who = if by_us { "we hung up" } else { "they hung up" };
                match (connected, status) {
                    (Some(_), _) => say(format_args!("{at} {who}"))?,
                    (None, Some(status)) => say(format_args!("{at} refused: {status}"))?,
                    (None, None) => say(format_args!("{at} ended before it was answered"))?,
                }
                return Ok(match connected {
                    Some(_) if violations == 0 => Outcome::Talked,
                    Some(_) => Outcome::Violated(violations),
                    None => Outcome::Refused(status),
                });
            }
            // This phone only calls, and asks for nothing in the middle of it.
            Event::Registered
            | Event::Unregistered
            | Event::RegisterFailed(_)
            | Event::Incoming { .. }
            | Event::Changed(_)
            | Event::Referred { .. }
            | Event::Reason(_) => {}
        }
    }
}

struct Stamp(Duration);
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:6.2}]", self.0.as_secs_f32())
    }
}

/// What a stretch of sound is called.
pub(crate) struct Sounds<'a>(pub(crate) &'a Sounding);
impl fmt::Display for Sounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Sounding::Silence => f.write_str("silence"),
            Sounding::Tone(hz) => write!(f, "a tone of {hz} Hz"),
            Sounding::Speech => f.write_str("speech"),
            Sounding::Music => f.write_str("music"),
        }
    }
}

fn sound(args: &CallArgs) -> Result<Sound, Stop> {
    if let Some(hz) = args.tone {
        return match hz {
            50..=3_400 => Ok(Sound::Tone(hz)),
            _ => Err(Stop::new("a telephone carries tones of 50 to 3400 Hz")),
        };
    }
    let Some(path) = &args.play else { return Ok(Sound::Silence) };
    let bytes = std::fs::read(path).map_err(|fault| Stop::new(format!("{} cannot be read: {fault}", path.display())))?;
    let pcm: Pcm = wav::read(&bytes).map_err(|fault| Stop::new(format!("{}: {fault}", path.display())))?;
    if pcm.rate != 8000 {
        return Err(Stop::new(format!(
            "{} has {} Hz: convert it to 8000 Hz first (sox in.wav -r 8000 -c 1 out.wav)",
            path.display(),
            pcm.rate
        )));
    }
    Ok(Sound::Pcm(Arc::new(pcm), true))
}

/// The host and port of a SIP URI.
fn server_of(uri: &str) -> Result<SocketAddr, Stop> {
    let wrong = || Stop::new(format!("{uri} is no address to call: write sip:0440000000@127.0.0.1 or sip:NUMBER@HOST:PORT"));
    let rest = uri.strip_prefix("sip:").ok_or_else(wrong)?;
    let (_, host) = rest.split_once('@').ok_or_else(wrong)?;
    let host = host.split([';', '?']).next().unwrap_or_default();
    let named = if host.contains(':') { host.to_owned() } else { format!("{host}:5060") };
    let mut found = named.to_socket_addrs().map_err(|fault| Stop::new(format!("the host of {uri} is not found: {fault}")))?;
    // rsip 0.4 cannot read IPv6 in a Via, so this phone calls over IPv4.
    found.find(SocketAddr::is_ipv4).ok_or_else(|| Stop::new(format!("{uri} has no IPv4 address, and this phone speaks IPv4 only")))
}

/// Our own address on the way to `server`; nothing is sent.
fn source_for(server: SocketAddr) -> Result<IpAddr, Stop> {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|s| s.connect(server).and_then(|()| s.local_addr()))
        .map(|addr| addr.ip())
        .map_err(|fault| Stop::new(format!("there is no way to {server}: {fault}")))
}

/// What a phone said (left) and heard (right), as a WAV file.
pub(crate) fn write_both_sides(path: &Path, phone: &Phone) -> Result<(), Stop> {
    let unwritable = |fault: &dyn fmt::Display| Stop::new(format!("{} cannot be written: {fault}", path.display()));
    let bytes = wav::write_stereo(phone.said(), phone.heard()).map_err(|fault| unwritable(&fault))?;
    std::fs::write(path, bytes).map_err(|fault| unwritable(&fault))
}
