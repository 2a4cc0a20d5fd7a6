//! How a command reaches the running engine: over its own HTTP interface, with the token in the state folder.
//!
//! The engine writes where it answers into `engine.addr` beside the token. Whoever may read the state folder may give orders.

use crate::desk;
use crate::words::Stop;
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use web::Order;

/// A notice in sixteen languages takes a voice some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the engine says where it answers.
pub(crate) fn address_file(state: &Path) -> PathBuf {
    state.join("engine.addr")
}

/// Asks for something under `/api/`, or orders it.
///
/// # Errors
/// When no engine runs on this state folder, or with its refusal.
pub(crate) fn ask(state: &Path, path: &str, order: Option<&Order>) -> Result<String, Stop> {
    let none = || {
        Stop::new(format!(
            "no engine answers for the state folder {}. Start one (toritsugi serve), or name the folder of the running one with --state",
            state.display()
        ))
    };
    let addr = fs::read_to_string(address_file(state)).map_err(|_| none())?;
    let token = fs::read_to_string(desk::token_file(state)).map_err(|fault| {
        Stop::new(format!("{} cannot be read ({fault}): ask as the engine's own user", desk::token_file(state).display()))
    })?;
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).proxy(None).build();
    let agent = ureq::Agent::new_with_config(config);
    let (uri, bearer) = (format!("http://{}/api/{path}", addr.trim()), format!("Bearer {}", token.trim()));
    let sent = match order {
        None => agent.get(&uri).header("Authorization", bearer).call(),
        Some(order) => agent.post(&uri).header("Authorization", bearer).send(serde_json::to_string(order).map_err(Stop::new)?),
    };
    let mut answer = match sent {
        Ok(answer) => answer,
        Err(ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound) => return Err(none()),
        Err(fault) => return Err(Stop::new(format!("the engine at {} does not answer as it should: {fault}", addr.trim()))),
    };
    let status = answer.status();
    let body = answer.body_mut().read_to_string().map_err(another)?;
    if status.is_success() { Ok(body) } else { Err(Stop::new(body.trim_end())) }
}

/// The answer is not what this program expects.
pub(crate) fn another(fault: impl Display) -> Stop {
    Stop::new(format!("the running engine is another version of this program ({fault}): use that one's command"))
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
