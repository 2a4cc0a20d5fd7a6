//! The story in English.

use super::story::{Cause, Story, What, withheld};
use super::words::{Said, length, named, waited};
use crate::zone::Town;
use model::{
    AgentId, AgentState, CallEnd, CallbackEnd, CallbackTry, KeptFor, Lang, OfferEnd, Party, QueueEnd, Reason, TransferEnd, TransferKind,
    Why, WhyNot, Withheld,
};

pub(crate) fn head(story: &Story, town: &Town) -> String {
    let date = story.moments.first().map(|m| town.zone.date(m.at)).unwrap_or_default();
    let zone = town.zone.name().map_or_else(|| "UTC: the city's files were not found".to_owned(), |name| format!("city time, {name}"));
    let mut head = format!("Call {} on {date} ({zone})\n", story.call);
    let wait = waited(story).map_or_else(String::new, |w| format!(" after waiting {}", length(w)));
    let entered = story.moments.iter().any(|m| matches!(m.what, What::Placed { .. } | What::CallbackBooked { .. }));
    head.push_str(&match (story.end(), story.broken_off()) {
        (Some(end), _) => format!("In short: {}{wait}.\n", short_end(end)),
        (None, None) => format!("In short: the call is still in progress{wait}.\n"),
        (None, Some(at)) => format!(
            "In short: the record breaks off here (damage at {at}); what became of the call is not known.\n          What follows is the \
             part before the damage.\n"
        ),
    });
    if !story.causes.is_empty() {
        head.push_str("          What stood in the way:\n");
        for cause in &story.causes {
            head.push_str(&format!("          - {}\n", cause_words(*cause)));
        }
    } else if story.broken_off().is_none() {
        head.push_str(if entered {
            "          No decision kept this caller waiting.\n"
        } else {
            "          The caller never came to a queue.\n"
        });
    }
    head.push('\n');
    head
}

pub(crate) fn left_out(count: u32) -> String {
    format!("({} left out; the journal has them all.)\n", plural(count, "more moment is", "more moments are"))
}

fn short_end(end: CallEnd) -> &'static str {
    match end {
        CallEnd::Served => "a person talked with the caller",
        CallEnd::CallbackBooked => "the caller asked to be called back",
        CallEnd::MessageLeft => "the caller left a message",
        CallEnd::NotReached => "we called back and reached nobody",
        CallEnd::AbandonedInMenu => "the caller hung up in the menus",
        CallEnd::AbandonedInQueue => "the caller gave up",
        CallEnd::CancelledEarly => "the caller hung up before we answered",
        CallEnd::FlowEnded => "the caller heard an announcement and goodbye",
        CallEnd::CallerVanished => "the caller's phone vanished",
        CallEnd::LostInRestart => "the engine was restarted under the call",
        CallEnd::InternalError => "a mistake of ours ended the call",
    }
}

fn cause_words(cause: Cause) -> String {
    let times = |n: u32| match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    };
    let n = times(cause.often());
    match cause {
        Cause::NoPlace { .. } => format!("a queue took nobody ({n})"),
        Cause::Reserve { .. } => format!("agents were idle but kept back for others ({n})"),
        Cause::EasingPending { .. } => format!("nobody free had all the skills asked for, and the next easing was still to come ({n})"),
        Cause::Skill { .. } => format!("nobody free had all the skills asked for, and there was no further easing ({n})"),
        Cause::Excluded { .. } => format!("an agent was excluded for this caller ({n})"),
        Cause::LaterRing { .. } => format!("agents who join in later had not joined in yet ({n})"),
        Cause::Preferred { .. } => format!("the agent who knows the caller was waited for ({n})"),
        Cause::RangOut { .. } => format!("an agent's phone rang and was not answered ({n})"),
        Cause::Declined { .. } => format!("an agent declined ({n})"),
        Cause::Unreachable { .. } => format!("an agent's phone could not be reached ({n})"),
        Cause::Overtaken { .. } => format!("another caller went first ({n})"),
        Cause::LineFull { .. } => format!("all places of a line were taken ({n})"),
        Cause::NobodyFree { .. } => format!("nobody who could take the call was free ({n})"),
    }
}

pub(crate) fn moment(what: &What, town: &Town) -> Said {
    let plain = |sentence: String| (sentence, Vec::new());
    match what {
        What::Arrived { number, caller, called_back: true } => plain(format!("We called {caller} back; {number} was shown.")),
        What::Arrived { number, caller, called_back: false } => plain(match withheld(caller) {
            Some(Withheld::ByCaller) => format!("Somebody who withholds their number called {number}."),
            Some(Withheld::Unavailable) => format!("Somebody whose number the network does not have called {number}."),
            Some(Withheld::OtherService) => format!("Somebody whose number another service of the network hides called {number}."),
            Some(Withheld::Payphone) => format!("Somebody called {number} from a coin telephone."),
            None => format!("{caller} called {number}."),
        }),
        What::CalledFirst { line } => plain(format!("The line {line} had been called first, and sent the call on.")),
        What::BeganAs { earlier } => plain(format!("This wait began with call {earlier}; its place is kept.")),
        What::Placed { queue, lang, class, waited, ticket } => {
            let age = if waited.0 < 1000 { String::new() } else { format!(", having waited {} already", length(*waited)) };
            plain(format!(
                "Took a place in the queue {} ({}, {}; ticket {ticket}){age}.",
                town.queue(queue),
                language(lang),
                class_word(*class)
            ))
        }
        What::Waits { queue, why, times, until } => {
            let place = if why.position == 0 { String::new() } else { format!(", place {}", why.position) };
            let again = match times {
                0 | 1 => String::new(),
                n => format!(" This was so at {n} decisions until {}.", town.zone.time(*until)),
            };
            (format!("Nobody could be asked in {}{place}.{again}", town.queue(queue)), reasons(why, town, None))
        }
        What::Asked { agent, queue, why, waited } => {
            let sentence = format!("{agent}'s phone rings ({}; the caller has waited {}).", town.queue(queue), length(*waited));
            (sentence, reasons(why, town, Some(agent)))
        }
        What::NotTaken { agent, how, rang } => plain(match how {
            OfferEnd::NoAnswer => format!("{agent} did not answer for {}: the offer ran out. The caller kept the place.", length(*rang)),
            OfferEnd::Declined if rang.0 < 1000 => format!("{agent} declined at once. The caller kept the place."),
            OfferEnd::Declined => format!("{agent} declined after {}. The caller kept the place.", length(*rang)),
            OfferEnd::Unreachable => format!("{agent}'s phone could not be reached. The caller kept the place."),
            OfferEnd::Withdrawn => format!("{agent}'s phone stopped ringing after {}: the offer was withdrawn.", length(*rang)),
            OfferEnd::Answered => format!("{agent} answered."),
        }),
        What::Talk { agent, waited } => plain(format!("Put through to {agent}; the caller had waited {}.", length(*waited))),
        What::Talked { agent, talked, waits_again } => {
            let again = if *waits_again { " The caller waits again, at the old place." } else { "" };
            plain(format!("The conversation with {agent} was over after {}.{again}", length(*talked)))
        }
        What::Overtaken { by, class, agent, queue } => plain(format!(
            "Overtaken: call {by}{} was put through to {agent} first ({}).",
            class.map_or_else(String::new, |c| format!(" ({})", class_word(c))),
            town.queue(queue)
        )),
        What::PerhapsOvertaken { by, class, agent, queue, overtook } => plain(format!(
            "Perhaps overtaken: call {by}{} went past {overtook} callers to {agent} ({}); the record names only five of them.",
            class.map_or_else(String::new, |c| format!(" ({})", class_word(c))),
            town.queue(queue)
        )),
        What::LineFull { line } => plain(format!("All places of the line {line} were taken: not put through there.")),
        What::Transferred { to, kind, by, how } => {
            let who = by.as_ref().map_or_else(|| "The flow".to_owned(), AgentId::to_string);
            let kind = match kind {
                TransferKind::Blind => "put the caller through to",
                TransferKind::Warm => "announced the caller to",
                TransferKind::ThreeWay => "asked to join the conversation:",
                TransferKind::Queue => "sent the caller to the queue",
            };
            let end = match how {
                TransferEnd::Connected => "they talk",
                TransferEnd::Busy => "it was busy",
                TransferEnd::NoAnswer => "nobody answered or accepted in time",
                TransferEnd::Refused => "it was declined",
                TransferEnd::AtCapacity => "all its places were taken, or calls out were at their limit",
                TransferEnd::Failed => "it could not be reached",
                TransferEnd::Withdrawn => "it was taken back",
            };
            plain(format!("{who} {kind} {to}: {end}."))
        }
        What::Left { how } => plain(
            match how {
                QueueEnd::Answered => "Left the queue: answered.",
                QueueEnd::Abandoned => "Left the queue: the caller hung up.",
                QueueEnd::Moved => "Left the queue as the flow says; the age of the place goes along.",
                QueueEnd::Full => "The queue was full: no place.",
                QueueEnd::NobodyLoggedIn => "Nobody who serves the queue was logged in: no place.",
                QueueEnd::Closed => "The queue was closed: no place.",
            }
            .to_owned(),
        ),
        What::CallbackBooked { attempts } => plain(format!(
            "Asked to be called back; the place is kept. Up to {} to reach the caller.",
            plural(*attempts, "attempt", "attempts")
        )),
        What::CallbackTried { attempt, how } => plain(match how {
            None => format!("Callback, attempt {attempt}: we call."),
            Some(CallbackTry::Confirmed) => format!("Callback, attempt {attempt}: answered and confirmed by a key."),
            Some(CallbackTry::NoAnswer) => format!("Callback, attempt {attempt}: nobody answered."),
            Some(CallbackTry::Busy) => format!("Callback, attempt {attempt}: busy or declined."),
            Some(CallbackTry::NotConfirmed) => format!("Callback, attempt {attempt}: answered, but nobody confirmed (a mailbox, perhaps)."),
            Some(CallbackTry::Failed) => format!("Callback, attempt {attempt}: the call could not be made."),
        }),
        What::CallbackEnded { how } => plain(
            match how {
                CallbackEnd::Served => "The callback is done: the person was reached.",
                CallbackEnd::Exhausted => "The callback is over: all attempts were in vain.",
                CallbackEnd::Expired => "The callback is over: its time ran out.",
                CallbackEnd::CalledAgain => "The callback is over: the person called again.",
                CallbackEnd::Closed => "The callback is over: its queue is no more, or the city no longer calls back.",
            }
            .to_owned(),
        ),
        What::GoesOnAs { later } => plain(format!("The place goes on in call {later}.")),
        What::Ended { end, by, path, to_human, talked, .. } => {
            let by = match by {
                Party::Caller => "the caller hung up",
                Party::Agent => "the agent hung up",
                Party::Engine => "we hung up",
            };
            let mut facts = Vec::new();
            if let Some(to_human) = to_human {
                facts.push(format!("from the first ring to a person {}", length(*to_human)));
            }
            if let Some(talked) = talked {
                facts.push(format!("talked {}", length(*talked)));
            }
            let facts = if facts.is_empty() { String::new() } else { format!("; {}", facts.join(", ")) };
            let way = if path.is_empty() { Vec::new() } else { vec![format!("The way: {}", path.join(" > "))] };
            (format!("The end: {} ({by}{facts}).", short_end(*end)), way)
        }
    }
}

/// Who was eligible, what was asked, and why the others were not chosen.
fn reasons(why: &Why, town: &Town, chosen: Option<&AgentId>) -> Vec<String> {
    let mut lines = Vec::new();
    if chosen.is_some() {
        let idle = length(model::Millis(why.idle_millis));
        let others = match why.counts.get(&Reason::RankedLower) {
            None | Some(0) => "nobody else was free and fitted".to_owned(),
            Some(n) => format!("{} fitted as well and came later in the queue's order", plural(*n, "other", "others")),
        };
        lines.push(format!("Chosen: idle for {idle}; {others}."));
    }
    let step = match (why.relax_step, why.next_relax) {
        (0, None) => None,
        (0, Some(next)) => Some(format!("All that the queue needs was asked for; the first easing comes in {}.", length(next))),
        (n, None) => Some(format!("{} in force, no further one.", plural(n, "easing was", "easings were"))),
        (n, Some(next)) => Some(format!("{} in force; the next comes in {}.", plural(n, "easing was", "easings were"), length(next))),
    };
    lines.extend(step);
    if why.ring > 0 {
        lines.push(format!("{} had joined in late.", plural(why.ring, "ring of agents", "rings of agents")));
    }
    if why.overtook_count > 0 {
        lines.push(format!("Went past {} who had waited longer.", plural(why.overtook_count, "caller", "callers")));
    }
    let counts = why.counts.iter().filter(|(reason, n)| **n > 0 && (chosen.is_none() || **reason != Reason::RankedLower));
    let counts: Vec<String> = counts.map(|(reason, n)| format!("{n} {}", count_words(*reason))).collect();
    if !counts.is_empty() {
        lines.push(format!("Not chosen: {}.", counts.join(", ")));
    }
    lines.extend(named(why, chosen.is_some()).map(|(agent, why)| format!("- {agent} {}", why_not(why, town))));
    lines
}

fn count_words(reason: Reason) -> &'static str {
    match reason {
        Reason::State(AgentState::SignedOut) => "signed out",
        Reason::State(AgentState::NotReady) => "on a break",
        Reason::State(AgentState::Idle) => "idle",
        Reason::State(AgentState::Offered) => "being rung for another caller",
        Reason::State(AgentState::Talking) => "in a call",
        Reason::State(AgentState::WrapUp) => "in after-call work",
        Reason::State(AgentState::NotResponding) => "not responding",
        Reason::Skill => "without a skill or level that was asked for",
        Reason::DoesNotServe => "not serving this queue",
        Reason::LaterRing => "joining in only later",
        Reason::Reserved => "idle but kept back",
        Reason::Excluded => "excluded for this caller",
        Reason::PrefersAnother => "passed by for the agent who knows the caller",
        Reason::JustMissed => "who had just not taken this caller",
        Reason::RankedLower => "fitting as well, but later in the queue's order",
        Reason::TookAnother => "taken by somebody who was before",
    }
}

fn why_not(why: &WhyNot, town: &Town) -> String {
    match why {
        WhyNot::State(AgentState::SignedOut) => "was signed out".to_owned(),
        WhyNot::State(AgentState::NotReady) => "was on a break".to_owned(),
        WhyNot::State(AgentState::Idle) => "was idle".to_owned(),
        WhyNot::State(AgentState::Offered) => "was being rung for another caller".to_owned(),
        WhyNot::State(AgentState::Talking) => "was in a call".to_owned(),
        WhyNot::State(AgentState::WrapUp) => "was in after-call work".to_owned(),
        WhyNot::State(AgentState::NotResponding) => "was not responding".to_owned(),
        WhyNot::Skill { skill, has: None, needs } => format!("does not have the skill {skill} (level {} was asked for)", needs.get()),
        WhyNot::Skill { skill, has: Some(has), needs } => {
            format!("has the skill {skill} at level {} (level {} was asked for)", has.get(), needs.get())
        }
        WhyNot::DoesNotServe => "does not serve this queue".to_owned(),
        WhyNot::LaterRing { wait } => format!("joins in later, {} from then", length(*wait)),
        WhyNot::Reserved { of, keep, idle, kept_for } => {
            let kept_for = match kept_for {
                KeptFor::Queue(queue) => format!("callers in {}", town.queue(queue)),
                KeptFor::Queues(queues) => {
                    let names: Vec<String> = queues.iter().map(|queue| town.queue(queue).to_string()).collect();
                    format!("callers in {}", names.join(" or "))
                }
                KeptFor::Class(0) => "everybody".to_owned(),
                KeptFor::Class(class) => format!("{} callers", class_word(*class)),
            };
            format!("was idle but kept back: {keep} with the skill {of} must stay free for {kept_for}, and {idle} {} idle", was(*idle))
        }
        WhyNot::Excluded => "is excluded for this caller".to_owned(),
        WhyNot::PrefersAnother => "was free, but the agent who knows the caller was waited for".to_owned(),
        WhyNot::JustMissed => "had just not taken this caller and was not asked again yet".to_owned(),
        WhyNot::RankedLower => "fitted as well, but came later in the queue's order".to_owned(),
        WhyNot::TookAnother => "was free, but somebody else was before this caller".to_owned(),
    }
}

fn was(n: u32) -> &'static str {
    if n == 1 { "was" } else { "were" }
}
fn class_word(class: u8) -> &'static str {
    match class {
        0 => "normal",
        1 => "high priority",
        _ => "urgent",
    }
}
fn language(lang: &Lang) -> &str {
    match lang.as_str() {
        "ja" => "Japanese",
        "ja-easy" => "easy Japanese",
        "en" => "English",
        "zh" => "Chinese",
        "ko" => "Korean",
        "pt" => "Portuguese",
        "es" => "Spanish",
        "vi" => "Vietnamese",
        other => other,
    }
}
fn plural(n: u32, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
