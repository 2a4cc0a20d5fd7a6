//! Bytes as hexadecimal text: hashes and sealed texts are written so, thousands of them each second.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Two small digits for each byte, in their order.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let [high, low] = hex_digits(*byte);
        text.push(char::from(high));
        text.push(char::from(low));
    }
    text
}

/// The two digits of one byte, in ASCII.
pub fn hex_digits(byte: u8) -> [u8; 2] {
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// What [`hex`] wrote, large digits too; `None` if it is anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_two_digits_and_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let text = hex(&all);
        assert_eq!((text.len(), &text[..6], &text[506..]), (512, "000102", "fdfeff"));
        assert_eq!(unhex(&text), Some(all.clone()));
        assert_eq!(unhex(&text.to_uppercase()), Some(all));
    }

    #[test]
    fn what_is_no_row_of_digits_is_refused() {
        for text in ["0", "0g", "+1", " 1", "0x10", "ああ"] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }
}
