//! The built-in Japanese dictionary: packed in the program, unpacked once into the state directory.
//!
//! `<state>/speech/naist-jdic-<version>/`. It appears there whole or not at all: files are unpacked and synced beside it and renamed into
//! place, under a lock, so that a crash in the middle and a second engine started at the same moment do no harm.

use crate::fault::Fault;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Crate version that reads it, and the beginning of the archive's SHA-256.
pub(crate) const VERSION: &str = "0.15-f8ac6ce8";

static ARCHIVE: &[u8] = include_bytes!("../data/naist-jdic-jpreprocess-0.15.tar.zst");

/// What the archive holds, with sizes in bytes: how a whole dictionary is told from a damaged one without reading 77 MB at each start.
const FILES: [(&str, u64); 8] = [
    ("char_def.bin", 2_356),
    ("dict.da", 33_049_141),
    ("dict.vals", 7_889_130),
    ("dict.words", 32_164_605),
    ("dict.wordsidx", 3_155_656),
    ("matrix.mtx", 3_792_264),
    ("metadata.json", 782),
    ("unk.bin", 2_492),
];

/// The directory to load the dictionary from, below `home`; unpacks it first if it is not there.
///
/// # Errors
/// [`Fault::State`] if the state directory cannot be written.
pub(crate) fn ensure(home: &Path) -> Result<PathBuf, Fault> {
    let place = home.join(format!("naist-jdic-{VERSION}"));
    if is_whole(&place) {
        return Ok(place);
    }
    let state = |path: &Path| {
        let path = path.to_owned();
        move |why| Fault::State { path, why }
    };
    fs::create_dir_all(home).map_err(state(home))?;
    // Whoever holds the lock is alone here; the system lets go of it when its process dies.
    let lock_path = home.join("unpack.lock");
    let lock = File::create(&lock_path).map_err(state(&lock_path))?;
    lock.lock().map_err(state(&lock_path))?;
    // Another engine may have done it while we waited.
    if !is_whole(&place) {
        let unfinished = home.join("unpacking");
        remove(&unfinished).and_then(|()| unpack(&unfinished)).map_err(state(&unfinished))?;
        remove(&place).and_then(|()| fs::rename(&unfinished, &place)).map_err(state(&place))?;
        tracing::info!(directory = %place.display(), "the Japanese dictionary is unpacked");
    }
    Ok(place)
}

fn is_whole(place: &Path) -> bool {
    FILES.iter().all(|(name, size)| fs::metadata(place.join(name)).is_ok_and(|m| m.is_file() && m.len() == *size))
}

fn unpack(directory: &Path) -> io::Result<()> {
    fs::create_dir(directory)?;
    let mut archive = tar::Archive::new(zstd::Decoder::with_buffer(ARCHIVE)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let Some((name, _)) = FILES.iter().find(|(name, _)| path.file_name().is_some_and(|n| n == *name)) else { continue };
        let mut file = File::create(directory.join(name))?;
        io::copy(&mut entry, &mut file)?;
        file.sync_all()?;
    }
    if is_whole(directory) { Ok(()) } else { Err(io::Error::other("the packed dictionary is not the one this program was built with")) }
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_finished_try_and_a_damaged_dictionary_are_put_right_by_whoever_comes_first() {
        let home = std::env::temp_dir().join(format!("toritsugi-dictionary-{}", std::process::id()));
        let place = home.join(format!("naist-jdic-{VERSION}"));
        fs::create_dir_all(home.join("unpacking")).unwrap();
        fs::write(home.join("unpacking/dict.da"), "half").unwrap();
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("dict.da"), "damaged").unwrap();

        let found: Vec<PathBuf> = std::thread::scope(|scope| {
            let engines: Vec<_> = (0..3).map(|_| scope.spawn(|| ensure(&home).unwrap())).collect();
            engines.into_iter().map(|e| e.join().unwrap()).collect()
        });
        assert_eq!(found, [place.clone(), place.clone(), place.clone()]);
        assert!(is_whole(&place));
        assert!(!home.join("unpacking").exists());
        fs::remove_dir_all(home).unwrap();
    }
}
