//! The journal on a thread of its own: whoever submits never waits for the disk.
//!
//! Group commit: all that has come is written and synced at once, then confirmed; while the disk syncs, the next group gathers. One sync
//! serves one record when it is quiet and hundreds when it is not. After each sync the thread rests for a moment, in which the next group
//! gathers: a disk that syncs a thousand times a second costs more than all the rest of a call.

use crate::fault::Fault;
use crate::ledger::Journal;
use model::{Seq, UnixMillis};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Records that may wait for the disk. At 200 calls and 10 records a second from each it is eight seconds of a disk that hangs.
pub const QUEUE_RECORDS_MAX: usize = 16_384;
/// Records synced together at most, so that the first of them is confirmed in time.
const GROUP_RECORDS_MAX: usize = 1_024;
/// The rest after a sync. Small beside the gate's patience of 50 ms, and less than a third of a frame of sound to whoever is answered.
const GATHER: Duration = Duration::from_millis(6);
/// After a group of so many it is longer: some hundred calls begin each second, and each sync costs more than all their records.
const MANY: usize = 6;
const GATHER_MANY: Duration = Duration::from_millis(30);
/// Of the gate's patience, what a rest and two syncs may take together: a record may come while one is under way. A slow disk gathers by itself.
const IN_TIME: Duration = Duration::from_millis(40);
/// How long to wait before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// The record was not taken: too many wait for the disk, or it failed for good. As no number may be missing, none is taken after this one:
/// the engine goes on without a journal, which is an alarm, until it is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the journal takes no more records: its disk is full, too slow or broken. Make room, then restart the engine")
    }
}
impl std::error::Error for Full {}

/// The hand that gives records to the writing thread.
pub struct Writer<B> {
    records: SyncSender<Record<B>>,
    /// Set by either side when a number is missing from here on.
    stopped: Arc<AtomicBool>,
    /// Set by [`Writer::finish`]: try once more, then give up.
    closing: Arc<AtomicBool>,
    thread: JoinHandle<Result<Seq, Fault>>,
}

struct Record<B> {
    seq: Seq,
    wall: UnixMillis,
    body: B,
}

impl<B: Serialize + Send + 'static> Writer<B> {
    /// Starts the thread. `on_confirm(seq)` says that all records up to `seq` are on the disk; its arguments only grow. `on_fault` tells of the
    /// first failure of each series; a write that failed (the disk is full) is tried again twice a second for as long as the queue has room.
    ///
    /// # Errors
    /// [`Fault::Disk`] if the system gives no thread.
    pub fn spawn(
        journal: Journal<B>,
        on_confirm: impl FnMut(Seq) + Send + 'static,
        on_fault: impl FnMut(&Fault) + Send + 'static,
    ) -> Result<Writer<B>, Fault> {
        let (records, queue) = sync_channel(QUEUE_RECORDS_MAX);
        let (stopped, closing) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let scribe =
            Scribe { confirmed: journal.last(), journal, queue, stopped: stopped.clone(), closing: closing.clone(), on_confirm, on_fault };
        let thread = thread::Builder::new().name("journal".to_owned()).spawn(|| scribe.run());
        let thread = thread.map_err(Fault::disk("the journal's thread".as_ref()))?;
        Ok(Writer { records, stopped, closing, thread })
    }

    /// Gives a record to the thread. Never waits.
    ///
    /// # Errors
    /// [`Full`], and from then on always.
    pub fn submit(&self, seq: Seq, wall: UnixMillis, body: B) -> Result<(), Full> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(Full);
        }
        self.records.try_send(Record { seq, wall, body }).map_err(|_| {
            self.stopped.store(true, Ordering::Release);
            Full
        })
    }

    /// Waits until all that was submitted is on the disk and confirmed, or has failed once more. Returns the last record confirmed.
    ///
    /// # Errors
    /// Why not all of it is on the disk.
    pub fn finish(self) -> Result<Seq, Fault> {
        self.closing.store(true, Ordering::Release);
        drop(self.records);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or(Err(Fault::Closed))
    }
}

/// How long to rest after a group of so many records, which the disk `took` so long to sync.
fn rest(records: usize, took: Duration) -> Duration {
    let gather = if records >= MANY { GATHER_MANY } else { GATHER };
    gather.min(IN_TIME.saturating_sub(took * 2))
}

/// What the thread owns.
struct Scribe<B, C, F> {
    journal: Journal<B>,
    queue: Receiver<Record<B>>,
    confirmed: Seq,
    stopped: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    on_confirm: C,
    on_fault: F,
}

impl<B: Serialize, C: FnMut(Seq), F: FnMut(&Fault)> Scribe<B, C, F> {
    fn run(mut self) -> Result<Seq, Fault> {
        while let Ok(first) = self.queue.recv() {
            match self.commit(first) {
                Ok(rest) if !self.closing.load(Ordering::Acquire) => thread::park_timeout(rest),
                Ok(_) => {}
                Err(fault) => {
                    // What still comes is refused at the door; what waits is dropped with the queue.
                    self.stopped.store(true, Ordering::Release);
                    return Err(fault);
                }
            }
        }
        Ok(self.confirmed)
    }

    /// Writes one record and all that have come since, syncs them together, confirms them. Gives how long to rest.
    fn commit(&mut self, first: Record<B>) -> Result<Duration, Fault> {
        self.insist(|journal| journal.append(first.seq, first.wall, &first.body))?;
        let mut records = 1;
        while records < GROUP_RECORDS_MAX {
            let Ok(next) = self.queue.try_recv() else { break };
            self.insist(|journal| journal.append(next.seq, next.wall, &next.body))?;
            records += 1;
        }
        let began = Instant::now();
        self.insist(Journal::sync)?;
        let took = began.elapsed();
        self.confirmed = self.journal.last();
        (self.on_confirm)(self.confirmed);
        Ok(rest(records, took))
    }

    /// Tries until it is done. Only a disk may get well again; and who closes does not wait for that.
    fn insist(&mut self, mut act: impl FnMut(&mut Journal<B>) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut told = false;
        loop {
            let last_try = self.closing.load(Ordering::Acquire);
            let Err(fault) = act(&mut self.journal) else {
                if told {
                    tracing::info!("the journal is written again");
                }
                return Ok(());
            };
            if !told {
                (self.on_fault)(&fault);
                told = true;
            }
            if last_try || !matches!(fault, Fault::Disk { .. }) {
                return Err(fault);
            }
            thread::park_timeout(RETRY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_come_thick_and_fast_share_a_sync_and_a_slow_disk_is_asked_at_once() {
        let rest = |records, took| rest(records, Duration::from_millis(took)).as_millis();
        assert_eq!([rest(1, 2), rest(5, 2), rest(6, 2), rest(50, 2)], [6, 6, 30, 30]);
        assert_eq!([rest(50, 15), rest(50, 20), rest(50, 500)], [10, 0, 0], "the gate waits for 50 ms");
    }
}
