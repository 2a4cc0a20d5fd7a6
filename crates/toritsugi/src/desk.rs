//! The agents' desk for other programs: their wishes on the way to the engine.

use calls::{Control, NotSet, Reply};
use model::{AgentId, AgentNow, Snapshot};
use reactor::Handle;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use web::{Desk, Later, Presence, Set};

/// Wishes on their way: as many as there can be clients at once. The next one waits for its turn, its client's time runs.
const WISHES_MAX: usize = 64;

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
