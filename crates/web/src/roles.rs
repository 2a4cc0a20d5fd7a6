//! Who may do what: six kinds of bearers, six rights, one table.
//!
//! A token (RFC 6750) says who asks. The roof keeps the tokens; here stands only what each role may.

use model::AgentId;

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The machine's own commands, with the token of the state folder: everything.
    Root,
    /// Sees how the day goes, and changes nothing.
    Viewer,
    /// One agent: sees the queues and oneself, goes on a break and comes back.
    Agent(AgentId),
    /// Sees everything of the day, sets what holds until an hour, and anybody's presence.
    Supervisor,
    /// Sees what a supervisor sees, and puts a version of before in force again.
    Operator,
    /// Reads who did what, and nothing else.
    Auditor,
}

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To see the queues, the reasons for breaks, and agents: an agent sees only oneself.
    Look,
    /// To see the board and what is in force.
    Watch,
    /// To send an agent on a break, or back: an agent only oneself.
    Presence,
    /// To set by hand what holds until an hour, and to end it.
    Order,
    /// To put a version of before in force again.
    Rollback,
    /// To read who did what.
    Audit,
}

/// The roles that can be given. What an agent's is good for does not depend on the agent.
fn given() -> [Role; 5] {
    [Role::Viewer, Role::Agent(AgentId::default()), Role::Supervisor, Role::Operator, Role::Auditor]
}

impl Role {
    /// The table.
    pub fn may(&self, right: Right) -> bool {
        use Right::{Audit, Look, Order, Presence, Rollback, Watch};
        match self {
            Role::Root => true,
            Role::Viewer => matches!(right, Look | Watch),
            Role::Agent(_) => matches!(right, Look | Presence),
            Role::Supervisor => matches!(right, Look | Watch | Presence | Order),
            Role::Operator => matches!(right, Look | Watch | Rollback),
            Role::Auditor => matches!(right, Audit),
        }
    }

    /// As it is given and shown: `supervisor`.
    pub fn name(&self) -> &'static str {
        match self {
            Role::Root => "root",
            Role::Viewer => "viewer",
            Role::Agent(_) => "agent",
            Role::Supervisor => "supervisor",
            Role::Operator => "operator",
            Role::Auditor => "auditor",
        }
    }

    /// The role of a name, for this agent if it is an agent's; `None`: no such role, or root, which nobody is given, or an agent's
    /// without an agent.
    pub fn named(name: &str, agent: Option<AgentId>) -> Option<Role> {
        let role = given().into_iter().find(|role| role.name() == name)?;
        match (role, agent) {
            (Role::Agent(_), agent) => agent.map(Role::Agent),
            (role, None) => Some(role),
            (_, Some(_)) => None,
        }
    }

    /// The names of the roles that can be given.
    pub fn names() -> impl Iterator<Item = &'static str> {
        given().into_iter().map(|role| role.name())
    }
}

impl Right {
    /// The names of the roles that have it, root apart.
    pub(crate) fn holders(self) -> impl Iterator<Item = &'static str> {
        given().into_iter().filter(move |role| role.may(self)).map(|role| role.name())
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The token's name, which signs what its bearer does.
    pub name: String,
    /// What it is good for.
    pub role: Role,
}

/// Knows the tokens.
pub trait Keys: Send + Sync + 'static {
    /// Whose token this is; `None` for one that is unknown, was revoked or has expired, after the same work for each of them.
    fn bearer(&self, token: &[u8]) -> Option<Bearer>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_given_root_and_only_an_agent_has_an_agent() {
        let ken = || Some(AgentId::from("ken"));
        assert_eq!((Role::named("root", None), Role::named("agent", None), Role::named("viewer", ken())), (None, None, None));
        assert_eq!(Role::named("agent", ken()), Some(Role::Agent(AgentId::from("ken"))));
        for name in Role::names().filter(|name| *name != "agent") {
            assert_eq!(Role::named(name, None).map(|role| role.name()), Some(name));
        }
    }

    #[test]
    fn a_right_names_its_holders() {
        let holders = |right: Right| right.holders().collect::<Vec<_>>();
        assert_eq!(holders(Right::Look), ["viewer", "agent", "supervisor", "operator"]);
        assert_eq!(holders(Right::Watch), ["viewer", "supervisor", "operator"]);
        assert_eq!(holders(Right::Presence), ["agent", "supervisor"]);
        assert_eq!(holders(Right::Order), ["supervisor"]);
        assert_eq!(holders(Right::Rollback), ["operator"]);
        assert_eq!(holders(Right::Audit), ["auditor"]);
    }
}
