//! The agents' phone accounts: what their phones prove themselves with. Only hashes are kept, in the state directory.

use crate::calls_list::journal_dir;
use crate::files::{self, Files};
use crate::words::{Stop, say};
use crate::{CityArgs, StateArgs};
use calls::{Record, State, Vault};
use model::{Ha1, LineId, Secret};
use std::collections::BTreeMap;
use std::fs;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

fn path(state: &Path) -> PathBuf {
    state.join("agents.json")
}

/// All accounts; none if there is no file yet.
pub(crate) fn read(state: &Path) -> Result<BTreeMap<String, Ha1>, Stop> {
    let path = path(state);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(fault) => return Err(Stop::new(format!("{} cannot be read: {fault}", path.display()))),
    };
    serde_json::from_str(&text)
        .map_err(|fault| Stop::new(format!("{} is damaged ({fault}): remove it and set the agents' passwords again", path.display())))
}

/// The passwords of the trunks that register, from the files in `secrets/` that `lines.yaml` names. They are read with each publication.
///
/// # Errors
/// When a file is not there, cannot be read, or holds nothing: that trunk would be refused by its carrier, and nobody could call. The same for
/// the file of authorities by which a trunk's certificate is judged.
pub(crate) fn of_trunks(state: &Path, book: &flow::Book) -> Result<BTreeMap<LineId, Secret>, Stop> {
    for (id, file) in book.lines.iter().filter_map(|line| Some((&line.id, line.trunk.as_ref()?.ca.as_ref()?))) {
        let path = state.join("secrets").join(file);
        let fault = match fs::read_to_string(&path) {
            Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => continue,
            Ok(_) => "it holds no certificate in PEM".to_owned(),
            Err(fault) => fault.to_string(),
        };
        let path = path.display();
        return Err(Stop::new(format!(
            "config/lines.yaml: the authorities of {id}'s certificate should stand in {path}: {fault}. Write them there, or leave `ca` out to \
             trust those of this machine"
        )));
    }
    let named = book.lines.iter().filter_map(|line| Some((&line.id, line.trunk.as_ref()?.register.as_ref()?.password_file.as_ref()?)));
    named
        .map(|(id, file)| {
            let path = state.join("secrets").join(file);
            let told = |fault: &dyn std::fmt::Display| {
                let path = path.display();
                Stop::new(format!(
                    "config/lines.yaml: the password of {id} should stand in {path}: {fault}. Write it there, and chmod 600 it"
                ))
            };
            let text = fs::read_to_string(&path).map_err(|fault| told(&fault))?;
            match text.lines().next().unwrap_or_default().trim_end() {
                "" => Err(told(&"the file is empty")),
                password => Ok((id.clone(), Secret::new(password.to_owned()))),
            }
        })
        .collect()
}

/// `toritsugi agent password NAME`.
pub(crate) fn password(name: &str, city: &CityArgs, state: &StateArgs) -> Result<(), Stop> {
    let files = Files::find(city)?;
    let draft = flow::read(files.read()?);
    let known: Vec<&str> = draft.agents().map(|agent| agent.as_str()).collect();
    if !known.contains(&name) {
        return Err(Stop::new(format!("there is no agent {name} in agents.yaml; it knows {}", known.join(", "))));
    }
    let piped = !std::io::stdin().is_terminal();
    let mut given = String::new();
    if piped {
        std::io::stdin().take(1024).read_to_string(&mut given).map_err(|f| Stop::new(format!("standard input cannot be read: {f}")))?;
    }
    let given = given.trim_end_matches(['\r', '\n']);
    let (password, made) = if given.is_empty() { (random_password()?, true) } else { (given.to_owned(), false) };
    // With it somebody answers in that agent's name.
    files::make_private(&state.state).map_err(|fault| Stop::new(format!("{} cannot be written: {fault}", state.state.display())))?;
    crate::audit::first(&state.state, "agent password", serde_json::json!({ "agent": name }), None, crate::explain::Tongue::English)?;
    set(&state.state, &draft.settings().realm, name, &password)?;
    if made {
        say(format_args!("The password of {name}'s phone is  {password}  - it is shown only this once."))?;
    } else {
        say(format_args!("The password of {name}'s phone is set."))?;
    }
    say("A running engine takes it at the next reload: kill -HUP its process, or restart it.")
}

/// Writes one account, keeping the others.
pub(crate) fn set(state: &Path, realm: &str, name: &str, password: &str) -> Result<(), Stop> {
    let mut accounts = read(state)?;
    accounts.insert(name.to_owned(), sip::digest::ha1(name, realm, password));
    let path = path(state);
    let failed = |fault: std::io::Error| Stop::new(format!("{} cannot be written: {fault}", path.display()));
    files::make_private(state).map_err(failed)?;
    let text = serde_json::to_string_pretty(&accounts).map_err(Stop::new)?;
    // Whole or not at all: written beside, then renamed.
    let beside = path.with_extension("json.new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&beside, &path).map_err(failed)
}

/// 16 letters and figures from the operating system's randomness, 80 bits.
pub(crate) fn random_password() -> Result<String, Stop> {
    Ok(model::Random::new(seed()?).token(16))
}

fn key_path(state: &Path) -> PathBuf {
    state.join("city.key")
}

/// Looks at the city's key before the engine takes it: a missing one is made anew, and another one taken, only where nothing that is
/// sealed needs the old one, or `forget` says that it may be lost. Gives what is to be said of it.
///
/// # Errors
/// When callbacks are booked, or calls to the outside are to be ended, that nobody can read with this key.
pub(crate) fn attend_to_key(state: &Path, forget: bool) -> Result<Option<String>, Stop> {
    let path = key_path(state);
    let file = path.display();
    let folded = folded(state)?;
    let owed = Owed { callbacks: folded.callbacks.len(), outside: folded.abroad.len() };
    match fs::metadata(&path) {
        Ok(_) if !owed.nothing() && !forget && !vault(state)?.opens(&folded) => Err(Stop::new(format!(
            "{file} is not the key with which this state was written, and the journal holds {owed} that only that key opens. {}",
            owed.way_out(&path)
        ))),
        Ok(found) => Ok(too_open(&path, found.permissions().mode())),
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => match forget {
            _ if owed.nothing() => Ok(None),
            true => Ok(Some(format!("{file} is missing: a new one is made, {owed} are given up, and persons are counted anew."))),
            false => {
                Err(Stop::new(format!("{file} is missing, and the journal holds {owed} that only this key opens. {}", owed.way_out(&path))))
            }
        },
        Err(fault) => Err(Stop::new(format!("{file} cannot be read: {fault}"))),
    }
}

/// What a state still owes to people whose numbers are sealed.
struct Owed {
    callbacks: usize,
    /// Calls to the outside that were up when the engine was killed: the next one hangs them up.
    outside: usize,
}

impl Owed {
    fn nothing(&self) -> bool {
        self.callbacks == 0 && self.outside == 0
    }

    fn way_out(&self, path: &Path) -> String {
        let file = path.display();
        let wards = if self.outside > 0 {
            " Whoever is still on the line outside is not hung up then: look that no ward talks with nobody."
        } else {
            ""
        };
        format!(
            "Put it back from your backup of the state folder (cp -p BACKUP/city.key {file}), then start again. Without a backup those people \
             cannot be called any more: start once with --forget-callbacks, and it goes on without them.{wards}"
        )
    }
}

impl std::fmt::Display for Owed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.callbacks, self.outside) {
            (callbacks, 0) => write!(f, "{callbacks} callback(s)"),
            (0, outside) => write!(f, "{outside} call(s) to the outside"),
            (callbacks, outside) => write!(f, "{callbacks} callback(s) and {outside} call(s) to the outside"),
        }
    }
}

/// A key that others may read opens the numbers of those who are to be called back.
fn too_open(path: &Path, mode: u32) -> Option<String> {
    (mode & 0o077 != 0).then(|| {
        let file = path.display();
        format!("{file} can be read by others on this machine (mode {:04o}): chmod 600 {file}", mode & 0o7777)
    })
}

/// What the journal says stands, as far as it can be read: whoever reads it next says what is wrong with it.
fn folded(state: &Path) -> Result<State, Stop> {
    let dir = journal_dir(state);
    let mut folded = State::default();
    if dir.is_dir() {
        for entry in journal::replay::<Record>(&dir).map_err(Stop::new)?.map_while(Result::ok) {
            folded.apply(entry.body);
        }
    }
    Ok(folded)
}

/// The city's key, made at the first start: who loses it loses the callbacks that were booked, and counts persons anew.
pub(crate) fn vault(state: &Path) -> Result<Vault, Stop> {
    let path = key_path(state);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
            let key = model::hex(&seed()?);
            let failed = |fault: std::io::Error| Stop::new(format!("{} cannot be written: {fault}", path.display()));
            // Whole or not at all, as above; and never over one that is there.
            let beside = path.with_extension("key.new");
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(failed)?;
            file.write_all(key.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            fs::rename(&beside, &path).map_err(failed)?;
            key
        }
        Err(fault) => return Err(Stop::new(format!("{} cannot be read: {fault}", path.display()))),
    };
    let text = text.trim();
    let mut key = [0; 32];
    let whole = text.len() == 64
        && text.is_ascii()
        && key.iter_mut().enumerate().all(|(i, byte)| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map(|b| *byte = b).is_ok());
    if !whole {
        return Err(Stop::new(format!(
            "{} is damaged: put back a copy, or remove it; callbacks that were booked are lost then, and persons are counted anew",
            path.display()
        )));
    }
    Ok(Vault::new(key))
}

/// A seed from the operating system.
pub(crate) fn seed() -> Result<[u8; 32], Stop> {
    let mut seed = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut seed))
        .map_err(|fault| Stop::new(format!("/dev/urandom cannot be read: {fault}")))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use calls::{Booked, Place};
    use flow::CallbackTerms;
    use model::{CallId, Number, Seq, TicketId, UnixMillis, Version};
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn the_citys_key_is_made_once_and_is_for_its_owner_only() {
        let state = std::env::temp_dir().join(format!("toritsugi-key-{}", std::process::id()));
        fs::create_dir_all(&state).unwrap();
        let person = |vault: &Vault| vault.person(20_260_824, "08010000001").unwrap();
        let made = vault(&state).unwrap();
        assert_eq!(person(&vault(&state).unwrap()), person(&made), "the next start reads the same key");
        assert_eq!(fs::metadata(state.join("city.key")).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(state.join("city.key"), "0123").unwrap();
        assert!(vault(&state).is_err_and(|Stop(why)| why.contains("damaged")), "half a key is none");
        fs::remove_file(state.join("city.key")).unwrap();
        assert_ne!(person(&vault(&state).unwrap()), person(&made), "another key knows nobody");
        fs::remove_dir_all(&state).unwrap();
    }

    /// A journal in which one person is still to be called back.
    fn a_callback_stands(state: &Path) {
        let since = UnixMillis(1_795_557_600_000);
        let number = Number::parse("0440000000").unwrap();
        let place = Place { ticket: TicketId(101), queue: "nurse".into(), lang: "ja".into(), since, class: 0, kept: true };
        let terms = CallbackTerms {
            window: "open".into(),
            accept: BTreeSet::new(),
            attempts: 3,
            spacing: Duration::from_secs(600),
            expires: Duration::from_secs(86_400),
        };
        let booked = Booked {
            call: CallId(1),
            arrived: since,
            at: since,
            number,
            sealed: "00".to_owned(),
            caller: "090-***-**12".to_owned(),
            person: None,
            place,
            needs: Vec::new(),
            except: Vec::new(),
            bonus: Duration::ZERO,
            terms,
            version: Version::from("4f2a9c"),
            attempts: 0,
            tried: None,
        };
        let (mut journal, _) = journal::Journal::open(&journal_dir(state)).unwrap();
        journal.append(Seq(1), since, &Record::CallbackBooked { ticket: TicketId(101), booked: Box::new(booked) }).unwrap();
        journal.sync().unwrap();
    }

    #[test]
    fn a_lost_key_is_not_made_anew_over_people_who_wait_to_be_called_back() {
        let state = std::env::temp_dir().join(format!("toritsugi-lost-key-{}", std::process::id()));
        fs::create_dir_all(&state).unwrap();
        assert_eq!(attend_to_key(&state, false).unwrap(), None, "the first start of all");
        a_callback_stands(&state);
        let Stop(why) = attend_to_key(&state, false).unwrap_err();
        let remark = attend_to_key(&state, true).unwrap().unwrap();
        vault(&state).unwrap();
        let Stop(other) = attend_to_key(&state, false).unwrap_err();
        let with_a_key = attend_to_key(&state, true).unwrap();
        let key = key_path(&state);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let open = attend_to_key(&state, true).unwrap().unwrap();
        fs::remove_dir_all(&state).unwrap();
        assert!(
            why.contains("1 callback(s) that only this key opens") && why.contains("backup") && why.contains("--forget-callbacks"),
            "{why}"
        );
        assert!(remark.contains("1 callback(s) are given up"), "{remark}");
        assert!(other.contains("not the key with which this state was written") && other.contains("--forget-callbacks"), "{other}");
        assert_eq!(with_a_key, None);
        assert!(open.contains("mode 0644") && open.contains(&format!("chmod 600 {}", key.display())), "{open}");
    }
}
