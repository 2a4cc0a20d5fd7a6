//! Sentences that were rendered once are never rendered again.
//!
//! `<state>/prompts/<key>.wav`: a plain WAV, 8 kHz mono 16 bit, that any player plays. The key is the SHA-256 of everything that the sound
//! depends on, so an entry is never wrong, only unused. After the sound comes a chunk `tsum` with the SHA-256 of all bytes before it: a damaged
//! or half-written file is a miss, and is written anew.

use crate::fault::Fault;
use crate::wav;
use model::Pcm;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Raised whenever the same text would sound different for a reason that no other part of the key knows: rules of reading, filter, loudness.
const FORMAT: &str = "1";
/// Files kept. When there are more, the oldest quarter goes. 20,000 sentences of 5 s are 1.6 GB, ten times what a city with all its edits needs.
const FILES_MAX: usize = 20_000;
/// The largest file that is believed to be ours: 10 minutes.
const BYTES_MAX: u64 = 10 << 20;

/// Names one rendered sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// From everything that the sound depends on, in a fixed order.
    pub(crate) fn of(parts: &[&str]) -> Key {
        let mut hash = Sha256::new();
        for part in [FORMAT].iter().chain(parts) {
            // With its length before each part, no two lists of parts look alike.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Key(model::hex(&hash.finalize()))
    }
}

/// The directory of rendered sentences.
pub(crate) struct Cache {
    directory: PathBuf,
    /// Files in it, once they have been counted.
    files: Option<usize>,
}

impl Cache {
    pub(crate) fn new(directory: PathBuf) -> Cache {
        Cache { directory, files: None }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.directory.join(format!("{}.wav", key.0))
    }

    /// The sound, if it is there and whole.
    pub(crate) fn read(&self, key: &Key) -> Option<Pcm> {
        let path = self.path(key);
        if fs::metadata(&path).ok()?.len() > BYTES_MAX {
            return None;
        }
        let bytes = fs::read(&path).ok()?;
        let pcm = unseal(&bytes);
        if pcm.is_none() {
            tracing::warn!(file = %path.display(), "a cached prompt is damaged; it will be rendered again");
        }
        pcm
    }

    /// Keeps a sound. Readers see the whole file or none.
    pub(crate) fn write(&mut self, key: &Key, pcm: &Pcm) -> Result<(), Fault> {
        // The same sentence may be rendered by two processes at once: each writes a file of its own, the last rename stays.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unfinished = format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (unfinished, path) = (self.directory.join(unfinished), self.path(key));
        let state = |why| Fault::State { path: path.clone(), why };
        let bytes = seal(pcm).ok_or_else(|| state(std::io::ErrorKind::FileTooLarge.into()))?;
        fs::create_dir_all(&self.directory).map_err(state)?;
        let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &path));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written.map_err(state)?;
        self.keep_bounded(FILES_MAX);
        Ok(())
    }

    /// Counts once, then keeps count; removes the oldest quarter when there are more than `files_max`. A failure to remove is no fault of a prompt.
    fn keep_bounded(&mut self, files_max: usize) {
        let files = self.files.map_or_else(|| listing(&self.directory).len(), |n| n + 1);
        self.files = Some(files);
        if files <= files_max {
            return;
        }
        let mut all = listing(&self.directory);
        all.sort();
        all.truncate(files_max / 4);
        tracing::info!(files = all.len(), "the prompt cache is full; its oldest files go");
        for (_, path) in all {
            let _ = fs::remove_file(path);
        }
        self.files = None;
    }
}

/// All files of the cache with their age, unfinished ones of a crash included.
fn listing(directory: &Path) -> Vec<(SystemTime, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect()
}

const SEAL: &[u8; 8] = b"tsum\x20\0\0\0";

fn seal(pcm: &Pcm) -> Option<Vec<u8>> {
    let mut bytes = wav::encode(pcm)?;
    // RIFF counts the seal too, so that players take it for a chunk they do not know and skip it.
    let length = u32::try_from(bytes.len() - 8 + SEAL.len() + 32).ok()?;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(SEAL);
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum);
    Some(bytes)
}

fn unseal(bytes: &[u8]) -> Option<Pcm> {
    let (sealed, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if !sealed.ends_with(SEAL) || Sha256::digest(sealed).as_slice() != sum {
        return None;
    }
    // The seal holds: these are the very bytes that we wrote, 44 of header and then the samples.
    let data = sealed.get(44..sealed.len() - SEAL.len())?;
    let rate = u32::from_le_bytes(sealed.get(24..28)?.try_into().ok()?);
    let samples = data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    Some(Pcm { rate, samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Pcm {
        Pcm { rate: 8000, samples: (0..50).map(|i| i * 600 - 15_000).collect() }
    }

    #[test]
    fn keys_differ_wherever_their_parts_do() {
        assert_ne!(Key::of(&["ab", "c"]), Key::of(&["a", "bc"]));
        assert_ne!(Key::of(&["a", ""]), Key::of(&["a"]));
        assert_eq!(Key::of(&["a", "b"]), Key::of(&["a", "b"]));
    }

    #[test]
    fn any_damage_at_all_is_a_miss() {
        let bytes = seal(&sound()).unwrap();
        assert_eq!(unseal(&bytes), Some(sound()));
        for at in 0..bytes.len() {
            assert_eq!(unseal(&bytes[..at]), None, "cut to {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(unseal(&damaged), None, "flipped at {at}");
        }
    }

    #[test]
    fn a_sealed_file_is_still_a_wav() {
        let bytes = seal(&sound()).unwrap();
        let samples =
            hound::WavReader::new(std::io::Cursor::new(&bytes)).unwrap().into_samples::<i16>().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(samples, sound().samples);
    }

    #[test]
    fn the_oldest_files_make_room() {
        let directory = std::env::temp_dir().join(format!("toritsugi-cache-{}", std::process::id()));
        let mut cache = Cache::new(directory.clone());
        for i in 0..9 {
            cache.write(&Key::of(&[&i.to_string()]), &sound()).unwrap();
            cache.keep_bounded(8);
        }
        assert!(listing(&directory).len() <= 8);
        assert!(cache.read(&Key::of(&["8"])).is_some());
        fs::remove_dir_all(directory).unwrap();
    }
}
