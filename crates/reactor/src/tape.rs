//! The thread that writes down what callers say after the beep: media workers hand it frames, and never wait for a disk.
//!
//! One bounded channel for openings, frames and closings, so that a closing comes after the last frame. A worker that finds it full ends that
//! message, and the caller is told; a thread for each message would be one more thing that can run out.

use crate::boxes::{Boxes, Reel};
use calls::{Slip, Tape, TapeSays};
use media::FRAME;
use model::{MailboxId, NotKept, RecordId};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Strips on their way: eighty seconds of one message, or two seconds of forty. 1.4 MB.
const STRIPS_MAX: usize = 4096;
/// How often boxes are counted: somebody may have listened, and erased.
const COUNTED_EVERY: Duration = Duration::from_secs(5);

/// Something for the writer.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are frames: a box for each would be fifty allocations a second and message"
)]
pub(crate) enum Strip {
    Open(RecordId, Box<Slip>),
    Frame(RecordId, [i16; FRAME]),
    Close(RecordId, bool),
}

/// The way to the writer, for the signalling thread.
pub(crate) struct Desk {
    strips: SyncSender<Strip>,
    /// Closings that found no room; they go first.
    waiting: VecDeque<Strip>,
}

/// The way to the writer, for a media worker.
#[derive(Clone)]
pub(crate) struct Feed(SyncSender<Strip>);

impl Feed {
    /// False if the writer has no room, or is gone.
    pub(crate) fn frame(&self, message: RecordId, frame: &[i16; FRAME]) -> bool {
        self.0.try_send(Strip::Frame(message, *frame)).is_ok()
    }
}

impl Desk {
    /// Does what the engine asks; the answer, if it cannot even be asked.
    pub(crate) fn tell(&mut self, message: RecordId, tape: Tape) -> Option<TapeSays> {
        match tape {
            Tape::Open(slip) => self.strips.try_send(Strip::Open(message, slip)).err().map(|_| TapeSays::Refused(NotKept::NotWritten)),
            Tape::Close { keep } => {
                self.waiting.push_back(Strip::Close(message, keep));
                self.push()
            }
        }
    }

    /// Whether closings wait for room.
    pub(crate) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends what waits, as far as there is room.
    pub(crate) fn push(&mut self) -> Option<TapeSays> {
        while let Some(strip) = self.waiting.pop_front() {
            match self.strips.try_send(strip) {
                Ok(()) => {}
                Err(TrySendError::Full(strip)) => {
                    self.waiting.push_front(strip);
                    return None;
                }
                Err(TrySendError::Disconnected(_)) => return Some(TapeSays::Failed),
            }
        }
        None
    }
}

/// Starts the writer. What it says goes to `says`, how many messages each box holds to `unheard`.
///
/// # Errors
/// When the thread cannot be made.
pub(crate) fn start(
    boxes: Boxes,
    says: mpsc::Sender<(RecordId, TapeSays)>,
    unheard: watch::Sender<BTreeMap<MailboxId, u64>>,
) -> io::Result<(Desk, Feed, std::thread::JoinHandle<()>)> {
    let (strips, inbox) = sync_channel(STRIPS_MAX);
    let thread = std::thread::Builder::new().name("voicemail".to_owned()).spawn(move || {
        Writer { boxes, says, unheard, reels: BTreeMap::new(), counted: None }.run(&inbox);
    })?;
    Ok((Desk { strips: strips.clone(), waiting: VecDeque::new() }, Feed(strips), thread))
}

struct Writer {
    boxes: Boxes,
    says: mpsc::Sender<(RecordId, TapeSays)>,
    unheard: watch::Sender<BTreeMap<MailboxId, u64>>,
    reels: BTreeMap<RecordId, Roll>,
    counted: Option<Instant>,
}

struct Roll {
    reel: Reel,
    /// It could not be written on, and that was said.
    broken: bool,
}

impl Writer {
    fn run(mut self, inbox: &Receiver<Strip>) {
        match self.boxes.mend() {
            Ok(mended) => {
                for left in mended {
                    let millis = u64::try_from(left.length.as_millis()).unwrap_or(u64::MAX);
                    tracing::warn!(mailbox = %left.mailbox, id = left.id, length_ms = millis, "the engine died during a message: what was said by then is kept");
                }
            }
            Err(fault) => tracing::error!(%fault, "the boxes of messages cannot be read"),
        }
        loop {
            self.count();
            match inbox.recv_timeout(COUNTED_EVERY) {
                Ok(strip) => self.take(strip),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // The house closes: what was said until now is somebody's message.
        for Roll { reel, .. } in std::mem::take(&mut self.reels).into_values() {
            let mailbox = reel.mailbox.clone();
            if let Err(fault) = reel.keep() {
                tracing::error!(%mailbox, %fault, "a message was not closed; the next start looks for it");
            }
        }
    }

    fn take(&mut self, strip: Strip) {
        match strip {
            Strip::Open(message, slip) => match self.boxes.open(&slip) {
                Ok(reel) => {
                    self.reels.insert(message, Roll { reel, broken: false });
                    self.say(message, TapeSays::Ready);
                }
                Err(why) => self.say(message, TapeSays::Refused(why)),
            },
            Strip::Frame(message, frame) => {
                let Some(roll) = self.reels.get_mut(&message).filter(|roll| !roll.broken) else { return };
                if let Err(fault) = roll.reel.write(&frame) {
                    tracing::error!(mailbox = %roll.reel.mailbox, %fault, "a message cannot be written on: the caller is led elsewhere");
                    roll.broken = true;
                    self.say(message, TapeSays::Failed);
                }
            }
            Strip::Close(message, keep) => {
                let says = match self.reels.remove(&message).map(|roll| roll.reel) {
                    None => TapeSays::Failed,
                    Some(reel) if keep => {
                        let mailbox = reel.mailbox.clone();
                        reel.keep().map_or_else(
                            |fault| {
                                tracing::error!(%mailbox, %fault, "a message could not be closed; the next start looks for it");
                                TapeSays::Failed
                            },
                            |length| TapeSays::Kept { length },
                        )
                    }
                    Some(reel) => {
                        reel.drop();
                        TapeSays::Dropped
                    }
                };
                self.counted = None;
                self.say(message, says);
            }
        }
    }

    fn say(&self, message: RecordId, says: TapeSays) {
        // A signalling thread that is gone needs no answer.
        let _ = self.says.blocking_send((message, says));
    }

    fn count(&mut self) {
        if self.counted.is_none_or(|at| at.elapsed() >= COUNTED_EVERY) {
            self.counted = Some(Instant::now());
            let unheard = self.boxes.unheard();
            self.unheard.send_if_modified(|known| {
                let changed = *known != unheard;
                *known = unheard;
                changed
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::tests::{Folder, slip};

    #[test]
    fn frames_of_two_callers_become_two_files_and_the_boxes_are_counted() {
        let folder = Folder::new("two");
        let (says_in, mut says) = mpsc::channel(8);
        let (count, mut unheard) = watch::channel(BTreeMap::new());
        let (mut desk, feed, writer) = start(folder.boxes(), says_in, count).unwrap();
        for n in [1, 2] {
            assert_eq!(desk.tell(RecordId(n), Tape::Open(Box::new(slip(n)))), None);
            assert_eq!(says.blocking_recv(), Some((RecordId(n), TapeSays::Ready)));
        }
        for _ in 0..100 {
            assert!(feed.frame(RecordId(1), &[7; FRAME]) && feed.frame(RecordId(2), &[9; FRAME]));
        }
        assert!(feed.frame(RecordId(3), &[1; FRAME]), "a frame of nobody's is taken, and goes nowhere");
        assert_eq!(desk.tell(RecordId(1), Tape::Close { keep: true }), None);
        assert_eq!(says.blocking_recv(), Some((RecordId(1), TapeSays::Kept { length: Duration::from_secs(2) })));
        assert_eq!(desk.tell(RecordId(2), Tape::Close { keep: false }), None);
        assert_eq!(says.blocking_recv(), Some((RecordId(2), TapeSays::Dropped)));
        assert_eq!(desk.tell(RecordId(2), Tape::Close { keep: true }), None);
        assert_eq!(says.blocking_recv(), Some((RecordId(2), TapeSays::Failed)), "there is no such message");
        drop((desk, feed));
        writer.join().unwrap();
        assert_eq!(*unheard.borrow_and_update(), [(MailboxId::from("general"), 1)].into());
        let left = folder.boxes().list().unwrap().remove(0);
        assert!(media::wav::read(&std::fs::read(&left.wav).unwrap()).unwrap().samples.iter().all(|sample| *sample == 7));
    }

    #[test]
    fn the_house_closes_during_a_message_and_it_is_kept() {
        let folder = Folder::new("closes");
        let (says_in, mut says) = mpsc::channel(8);
        let (mut desk, feed, writer) = start(folder.boxes(), says_in, watch::channel(BTreeMap::new()).0).unwrap();
        desk.tell(RecordId(1), Tape::Open(Box::new(slip(1))));
        assert_eq!(says.blocking_recv(), Some((RecordId(1), TapeSays::Ready)));
        (0..75).for_each(|_| assert!(feed.frame(RecordId(1), &[7; FRAME])));
        drop((desk, feed));
        writer.join().unwrap();
        assert_eq!(folder.boxes().list().unwrap()[0].length, Duration::from_millis(1500));
    }

    #[test]
    fn a_worker_never_waits_for_a_writer_that_is_behind_and_a_closing_is_not_lost() {
        let (strips, inbox) = sync_channel(2);
        let (mut desk, feed) = (Desk { strips: strips.clone(), waiting: VecDeque::new() }, Feed(strips));
        assert!(feed.frame(RecordId(1), &[0; FRAME]) && feed.frame(RecordId(1), &[0; FRAME]));
        assert!(!feed.frame(RecordId(1), &[0; FRAME]), "it is told at once");
        assert_eq!(desk.tell(RecordId(2), Tape::Open(Box::new(slip(2)))), Some(TapeSays::Refused(NotKept::NotWritten)));
        assert_eq!(desk.tell(RecordId(1), Tape::Close { keep: true }), None);
        assert!(desk.is_behind());
        assert!(matches!(inbox.recv(), Ok(Strip::Frame(..))));
        assert_eq!((desk.push(), desk.is_behind()), (None, false));
        assert!(matches!((inbox.recv(), inbox.recv()), (Ok(Strip::Frame(..)), Ok(Strip::Close(RecordId(1), true)))));
        drop(inbox);
        assert_eq!(desk.tell(RecordId(1), Tape::Close { keep: true }), Some(TapeSays::Failed));
    }
}
