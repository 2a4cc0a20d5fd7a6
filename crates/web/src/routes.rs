//! The table of everything under `/api/`: who may ask it, what it takes, what it answers, and what does it.
//!
//! The answers 404 and 405 follow from it, and so does the OpenAPI document. A further route is one row and one function.

use crate::api::{Asked, gone, refuse, shown};
use crate::change::Change;
use crate::ledger::{Span, Unread};
use crate::roles::{Right, Role};
use crate::words::{self, Said};
use crate::{Later, Presence, openapi, plain};
use axum::http::StatusCode;
use axum::response::Response;
use model::{AgentId, AgentNow};

/// Bytes of a request's body. One is only needed to name the reason of a break; a polite client's empty object is not an error.
const BODY_BYTES_MAX: usize = 1024;
/// Bytes of an order: what a whole request may have, less its head.
const ORDER_BYTES_MAX: usize = 12 * 1024;

/// One row.
pub(crate) struct Route {
    /// Below `/api/`, its variable parts in braces.
    pub(crate) path: &'static str,
    /// Any of these opens the door; none: it is open.
    pub(crate) rights: &'static [Right],
    /// For the document.
    pub(crate) summary: &'static str,
    /// What may stand behind a `?`, each with what it means.
    pub(crate) query: &'static [(&'static str, &'static str)],
    /// Status, what it means, and the shape of its JSON; a sentence where there is none.
    pub(crate) answers: &'static [(u16, &'static str, Option<&'static str>)],
    /// What is done.
    pub(crate) deed: Deed,
}

/// What a route does.
pub(crate) enum Deed {
    /// GET: shows something, and has no way to change anything.
    Show(for<'a> fn(&'a Asked) -> Later<'a, Response>),
    /// POST: reads a change, which is then judged, written down and carried out.
    Change {
        /// The shape of its body; `None`: what it is sent is not looked at.
        body: Option<&'static str>,
        /// Whether there may be no body.
        optional: bool,
        /// Bytes of the body.
        bytes_max: usize,
        /// Reads it.
        read: fn(&Asked) -> Result<Change, Said>,
    },
}

/// The agent as it stands afterwards, or why not.
const PRESENCE: &[(u16, &str, Option<&str>)] = &[
    (200, "The agent as they stand afterwards.", Some("Agent")),
    (202, "It will be so once the agent's phone is back.", Some("Agent")),
    (400, "The body is something else.", None),
    (404, "There is no such agent.", None),
    (409, "No phone of theirs is registered. Nothing was changed.", None),
    (422, "There is no such reason, and which there are. Nothing was changed.", None),
];

/// Everything.
pub(crate) const ROUTES: &[Route] = &[
    Route {
        path: "agents",
        rights: &[Right::Look],
        summary: "What every agent is doing; to an agent's token, only what that agent is.",
        query: &[],
        answers: &[(200, "The agents, in the order of their names.", Some("Agents"))],
        deed: Deed::Show(|asked| Box::pin(agents(asked))),
    },
    Route {
        path: "queues",
        rights: &[Right::Look],
        summary: "Who waits, how long, and how many are there for them.",
        query: &[],
        answers: &[(200, "The queues, in the order of their names.", Some("Queues"))],
        deed: Deed::Show(|asked| Box::pin(async { shown(asked.api.desk.look().await.as_deref().map(|now| &now.queues), &asked.lang) })),
    },
    Route {
        path: "breaks",
        rights: &[Right::Look],
        summary: "The reasons for a break that the city declares.",
        query: &[],
        answers: &[(200, "The reasons, in the order of their names.", Some("Breaks"))],
        deed: Deed::Show(|asked| Box::pin(async { shown(asked.api.desk.look().await.as_deref().map(|now| &now.breaks), &asked.lang) })),
    },
    Route {
        path: "board",
        rights: &[Right::Watch],
        summary: "What the board at /board shows, with the agents by name.",
        query: &[],
        answers: &[(200, "The board as it stands.", Some("Board"))],
        deed: Deed::Show(|asked| Box::pin(async { shown(Some(asked.board.floor().as_ref()), &asked.lang) })),
    },
    Route {
        path: "status",
        rights: &[Right::Watch],
        summary: "Which version of the city is in force, what was refused, and what is set by hand until when.",
        query: &[],
        answers: &[(200, "How everything stands.", Some("Status"))],
        deed: Deed::Show(|asked| Box::pin(status(asked))),
    },
    Route {
        path: "orders",
        rights: &[Right::Order, Right::Rollback],
        summary: "Sets by hand what holds until an hour, ends it, or rolls back. A rollback takes the role operator, all others supervisor.",
        query: &[],
        answers: &[
            (200, "It is done, and how.", Some("Done")),
            (400, "This is no order.", None),
            (422, "It is not done, and why. Nothing was changed.", None),
        ],
        deed: Deed::Change {
            body: Some("Order"),
            optional: false,
            bytes_max: ORDER_BYTES_MAX,
            read: |asked| Change::read_order(&asked.body),
        },
    },
    Route {
        path: "agents/{agent}/ready",
        rights: &[Right::Presence],
        summary: "As *1 on the agent's phone. An agent's token is good for that agent only.",
        query: &[],
        answers: PRESENCE,
        deed: Deed::Change {
            body: None,
            optional: true,
            bytes_max: BODY_BYTES_MAX,
            read: |asked| Ok(Change::Presence(asked.agent(), Presence::Ready)),
        },
    },
    Route {
        path: "agents/{agent}/break",
        rights: &[Right::Presence],
        summary: "As *2 on the agent's phone, or as *21 to *29 with a reason. An agent's token is good for that agent only.",
        query: &[],
        answers: PRESENCE,
        deed: Deed::Change {
            body: Some("Break"),
            optional: true,
            bytes_max: BODY_BYTES_MAX,
            read: |asked| Change::read_break(asked.agent(), &asked.body),
        },
    },
    Route {
        path: "audit",
        rights: &[Right::Audit],
        summary: "Who did what: the newest thousand lines of audit.jsonl within a span.",
        query: &[
            ("from", "The first day, 2026-11-26, in the city's time; or milliseconds since 1970 UTC."),
            ("to", "The last day; or milliseconds since 1970 UTC, which are the first that are not shown."),
        ],
        answers: &[(200, "The lines, the oldest first.", Some("Audit")), (400, "from or to is no day and no time.", None)],
        deed: Deed::Show(|asked| Box::pin(audit(asked))),
    },
    Route {
        path: "openapi.json",
        rights: &[],
        summary: "This document.",
        query: &[],
        answers: &[(200, "OpenAPI 3.1.", Some("Document"))],
        deed: Deed::Show(|_| Box::pin(async { plain(StatusCode::OK, "application/json", openapi::document()) })),
    },
];

impl Route {
    /// `POST` or `GET`.
    pub(crate) fn method(&self) -> &'static str {
        match self.deed {
            Deed::Show(_) => "GET",
            Deed::Change { .. } => "POST",
        }
    }

    /// `POST /api/orders`.
    pub(crate) fn name(&self) -> String {
        format!("{} /api/{}", self.method(), self.path)
    }

    /// What stands in the variable parts, if these are the parts of this path.
    pub(crate) fn matches(&self, parts: &[String]) -> Option<Vec<String>> {
        let mut own = self.path.split('/');
        let mut variable = Vec::new();
        for part in parts {
            match own.next()? {
                own if own.starts_with('{') && !part.is_empty() => variable.push(part.clone()),
                own if own == part => {}
                _ => return None,
            }
        }
        own.next().is_none().then_some(variable)
    }
}

/// An agent sees oneself: when colleagues go on a break is between them and whoever leads them.
async fn agents(asked: &Asked) -> Response {
    let snapshot = asked.api.desk.look().await;
    let own = |now: &&AgentNow| if let Role::Agent(own) = &asked.bearer.role { now.agent == *own } else { true };
    let seen = snapshot.as_deref().map(|snapshot| snapshot.agents.iter().filter(own).collect::<Vec<_>>());
    shown(seen.as_ref(), &asked.lang)
}

async fn status(asked: &Asked) -> Response {
    let status = asked.api.office.status().await;
    status.map_or_else(|| gone(&asked.lang), |json| plain(StatusCode::OK, "application/json", json + "\n"))
}

async fn audit(asked: &Asked) -> Response {
    let span = Span { from: asked.query("from"), to: asked.query("to") };
    match asked.api.ledger.read(span).await {
        Ok(json) => plain(StatusCode::OK, "application/json", json + "\n"),
        Err(Unread::Span) => refuse(StatusCode::BAD_REQUEST, &words::no_span(), &asked.lang),
        Err(Unread::Lost) => refuse(StatusCode::SERVICE_UNAVAILABLE, &words::unread(), &asked.lang),
    }
}

impl Asked {
    /// The agent in the path.
    fn agent(&self) -> AgentId {
        AgentId::from(self.parts.first().map_or("", String::as_str))
    }
}
