//! A thread that owns the file and takes records as they come, so that nobody waits for a disk.

use crate::{Fault, Store};
use model::{CallRecord, Event};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Records that may wait for the disk. At one call in 20 ms, far beyond one machine's callers, that is over three minutes of a dead disk.
pub const ROOM: usize = 10_000;
/// Records in one transaction at most, so that a long backlog does not keep readers from seeing the start of it.
pub const BATCH_MAX: usize = 500;
/// Pause after a batch, in which the next one gathers: a transaction costs more than the records of it, and who reads them reads of ended calls.
const GATHER: Duration = Duration::from_millis(250);
/// Pause before a failed batch is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Of so many attempts in vain one is told.
const TOLD_EVERY: u32 = 60;

/// The way to the thread. Dropping it lets the thread write what it has and end; [`Writer::finish`] waits for that.
#[derive(Debug)]
pub struct Writer {
    records: SyncSender<CallRecord>,
    queued: Arc<AtomicUsize>,
    kept: Arc<AtomicBool>,
    /// Dropped to end the pause between attempts.
    hurry: Sender<()>,
    thread: JoinHandle<Result<(), Fault>>,
}

impl Writer {
    /// Opens the file and starts the thread.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread can be started.
    pub fn spawn(path: impl AsRef<Path>) -> Result<Writer, Fault> {
        let store = Store::open(path.as_ref())?;
        let (records, inbox) = sync_channel(ROOM);
        let (hurry, ended) = channel();
        let (queued, kept) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
        let desk = Clerk { store, inbox, ended, queued: Arc::clone(&queued), kept: Arc::clone(&kept) };
        let thread =
            std::thread::Builder::new().name("store".to_owned()).spawn(move || desk.work()).map_err(|e| Fault::open(path.as_ref(), e))?;
        Ok(Writer { records, queued, kept, hurry, thread })
    }

    /// False while the file refuses what is to be written; it is tried again once a second.
    pub fn kept(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.kept)
    }

    /// Takes note of an event; only the end of a call is filed. `false` when there is no room for another record, or the thread is gone:
    /// whoever admits calls stops, until it is `true` again. A record that finds no room is not filed (the journal has it).
    pub fn note(&self, event: &Event) -> bool {
        if let Event::Ended { record } = event {
            // Counted before it is sent, so that the clerk never counts it off first.
            self.queued.fetch_add(1, Ordering::AcqRel);
            if self.records.try_send((**record).clone()).is_err() {
                self.queued.fetch_sub(1, Ordering::AcqRel);
                tracing::warn!(call = record.call.0, "no room for this call's record; it is in the journal only");
                return false;
            }
        }
        self.queued.load(Ordering::Acquire) < ROOM && !self.thread.is_finished()
    }

    /// Waits until everything noted is written.
    ///
    /// # Errors
    /// When the last batch could not be written; nothing is lost that the journal does not have.
    pub fn finish(self) -> Result<(), Fault> {
        let Writer { records, hurry, thread, .. } = self;
        drop((records, hurry));
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// The thread's side.
struct Clerk {
    store: Store,
    inbox: Receiver<CallRecord>,
    ended: Receiver<()>,
    queued: Arc<AtomicUsize>,
    kept: Arc<AtomicBool>,
}

impl Clerk {
    fn work(mut self) -> Result<(), Fault> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while let Ok(first) = self.inbox.recv() {
            batch.push(first);
            batch.extend(self.inbox.try_iter().take(BATCH_MAX - 1));
            self.file(&batch)?;
            self.queued.fetch_sub(batch.len(), Ordering::AcqRel);
            batch.clear();
            // Calls that end shortly after each other share a transaction; who is to finish does not wait.
            if let Ok(()) | Err(RecvTimeoutError::Disconnected) = self.ended.recv_timeout(GATHER) {
                continue;
            }
        }
        Ok(())
    }

    /// Writes a batch, again and again while the disk refuses: the channel fills meanwhile, and admission stops.
    /// When the writer is to finish, one refusal is the last.
    fn file(&mut self, batch: &[CallRecord]) -> Result<(), Fault> {
        for again in 0u32.. {
            let filed = self.store.insert(batch);
            self.kept.store(filed.is_ok(), Ordering::Release);
            let Err(fault) = filed else {
                if again > 0 {
                    tracing::info!("call records are written again");
                }
                break;
            };
            // The log may lie on the same disk.
            if again.is_multiple_of(TOLD_EVERY) {
                tracing::error!("{fault}; it is tried again once a second: do not restart");
            }
            if let Err(RecvTimeoutError::Disconnected) = self.ended.recv_timeout(TRY_AGAIN_AFTER) {
                return Err(fault);
            }
        }
        Ok(())
    }
}
