//! How a command reaches the running engine: over its own HTTP interface, with the root token in the state folder.
//!
//! The engine writes where it answers into `engine.addr` beside the token. Whoever may read the state folder may give orders, and in anybody's name.

use crate::explain::Tongue;
use crate::tokens;
use crate::words::{Both, Stop};
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use web::Order;

/// A notice in sixteen languages takes a voice some seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Whoever only looks is shown what is there at that moment, or by nobody.
const LOOK_PATIENCE: Duration = Duration::from_secs(8);

/// Where the engine says where it answers.
pub(crate) fn address_file(state: &Path) -> PathBuf {
    state.join("engine.addr")
}

/// Asks for something under `/api/`, or orders it; the answer comes in this language.
///
/// # Errors
/// When no engine runs on this state folder, or with its refusal.
pub(crate) fn ask(state: &Path, path: &str, order: Option<&Order>, tongue: Tongue) -> Result<String, Stop> {
    let stop = |said: Both| Stop::new(said.of(tongue));
    let folder = state.display();
    let none = || {
        stop(Both::new(
            format_args!(
                "no engine answers for the state folder {folder}. Start one (toritsugi serve), or name the folder of the running one with \
                 --state"
            ),
            format_args!(
                "状態フォルダー {folder} で動いているエンジンがありません。toritsugi serve で起動するか、動いているエンジンのフォルダーを --state で指定してください。"
            ),
        ))
    };
    let addr = fs::read_to_string(address_file(state)).map_err(|_| none())?;
    let token = fs::read_to_string(tokens::root_file(state)).map_err(|fault| {
        let file = tokens::root_file(state);
        let file = file.display();
        stop(Both::new(
            format_args!("{file} cannot be read ({fault}): ask as the engine's own user"),
            format_args!("{file} を読めません（{fault}）。エンジンを動かしているユーザーで実行してください。"),
        ))
    })?;
    let patience = if order.is_some() { PATIENCE } else { LOOK_PATIENCE };
    let config = ureq::Agent::config_builder().timeout_global(Some(patience)).http_status_as_error(false).proxy(None).build();
    let agent = ureq::Agent::new_with_config(config);
    let (uri, bearer) = (format!("http://{}/api/{path}", addr.trim()), format!("Bearer {}", token.trim()));
    let lang = if tongue == Tongue::Japanese { "ja" } else { "en" };
    let sent = match order {
        None => agent.get(&uri).header("Authorization", bearer).header("Accept-Language", lang).call(),
        Some(order) => {
            let body = serde_json::to_string(order).map_err(Stop::new)?;
            agent.post(&uri).header("Authorization", bearer).header("Accept-Language", lang).send(body)
        }
    };
    let mut answer = match sent {
        Ok(answer) => answer,
        Err(ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound) => return Err(none()),
        Err(fault) => {
            let addr = addr.trim();
            return Err(stop(Both::new(
                format_args!("the engine at {addr} does not answer as it should: {fault}"),
                format_args!("{addr} のエンジンの応答が正しくありません（{fault}）。"),
            )));
        }
    };
    let status = answer.status();
    let body = answer.body_mut().read_to_string().map_err(|fault| another(fault, tongue))?;
    if status.is_success() { Ok(body) } else { Err(Stop::new(body.trim_end())) }
}

/// The answer is not what this program expects.
pub(crate) fn another(fault: impl Display, tongue: Tongue) -> Stop {
    let said = Both::new(
        format_args!("the running engine is another version of this program ({fault}): use that one's command"),
        format_args!("動いているエンジンは、このプログラムとは別の版です（{fault}）。そちらの版のコマンドを使ってください。"),
    );
    Stop::new(said.of(tongue))
}

/// Who gives orders: whoever runs this, by the system's list of users.
pub(crate) fn whoami() -> String {
    fs::metadata("/proc/self").map_or_else(|_| "somebody".to_owned(), |meta| user(meta.uid()))
}

/// A user's name, or the number if the system has no name for it.
pub(crate) fn user(uid: u32) -> String {
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = |line: &str| {
        let mut parts = line.split(':');
        let (name, _, id) = (parts.next()?, parts.next()?, parts.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    };
    list.lines().find_map(named).unwrap_or_else(|| format!("user {uid}"))
}
