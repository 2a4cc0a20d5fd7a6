//! From the journal to the seat: up to where its records are on the disk.

use model::Seq;
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use tokio::sync::watch;

/// The journal's end.
#[derive(Debug)]
pub struct Confirm {
    seq: watch::Sender<Seq>,
    seat: Arc<OnceLock<Thread>>,
}

/// The signalling thread's end.
#[derive(Debug)]
pub struct Confirmed {
    seq: watch::Receiver<Seq>,
    /// What was taken of it last.
    taken: Seq,
    seat: Arc<OnceLock<Thread>>,
}

/// Both, where everything up to `last` is on the disk already.
pub fn durable(last: Seq) -> (Confirm, Confirmed) {
    let (sender, receiver) = watch::channel(last);
    let seat = Arc::new(OnceLock::new());
    (Confirm { seq: sender, seat: Arc::clone(&seat) }, Confirmed { seq: receiver, taken: last, seat })
}

impl Confirm {
    /// Everything up to `seq` is on the disk. Ends the seat's rest: messages wait for this word, and not for long.
    pub fn tell(&self, seq: Seq) {
        let _ = self.seq.send(seq);
        if let Some(seat) = self.seat.get() {
            seat.unpark();
        }
    }
}

impl Confirmed {
    /// What the journal said last.
    pub(crate) fn last(&self) -> Seq {
        *self.seq.borrow()
    }
    /// From here on this thread is the one that rests, by `park_timeout`.
    pub(crate) fn sit_down(&self) {
        let _ = self.seat.set(std::thread::current());
    }
    /// News, if there are any; an error when the journal is gone.
    pub(crate) fn news(&mut self) -> Result<Option<Seq>, Gone> {
        // A journal that is gone may have said something before.
        let lives = self.seq.has_changed().is_ok();
        let last = *self.seq.borrow_and_update();
        let new = last > self.taken;
        self.taken = last;
        if new || lives { Ok(new.then_some(last)) } else { Err(Gone) }
    }
    /// The next news; an error when the journal is gone.
    pub(crate) async fn next(&mut self) -> Result<Seq, Gone> {
        self.seq.changed().await.map_err(|_| Gone)?;
        self.taken = *self.seq.borrow_and_update();
        Ok(self.taken)
    }
}

/// The journal has said its last word.
#[derive(Debug)]
pub(crate) struct Gone;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_word_of_the_journal_ends_the_rest() {
        let (confirm, mut confirmed) = durable(Seq(3));
        confirmed.sit_down();
        let journal = std::thread::spawn(move || confirm.tell(Seq(4)));
        let began = Instant::now();
        while matches!(confirmed.news(), Ok(None)) {
            std::thread::park_timeout(Duration::from_secs(60));
        }
        assert!(began.elapsed() < Duration::from_secs(30));
        assert_eq!(confirmed.last(), Seq(4));
        journal.join().unwrap();
        assert!(confirmed.news().is_err(), "the journal is gone");
    }

    #[test]
    fn the_last_word_of_a_journal_that_is_gone_is_heard() {
        let (confirm, mut confirmed) = durable(Seq(3));
        assert!(matches!(confirmed.news(), Ok(None)));
        confirm.tell(Seq(4));
        drop(confirm);
        assert!(matches!(confirmed.news(), Ok(Some(Seq(4)))));
        assert!(confirmed.news().is_err());
    }
}
