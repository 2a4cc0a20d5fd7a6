//! How wide words are, as far as one can tell without knowing the reader's fonts: rather too wide than too narrow.

/// The width of a text in a sans-serif font of this size.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

/// Of the common fonts the widest, in parts of the font's size.
fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' | '|' | '.' | ',' | ':' | ';' | ' ' | '!' => 0.36,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' | '"' => 0.46,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 1.0,
        'A'..='Z' => 0.78,
        c if u32::from(c) < 0x2000 => 0.66,
        _ => 1.0,
    }
}

/// Breaks a text into at most `lines` lines of this width; what does not fit ends in an ellipsis.
pub(super) fn wrap(text: &str, size: f64, most: f64, lines: usize) -> Vec<String> {
    let mut broken: Vec<String> = vec![String::new()];
    for word in words(text) {
        let line = broken.last().map_or("", String::as_str);
        if !line.is_empty() && width(line, size) + width(word.trim_end(), size) > most {
            broken.push(String::new());
        }
        if let Some(line) = broken.last_mut() {
            line.push_str(word);
        }
    }
    let cut = broken.len() > lines;
    broken.truncate(lines);
    if let Some(last) = broken.last_mut().filter(|_| cut) {
        while !last.is_empty() && width(last, size) + size > most {
            last.pop();
        }
        *last = format!("{}…", last.trim_end_matches([' ', '、', '。', ',', '.']));
    }
    broken.into_iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// The pieces between which a line may be broken: Latin words with the blank behind them, and single signs of East Asia with the stops
/// that may not begin a line (JIS X 4051).
fn words(text: &str) -> Vec<&str> {
    let wide = |c: char| u32::from(c) >= 0x2E80;
    let closing = |c: char| matches!(c, '、' | '。' | '」' | '）' | '，' | '．' | 'ー' | 'ゃ' | 'ゅ' | 'ょ' | 'っ' | '々');
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        let may = match before {
            None => false,
            Some(' ') => true,
            Some(before) => (wide(before) || wide(c)) && !closing(c) && before != '「' && before != '（',
        };
        if may {
            pieces.extend(text.get(from..at));
            from = at;
        }
        before = Some(c);
    }
    pieces.extend(text.get(from..));
    // A word without any place to break it, such as an address, is broken all the same.
    pieces.into_iter().flat_map(|piece| if piece.chars().count() > 24 { chunks(piece) } else { vec![piece] }).collect()
}

fn chunks(word: &str) -> Vec<&str> {
    let starts: Vec<usize> = word.char_indices().map(|(at, _)| at).step_by(16).chain([word.len()]).collect();
    starts.windows(2).filter_map(|pair| word.get(pair[0]..pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_width_and_the_rest_is_shown_as_left_out() {
        let japanese = "お体の心配は1、そのほかのご質問は2、係の者とお話しになる方は0を押してください。";
        let english = "If you are worried about your health, press 1. For other questions, press 2.";
        for text in [japanese, english, "a_word_that_never_ends_and_never_ends_and_never_ends_at_all"] {
            let lines = wrap(text, 12.0, 180.0, 2);
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(lines.iter().all(|line| width(line, 12.0) <= 180.0), "{lines:?}");
            assert!(lines[1].ends_with('…'), "{lines:?}");
        }
        assert_eq!(wrap("短い。", 12.0, 180.0, 2), ["短い。"]);
        assert!(wrap(japanese, 12.0, 60.0, 9).iter().all(|line| !line.starts_with(['、', '。'])));
    }
}
