//! Who did what through this door: one line before each change, one after it, and few for those who are turned away.
//!
//! The roof keeps the lines. A change whose first line cannot be kept is not made. Those who are turned away cannot fill the disk: the first time
//! of a minute is a line, and all further ones of that minute are one more.

use crate::Later;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Strangers' addresses that are told apart in one minute: all others count as one.
const STRANGERS_MAX: usize = 16;
/// What one source, or one token, may have written down of its refusals: two lines in this time.
const WINDOW: Duration = Duration::from_secs(60);

/// A line of the record.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// Somebody is about to change something.
    Asked {
        /// The token's name.
        by: String,
        /// Its role.
        role: &'static str,
        /// The other end of the connection, which is a proxy's where there is one.
        from: IpAddr,
        /// The route: `POST /api/orders`.
        did: String,
        /// What was read from the request, in the words of its type.
        what: Value,
    },
    /// What became of it.
    Became {
        /// The number of the line that asked.
        of: u64,
        /// The status of the answer.
        outcome: u16,
    },
    /// Somebody was turned away.
    Refused {
        /// The token's name; `None`: no token that is good.
        by: Option<String>,
        /// From where; `None`: from more addresses than are told apart.
        from: Option<IpAddr>,
        /// The route that was asked first: never a stranger's own words.
        did: String,
        /// The status of the answer.
        outcome: u16,
        /// How often since the last such line.
        times: u64,
    },
}

/// What is asked of the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// From this day, or millisecond since 1970.
    pub from: Option<String>,
    /// To this day and with it, or before this millisecond.
    pub to: Option<String>,
}

/// The record behind the routes. The roof fills it.
pub trait Ledger: Send + Sync + 'static {
    /// Keeps a line, and has it on the disk before it says so; gives the line's number, `None` if it cannot be kept.
    fn write(&self, line: Line) -> Later<'_, Option<u64>>;
    /// The newest lines of a span as JSON, or which of its ends nobody understands.
    fn read(&self, span: Span) -> Later<'_, Result<String, Unread>>;
}

/// Why the record is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// An end of the span is no day and no time.
    Span,
    /// The record cannot be read.
    Lost,
}

/// Who is turned away: an address without a good token, or a token without the right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Stranger(IpAddr),
    Strangers,
    Named(String),
}

/// Counts who is turned away.
#[derive(Clone, Default)]
pub(crate) struct Refusals {
    /// Refusals since the window's line, for each source whose window is open. As many named ones as there are tokens.
    open: Arc<Mutex<BTreeMap<Source, u64>>>,
}

impl Refusals {
    /// Counts a refusal, and sees to it that it is written down, at once or with those that follow.
    pub(crate) fn note(&self, ledger: &Arc<dyn Ledger>, by: Option<&str>, from: IpAddr, did: String, outcome: u16) {
        let Some(source) = self.opens(by, from) else { return };
        let from = (source != Source::Strangers).then_some(from);
        let (refusals, ledger, by) = (self.clone(), Arc::clone(ledger), by.map(str::to_owned));
        tokio::spawn(async move {
            let line = |times| Line::Refused { by: by.clone(), from, did: did.clone(), outcome, times };
            let kept = ledger.write(line(1)).await;
            tokio::time::sleep(WINDOW).await;
            let further = refusals.close(&source);
            if kept.is_none() || (further > 0 && ledger.write(line(further)).await.is_none()) {
                tracing::warn!(outcome, further, "who was turned away could not be written down");
            }
        });
    }

    /// Counts; gives the source if its window opens with this.
    fn opens(&self, by: Option<&str>, from: IpAddr) -> Option<Source> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = by.map_or(Source::Stranger(from), |name| Source::Named(name.to_owned()));
        let strangers = open.keys().filter(|open| matches!(open, Source::Stranger(_))).count();
        if matches!(source, Source::Stranger(_)) && !open.contains_key(&source) && strangers >= STRANGERS_MAX {
            source = Source::Strangers;
        }
        if let Some(further) = open.get_mut(&source) {
            *further += 1;
            return None;
        }
        open.insert(source.clone(), 0);
        Some(source)
    }

    fn close(&self, source: &Source) -> u64 {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(source).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_strangers_is_a_few_lines() {
        let refusals = Refusals::default();
        let lines = (0..=255).flat_map(|n| std::iter::repeat_n(IpAddr::from([10, 0, 0, n]), 100));
        let opened: Vec<Source> = lines.filter_map(|from| refusals.opens(None, from)).collect();
        assert_eq!(opened.len(), STRANGERS_MAX + 1);
        assert_eq!((refusals.close(&opened[0]), refusals.close(&Source::Strangers)), (99, 240 * 100 - 1));
        assert_eq!(refusals.opens(None, IpAddr::from([10, 0, 0, 200])), Some(Source::Stranger(IpAddr::from([10, 0, 0, 200]))));
    }

    #[test]
    fn whoever_has_a_name_is_told_apart_from_every_stranger() {
        let refusals = Refusals::default();
        (0..=255).for_each(|n| drop(refusals.opens(None, IpAddr::from([10, 0, 0, n]))));
        let ken = refusals.opens(Some("ken"), IpAddr::from([10, 0, 0, 1]));
        assert_eq!(ken, Some(Source::Named("ken".to_owned())));
        assert_eq!(refusals.opens(Some("ken"), IpAddr::from([10, 0, 0, 2])), None);
    }
}
