//! Whether everything that may be said can be said: in every language that is offered, by a voice or a recording.

use super::Known;
use crate::budget::spoken_key;
use crate::config::breaks::label_of;
use crate::decode::nearest;
use crate::draft::{Draft, sentences};
use crate::problem::{Problems, Spot};
use crate::script;
use crate::speech::{Form, Sentence};
use model::{Digit, Lang};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(draft: &Draft, known: &Known, problems: &mut Problems) {
    let offered = draft.languages();
    // A language that no flow offers is a slip of the pen more often than a plan.
    if !draft.flows.is_empty() {
        not_offered(draft, &offered, problems);
    }
    wrong_letters(draft, problems);
    staff_of_breaks(draft, problems);
    let mut told: BTreeSet<(String, Lang)> = BTreeSet::new();
    for sentence in sentences(draft) {
        let spoken = &sentence.spoken;
        let Some((en, ja)) = silence(&sentence, known) else { continue };
        let at = place(draft, &sentence);
        // A sentence with a changing word fails thirty times for one reason.
        if offered_or_music(&offered, &spoken.lang) && told.insert((spoken.prompt.to_string(), spoken.lang.clone())) {
            problems.error(at, "unspeakable", en, ja);
        }
    }
}

/// Texts in languages that no flow offers: each that may be a slip of the pen, and one for each language that is simply there.
fn not_offered(draft: &Draft, offered: &BTreeSet<&Lang>, problems: &mut Problems) {
    let mut spare: BTreeMap<&Lang, (Spot, usize)> = BTreeMap::new();
    for (name, prompt) in &draft.prompts {
        for (lang, wording) in prompt.wordings.iter().filter(|(lang, _)| !offered.contains(lang)) {
            // The language that is meant is missing then.
            let near = nearest(lang.as_str(), offered.iter().map(|l| l.as_str()).filter(|l| !prompt.wordings.contains_key(*l)));
            let Some(near) = near else {
                let (first, texts) = spare.entry(lang).or_insert((wording.at, 0));
                (*first, *texts) = ((*first).min(wording.at), *texts + 1);
                continue;
            };
            let en = format!("\"{name}\" has a text in {lang}, which no flow offers; did you mean {near}?");
            let ja = format!("「{name}」に {lang} の文がありますが、どのフローでも使われません。{near} ではありませんか？");
            problems.warning(wording.at, "language_not_offered", en, ja);
        }
    }
    for (lang, (at, texts)) in spare {
        let en = format!("no flow offers {lang}: its {texts} text(s) are spoken to nobody");
        let ja = format!("{lang} はどのフローでも使われません（{texts} 個の文）。");
        problems.warning(at, "language_not_offered", en, ja);
    }
}

/// A sentence in the letters of another language was put in the wrong place; a voice leaves out letters that it does not know.
fn wrong_letters(draft: &Draft, problems: &mut Problems) {
    for (name, prompt) in &draft.prompts {
        for (lang, wording) in &prompt.wordings {
            let spoken = wording.spoken();
            for digit in spoken.filter(|spoken| *spoken != wording.text).into_iter().flat_map(|spoken| unread_keys(&wording.text, spoken)) {
                let en = format!("the text of \"{name}\" names the key {digit}, and its reading does not");
                let ja = format!("「{name}」の text にあるキー {digit} が reading にありません。お客様に聞こえるのは reading です。");
                problems.warning(wording.at, "reading_differs", en, ja);
            }
            if script::is_foreign(&wording.text, lang) {
                let en = format!("nothing in this text of \"{name}\" is written in {lang}");
                let ja = format!("「{name}」のこの文は {lang} の文字で書かれていません。");
                problems.warning(wording.at, "wrong_letters", en, ja);
            } else if let Some(letter) = spoken.and_then(|spoken| script::stranger(spoken, lang)) {
                let en = format!("no voice of {lang} can say \"{letter}\": it would be left out");
                let ja = format!("{lang} の合成音声は「{letter}」を読めません。読み飛ばされます。");
                problems.error(wording.at, "unspeakable_letter", en, ja);
            } else if let Some(letter) = script::stranger(&wording.text, lang) {
                let en = format!("\"{letter}\" is no letter of {lang}; is this the right language?");
                let ja = format!("「{letter}」は {lang} の文字ではありません。言語は合っていますか？");
                problems.warning(wording.at, "wrong_letters", en, ja);
            }
        }
    }
}

/// The keys that a text names and its reading does not, in figures or in kana.
fn unread_keys(text: &str, reading: &str) -> Vec<Digit> {
    const KANA: [&[&str]; 10] = [
        &["ゼロ", "ぜろ", "れい"],
        &["いち"],
        &["に"],
        &["さん"],
        &["よん", "し"],
        &["ご"],
        &["ろく"],
        &["なな", "しち"],
        &["はち"],
        &["きゅう"],
    ];
    let read = |digit: Digit| {
        let kana = digit.as_char().to_digit(10).and_then(|n| KANA.get(n as usize)).copied().unwrap_or_default();
        spoken_key(reading, digit).is_some() || kana.iter().any(|kana| reading.contains(kana))
    };
    let keys = ('0'..='9').filter_map(Digit::from_char);
    keys.filter(|digit| spoken_key(text, *digit).is_some() && !read(*digit)).collect()
}

/// An agent who dials the code of a reason would hear half a sentence, or nothing.
fn staff_of_breaks(draft: &Draft, problems: &mut Problems) {
    let Some(entry) = draft.breaks.values().next() else { return };
    if draft.unreadable.contains("prompts") {
        return;
    }
    for key in ["agent_break_for", "agent_break_unknown"] {
        if !draft.prompts.contains_key(key) {
            let en =
                format!("the sentence \"{key}\" is missing in flows/prompts/: agents who dial a reason would not hear what came of it");
            let ja = format!("flows/prompts/ に「{key}」の文がありません。理由の番号を押した担当者に結果が伝わりません。");
            problems.warning(entry.at, "no_sentence", en, ja).help(format!("{key}: {{ ja: \"...\" }}"));
        }
    }
}

fn offered_or_music(offered: &BTreeSet<&Lang>, lang: &Lang) -> bool {
    offered.contains(lang) || lang.as_str() == crate::prompts::MUSIC
}

/// Why a sentence would be silence, if it would.
fn silence(sentence: &Sentence, known: &Known) -> Option<(String, String)> {
    let spoken = &sentence.spoken;
    let name = &spoken.prompt;
    if let Some(why) = known.unspeakable.get(spoken) {
        let en = format!("\"{name}\" cannot be made to sound in {}: {why}", spoken.lang);
        let ja = format!("「{name}」の {} の音声を作れません（{why}）。", spoken.lang);
        return Some((en, ja));
    }
    let base = Lang::from(spoken.lang.skill().as_str());
    let voiceless = matches!(sentence.form, Form::Text { .. }) && !known.voices.contains(&spoken.lang) && !known.voices.contains(&base);
    voiceless.then(|| {
        let lang = &spoken.lang;
        let en = format!("no voice speaks {lang}; record \"{name}\" and name its files");
        let ja = format!("{lang} の合成音声はありません。「{name}」を録音して files に書いてください。");
        (en, ja)
    })
}

fn place(draft: &Draft, sentence: &Sentence) -> Spot {
    let spoken = &sentence.spoken;
    match draft.prompts.get(&spoken.prompt).and_then(|prompt| prompt.wordings.get(&spoken.lang)) {
        Some(wording) => wording.at,
        None => {
            let label = draft.breaks.iter().find(|(reason, _)| label_of(reason) == spoken.prompt).map(|(_, entry)| entry.at);
            let music = || draft.music.get(&spoken.prompt).map(|music| music.at);
            label.or_else(music).unwrap_or_default()
        }
    }
}
