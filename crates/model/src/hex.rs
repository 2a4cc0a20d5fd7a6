//! Bytes as hexadecimal text: hashes and sealed texts are written so, thousands of them each second.

/// The two digits of each byte.
const PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// Two small digits for each byte, in their order.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len() * 2];
    let (pairs, _) = text.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = hex_digits(*byte);
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The two digits of one byte, in ASCII.
pub const fn hex_digits(byte: u8) -> [u8; 2] {
    PAIRS[byte as usize]
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
