//! Sentences as a city asks for them, through the public face only.

use model::{Lang, Pcm};
use speech::{CommandFault, CommandProvider, Fault, Request, Speech, WavFault, decode_recorded, read_recorded};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A state directory that is gone when the test is over.
struct State(PathBuf);

impl State {
    fn new(test: &str) -> State {
        let path = std::env::temp_dir().join(format!("toritsugi-speech-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        State(path)
    }
    fn speech(&self) -> Speech {
        Speech::open(&self.0, BTreeMap::new()).unwrap()
    }
    fn speech_with(&self, lang: &str, command: CommandProvider) -> Speech {
        Speech::open(&self.0, BTreeMap::from([(Lang::from(lang), command)])).unwrap()
    }
    fn prompts(&self) -> Vec<PathBuf> {
        fs::read_dir(self.0.join("prompts")).into_iter().flatten().map(|e| e.unwrap().path()).collect()
    }
}
impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ja(text: &str) -> Request {
    Request { lang: Lang::from("ja"), text: text.to_owned(), reading: None }
}
fn en(text: &str) -> Request {
    Request { lang: Lang::from("en"), text: text.to_owned(), reading: None }
}
fn shell(script: &str, timeout: Duration) -> CommandProvider {
    CommandProvider { argv: ["sh", "-c", script].map(str::to_owned).to_vec(), timeout }
}
fn rms_dbfs(samples: &[i16]) -> f64 {
    let power = samples.iter().map(|s| (f64::from(*s) / 32_767.0).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    10.0 * power.log10()
}

#[test]
fn a_sentence_sounds_as_long_as_it_takes_to_say_it_and_is_kept() {
    let state = State::new("sentence");
    let request = ja("ただいま3番目にお待ちいただいております。");
    let mut speech = state.speech();
    assert_eq!(speech.cached(&request), None);
    let pcm = speech.render(&request).unwrap();
    assert_eq!(pcm.rate, 8000);
    assert!((2500..4500).contains(&pcm.length().as_millis()), "{:?}", pcm.length());
    assert!((-25.0..-18.0).contains(&rms_dbfs(&pcm.samples)), "{:.1} dBFS", rms_dbfs(&pcm.samples));
    assert!(pcm.samples.iter().all(|s| s.unsigned_abs() < 23_300), "peaks stay under -3 dBFS");
    assert!(pcm.samples[pcm.samples.len() - 400..].iter().all(|s| *s == 0), "it ends in silence");

    // Another process, later: the same samples, and the engine is never loaded for them.
    let mut later = state.speech();
    assert_eq!(later.cached(&request).as_ref(), Some(&pcm));
    assert_eq!(later.render(&request).unwrap(), pcm);
    assert!(!later.is_loaded());

    // Rendered anew it is the same to the sample: nothing in it is random.
    let file = &state.prompts()[0];
    let whole = fs::read(file).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"not a sound at all", b""] {
        fs::write(file, damaged).unwrap();
        assert_eq!(speech.cached(&request), None);
        assert_eq!(speech.render(&request).unwrap(), pcm);
        assert_eq!(fs::read(file).unwrap(), whole);
    }
    assert_eq!(state.prompts().len(), 1, "no unfinished files are left");
}

#[test]
fn the_words_of_a_health_line_are_read_as_people_say_them() {
    let state = State::new("readings");
    let mut speech = state.speech();
    for (written, spoken) in [
        ("令和2年4月1日から", "レーワニネンシガツツイタチカラ"),
        ("新型コロナウイルス感染症", "シンガタコロナウイルスカンセンショー"),
        ("COVID-19の相談", "コビッドナインティーンノソーダン"),
        ("電話番号は044-000-0000です。", "デンワバンゴーワゼロヨンヨンノ、ゼロゼロゼロノ、ゼロゼロゼロゼロデス、"),
        ("0120-119-110へ", "ゼロイチニーゼロノ、イチイチキューノ、イチイチゼロエ"),
        ("03-1234-5678", "ゼロサンノ、イチニーサンヨンノ、ゴーロクナナハチ"),
        ("いったん切って119におかけください。", "イッタンキッテヒャクジューキューバンニオカケクダサイ、"),
        ("119番へおかけください。", "ヒャクジューキューバンエオカケクダサイ、"),
        ("救急相談は#7119です。", "キューキューソーダンワシャープナナイチイチキューデス、"),
        ("子どもの救急は#8000へ", "コドモノキューキューワシャープハッセンエ"),
        ("＊を押してください", "コメジルシヲオシテクダサイ"),
        ("熱のある方は1、お困りの方は2", "ネツノアルカタワイチ、オコマリノカタワニ"),
        ("ほかの方の相談を受けています", "ホカノカタノソーダンヲウケテイマス"),
        ("お手数ですが", "オテスーデスガ"),
        ("午前8時30分から午後5時15分まで", "ゴゼンハチジサンジュップンカラゴゴゴジジューゴフンマデ"),
        (
            "川崎区、幸区、中原区、高津区、宮前区、多摩区、麻生区",
            "カワサキク、サイワイク、ナカハラク、タカツク、ミヤマエク、タマク、アサオク",
        ),
        // Easy Japanese: the spaces between words are no pauses.
        ("からだの ぐあいが わるい かたは、1を おして ください。", "カラダノグアイガワルイカタワ、イチヲオシテクダサイ、"),
        ("あたらしい かたちの かたい いす", "アタラシイカタチノカタイイス"),
    ] {
        assert_eq!(speech.reading(written).unwrap(), spoken, "{written}");
    }
}

/// What is said for the tens before a number of one figure.
const TENS: [&str; 7] = ["", "ジュー", "ニジュー", "サンジュー", "ヨンジュー", "ゴジュー", "ロクジュー"];

/// A number up to 69 with its counter: the tens, then `ones` (of 1 to 9), or `tens` for a round one.
fn counted(number: usize, ones: &[&str; 9], round: impl Fn(usize) -> String) -> String {
    match (number / 10, number % 10) {
        (tens, 0) => round(tens),
        (tens, one) => format!("{}{}", TENS[tens], ones[one - 1]),
    }
}

#[test]
fn minutes_people_and_places_are_counted_as_people_count_them() {
    let state = State::new("counters");
    let mut speech = state.speech();
    let minutes = ["イップン", "ニフン", "サンプン", "ヨンプン", "ゴフン", "ロップン", "ナナフン", "ハップン", "キューフン"];
    // 十 loses its length before 分, by itself and as the end of twenty and thirty.
    let round = |tens: usize| format!("{}ジュップン", ["", "", "ニ", "サン", "ヨン", "ゴ", "ロク"][tens]);
    for number in 1..=60 {
        assert_eq!(speech.reading(&format!("{number}分")).unwrap(), counted(number, &minutes, round), "{number}分");
    }
    let people = ["ヒトリ", "フタリ", "サンニン", "ヨニン", "ゴニン", "ロクニン", "シチニン", "ハチニン", "キューニン", "ジューニン"];
    for (number, reading) in (1..).zip(people) {
        assert_eq!(speech.reading(&format!("{number}人")).unwrap(), reading, "{number}人");
    }
    for (number, reading) in
        [(11, "ジューイチニン"), (12, "ジューニニン"), (14, "ジューヨニン"), (20, "ニジューニン"), (30, "サンジューニン")]
    {
        assert_eq!(speech.reading(&format!("{number}人")).unwrap(), reading, "{number}人");
    }
    let places = ["イチ", "ニ", "サン", "ヨン", "ゴ", "ロク", "ナナ", "ハチ", "キュー"].map(|figure| format!("{figure}バンメ"));
    let places = places.each_ref().map(String::as_str);
    for number in 1..=30 {
        let reading = counted(number, &places, |tens| format!("{}バンメ", TENS[tens]));
        assert_eq!(speech.reading(&format!("{number}番目")).unwrap(), reading, "{number}番目");
    }
    let cases = ["イッケン", "ニケン", "サンケン", "ヨンケン", "ゴケン", "ロッケン", "ナナケン", "ハッケン", "キューケン", "ジュッケン"];
    for (number, reading) in (1..).zip(cases) {
        assert_eq!(speech.reading(&format!("{number}件")).unwrap(), reading, "{number}件");
    }
}

#[test]
fn every_minute_of_a_day_is_read_as_the_clock_is() {
    let state = State::new("clock");
    let mut speech = state.speech();
    let hours = [
        "レージ",
        "イチジ",
        "ニジ",
        "サンジ",
        "ヨジ",
        "ゴジ",
        "ロクジ",
        "シチジ",
        "ハチジ",
        "クジ",
        "ジュージ",
        "ジューイチジ",
        "ジューニジ",
        "ジューサンジ",
        "ジューヨジ",
        "ジューゴジ",
        "ジューロクジ",
        "ジューシチジ",
        "ジューハチジ",
        "ジュークジ",
        "ニジュージ",
        "ニジューイチジ",
        "ニジューニジ",
        "ニジューサンジ",
    ];
    for (hour, of_hour) in hours.into_iter().enumerate() {
        assert_eq!(speech.reading(&format!("{hour}:00")).unwrap(), of_hour);
        for minute in 1..60 {
            let of_minute = speech.reading(&format!("{minute}分")).unwrap();
            let reading = speech.reading(&format!("{hour:02}:{minute:02}")).unwrap();
            assert_eq!(reading, format!("{of_hour}{of_minute}"), "{hour}:{minute}");
            assert_eq!(speech.reading(&format!("{hour}時{minute}分")).unwrap(), reading);
        }
    }
    assert_eq!(speech.reading("午前8時半から").unwrap(), "ゴゼンハチジハンカラ");
}

#[test]
fn every_date_of_a_year_is_read_as_the_calendar_is() {
    let state = State::new("dates");
    let mut speech = state.speech();
    let months = ["イチ", "ニ", "サン", "シ", "ゴ", "ロク", "シチ", "ハチ", "ク", "ジュー", "ジューイチ", "ジューニ"];
    let days = [
        "ツイタチ",
        "フツカ",
        "ミッカ",
        "ヨッカ",
        "イツカ",
        "ムイカ",
        "ナノカ",
        "ヨーカ",
        "ココノカ",
        "トーカ",
        "ジューイチニチ",
        "ジューニニチ",
        "ジューサンニチ",
        "ジューヨッカ",
        "ジューゴニチ",
        "ジューロクニチ",
        "ジューシチニチ",
        "ジューハチニチ",
        "ジュークニチ",
        "ハツカ",
        "ニジューイチニチ",
        "ニジューニニチ",
        "ニジューサンニチ",
        "ニジューヨッカ",
        "ニジューゴニチ",
        "ニジューロクニチ",
        "ニジューシチニチ",
        "ニジューハチニチ",
        "ニジュークニチ",
        "サンジューニチ",
        "サンジューイチニチ",
    ];
    let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for ((month, of_month), length) in (1..).zip(months).zip(lengths) {
        for (day, of_day) in (1..=length).zip(days) {
            let reading = speech.reading(&format!("{month}月{day}日")).unwrap();
            assert_eq!(reading, format!("{of_month}ガツ{of_day}"), "{month}/{day}");
        }
    }
}

#[test]
fn a_reading_is_spoken_instead_of_the_text() {
    let state = State::new("reading");
    let mut speech = state.speech();
    let plain = speech.render(&ja("日本橋")).unwrap();
    let with = |reading: &str| Request { reading: Some(reading.to_owned()), ..ja("日本橋") };
    let read = speech.render(&with("にっぽんばし")).unwrap();
    assert_ne!(plain, read);
    assert_eq!(speech.cached(&with("にっぽんばし")), Some(read));
    assert!(matches!(speech.render(&with("")), Err(Fault::Unspeakable(_))));
}

#[test]
fn easy_japanese_is_spoken_by_the_japanese_voice_and_shares_its_cache() {
    let state = State::new("easy");
    let mut speech = state.speech();
    let easy = Request { lang: Lang::from("ja-easy"), ..ja("まってください。") };
    assert!(speech.speaks(&easy.lang));
    let pcm = speech.render(&easy).unwrap();
    assert_eq!(speech.cached(&ja("まってください。")), Some(pcm));
}

#[test]
fn what_cannot_be_spoken_is_refused_with_the_next_thing_to_do() {
    let state = State::new("refused");
    let mut speech = state.speech();
    assert!(!speech.speaks(&Lang::from("tl")));
    let tagalog = Request { lang: Lang::from("tl"), ..ja("Salamat po.") };
    let fault = speech.render(&tagalog).unwrap_err();
    assert!(matches!(fault, Fault::NoVoice(_)));
    assert!(fault.to_string().contains("flows/prompts/recorded/tl/"), "{fault}");
    assert_eq!(speech.cached(&tagalog), None);
    assert!(matches!(speech.render(&ja(" ")), Err(Fault::Unspeakable(_))));
    assert!(matches!(speech.render(&ja(&"あ".repeat(2001))), Err(Fault::TooLong(2001))));
    assert!(!speech.is_loaded(), "none of this needs the dictionary");
    for nothing in ["。", "、、、", "　", "「」"] {
        assert!(matches!(speech.render(&ja(nothing)), Err(Fault::Unspeakable(_))), "{nothing}");
    }
}

#[test]
fn odd_texts_are_spoken_or_refused_but_never_break_the_engine() {
    let state = State::new("odd");
    let mut speech = state.speech();
    let texts = [
        "ヴゃ😷東日!",
        "😷マスク",
        "a,b,c",
        "\u{0}\u{1}",
        "ー",
        "っ",
        "ゔゐゑ",
        "１２３４５６７８９０１２３４５６７８９０１２３４５６７８９０",
        "Ünïcödé",
        "한국어",
        "\u{202e}逆",
        "%s{{ x }}",
        "、あ",
        "!?",
        "3.14159",
        "－１",
        "あ\n\nい",
    ];
    for text in texts {
        match speech.render(&ja(text)) {
            Ok(pcm) => assert!(pcm.length() < Duration::from_secs(60), "{text:?}"),
            Err(Fault::Unspeakable(_)) => {}
            Err(other) => panic!("{text:?}: {other}"),
        }
    }
}

#[test]
fn a_state_directory_that_cannot_be_written_still_gives_the_sound_of_a_command() {
    let state = State::new("unwritable");
    fs::create_dir_all(&state.0).unwrap();
    fs::write(state.0.join("prompts"), "a file is in the way").unwrap();
    let source = state.0.join("source.wav");
    write_tone(&source, 22_050, 1);
    let mut speech = state.speech_with("en", shell(&format!("cat {}", source.display()), Duration::from_secs(5)));
    assert!(speech.render(&en("Hello.")).is_ok());
    assert!(matches!(Speech::open(&source, BTreeMap::new()), Err(Fault::State { .. })));
}

#[test]
fn a_command_speaks_and_any_rate_becomes_the_telephones() {
    let state = State::new("command");
    fs::create_dir_all(&state.0).unwrap();
    for rate in [8_000, 16_000, 22_050, 44_100, 48_000] {
        let source = state.0.join(format!("{rate}.wav"));
        write_tone(&source, rate, 2);
        let mut speech = state.speech_with("en", shell(&format!("cat >/dev/null; cat {}", source.display()), Duration::from_secs(5)));
        assert!(speech.speaks(&Lang::from("en")) && speech.speaks(&Lang::from("en-gb")));
        assert!(speech.voices().contains(&Lang::from("en")) && speech.voices().contains(&Lang::from("ja-easy")));
        let pcm = speech.render(&en("Hello.")).unwrap();
        assert_eq!(pcm.rate, 8000);
        // Two seconds of tone and 100 ms of silence.
        assert!((2090..2130).contains(&pcm.length().as_millis()), "{rate}: {:?}", pcm.length());
        assert!((rms_dbfs(&pcm.samples[800..15_000]) + 20.0).abs() < 0.5, "{rate}");
        assert_eq!(speech.cached(&en("Hello.")), Some(pcm));
        assert!(!speech.is_loaded());
    }
}

#[test]
fn a_command_that_misbehaves_is_stopped_and_said_so() {
    let state = State::new("misbehaves");
    let fault_of = |script: &str| {
        let mut speech = state.speech_with("en", shell(script, Duration::from_millis(700)));
        match speech.render(&en("Hello.")) {
            Err(Fault::Command { why, .. }) => why,
            other => panic!("{script}: {other:?}"),
        }
    };
    let began = Instant::now();
    assert!(matches!(fault_of("exec sleep 60"), CommandFault::Late(_)));
    assert!(matches!(fault_of("exec >&- 2>&-; exec sleep 60"), CommandFault::Late(_)));
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(matches!(fault_of("exec cat /dev/zero"), CommandFault::TooMuch(_) | CommandFault::Late(_)));
    assert!(matches!(fault_of("exit 0"), CommandFault::Wav(WavFault::Format(_))));
    let failed = fault_of("echo 'no such voice' >&2; exit 3").to_string();
    assert!(failed.contains("exit status: 3") && failed.contains("no such voice"), "{failed}");

    let missing = CommandProvider { argv: vec!["no-such-program".to_owned()], timeout: Duration::from_secs(1) };
    let fault = state.speech_with("en", missing).render(&en("Hello.")).unwrap_err().to_string();
    assert!(fault.contains("`no-such-program` did not start") && fault.contains("install it"), "{fault}");
    let empty = CommandProvider { argv: Vec::new(), timeout: Duration::from_secs(1) };
    assert!(state.speech_with("en", empty).render(&en("Hello.")).is_err());
}

#[test]
fn the_text_reaches_the_command_whole() {
    let state = State::new("stdin");
    fs::create_dir_all(&state.0).unwrap();
    let (heard, source) = (state.0.join("heard.txt"), state.0.join("source.wav"));
    write_tone(&source, 8000, 1);
    let script = format!("cat > {}; cat {}", heard.display(), source.display());
    let mut speech = state.speech_with("en", shell(&script, Duration::from_secs(5)));
    let text = "“Quotes”, $(not run), 'and' \"more\"; ".repeat(50);
    speech.render(&en(&text)).unwrap();
    assert_eq!(fs::read_to_string(heard).unwrap(), text);
}

#[test]
fn espeak_speaks_english_where_it_is_installed() {
    let Some(espeak) = CommandProvider::espeak(&Lang::from("en")) else { return eprintln!("espeak-ng is not installed") };
    assert_eq!(CommandProvider::espeak(&Lang::from("tl")), None);
    let state = State::new("espeak");
    let pcm = state.speech_with("en", espeak).render(&en("Please stay on the line.")).unwrap();
    assert!((900..3000).contains(&pcm.length().as_millis()), "{:?}", pcm.length());
}

#[test]
fn a_recording_keeps_its_own_loudness() {
    let state = State::new("recorded");
    fs::create_dir_all(&state.0).unwrap();
    let file = state.0.join("welcome.wav");
    write_tone(&file, 44_100, 1);
    let Pcm { rate, samples } = read_recorded(&file).unwrap();
    assert_eq!((rate, samples.len()), (8000, 8000));
    assert!((rms_dbfs(&samples[800..7200]) + 13.3).abs() < 0.3, "{:.1}", rms_dbfs(&samples));

    assert_eq!(decode_recorded(&file, &fs::read(&file).unwrap()).unwrap().samples, samples);

    let absent = read_recorded(&state.0.join("absent.wav")).unwrap_err().to_string();
    assert!(absent.contains("absent.wav"), "{absent}");
    fs::write(&file, "RIFF").unwrap();
    assert!(read_recorded(&file).unwrap_err().to_string().contains("convert it"));
}

#[test]
fn the_recordings_that_are_shipped_can_be_heard() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows/prompts/recorded");
    let mut folders = vec![recorded];
    let mut heard = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "wav") {
                let pcm = read_recorded(&path).unwrap();
                // Nobody listens to more than twenty seconds; a piece of a sentence may be a single syllable.
                let longest = if path.parent().is_some_and(|folder| folder.ends_with("music")) { 60_000 } else { 20_000 };
                assert!((200..longest).contains(&pcm.length().as_millis()), "{}: {:?}", path.display(), pcm.length());
                assert!((-30.0..-15.0).contains(&rms_dbfs(&pcm.samples)), "{}: {:.1} dBFS", path.display(), rms_dbfs(&pcm.samples));
                heard += 1;
            }
        }
    }
    assert!(heard > 400, "only {heard} recordings");
}

#[test]
fn timings_are_printed() {
    let state = State::new("timings");
    let mut speech = state.speech();
    let timed = |what: &str, speech: &mut Speech, text: &str| {
        let began = Instant::now();
        let pcm = speech.render(&ja(text)).unwrap();
        println!("{what}: {:.1?} for {:.2?} of sound", began.elapsed(), pcm.length());
    };
    timed("first sentence ever (unpacks and loads)", &mut speech, "お待ちください。");
    timed("next sentence", &mut speech, "順番におつなぎします。そのままお待ちください。");
    timed(
        "a long one",
        &mut speech,
        "お体の心配は1、そのほかのご質問は2、係の者とお話しになる方は0、もう一度お聞きになる方は9を押してください。",
    );
    timed("from the cache", &mut speech, "順番におつなぎします。そのままお待ちください。");
    timed("first sentence of a later run (loads)", &mut state.speech(), "そのままお待ちください。");
}

fn write_tone(path: &Path, rate: u32, seconds: u32) {
    let spec = hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in Pcm::tone(rate, 440.0, 10_000, (rate * seconds) as usize).samples {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
}
