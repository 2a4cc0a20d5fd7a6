//! The agents' desk for other programs: their token in the state folder, and their wishes on the way to the engine.

use crate::accounts;
use crate::words::Stop;
use calls::{Control, NotSet, Reply};
use model::{AgentId, AgentNow, Random, Snapshot};
use reactor::Handle;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use web::{Desk, Later, Presence, Set, Token};

/// Wishes on their way: as many as there can be clients at once. The next one waits for its turn, its client's time runs.
const WISHES_MAX: usize = 64;
/// Signs of a new token: five bits each, 200 in all.
const TOKEN_SIGNS: usize = 40;

/// Where the token lies.
pub(crate) fn token_file(state: &Path) -> PathBuf {
    state.join("api.token")
}

/// The token; made at the first start. Only the owner may read it (mode 0600), and it is printed nowhere.
///
/// # Errors
/// When the file cannot be read or written, or holds no token.
pub(crate) fn token(state: &Path) -> Result<Token, Stop> {
    let file = token_file(state);
    let failed =
        |fault: std::io::Error| Stop::new(format!("the token of the agents' interface in {} cannot be kept: {fault}", file.display()));
    match fs::read_to_string(&file) {
        Ok(text) => {
            // Somebody may have copied it in with other rights; whoever could read it then is for them to judge.
            if fs::metadata(&file).map_err(failed)?.permissions().mode() & 0o777 != 0o600 {
                tracing::warn!(file = %file.display(), "others could read the token of the agents' interface: remove it, and the next start makes another");
                fs::set_permissions(&file, Permissions::from_mode(0o600)).map_err(failed)?;
            }
            Token::new(text.trim()).ok_or_else(|| {
                Stop::new(format!("{} holds no token of 32 signs or more: remove it, and the next start makes one", file.display()))
            })
        }
        Err(fault) if fault.kind() == ErrorKind::NotFound => {
            let text = Random::new(accounts::seed()?).token(TOKEN_SIGNS);
            let token = Token::new(&text).ok_or_else(|| Stop::new("a token of our own making is too short: a mistake of ours"))?;
            // Whole or not at all: written beside, then renamed.
            let beside = file.with_extension("token.new");
            let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(failed)?;
            writeln!(out, "{text}").and_then(|()| out.sync_all()).map_err(failed)?;
            fs::rename(&beside, &file).map_err(failed)?;
            Ok(token)
        }
        Err(fault) => Err(failed(fault)),
    }
}

/// A wish of a client, with the way back.
pub(crate) struct Wish {
    control: Control,
    answer: oneshot::Sender<Option<Reply>>,
}

impl Wish {
    /// Asks the engine. A client who is gone by then is answered by nobody.
    pub(crate) async fn put_to(self, engine: &Handle) {
        let _ = self.answer.send(engine.ask(self.control).await);
    }

    /// Answers in the engine's place.
    #[cfg(test)]
    pub(crate) fn answer(self, engine: impl FnOnce(Control) -> Reply) {
        let _ = self.answer.send(Some(engine(self.control)));
    }
}

/// The desk as the HTTP side holds it. Whoever owns the engine's handle takes the wishes and puts them to it.
#[derive(Clone)]
pub(crate) struct Counter {
    wishes: mpsc::Sender<Wish>,
}

impl Counter {
    /// A desk, and the wishes that come to it.
    pub(crate) fn open() -> (Counter, mpsc::Receiver<Wish>) {
        let (wishes, taken) = mpsc::channel(WISHES_MAX);
        (Counter { wishes }, taken)
    }

    /// The engine's answer; `None` when it is gone.
    pub(crate) async fn ask(&self, control: Control) -> Option<Reply> {
        let (answer, answered) = oneshot::channel();
        self.wishes.send(Wish { control, answer }).await.ok()?;
        answered.await.ok().flatten()
    }

    /// As [`Counter::ask`], for a thread of its own.
    pub(crate) fn ask_blocking(&self, control: Control) -> Option<Reply> {
        let (answer, answered) = oneshot::channel();
        self.wishes.blocking_send(Wish { control, answer }).ok()?;
        answered.blocking_recv().ok().flatten()
    }

    async fn agent(&self, agent: &AgentId) -> Option<Option<AgentNow>> {
        let snapshot = self.look().await?;
        Some(snapshot.agents.iter().find(|now| now.agent == *agent).cloned())
    }
}

impl Desk for Counter {
    fn look(&self) -> Later<'_, Option<Arc<Snapshot>>> {
        Box::pin(async move {
            match self.ask(Control::Snapshot).await {
                Some(Reply::Snapshot(snapshot)) => Some(snapshot),
                Some(Reply::Done | Reply::Refused(_) | Reply::NotAllowed(_)) | None => None,
            }
        })
    }

    fn set(&self, agent: AgentId, presence: Presence) -> Later<'_, Set> {
        Box::pin(async move {
            let change = match presence.clone() {
                Presence::Ready => routing::Change::Ready,
                Presence::Break(reason) => routing::Change::Break(reason),
            };
            match self.ask(Control::SetAgent(agent.clone(), change)).await {
                Some(Reply::Done) => {
                    tracing::info!(%agent, ?presence, "an agent's presence was set by the agents' interface");
                    match self.agent(&agent).await {
                        Some(Some(now)) => Set::Done(now),
                        Some(None) => Set::Unknown,
                        None => Set::Gone,
                    }
                }
                Some(Reply::Refused(NotSet::UnknownAgent)) => Set::Unknown,
                Some(Reply::Refused(NotSet::UnknownReason(known))) => Set::UnknownReason(known),
                Some(Reply::Refused(NotSet::NoPhone)) => Set::NoPhone,
                Some(Reply::Snapshot(_) | Reply::NotAllowed(_)) | None => Set::Gone,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AgentState, BreakNow, BreakReason};

    /// A folder of one test's own, gone afterwards.
    struct Folder(PathBuf);
    impl Folder {
        fn new(test: &str) -> Folder {
            let folder = std::env::temp_dir().join(format!("toritsugi-desk-{}-{test}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }
    }
    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_token_is_made_once_and_only_its_owner_may_read_it() {
        let folder = Folder::new("token");
        let first = token(&folder.0).unwrap();
        let mode = || fs::metadata(token_file(&folder.0)).unwrap().permissions().mode() & 0o777;
        assert_eq!((token(&folder.0).unwrap(), mode()), (first.clone(), 0o600));
        fs::set_permissions(token_file(&folder.0), Permissions::from_mode(0o644)).unwrap();
        assert_eq!((token(&folder.0).unwrap(), mode()), (first.clone(), 0o600));
        fs::remove_file(token_file(&folder.0)).unwrap();
        assert_ne!(token(&folder.0).unwrap(), first);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_holds_no_token_stops_the_start_with_a_sentence() {
        let folder = Folder::new("empty");
        for text in ["", "secret\n", "two words that are long enough, but words\n"] {
            fs::write(token_file(&folder.0), text).unwrap();
            let Stop(sentence) = token(&folder.0).unwrap_err();
            assert!(sentence.contains("api.token holds no token") && sentence.contains("remove it"), "{sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }

    fn lunch() -> BreakReason {
        BreakReason::from("lunch")
    }
    fn yuki_at_lunch() -> AgentNow {
        let on_break = Some(BreakNow { reason: Some(lunch()), since: None });
        AgentNow { agent: AgentId::from("yuki"), state: AgentState::NotReady, on_break }
    }

    /// An engine that knows yuki, who is there, ken, who is not, and lunch, and is gone after so many questions.
    async fn engine(mut wishes: mpsc::Receiver<Wish>, questions: usize) -> Vec<String> {
        let mut asked = Vec::new();
        while asked.len() < questions
            && let Some(wish) = wishes.recv().await
        {
            asked.push(format!("{:?}", wish.control));
            let reply = match wish.control {
                Control::SetAgent(_, routing::Change::Break(Some(reason))) if reason != lunch() => {
                    Reply::Refused(NotSet::UnknownReason(vec![lunch()]))
                }
                Control::SetAgent(agent, _) if agent.as_str() == "yuki" => Reply::Done,
                Control::SetAgent(agent, _) if agent.as_str() == "ken" => Reply::Refused(NotSet::NoPhone),
                Control::SetAgent(..) => Reply::Refused(NotSet::UnknownAgent),
                Control::Snapshot => {
                    let agents = vec![yuki_at_lunch()];
                    Reply::Snapshot(Arc::new(Snapshot { agents, ..Snapshot::default() }))
                }
                Control::Publish(_) | Control::SetOverride(..) | Control::LiftOverride(..) | Control::Drain | Control::EndAll => {
                    Reply::Done
                }
            };
            let _ = wish.answer.send(Some(reply));
        }
        asked
    }

    #[tokio::test]
    async fn a_wish_goes_to_the_engine_and_the_agent_is_shown_as_it_stands_afterwards() {
        let (desk, wishes) = Counter::open();
        let engine = tokio::spawn(engine(wishes, 5));
        let done = desk.set(AgentId::from("yuki"), Presence::Break(Some(lunch()))).await;
        assert_eq!(done, Set::Done(yuki_at_lunch()));
        let tea = desk.set(AgentId::from("yuki"), Presence::Break(Some(BreakReason::from("tea")))).await;
        assert_eq!(tea, Set::UnknownReason(vec![lunch()]));
        assert_eq!(desk.set(AgentId::from("ken"), Presence::Break(None)).await, Set::NoPhone);
        assert_eq!(desk.set(AgentId::from("nobody"), Presence::Ready).await, Set::Unknown);
        let asked = engine.await.unwrap();
        let wishes = [
            r#"SetAgent("yuki", Break(Some("lunch")))"#,
            "Snapshot",
            r#"SetAgent("yuki", Break(Some("tea")))"#,
            r#"SetAgent("ken", Break(None))"#,
            r#"SetAgent("nobody", Ready)"#,
        ];
        assert_eq!(asked, wishes);
        assert_eq!((desk.look().await, desk.set(AgentId::from("yuki"), Presence::Ready).await), (None, Set::Gone));
    }
}
