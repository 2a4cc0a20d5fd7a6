//! Who may ask the engine over HTTP: the root token that the first start makes, and tokens with a name and a role (`toritsugi token`).
//!
//! Of a token with a name only the SHA-256 is kept. No slow hash, as passwords need: a token is 200 random bits, nobody guesses one of them in the
//! life of the sun, however fast the hash, and the engine answers many requests with it. Whoever reads `tokens.json` can ask nothing with it.
//!
//! The engine looks at `tokens.json` with each request, and reads it again when it is another one: what `token add` and `token revoke` say holds from
//! the next request on. A file that cannot be read lets in nobody but root.

use crate::explain::Tongue;
use crate::files::Files;
use crate::publish::wall;
use crate::words::{Both, Stop, fill, say, shown};
use crate::zone::Town;
use crate::{CityArgs, StateArgs, accounts, audit, status};
use clap::{Args, Subcommand};
use model::{AgentId, Random, UnixMillis, hex, unhex};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, Permissions};
use std::hint::black_box;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use web::{Bearer, Keys, Role};

/// Signs of a new token: five bits each, 200 in all.
const SIGNS: usize = 40;
/// A root token that somebody wrote has at least so many signs: 32 of 32 kinds are 160 bits, beyond guessing.
const ROOT_SIGNS_MIN: usize = 32;
/// Tokens that are kept, revoked and expired ones with them; the oldest of those make room.
const TOKENS_MAX: usize = 200;
/// Signs of a token's name.
const NAME_MAX: usize = 40;
/// The longest that one may be good for, in hours: ten years. What lasts longer needs no end.
const HOURS_MAX: u32 = 10 * 366 * 24;
const HOUR_MILLIS: i64 = 3_600_000;

type Hash = [u8; 32];

fn hash(token: &[u8]) -> Hash {
    Sha256::digest(token).into()
}

/// Whether two are the same, in a time that does not depend on where they differ.
fn same(ours: &Hash, given: &Hash) -> bool {
    ours.iter().zip(given).fold(0u8, |differ, (a, b)| black_box(differ | (a ^ b))) == 0
}

/// Where the root token lies.
pub(crate) fn root_file(state: &Path) -> PathBuf {
    state.join("api.token")
}

/// The root token, or the SHA-256 of it; made at the first start. Only the owner may read the file (mode 0600), and it is printed nowhere.
///
/// # Errors
/// When the file cannot be read or written, or holds no token.
fn root(state: &Path) -> Result<Hash, Stop> {
    let file = root_file(state);
    let failed = |fault: io::Error| Stop::new(format!("the token of the agents' interface in {} cannot be kept: {fault}", file.display()));
    match fs::read_to_string(&file) {
        Ok(text) => {
            // Somebody may have copied it in with other rights; whoever could read it then is for them to judge.
            if fs::metadata(&file).map_err(failed)?.permissions().mode() & 0o777 != 0o600 {
                tracing::warn!(file = %file.display(), "others could read the token of the agents' interface: remove it, and the next start makes another");
                fs::set_permissions(&file, Permissions::from_mode(0o600)).map_err(failed)?;
            }
            let text = text.trim();
            let fits = text.len() >= ROOT_SIGNS_MIN && text.bytes().all(|b| b.is_ascii_graphic());
            fits.then(|| hash(text.as_bytes())).ok_or_else(|| {
                Stop::new(format!("{} holds no token of 32 signs or more: remove it, and the next start makes one", file.display()))
            })
        }
        Err(fault) if fault.kind() == ErrorKind::NotFound => {
            let text = Random::new(accounts::seed()?).token(SIGNS);
            write_whole(&file, &format!("{text}\n")).map_err(failed)?;
            Ok(hash(text.as_bytes()))
        }
        Err(fault) => Err(failed(fault)),
    }
}

/// Whole or not at all, for its owner alone: written beside, then renamed.
fn write_whole(file: &Path, text: &str) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // One that a crash left behind may have other rights.
    fs::remove_file(&beside).or_else(|fault| if fault.kind() == ErrorKind::NotFound { Ok(()) } else { Err(fault) })?;
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all())?;
    audit::hand_over(&beside);
    fs::rename(&beside, file)
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    name: String,
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<AgentId>,
    made: UnixMillis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<UnixMillis>,
    sha256: String,
}

impl Kept {
    fn hash(&self) -> Option<Hash> {
        unhex(&self.sha256)?.try_into().ok()
    }
    fn role(&self) -> Option<Role> {
        Role::named(&self.role, self.agent.clone())
    }
    fn good(&self, now: UnixMillis) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}

fn file(state: &Path) -> PathBuf {
    state.join("tokens.json")
}

/// All tokens with a name; none if there is no file yet.
fn read(state: &Path) -> Result<Vec<Kept>, String> {
    match fs::read_to_string(file(state)) {
        Ok(text) => serde_json::from_str(&text).map_err(|fault| fault.to_string()),
        Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(fault) => Err(fault.to_string()),
    }
}

/// What tells one file from another that took its place.
type Stamp = Option<(u64, u64, i64, i64, i64, i64)>;

fn stamp(state: &Path) -> Stamp {
    let meta = fs::metadata(file(state)).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()))
}

/// The tokens as the HTTP side asks them.
pub(crate) struct Keyring {
    root: Hash,
    state: PathBuf,
    read: Mutex<(Stamp, Vec<(Hash, Kept)>)>,
}

impl Keyring {
    /// The tokens of a state folder; the root token is made if there is none.
    ///
    /// # Errors
    /// When there is no root token and none can be made.
    pub(crate) fn open(state: &Path) -> Result<Keyring, Stop> {
        let root = root(state)?;
        let stamp = stamp(state);
        Ok(Keyring { root, state: state.to_owned(), read: Mutex::new((stamp, tokens(state))) })
    }

    fn find(&self, token: &[u8], now: UnixMillis) -> Option<Bearer> {
        let given = hash(token);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.state);
        if read.0 != stamp {
            *read = (stamp, tokens(&self.state));
        }
        // Every token is compared to its end, whichever it is and whatever became of it.
        let mut found = None;
        for (ours, kept) in &read.1 {
            if same(ours, &given) {
                found = Some(kept);
            }
        }
        if same(&self.root, &given) {
            return Some(Bearer { name: web::ROOT.to_owned(), role: Role::Root });
        }
        let kept = found.filter(|kept| kept.good(now))?;
        Some(Bearer { name: kept.name.clone(), role: kept.role()? })
    }
}

impl Keys for Keyring {
    fn bearer(&self, token: &[u8]) -> Option<Bearer> {
        self.find(token, wall())
    }
}

fn tokens(state: &Path) -> Vec<(Hash, Kept)> {
    let kept = read(state).unwrap_or_else(|fault| {
        tracing::error!(%fault, file = %file(state).display(), "the tokens cannot be read: nobody but root is let in");
        Vec::new()
    });
    kept.into_iter().filter_map(|kept| Some((kept.hash()?, kept))).collect()
}

/// What can be done with tokens.
#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for a person or a program, and show it this once; it is good from the next request on
    Add(AddArgs),
    /// Which tokens there are, with their roles; the tokens themselves are kept nowhere
    List(ListArgs),
    /// A token is good for nothing from the next request on
    Revoke(RevokeArgs),
}

#[derive(Args)]
pub(crate) struct AddArgs {
    /// Whose it is: it signs what is done with it
    name: String,
    /// viewer: sees how the day goes. agent: goes on a break and comes back. supervisor: viewer, and notices, schedules, skills, anybody's
    /// presence. operator: viewer, and rollback. auditor: reads who did what
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(Role::names()))]
    role: String,
    /// With the role agent: whose presence it sets
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// For how long it is good: 12h, 90d [default: until it is revoked]
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Language of the answer: en or ja [default: as the terminal]
    #[arg(long)]
    lang: Option<String>,
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// en or ja [default: as the terminal]
    #[arg(long)]
    lang: Option<String>,
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Args)]
pub(crate) struct RevokeArgs {
    /// Which
    name: String,
    /// Language of the answer: en or ja [default: as the terminal]
    #[arg(long)]
    lang: Option<String>,
    #[command(flatten)]
    state: StateArgs,
}

/// `toritsugi token ..`.
pub(crate) fn run(command: &TokenCommand) -> Result<(), Stop> {
    match command {
        TokenCommand::Add(args) => {
            let (token, said) = add(args, wall())?;
            // The token alone on standard output, for `TOKEN=$(toritsugi token add ..)`.
            eprintln!("{}", said.of(Tongue::of(args.lang.as_deref())));
            say(token)
        }
        TokenCommand::List(args) => list(args),
        TokenCommand::Revoke(args) => say(revoke(args, wall())?.of(Tongue::of(args.lang.as_deref()))),
    }
}

/// Makes a token; gives it, and what is said of it.
fn add(args: &AddArgs, now: UnixMillis) -> Result<(String, Both), Stop> {
    let tongue = Tongue::of(args.lang.as_deref());
    let stop = |en: String, ja: String| Stop::new(Both { en, ja }.of(tongue));
    let name = args.name.as_str();
    let sign = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if name.is_empty() || name.chars().count() > NAME_MAX || !name.chars().all(sign) || [web::ROOT, "root"].contains(&name) {
        return Err(stop(
            format!("\"{}\" cannot be a token's name: letters, figures, - _ . @, at most {NAME_MAX}, and not root", shown(name)),
            format!("「{}」は名前に使えません。文字、数字、- _ . @ を {NAME_MAX} 文字まで使えます（root は使えません）。", shown(name)),
        ));
    }
    if (args.role == "agent") != args.agent.is_some() {
        return Err(stop(
            "--agent NAME says whose presence a token of the role agent sets: it goes with that role, and with no other".to_owned(),
            "--agent 名前 は、役割 agent のときに必ず付け、ほかの役割では付けません。".to_owned(),
        ));
    }
    let agent = args.agent.as_deref().map(AgentId::from);
    if let Some(agent) = &agent {
        let draft = flow::read(Files::find(&args.city)?.read()?);
        let known: Vec<&str> = draft.agents().map(|agent| agent.as_str()).collect();
        if !known.contains(&agent.as_str()) {
            let (agent, known) = (shown(agent.as_str()), known.join(", "));
            return Err(stop(
                format!("there is no agent {agent} in agents.yaml; it knows {known}"),
                format!("agents.yaml に {agent} さんはいません。いるのは {known} です。"),
            ));
        }
    }
    let expires = match args.expires.as_deref().map(|text| (text, hours(text))) {
        None => None,
        Some((_, Some(hours))) => Some(UnixMillis(now.0.saturating_add(HOUR_MILLIS * i64::from(hours)))),
        Some((text, None)) => {
            return Err(stop(
                format!("\"{}\" is no time: write 12h or 90d, at most ten years", shown(text)),
                format!("「{}」は期間として読めません。12h（時間）や 90d（日）のように、10 年まで書けます。", shown(text)),
            ));
        }
    };
    let _turn = turn(&args.state.state, tongue)?;
    let mut kept = read_or_stop(&args.state.state, tongue)?;
    if kept.iter().any(|kept| kept.name == name && kept.good(now)) {
        return Err(stop(
            format!("there is a token {name} already: toritsugi token revoke {name} ends it"),
            format!("{name} のトークンはすでにあります。toritsugi token revoke {name} で無効にできます。"),
        ));
    }
    kept.retain(|kept| kept.name != name);
    if kept.len() >= TOKENS_MAX {
        match kept.iter().position(|kept| !kept.good(now)) {
            Some(oldest) => drop(kept.remove(oldest)),
            None => {
                return Err(stop(
                    format!("there are {TOKENS_MAX} tokens: revoke those that nobody needs"),
                    format!("トークンは {TOKENS_MAX} 個までです。使わないものを無効にしてください。"),
                ));
            }
        }
    }
    let what = json!({ "name": name, "role": args.role, "agent": agent, "expires": expires });
    audit::first(&args.state.state, "token add", what, None, tongue)?;
    let token = Random::new(accounts::seed()?).token(SIGNS);
    let sha256 = hex(&hash(token.as_bytes()));
    kept.push(Kept { name: name.to_owned(), role: args.role.clone(), agent, made: now, expires, revoked: None, sha256 });
    write(&args.state.state, &kept, tongue)?;
    let role = &args.role;
    let said = Both::new(
        format_args!("The token of {name}, role {role}. It is shown only this once; send it as Authorization: Bearer."),
        format_args!("{name} のトークンです（役割 {role}）。表示は今回だけです。Authorization: Bearer に続けて送ってください。"),
    );
    Ok((token, said))
}

fn revoke(args: &RevokeArgs, now: UnixMillis) -> Result<Both, Stop> {
    let tongue = Tongue::of(args.lang.as_deref());
    let _turn = turn(&args.state.state, tongue)?;
    let mut kept = read_or_stop(&args.state.state, tongue)?;
    let name = args.name.as_str();
    let Some(found) = kept.iter_mut().find(|kept| kept.name == name && kept.revoked.is_none()) else {
        let name = shown(name);
        let none = Both::new(
            format_args!("there is no token {name}, or it was revoked; toritsugi token list shows those that there are"),
            format_args!("{name} のトークンはないか、すでに無効です。toritsugi token list で一覧が見られます。"),
        );
        return Err(Stop::new(none.of(tongue)));
    };
    // A token in wrong hands ends even if nobody can write that down: it is the one act that takes and gives nothing.
    let recorded = audit::first(&args.state.state, "token revoke", json!({ "name": name, "role": found.role }), None, tongue).is_ok();
    found.revoked = Some(now);
    write(&args.state.state, &kept, tongue)?;
    let (en, ja) = if recorded {
        ("", "")
    } else {
        (
            " It could NOT be written into audit.jsonl: write it down elsewhere.",
            "ただし audit.jsonl に記録できませんでした。別に書き留めてください。",
        )
    };
    Ok(Both::new(
        format_args!("The token of {name} is good for nothing from now on.{en}"),
        format_args!("{name} のトークンを無効にしました。いまから使えません。{ja}"),
    ))
}

fn list(args: &ListArgs) -> Result<(), Stop> {
    let tongue = Tongue::of(args.lang.as_deref());
    let kept = read_or_stop(&args.state.state, tongue)?;
    if args.json {
        for kept in &kept {
            let Kept { name, role, agent, made, expires, revoked, .. } = kept;
            say(json!({ "name": name, "role": role, "agent": agent, "made": made, "expires": expires, "revoked": revoked }))?;
        }
        return Ok(());
    }
    if kept.is_empty() {
        let none = Both::new(
            "There are no tokens but root's: toritsugi token add NAME --role ROLE makes one.",
            "root のほかにトークンはありません。toritsugi token add 名前 --role 役割 で発行します。",
        );
        return say(none.of(tongue));
    }
    let zone = Town::find(&args.city)?.zone;
    for line in page(&kept, wall(), |at| status::minute(&zone, at), tongue) {
        say(line)?;
    }
    Ok(())
}

fn page(kept: &[Kept], now: UnixMillis, minute: impl Fn(UnixMillis) -> String, tongue: Tongue) -> Vec<String> {
    let widths = [24, 20, 18];
    let row = |cells: [&str; 4]| {
        let [name, role, made, state] = cells;
        let cell = |text: &str, width: usize| fill(text, width, false);
        format!("{}{}{}{state}", cell(name, widths[0]), cell(role, widths[1]), cell(made, widths[2]))
    };
    let head = match tongue {
        Tongue::English => row(["name", "role", "made", "good"]),
        Tongue::Japanese => row(["名前", "役割", "発行", "有効"]),
    };
    let told = |kept: &Kept| {
        let role = kept.agent.as_ref().map_or_else(|| kept.role.clone(), |agent| format!("{} {agent}", kept.role));
        let state = match (kept.revoked, kept.expires) {
            (Some(at), _) => Both::new(format_args!("no, revoked {}", minute(at)), format_args!("無効（{} に取り消し）", minute(at))),
            (None, Some(at)) if at <= now => {
                Both::new(format_args!("no, expired {}", minute(at)), format_args!("無効（{} に期限切れ）", minute(at)))
            }
            (None, Some(at)) => Both::new(format_args!("until {}", minute(at)), format_args!("{} まで", minute(at))),
            (None, None) => Both::new("until revoked", "取り消しまで"),
        };
        row([&kept.name, &role, &minute(kept.made), state.of(tongue)])
    };
    std::iter::once(head).chain(kept.iter().map(told)).collect()
}

/// `12h`, `90d`: in hours.
fn hours(text: &str) -> Option<u32> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let hours = match unit {
        "h" => 1,
        "d" => 24,
        _ => return None,
    };
    let plain = number.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| number.parse::<u32>().ok()?.checked_mul(hours)).flatten().filter(|hours| (1..=HOURS_MAX).contains(hours))
}

fn read_or_stop(state: &Path, tongue: Tongue) -> Result<Vec<Kept>, Stop> {
    read(state).map_err(|fault| {
        let file = file(state);
        let file = file.display();
        let said = Both::new(
            format_args!("{file} cannot be read ({fault}). If it is damaged, put it aside and make the tokens again"),
            format_args!("{file} を読めません（{fault}）。壊れているときは、よそへ移して、トークンを発行し直してください。"),
        );
        Stop::new(said.of(tongue))
    })
}

fn write(state: &Path, kept: &[Kept], tongue: Tongue) -> Result<(), Stop> {
    let text = serde_json::to_string_pretty(kept).map_err(Stop::new)? + "\n";
    write_whole(&file(state), &text).map_err(|fault| {
        let file = file(state);
        let file = file.display();
        let said = Both::new(format_args!("{file} cannot be written: {fault}"), format_args!("{file} を書けません（{fault}）。"));
        Stop::new(said.of(tongue))
    })
}

/// One command changes the tokens at a time: the lock is on the folder, for the file itself is replaced. Given back when dropped.
fn turn(state: &Path, tongue: Tongue) -> Result<File, Stop> {
    let opened = File::open(state).and_then(|folder| folder.lock().map(|()| folder));
    opened.map_err(|fault| {
        let state = state.display();
        let said = Both::new(
            format_args!("the state folder {state} cannot be used: {fault}. An engine's first start makes it; --state names another"),
            format_args!(
                "状態フォルダー {state} を使えません（{fault}）。エンジンの最初の起動で作られます。別のフォルダーは --state で指定してください。"
            ),
        );
        Stop::new(said.of(tongue))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of one test's own, gone afterwards.
    struct Folder(PathBuf);
    impl Folder {
        fn new(test: &str) -> Folder {
            let folder = std::env::temp_dir().join(format!("toritsugi-tokens-{}-{test}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }
        fn state(&self) -> StateArgs {
            StateArgs { state: self.0.clone() }
        }
        fn add(&self, name: &str, role: &str, agent: Option<&str>, expires: Option<&str>, now: i64) -> Result<String, String> {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let (name, role, lang) = (name.to_owned(), role.to_owned(), Some("en".to_owned()));
            let (agent, expires, city) = (owned(agent), owned(expires), CityArgs::default());
            let args = AddArgs { name, role, agent, expires, lang, city, state: self.state() };
            add(&args, UnixMillis(now)).map(|(token, _)| token).map_err(|Stop(why)| why)
        }
        fn revoke(&self, name: &str) -> Result<Both, Stop> {
            revoke(&RevokeArgs { name: name.to_owned(), lang: Some("en".to_owned()), state: self.state() }, UnixMillis(5))
        }
    }
    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_root_token_is_made_once_and_only_its_owner_may_read_it() {
        let folder = Folder::new("root");
        let first = root(&folder.0).unwrap();
        let mode = || fs::metadata(root_file(&folder.0)).unwrap().permissions().mode() & 0o777;
        assert_eq!((root(&folder.0).unwrap(), mode()), (first, 0o600));
        fs::set_permissions(root_file(&folder.0), Permissions::from_mode(0o644)).unwrap();
        assert_eq!((root(&folder.0).unwrap(), mode()), (first, 0o600));
        fs::remove_file(root_file(&folder.0)).unwrap();
        assert_ne!(root(&folder.0).unwrap(), first);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left beside it");
        let text = fs::read_to_string(root_file(&folder.0)).unwrap();
        let keys = Keyring::open(&folder.0).unwrap();
        assert_eq!(keys.bearer(text.trim().as_bytes()), Some(Bearer { name: "api.token".to_owned(), role: Role::Root }));
        for wrong in [text.as_bytes(), b"", text.trim().to_uppercase().as_bytes(), &text.trim().as_bytes()[1..]] {
            assert_eq!(keys.bearer(wrong), None);
        }
    }

    #[test]
    fn a_file_that_holds_no_token_stops_the_start_with_a_sentence() {
        let folder = Folder::new("empty");
        for text in ["", "secret\n", "two words that are long enough, but words\n"] {
            fs::write(root_file(&folder.0), text).unwrap();
            let Stop(sentence) = root(&folder.0).unwrap_err();
            assert!(sentence.contains("api.token holds no token") && sentence.contains("remove it"), "{sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }

    #[test]
    fn what_a_command_says_holds_from_the_next_request_on() {
        let folder = Folder::new("at-once");
        let keys = Keyring::open(&folder.0).unwrap();
        let mori = folder.add("mori", "supervisor", None, None, 1).unwrap();
        let bearer = Bearer { name: "mori".to_owned(), role: Role::Supervisor };
        assert_eq!(keys.bearer(mori.as_bytes()), Some(bearer));
        let kept = fs::read_to_string(file(&folder.0)).unwrap();
        let mode = fs::metadata(file(&folder.0)).unwrap().permissions().mode() & 0o777;
        assert!(mori.len() == SIGNS && !kept.contains(&mori) && mode == 0o600, "{kept}");
        assert!(folder.add("mori", "auditor", None, None, 1).unwrap_err().contains("there is a token mori already"));
        folder.revoke("mori").unwrap();
        assert_eq!(keys.bearer(mori.as_bytes()), None);
        assert!(folder.revoke("mori").is_err());
        // A hundred changes, one after the other: each of them is seen.
        for n in 0..100 {
            let token = folder.add("sato", "viewer", None, None, n).unwrap();
            assert!(keys.bearer(token.as_bytes()).is_some(), "{n}");
            folder.revoke("sato").unwrap();
            assert!(keys.bearer(token.as_bytes()).is_none(), "{n}");
        }
        let audit = fs::read_to_string(folder.0.join(audit::FILE)).unwrap();
        assert_eq!(audit.lines().count(), 2 + 200);
        assert!(!audit.contains(&mori) && audit.contains("\"did\":\"token revoke\""), "{audit}");
    }

    #[test]
    fn an_expired_token_is_good_for_nothing() {
        let folder = Folder::new("expired");
        let keys = Keyring::open(&folder.0).unwrap();
        let ken = folder.add("ken", "agent", Some("ken"), Some("12h"), 1000).unwrap();
        let end = 1000 + 12 * 3_600_000;
        let found = |at| keys.find(ken.as_bytes(), UnixMillis(at)).map(|bearer| bearer.role);
        assert_eq!((found(1000), found(end - 1), found(end)), (Some(Role::Agent("ken".into())), Some(Role::Agent("ken".into())), None));
        assert!(folder.add("ken", "agent", Some("ken"), None, end).is_ok(), "an expired name is free again");
    }

    #[test]
    fn a_damaged_file_lets_in_nobody_but_root_and_a_mended_one_all_again() {
        let folder = Folder::new("damaged");
        let keys = Keyring::open(&folder.0).unwrap();
        let mori = folder.add("mori", "viewer", None, None, 1).unwrap();
        let whole = fs::read_to_string(file(&folder.0)).unwrap();
        let root = fs::read_to_string(root_file(&folder.0)).unwrap();
        fs::write(file(&folder.0), &whole[..whole.len() / 2]).unwrap();
        assert_eq!(keys.bearer(mori.as_bytes()), None);
        assert_eq!(keys.bearer(root.trim().as_bytes()).map(|bearer| bearer.role), Some(Role::Root));
        assert!(folder.add("sato", "viewer", None, None, 1).unwrap_err().contains("put it aside"), "it is not overwritten");
        // Whoever writes a role or a hash that there is not has made no token.
        for (from, to) in [("\"viewer\"", "\"root\""), ("\"viewer\"", "\"agent\""), ("\"sha256\": \"", "\"sha256\": \"00")] {
            fs::write(file(&folder.0), whole.replace(from, to)).unwrap();
            assert_eq!(keys.bearer(mori.as_bytes()), None, "{to}");
        }
        fs::write(file(&folder.0), &whole).unwrap();
        assert!(keys.bearer(mori.as_bytes()).is_some());
    }

    #[test]
    fn a_wish_for_a_token_that_makes_no_sense_is_refused() {
        let folder = Folder::new("wishes");
        for name in ["", "root", "api.token", "a b", "a\u{1b}[2J", &"x".repeat(41)] {
            assert!(folder.add(name, "viewer", None, None, 1).unwrap_err().contains("cannot be a token's name"), "{name:?}");
        }
        assert!(folder.add("森", "viewer", None, None, 1).is_ok());
        assert!(folder.add("ken", "agent", None, None, 1).unwrap_err().contains("--agent NAME"));
        assert!(folder.add("ken", "viewer", Some("ken"), None, 1).unwrap_err().contains("--agent NAME"));
        assert!(folder.add("ken", "agent", Some("kenn"), None, 1).unwrap_err().contains("no agent kenn in agents.yaml"));
        for time in ["", "d", "0d", "90", "90m", "-1d", "+1d", "99999d", "99999999999h", "九日"] {
            assert!(folder.add("ken", "viewer", None, Some(time), 1).unwrap_err().contains("is no time"), "{time}");
        }
    }

    #[test]
    fn the_list_says_which_are_good_and_shows_no_token() {
        let kept = |name: &str, expires, revoked| Kept {
            name: name.to_owned(),
            role: "viewer".to_owned(),
            agent: None,
            made: UnixMillis(1),
            expires,
            revoked,
            sha256: "00".repeat(32),
        };
        let all = [
            kept("森", None, None),
            kept("sato", Some(UnixMillis(50)), None),
            kept("ito", Some(UnixMillis(5)), None),
            kept("abe", None, Some(UnixMillis(7))),
        ];
        let page = page(&all, UnixMillis(10), |at| format!("T{}", at.0), Tongue::English);
        let expected = [
            "name                    role                made              good",
            "森                      viewer              T1                until revoked",
            "sato                    viewer              T1                until T50",
            "ito                     viewer              T1                no, expired T5",
            "abe                     viewer              T1                no, revoked T7",
        ];
        assert_eq!(page, expected);
    }

    #[test]
    fn hashes_are_the_same_or_not() {
        let (a, b) = (hash(b"a"), hash(b"b"));
        let mut last = a;
        last[31] ^= 1;
        assert!(same(&a, &a) && !same(&a, &b) && !same(&a, &last));
    }
}
