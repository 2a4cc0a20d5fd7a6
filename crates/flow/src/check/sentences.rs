//! Whether everything that may be said can be said: in every language that is offered, by a voice or a recording.

use super::Known;
use crate::config::breaks::label_of;
use crate::decode::nearest;
use crate::draft::{Draft, sentences};
use crate::problem::{Problems, Spot};
use crate::speech::{Form, Sentence};
use model::Lang;
use std::collections::BTreeSet;

pub(super) fn check(draft: &Draft, known: &Known, problems: &mut Problems) {
    let offered = draft.languages();
    // A language that no flow offers is a slip of the pen more often than a plan.
    if !draft.flows.is_empty() {
        for (name, prompt) in &draft.prompts {
            for (lang, wording) in prompt.wordings.iter().filter(|(lang, _)| !offered.contains(lang)) {
                let near = nearest(lang.as_str(), offered.iter().map(|l| l.as_str()).filter(|l| !prompt.wordings.contains_key(*l)));
                let (more_en, more_ja) = match near {
                    Some(near) => (format!("; did you mean {near}?"), format!("{near} ではありませんか？")),
                    None => (String::new(), String::new()),
                };
                let en = format!("\"{name}\" has a text in {lang}, which no flow offers{more_en}");
                let ja = format!("「{name}」に {lang} の文がありますが、どのフローでも使われません。{more_ja}");
                problems.warning(wording.at, "language_not_offered", en, ja);
            }
        }
    }
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
