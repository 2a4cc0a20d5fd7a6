//! Keys as a person presses them: which, and with what pauses between.
//!
//! A script is written as dialling strings are: keys of RFC 4733 section 3.2, `w` and `W` for pauses.

use model::Digit;
use std::time::Duration;

/// One thing that a finger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Presses this key.
    Digit(Digit),
    /// Waits before the next.
    Wait(Duration),
}

impl Key {
    /// Reads a script: `0-9 * # A-D` are keys, `w` waits half a second, `W` one second, blanks and hyphens are for the eye.
    ///
    /// # Errors
    /// A sentence that names the first character which is none of these.
    pub fn parse_script(script: &str) -> Result<Vec<Key>, String> {
        let mut keys = Vec::new();
        for c in script.chars() {
            match c {
                ' ' | '-' => {}
                'w' => keys.push(Key::Wait(Duration::from_millis(500))),
                'W' => keys.push(Key::Wait(Duration::from_secs(1))),
                other => match Digit::from_char(other) {
                    Some(digit) => keys.push(Key::Digit(digit)),
                    None => return Err(format!("{other:?} is no key: write 0-9 * # A-D, w for half a second, W for one")),
                },
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_presses_one_thinks_and_presses_two() {
        let digit = |c| Key::Digit(Digit::from_char(c).unwrap());
        assert_eq!(Key::parse_script("1w2").unwrap(), vec![digit('1'), Key::Wait(Duration::from_millis(500)), digit('2')]);
        assert_eq!(Key::parse_script("W*#d").unwrap(), vec![Key::Wait(Duration::from_secs(1)), digit('*'), digit('#'), digit('D')]);
        assert!(Key::parse_script("1x2").unwrap_err().contains("'x'"));
    }
}
