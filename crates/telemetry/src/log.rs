//! Events as lines for people. INFO: what a caller or agent would notice. WARN: look tomorrow. ERROR: get up.
//!
//! Ids are fields, so that `call=17` finds one call's whole way. What strangers can make happen as often as they like is counted by the
//! metrics and stays below INFO here, so that nobody outside can fill the disk. Whatever comes too often is held back, and counted in one line.

use model::{
    AgentState, BreakReason, Event, KeyMeaning, LookupEnd, MessageEnd, NotKept, OfferEnd, PhoneGone, QueueEnd, Refusal, TrunkRegistration,
};
use std::fmt;
use tracing::{debug, error, info, trace, warn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

mod bound;
mod lines;
mod panics;

pub use lines::{Form, Lines};
pub use panics::mind_panics;

/// Why no log was started.
#[derive(Debug)]
pub enum Fault {
    /// The level is none that we know.
    Level(String),
    /// Somebody else in this process logs already.
    Taken,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Level(level) => {
                write!(f, "{level:?} is no log level; write error, warn, info, debug or trace, or for one part: info,sip=debug")
            }
            Fault::Taken => f.write_str("a log was started already in this process"),
        }
    }
}
impl std::error::Error for Fault {}

/// Writes lines to standard error, in colour on a terminal. `level` is a level (`info`), or a level with exceptions (`info,sip=debug`).
///
/// # Errors
/// When the level cannot be read, or a log runs already.
pub fn start(level: &str, form: Form) -> Result<Lines, Fault> {
    let lines = Lines::on_stderr(form);
    start_on(level, std::slice::from_ref(&lines))?;
    Ok(lines)
}

/// Writes each line to all of these.
///
/// # Errors
/// As [`start`].
pub fn start_on(level: &str, all: &[Lines]) -> Result<(), Fault> {
    let filter = EnvFilter::try_new(level).map_err(|_| Fault::Level(level.to_owned()))?;
    tracing_subscriber::registry().with(all.to_vec().with_filter(filter)).try_init().map_err(|_| Fault::Taken)
}

/// Writes an event's line.
pub fn note(event: &Event) {
    match event {
        Event::Published { version } => info!(%version, "the city's files are in force"),
        Event::PublicationRefused { problems } => {
            warn!(problems, "a change of the city's files was refused, the old ones stay in force; `toritsugi check` shows the problems");
        }
        Event::OverrideSet { set } => info!(what = %set.setting, by = %set.by, until_unix_ms = set.until.0, "set by hand"),
        Event::OverrideEnded { what, by: Some(by) } => info!(%what, %by, "what was set by hand was ended: the city's files count again"),
        Event::OverrideEnded { what, by: None } => info!(%what, "what was set by hand is over: the city's files count again"),

        Event::Arrived { call, number, caller, line } => info!(call = call.0, %number, %caller, %line, "a call came in"),
        Event::Withheld { call, why } => info!(call = call.0, %why, "the caller's number is withheld"),
        Event::CalledFirst { call, line } => info!(call = call.0, %line, "the caller had called this line, which sent the call on"),
        Event::Refused { why, .. } => match why {
            Refusal::UnknownNumber
            | Refusal::Forbidden
            | Refusal::NoCodec
            | Refusal::TooFast
            | Refusal::SameNumber
            | Refusal::AimedAtUs => {
                debug!(%why, "a call was refused")
            }
            Refusal::Draining => info!(%why, "a call was refused"),
            Refusal::Full => warn!(%why, "a caller was turned away"),
            Refusal::NoPort => error!(%why, "a caller was turned away"),
        },
        Event::Answered { call } => info!(call = call.0, "answered"),
        Event::StepEntered { call, flow, step } => debug!(call = call.0, %flow, %step, "step"),
        Event::PromptStarted { call, prompt, lang } => debug!(call = call.0, %prompt, %lang, "prompt"),
        Event::PromptMissing { call, prompt, lang } => warn!(call = call.0, %prompt, %lang, "a sentence has no sound and was skipped"),
        // What is pressed where nobody listens may be a number, figure after figure.
        Event::Pressed { call, step, digit: _, meaning: meaning @ KeyMeaning::Ignored } => debug!(call = call.0, %step, %meaning, "key"),
        Event::Pressed { call, step, digit, meaning } => debug!(call = call.0, %step, %digit, %meaning, "key"),
        Event::HandedToPeople { call, flow, manner, took } => debug!(call = call.0, %flow, %manner, took_ms = took.0, "people take over"),
        Event::NoInput { call, step } => debug!(call = call.0, %step, "no key was pressed"),

        Event::Enqueued { call, ticket, queue, position } => info!(call = call.0, ticket = ticket.0, %queue, position, "waits"),
        Event::LeftQueue { call, ticket, queue, waited, how, .. } => {
            let waited_ms = waited.0;
            match how {
                QueueEnd::Answered | QueueEnd::Abandoned | QueueEnd::Moved => {
                    info!(call = call.0, ticket = ticket.0, %queue, waited_ms, %how, "left the queue");
                }
                QueueEnd::Full | QueueEnd::NobodyLoggedIn | QueueEnd::Closed => {
                    warn!(call = call.0, ticket = ticket.0, %queue, waited_ms, %how, "the queue did not take a caller");
                }
            }
        }
        Event::Waits { call, ticket, queue, why } => {
            let call = call.map_or(0, |call| call.0);
            debug!(call, ticket = ticket.0, %queue, position = why.position, relax_step = why.relax_step, "nobody is free for this caller yet");
        }
        Event::WaitJudged { call, queue, low, high, waited } => {
            debug!(call = call.0, %queue, low_ms = low.0, high_ms = high.0, waited_ms = waited.0, "the wait that was told, and what it was");
        }
        Event::PlaceKept { call, age } => info!(call = call.0, age_ms = age.0, "a caller who was cut off has the old place again"),
        Event::LineTaken { line, used, lines } => debug!(%line, used, lines, "a line is in use"),
        Event::LineFreed { line, used, lines } => debug!(%line, used, lines, "a line is free again"),
        Event::LineFull { line } => warn!(%line, "all places of a line are taken: a caller was not put through"),
        Event::TrunkRegistration { line, how } => match how {
            TrunkRegistration::Registered => info!(%line, "the carrier knows where we are"),
            TrunkRegistration::SignedOff => info!(%line, "the registration with the carrier was taken back"),
            TrunkRegistration::Expired | TrunkRegistration::NoAnswer | TrunkRegistration::Refused => {
                error!(%line, %how, "not registered with the carrier: nobody can call over this trunk; it is tried again");
            }
            TrunkRegistration::WrongPassword | TrunkRegistration::NoPassword => {
                error!(%line, %how, "not registered with the carrier: put its password into the file that password_file of lines.yaml names");
            }
            TrunkRegistration::OtherRealm => {
                error!(%line, %how, "not registered with the carrier: it asks in another realm; write the right one as realm in lines.yaml");
            }
            TrunkRegistration::OtherDigest => {
                error!(%line, %how, "not registered with the carrier: it asks for a proof that lines.yaml does not allow, or that we do not give (Basic, auth-int, -sess); if it knows MD5 only, digest: [sha-256, md5] allows that");
            }
        },
        Event::TrunkReachable { line, reachable: true } => info!(%line, "the trunk answers again"),
        Event::TrunkReachable { line, reachable: false } => {
            error!(%line, "the trunk does not answer: calls out take another one, if there is one")
        }
        Event::TrunkPassedOver { line, why } => warn!(%line, %why, "a call out was not taken by this trunk, and went over the next one"),
        Event::CallsOutLimited => error!("calls out are at their limit for this hour; if nobody expects that, somebody misuses us"),
        Event::Transferred { call, to, kind, by, how } => {
            let by = by.as_ref().map_or("the flow", |agent| agent.as_str());
            info!(call = call.0, %to, %kind, by, %how, "a caller was to be put through");
        }
        Event::CallbackBooked { call, ticket, queue } => info!(call = call.0, ticket = ticket.0, %queue, "a callback was booked"),
        Event::CallingBack { call, ticket, attempt, caller } => {
            info!(call = call.0, ticket = ticket.0, attempt, %caller, "somebody is being called back");
        }
        Event::CallbackTried { ticket, attempt, how } => info!(ticket = ticket.0, attempt, %how, "a callback was tried"),
        Event::CallbackEnded { ticket, queue, how } => info!(ticket = ticket.0, %queue, %how, "a callback is over"),
        Event::AgentCalledOut { agent, answered } => info!(%agent, answered, "an agent called the last caller back"),
        Event::Repaired { agent, what } => error!(%agent, what, "an agent's state was wrong and was put right: a mistake of ours"),
        Event::Offered { call, ticket, offer, queue, agent, why } => {
            info!(call = call.0, ticket = ticket.0, offer = offer.0, %queue, %agent, relax_step = why.relax_step, "the agent's phone rings");
        }
        Event::OfferEnded { offer, agent, how } => match how {
            OfferEnd::Answered | OfferEnd::Withdrawn | OfferEnd::Declined | OfferEnd::NoAnswer => {
                info!(offer = offer.0, %agent, %how, "the offer ended");
            }
            OfferEnd::Unreachable => warn!(offer = offer.0, %agent, %how, "the agent's phone could not be reached"),
        },
        Event::Bridged { call, queue, agent, waited, to_human } => {
            info!(call = call.0, %queue, %agent, waited_ms = waited.0, to_human_ms = to_human.0, "caller and agent talk");
        }
        Event::Ended { record } => {
            let talked_ms = record.talked.map_or(0, |m| m.0);
            info!(call = record.call.0, number = %record.number, end = %record.end, by = %record.hung_up_by, talked_ms, "the call is over");
        }

        Event::AgentState { agent, from, to, ended: _, reason } => match to {
            AgentState::NotResponding => warn!(%agent, %from, %to, "the agent does not answer the phone"),
            AgentState::NotReady => {
                let reason = reason.as_ref().map_or("none", BreakReason::as_str);
                info!(%agent, %from, %to, reason, "agent");
            }
            AgentState::SignedOut | AgentState::Idle | AgentState::Offered | AgentState::Talking | AgentState::WrapUp => {
                info!(%agent, %from, %to, "agent")
            }
        },
        Event::Registered { agent } => info!(%agent, "the agent's phone is here"),
        Event::Unregistered { agent, expired: false } => info!(%agent, "the agent's phone signed out"),
        Event::Unregistered { agent, expired: true } => warn!(%agent, "the agent's phone is gone without signing out"),
        Event::PhoneGone { agent, why } => match why {
            PhoneGone::Left | PhoneGone::Full => info!(%agent, %why, "one of the agent's phones is not called any more"),
            PhoneGone::Expired | PhoneGone::Silent | PhoneGone::Lost => {
                warn!(%agent, %why, "one of the agent's phones is gone without signing out; the others ring");
            }
        },
        Event::AuthenticationFailed { .. } => debug!("wrong name or password"),

        Event::SipRequest { line, method, direction, again } => {
            trace!(line = line.as_ref().map(model::LineId::as_str), method = method.name(), %direction, again, "SIP request")
        }
        Event::SipResponse { line, class, direction } => {
            trace!(line = line.as_ref().map(model::LineId::as_str), class, %direction, "SIP response")
        }
        Event::InviteDone { line, direction, status } => {
            debug!(line = line.as_ref().map_or("none", model::LineId::as_str), %direction, status, "a call has its answer");
        }
        Event::InviteHeard { line, took } => {
            trace!(line = line.as_ref().map_or("none", model::LineId::as_str), took_ms = took.0, "the other side works on a call");
        }
        Event::ByeDone { took } => trace!(took_ms = took.0, "the other side agrees that a call is over"),
        Event::SipMalformed { answered } => debug!(answered, "a datagram was no SIP message"),
        Event::Stranger => debug!("somebody came from an address that no line lists"),
        Event::StrangerNamed { from } => warn!(
            %from,
            "somebody called from an address that no line lists, and was not let in. If they may call, config/lines.yaml needs this line (or its `from` in \
             the line of their trunk): new_line: {{ from: [\"{from}\"] }}"
        ),
        Event::AimedAtUs { from } => warn!(
            %from,
            "a call was refused, because its Contact, its Record-Route or its sound names an address of this machine. If that is a PBX or a telephone \
             on this machine, its line in config/lines.yaml needs `targets: loopback`"
        ),
        Event::Flood => debug!("a source sends more than any telephone does: some of it was thrown away"),
        Event::SourceBanned { from, lasts } => {
            warn!(%from, minutes = lasts.0 / 60_000, "passwords were guessed from this address: none is heard from there for a while, and calls are taken as before");
        }
        Event::Banned => debug!("something from a banned address was thrown away"),
        Event::ForeignRequest => debug!("a request inside a call came from somebody who has no part in it"),
        Event::ConnectionClosed { why } => debug!(%why, "a SIP connection is gone"),
        Event::Certificate { expires } => info!(expires_unix = expires.0 / 1000, "the TLS certificate in force"),
        // Whoever found it has said what is wrong.
        Event::CertificateRefused => debug!("a TLS certificate was refused"),

        Event::Media { leg, stats } => debug!(
            call = leg.0 >> 16,
            leg = leg.0,
            sent = stats.sent,
            received = stats.received,
            lost = stats.lost,
            late = stats.late,
            foreign = stats.foreign,
            jitter = stats.jitter,
            "the leg's sound is over"
        ),
        Event::MediaFailed { leg } => error!(leg = leg.0, "no sound could be opened: the caller or agent hears nothing"),
        Event::NotDurable { seq } => {
            warn!(seq = seq.0, "a record is not on the disk yet: the disk is slow, or full. Calls did not wait for it")
        }
        Event::MessageLeft { call, mailbox, length, how } => {
            let length_ms = length.0;
            match how {
                MessageEnd::BrokenOff => {
                    warn!(call = call.0, %mailbox, length_ms, %how, "a message broke off; what was said by then is kept")
                }
                MessageEnd::Key | MessageEnd::HungUp | MessageEnd::Silence | MessageEnd::Full => {
                    info!(call = call.0, %mailbox, length_ms, %how, "a caller left a message");
                }
            }
        }
        Event::MessageNotKept { call, mailbox, why } => match why {
            NotKept::Empty => info!(call = call.0, %mailbox, %why, "a caller left no message"),
            NotKept::BoxFull | NotKept::DiskShort | NotKept::NotWritten => {
                error!(call = call.0, %mailbox, %why, "a caller could not leave a message and was led elsewhere");
            }
        },
        Event::LookedUp { call, lookup, how, took } => {
            let took_ms = took.0;
            match how {
                LookupEnd::Answered | LookupEnd::CallerGone => debug!(call = call.0, %lookup, %how, took_ms, "another house was asked"),
                LookupEnd::Unreadable
                | LookupEnd::Refused
                | LookupEnd::Unreachable
                | LookupEnd::TimedOut
                | LookupEnd::NotAllowed
                | LookupEnd::TooMany => {
                    warn!(call = call.0, %lookup, %how, took_ms, "another house did not answer: the caller was led elsewhere")
                }
            }
        }
        Event::CallEvicted { call } => error!(call = call.0, "a mistake of ours ended this call; the others go on"),
    }
}
