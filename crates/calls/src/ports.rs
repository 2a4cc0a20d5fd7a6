//! RTP ports: who has which, and which comes next.

use std::collections::VecDeque;

/// A pool of even UDP ports; the odd one above each is its RTCP port (RFC 3550 section 11). A freed port goes to the end of the
/// line, so that late packets of one call seldom reach the next.
#[derive(Debug)]
pub struct Ports {
    free: VecDeque<u16>,
    used: u64,
}

impl Ports {
    /// All even ports `p` with `first <= p` and `p + 1 <= last`.
    pub fn new(first: u16, last: u16) -> Self {
        let free = (first..last).filter(|p| p % 2 == 0).collect();
        Ports { free, used: 0 }
    }
    /// The port that has been free longest; `None` when all are in use.
    pub fn take(&mut self) -> Option<u16> {
        let port = self.free.pop_front()?;
        self.used += 1;
        Some(port)
    }
    /// Gives back what [`Ports::take`] gave.
    pub fn give_back(&mut self, port: u16) {
        self.used = self.used.saturating_sub(1);
        self.free.push_back(port);
    }
    /// How many are in use.
    pub fn used(&self) -> u64 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pair_of_ports_is_used_and_then_refused() {
        let mut ports = Ports::new(20_000, 20_003);
        assert_eq!(ports.take(), Some(20_000));
        assert_eq!(ports.take(), Some(20_002));
        assert_eq!(ports.take(), None);
        ports.give_back(20_000);
        assert_eq!((ports.used(), ports.take()), (1, Some(20_000)));
    }
}
