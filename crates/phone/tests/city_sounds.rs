//! The sounds that the city ships, as a caller hears them.

use model::{Codec, Instant, Random};
use phone::{AnswerPolicy, Command, Config, Output, Phone, Socket, Sound, Sounding};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a caller hears when the other end plays a file.
fn heard(file: &Path) -> Vec<Sounding> {
    #[expect(clippy::disallowed_methods, reason = "a test may read the city's recordings")]
    let bytes = std::fs::read(file).unwrap();
    let pcm = media::wav::read(&bytes).unwrap();
    let length = pcm.length();
    let addr = |at: u8, port: u16| std::net::SocketAddr::from(([192, 0, 2, at], port));
    let config = |at: u8, says: Sound| Config {
        user: "someone".to_owned(),
        password: None,
        sip: addr(at, 5060),
        rtp: addr(at, 4000),
        server: addr(3 - at, 5060),
        answer: AnswerPolicy::After(Duration::ZERO),
        says,
        codecs: vec![Codec::Pcmu],
        trace: false,
    };
    let mut random = Random::from_number(1);
    let mut phones =
        [Phone::new(config(1, Sound::Silence), random.fork()), Phone::new(config(2, Sound::Pcm(Arc::new(pcm), false)), random.fork())];
    phones[0].handle_command(Instant::ZERO, Command::Dial { uri: format!("sip:someone@{}", addr(2, 5060)) });
    let end = Instant::ZERO + length;
    let mut now = Instant::ZERO;
    while now < end {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            for who in 0..2 {
                while let Some(output) = phones[who].poll_output() {
                    quiet = false;
                    if let Output::Send { socket, bytes, .. } = output {
                        let from = addr(u8::try_from(who).unwrap() + 1, if socket == Socket::Sip { 5060 } else { 4000 });
                        phones[1 - who].handle_packet(now, socket, from, &bytes);
                    }
                }
            }
        }
        now = phones.iter().filter_map(Phone::poll_timeout).min().unwrap();
        for phone in &mut phones {
            phone.handle_timeout(now);
        }
    }
    phones[0].handle_command(now, Command::HangUp);
    phones[0].timeline().iter().map(|s| s.what).collect()
}

#[test]
fn the_citys_recordings_are_speech_and_its_music_is_music() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows/prompts/recorded");
    let files = |folder: &str| -> Vec<PathBuf> {
        #[expect(clippy::disallowed_methods, reason = "a test may look at the city's recordings")]
        let entries = std::fs::read_dir(recorded.join(folder)).unwrap();
        entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|x| x == "wav")).collect()
    };
    let (speech, music) = (files("en"), files("music"));
    assert!(!speech.is_empty() && !music.is_empty());
    for file in speech {
        let told = heard(&file);
        assert!(
            told.iter().all(|w| matches!(w, Sounding::Speech | Sounding::Silence)) && told.contains(&Sounding::Speech),
            "{file:?} is {told:?}"
        );
    }
    for file in music {
        assert_eq!(heard(&file), [Sounding::Music], "{file:?}");
    }
}
