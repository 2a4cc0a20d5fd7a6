//! The rooms beside the telephone, played: the boxes of messages, and the houses that flows ask.

use super::{Due, HOP, World};
use calls::{Answer, Input, Job, Slip, Tape, TapeSays};
use flow::{Answered, Scripted};
use media::{FRAME, RATE};
use model::{Instant, JobId, LookupEnd, LookupId, NotKept, RecordId};
use std::collections::BTreeMap;
use std::time::Duration;

/// From the order to write to the disk's answer.
const DISK: Duration = Duration::from_millis(5);

/// What another house does that is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum House {
    /// It answers these words after a time.
    Answers(BTreeMap<String, String>, Duration),
    /// It fails like this after a time.
    Fails(LookupEnd, Duration),
    /// Nobody is there.
    #[default]
    Dead,
    /// It takes the question and never says a word.
    Silent,
}

impl House {
    /// As an example call has it.
    pub(crate) fn scripted(scripted: &Scripted) -> House {
        match &scripted.answers {
            Some(Answered { answer, words }) => {
                let mut words = words.clone();
                words.insert("answer".to_owned(), answer.clone());
                House::Answers(words, scripted.after)
            }
            None => House::Fails(LookupEnd::Unreachable, scripted.after),
        }
    }
}

/// The boxes, and the houses.
#[derive(Debug, Default)]
pub(super) struct Houses {
    houses: BTreeMap<LookupId, House>,
    /// Questions that are open.
    asked: BTreeMap<JobId, (Instant, LookupId)>,
    /// Every question: whom, and what was sent in clear.
    questions: Vec<(LookupId, BTreeMap<String, String>)>,
    /// Messages being written: the slip and its sound.
    open: BTreeMap<RecordId, (Slip, Vec<i16>)>,
    kept: Vec<(Slip, Vec<i16>)>,
    /// How long messages are, where no sample of them exists.
    lengths: BTreeMap<RecordId, Duration>,
    /// Why the boxes take nothing, if they do not.
    closed: Option<NotKept>,
    /// Samples after which the disk is full, of each message.
    room: Option<usize>,
}

impl Houses {
    /// So long is a message of which nobody writes a sample.
    pub(super) fn lasted(&mut self, message: RecordId, length: Duration) {
        self.lengths.insert(message, length);
    }

    /// One frame of a message; false if it cannot be written down.
    pub(super) fn keep(&mut self, message: RecordId, frame: &[i16; FRAME]) -> bool {
        let room = self.room;
        let Some((_, sound)) = self.open.get_mut(&message) else { return false };
        if room.is_some_and(|room| sound.len() >= room) {
            return false;
        }
        sound.extend(frame);
        true
    }
}

impl World {
    /// What a house does from here on that flows ask; nobody is there otherwise.
    pub fn add_house(&mut self, lookup: &str, house: House) {
        self.houses.houses.insert(LookupId::from(lookup), house);
    }

    /// The boxes take nothing from here on, for this reason; `None`: they do again.
    pub fn close_boxes(&mut self, why: Option<NotKept>) {
        self.houses.closed = why;
    }

    /// Whoever is asked for a message says nothing from here on; only in a world without sound.
    pub fn callers_are_mute(&mut self) {
        if let super::Sounds::Mime(mime) = &mut self.sounds {
            mime.handle_mute();
        }
    }

    /// Each message breaks off after so long: nobody takes what is to be written.
    pub fn tapes_break_after(&mut self, sound: Duration) {
        self.houses.room = Some(usize::try_from(sound.as_millis() * u128::from(RATE) / 1000).unwrap_or(usize::MAX));
    }

    /// Every message that was kept: its slip, and its sound where the world has sound.
    pub fn messages(&self) -> &[(Slip, Vec<i16>)] {
        &self.houses.kept
    }

    /// Messages that are still being written, and questions that are still open.
    pub fn left_open(&self) -> usize {
        self.houses.open.len() + self.houses.asked.len()
    }

    /// Every question to another house, and what was sent.
    pub fn questions(&self) -> &[(LookupId, BTreeMap<String, String>)] {
        &self.houses.questions
    }

    pub(super) fn tape(&mut self, message: RecordId, tape: Tape) {
        let says = match tape {
            Tape::Open(slip) => match self.houses.closed {
                Some(why) => TapeSays::Refused(why),
                None => {
                    self.houses.open.insert(message, (*slip, Vec::new()));
                    TapeSays::Ready
                }
            },
            Tape::Close { keep } => match self.houses.open.remove(&message) {
                None => TapeSays::Failed,
                Some(_) if !keep => TapeSays::Dropped,
                Some((slip, sound)) => {
                    let heard = Duration::from_millis(sound.len() as u64 * 1000 / u64::from(RATE));
                    let length = self.houses.lengths.remove(&message).unwrap_or(heard);
                    self.houses.kept.push((slip, sound));
                    TapeSays::Kept { length }
                }
            },
        };
        self.plan(self.now + DISK, Due::Input(Box::new(Input::Tape(message, says))));
    }

    pub(super) fn ask_house(&mut self, job: JobId, deadline: Instant, what: Job) {
        let Job::Fetch(question) = what;
        let lookup = question.lookup.id.clone();
        let sent = question.send.iter().map(|(name, value)| (name.clone(), value.reveal().clone())).collect();
        self.houses.questions.push((lookup.clone(), sent));
        let (done, after) = match self.houses.houses.get(&lookup).cloned().unwrap_or_default() {
            House::Answers(words, after) => (Ok(Answer(words)), after),
            House::Fails(how, after) => (Err(how), after),
            House::Dead => (Err(LookupEnd::Unreachable), Duration::ZERO),
            House::Silent => (Err(LookupEnd::TimedOut), Duration::MAX),
        };
        let at = if after == Duration::MAX { deadline } else { self.now + HOP + after };
        let (at, done) = if at >= deadline { (deadline, Err(LookupEnd::TimedOut)) } else { (at, done) };
        self.houses.asked.insert(job, (at, lookup));
        self.plan(at, Due::Input(Box::new(Input::Done(job, done))));
    }

    /// Whether the answer of a job still reaches the engine.
    pub(super) fn answers(&mut self, input: &Input) -> bool {
        if let Input::Done(job, _) = input { self.houses.asked.remove(job).is_some() } else { true }
    }

    pub(super) fn forget_question(&mut self, job: JobId) {
        self.houses.asked.remove(&job);
    }

    /// The engine died: what was being written is found by the next one, as far as it is long enough; questions are nobody's any more.
    pub(super) fn houses_after_a_crash(&mut self) {
        self.houses.asked.clear();
        for (slip, sound) in std::mem::take(&mut self.houses.open).into_values() {
            if sound.len() >= RATE as usize {
                self.houses.kept.push((slip, sound));
            }
        }
    }
}
