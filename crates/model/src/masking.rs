//! Hides what could be somebody's telephone number in a text that strangers had a hand in: a panic's message, a reason in words.
//!
//! Figures are found as people and networks write them: plain, full-width, as kanji, percent-encoded (RFC 3986 section 2.1) once or twice, and with
//! separators between them (RFC 3966 section 5.1.1, visual separators, and what Japanese texts put in their place). It would rather hide a
//! figure too many: what must be read by a machine is not given to it.

use std::net::Ipv4Addr;

/// Separators in a row that are still within one number.
const JOINTS_MAX: usize = 3;

/// What one sign of a text is for a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Figure,
    /// Stands between figures, or before the first one.
    Joint,
    Other,
}

/// `text` with `***` in the place of each number of `least` figures and more. Addresses of machines (IPv4) stay.
pub fn hide_numbers(text: &str, least: usize) -> String {
    // Most texts have hardly a figure.
    if text.is_ascii() && !text.contains('%') && text.bytes().filter(u8::is_ascii_digit).count() < least {
        return text.to_owned();
    }
    let signs = signs(text);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&(from, until, sign)) = signs.get(at) {
        let run = if sign == Sign::Figure { run(&signs[at..]) } else { 0 };
        let figures = signs[at..at + run].iter().filter(|(.., sign)| *sign == Sign::Figure).count();
        let end = at + run.max(1);
        let written = &text[from..signs[end - 1].1];
        if figures >= least && !written.parse::<Ipv4Addr>().is_ok_and(|ip| ip.to_string() == written) {
            // What opens a number is its own: `+81`, `(044)`.
            while out.ends_with(['+', '(', '＋', '（']) {
                out.pop();
            }
            out.push_str("***");
        } else if run > 0 {
            out.push_str(written);
        } else {
            out.push_str(&text[from..until]);
        }
        at = end;
    }
    out
}

/// How many signs from the first one on are one number: from figure to figure.
fn run(signs: &[(usize, usize, Sign)]) -> usize {
    let (mut length, mut joints) = (0, 0);
    for (index, (.., sign)) in signs.iter().enumerate() {
        match sign {
            Sign::Figure => (length, joints) = (index + 1, 0),
            Sign::Joint if joints < JOINTS_MAX => joints += 1,
            Sign::Joint | Sign::Other => break,
        }
    }
    length
}

/// The signs of a text, each with where it stands.
fn signs(text: &str) -> Vec<(usize, usize, Sign)> {
    let mut signs = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let (length, shown) = escaped(&text[at..]).unwrap_or((letter.len_utf8(), letter));
        signs.push((at, at + length, sign(shown)));
        at += length;
    }
    signs
}

fn sign(letter: char) -> Sign {
    match letter {
        '0'..='9' | '０'..='９' | '〇' | '一' | '二' | '三' | '四' | '五' | '六' | '七' | '八' | '九' => Sign::Figure,
        '-' | '.' | ' ' | '(' | ')' | '+' | '/' | '_' | '\t' | '\u{a0}' | '\u{2010}'..='\u{2015}' | '\u{2212}' => Sign::Joint,
        '－' | 'ー' | '．' | '（' | '）' | '＋' | '\u{3000}' | '・' | '／' => Sign::Joint,
        // Figures of other scripts.
        letter if letter.is_numeric() => Sign::Figure,
        _ => Sign::Other,
    }
}

/// A percent-encoded letter at the start of `text`, with its length there. `%2530` is `%30` encoded once more.
fn escaped(text: &str) -> Option<(usize, char)> {
    let mut bytes = Vec::with_capacity(4);
    let mut at = 0;
    loop {
        let mut rest = text.get(at..)?.strip_prefix('%')?;
        while let Some(inner) = rest.strip_prefix("25").filter(|inner| inner.as_bytes().iter().take(2).all(u8::is_ascii_hexdigit)) {
            rest = inner;
        }
        let digits = rest.get(..2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        at = text.len() - rest.len() + 2;
        match std::str::from_utf8(&bytes) {
            Ok(letter) => return Some((at, letter.chars().next()?)),
            // The next bytes of one letter follow.
            Err(fault) if fault.error_len().is_none() && bytes.len() < 4 => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_hidden_in_every_spelling() {
        let spellings = [
            "0312345678",
            "+81312345678",
            "81 3 1234 5678",
            "03-1234-5678",
            "(03) 1234.5678",
            "０３１２３４５６７８",
            "０３－１２３４－５６７８",
            "〇三一二三四五六七八",
            "%30%33%31%32%33%34%35%36%37%38",
            "%2530%2533%2531%2532%2533%2534%2535%2536%2537%2538",
            "%2B81%203%201234%205678",
            "%EF%BC%90%EF%BC%93%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96",
            "0 3 1 2 3 4 5 6 7 8",
            "03/1234/5678",
            "٠٣١٢٣٤٥٦٧٨",
            "०३-१२३४-५६७८",
            "03\u{3000}1234\u{2010}5678",
        ];
        for spelling in spellings {
            for (before, after) in [("", ""), ("tel:", ";isub=1"), ("sip:", "@host"), ("no caller: ", " is known"), ("x", "é")] {
                let hidden = hide_numbers(&format!("{before}{spelling}{after}"), 7);
                let encoded = spelling.starts_with("%2B");
                let wanted = if encoded { format!("{before}%2B***{after}") } else { format!("{before}***{after}") };
                assert_eq!(hidden, wanted, "{spelling}");
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_as_it_is() {
        for text in [
            "index out of bounds: the len is 65536 but the index is 65537",
            "192.168.100.150:5060 and 10.0.0.1",
            "100%",
            "50 %3 %zz %E3",
            "a84b4c76e66710",
            "crates/sip/src/uri.rs:123:45",
            "電話は一般です",
            "",
            "%",
        ] {
            assert_eq!(hide_numbers(text, 7), text);
        }
    }

    #[test]
    fn so_many_figures_and_no_fewer() {
        assert_eq!(hide_numbers("1234 12345", 5), "***");
        assert_eq!(hide_numbers("1234, 12345", 5), "1234, ***");
        assert_eq!(hide_numbers("1    2345678", 7), "1    ***");
    }
}
