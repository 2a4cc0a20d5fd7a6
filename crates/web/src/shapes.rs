//! The shapes of bodies, in JSON Schema 2020-12: beside the types, and held to them by a test that writes every variant.

use model::{AgentState, Hours, NOTICE_LANGS_MAX, REMARK_MAX};
use serde_json::{Value, json};

/// A day, or milliseconds since 1970.
pub(crate) const MOMENT: &str = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,15})$";

/// All of them, by their names.
pub(crate) fn all() -> Value {
    json!({
        "Agent": object(&["agent", "state"], json!({
            "agent": { "type": "string" },
            "state": { "enum": AgentState::ALL },
            "break": object(&["reason", "since"], json!({
                "reason": nullable("string"),
                "since": said(nullable("integer"), "Milliseconds since 1970 UTC."),
            })),
        })),
        "Agents": list("Agent"),
        "Queue": object(&["queue", "depth", "longest_wait_millis", "staff", "free", "promised_millis", "promised_percent"], json!({
            "queue": { "type": "string" },
            "depth": said(count(), "Callers waiting, offered ones included."),
            "longest_wait_millis": count(),
            "staff": said(count(), "Agents who serve it and are there."),
            "free": said(count(), "Those of them who are idle."),
            "promised_millis": said(count(), "Within this time .."),
            "promised_percent": said(count(), ".. this share of callers is answered: the promise."),
        })),
        "Queues": list("Queue"),
        "BreakReason": object(&["reason", "code", "label"], json!({
            "reason": { "type": "string" },
            "code": said(count(), "As *21 to *29 on the phone."),
            "label": { "type": "object", "additionalProperties": { "type": "string" } },
        })),
        "Breaks": list("BreakReason"),
        "Board": said(object(&["at_ms", "at_local", "age_ms", "ready", "alarms", "calls", "queues", "agents_by_state", "lines", "trunks", "agents"], json!({
            "at_ms": said(json!({ "type": "integer" }), "When the figures were taken: milliseconds since 1970 UTC."),
            "at_local": said(json!({ "type": "string" }), "The same on the city's clock."),
            "age_ms": said(count(), "How old they are; above 5000 they are no news."),
            "ready": said(json!({ "type": "boolean" }), "As /readyz says."),
            "alarms": said(rows(object(&["severity", "about", "en", "ja"], json!({}))), "What is wrong, the worst first."),
            "calls": { "type": "object" },
            "queues": rows(object(&["queue", "state", "waiting", "longest_wait_ms"], json!({}))),
            "agents_by_state": { "type": "object", "additionalProperties": count() },
            "lines": rows(object(&["line", "used", "places"], json!({}))),
            "trunks": rows(object(&["line"], json!({}))),
            "agents": rows(object(&["agent", "state"], json!({}))),
        })), "What stands on the board, with the agents by name; `GET /board` shows it to people without them. deploy/README.md says what each field is."),
        "Break": closed(object(&[], json!({ "reason": nullable("string") }))),
        "Status": object(&["in_force", "refused", "rolled_back", "overrides"], json!({
            "in_force": said(nullable("object"), "The version in force; null: one that the disk did not take."),
            "refused": said(nullable("object"), "Why the files as they lie were not taken."),
            "rolled_back": { "type": "boolean" },
            "failing": nullable("object"),
            "changing": nullable("object"),
            "overrides": { "type": "array", "items": object(&["setting", "by", "why", "since", "until"], json!({
                "setting": { "type": "object" },
                "by": { "type": "string" },
                "why": { "type": "string" },
                "since": { "type": "integer" },
                "until": { "type": "integer" },
            })) },
        })),
        "Order": { "oneOf": orders() },
        "Done": object(&["said"], json!({ "said": { "type": "string" } })),
        "Audit": object(&["lines", "more", "whole"], json!({
            "lines": { "type": "array", "items": { "$ref": "#/components/schemas/AuditLine" } },
            "more": said(json!({ "type": "boolean" }), "There are older lines within the span: ask up to the first that is shown."),
            "whole": said(json!({ "type": "boolean" }), "Every line follows from the one before it: none was changed, and none taken out between two."),
        })),
        "AuditLine": object(&["n", "at"], json!({
            "n": said(count(), "The line's number."),
            "at": said(json!({ "type": "integer" }), "Milliseconds since 1970 UTC."),
            "by": said(json!({ "type": "string" }), "The token's name, or the user of this machine."),
            "role": { "type": "string" },
            "from": { "type": "string" },
            "did": { "type": "string" },
            "what": { "type": "object" },
            "why": { "type": "string" },
            "of": said(count(), "This line says what became of the line of this number."),
            "outcome": said(count(), "The status of the answer."),
            "times": said(count(), "How often somebody was turned away."),
            "prev": said(json!({ "type": "string" }), "SHA-256 of the line before."),
        })),
        "Document": { "type": "object", "required": ["openapi", "paths"] },
    })
}

/// One for each variant of an order.
fn orders() -> Vec<Value> {
    let until = || json!({ "type": "string", "description": "17:00 (the next one), 2026-11-27 09:00, 90m, 2h or 3d; at most 31 days." });
    let order = |name: &str, must: &[&str], mut fields: Value| {
        let mut required = vec!["order"];
        required.extend(must);
        fields["order"] = json!({ "const": name });
        let remark = |says: &str| json!({ "type": "string", "maxLength": REMARK_MAX, "description": says });
        fields["by"] = remark("Counts for the root token only: every other one signs with its own name.");
        if name != "end" {
            fields["why"] = remark("For whoever reads the status or the audit.");
        }
        closed(object(&required, fields))
    };
    vec![
        order(
            "notice",
            &["slot", "texts", "until"],
            json!({
                "slot": { "type": "string" },
                "texts": {
                    "type": "array",
                    "maxItems": NOTICE_LANGS_MAX,
                    "description": "Language and text; the first one is heard by whoever has none.",
                    "items": { "type": "array", "prefixItems": [{ "type": "string" }, { "type": "string" }], "minItems": 2, "maxItems": 2 },
                },
                "until": until(),
            }),
        ),
        order(
            "schedule",
            &["schedule", "hours", "until"],
            json!({
                "schedule": { "type": "string" },
                "hours": { "enum": [Hours::Open, Hours::Holiday, Hours::Closed] },
                "until": until(),
            }),
        ),
        order(
            "skill",
            &["agent", "skill", "level", "until"],
            json!({
                "agent": { "type": "string" },
                "skill": { "type": "string" },
                "level": { "type": "integer", "minimum": 0, "maximum": 5 },
                "until": until(),
            }),
        ),
        order(
            "end",
            &["what"],
            json!({
                "what": { "type": "string", "description": "notice city, schedule centre, or skill yuki nurse" },
            }),
        ),
        order(
            "rollback",
            &["number"],
            json!({
                "number": { "type": "integer", "minimum": 0, "maximum": u64::MAX },
                "although_tests_fail": { "type": "boolean" },
            }),
        ),
    ]
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}
fn closed(mut shape: Value) -> Value {
    shape["additionalProperties"] = false.into();
    shape
}
fn list(of: &str) -> Value {
    json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{of}") } })
}
fn rows(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}
fn nullable(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}
fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}
fn said(mut shape: Value, description: &str) -> Value {
    shape["description"] = description.into();
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Order;
    use boon::{Compiler, Draft, Schemas};
    use model::{AgentNow, Break, BreakNow, BreakReason, Lang, QueueId, QueueNow, UnixMillis};

    /// What the shape of this name says of a value; `None`: it has the shape.
    fn complaint(shape: &str, value: &Value) -> Option<String> {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource("api.json", json!({ "components": { "schemas": all() } })).unwrap();
        let index = compiler.compile(&format!("api.json#/components/schemas/{shape}"), &mut schemas).unwrap();
        schemas.validate(value, index).err().map(|fault| format!("{fault:#}"))
    }

    fn written(value: impl serde::Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn whatever_an_agent_does_has_its_shape() {
        let on_break = |reason: Option<&str>, since| Some(BreakNow { reason: reason.map(BreakReason::from), since });
        let breaks = [None, on_break(None, None), on_break(Some("lunch"), Some(UnixMillis(1)))];
        for (state, on_break) in AgentState::ALL.into_iter().zip(breaks.into_iter().cycle()) {
            let agent = AgentNow { agent: "ken".into(), state, on_break };
            assert_eq!(complaint("Agent", &written(&agent)), None, "{agent:?}");
            assert_eq!(complaint("Agents", &written([&agent, &agent])), None, "{agent:?}");
        }
        assert!(complaint("Agent", &json!({ "agent": "ken", "state": "asleep" })).is_some());
        assert!(complaint("Agents", &json!([{ "agent": "ken" }])).is_some());
    }

    #[test]
    fn queues_and_reasons_have_their_shapes() {
        let queue = QueueNow {
            queue: QueueId::from("nurse"),
            depth: 2,
            longest_wait_millis: u64::MAX,
            staff: 1,
            free: 0,
            promised_millis: 60_000,
            promised_percent: 80,
        };
        assert_eq!(complaint("Queues", &written([queue])), None);
        let reason = Break { reason: "lunch".into(), code: 1, label: [(Lang::from("en"), "Lunch".to_owned())].into() };
        assert_eq!(complaint("Breaks", &written([reason])), None);
        assert!(complaint("Queues", &json!([{ "queue": "nurse" }])).is_some() && complaint("Breaks", &json!({})).is_some());
    }

    #[test]
    fn every_order_has_its_shape_and_what_has_the_shape_is_an_order() {
        let (until, by, why) = ("17:00".to_owned(), "mori".to_owned(), "storm".to_owned());
        let orders = [
            Order::Notice {
                slot: "city".into(),
                texts: vec![("ja".into(), "休診".to_owned())],
                until: until.clone(),
                by: by.clone(),
                why: why.clone(),
            },
            Order::Schedule { schedule: "centre".into(), hours: Hours::Closed, until: until.clone(), by: by.clone(), why: why.clone() },
            Order::Skill { agent: "ken".into(), skill: "nurse".into(), level: 5, until, by: by.clone(), why: why.clone() },
            Order::End { what: "notice city".into(), by: by.clone() },
            Order::Rollback { number: 3, although_tests_fail: true, by, why },
        ];
        // A further variant does not compile here until it has its value above.
        for order in &orders {
            match order {
                Order::Notice { .. } | Order::Schedule { .. } | Order::Skill { .. } | Order::End { .. } | Order::Rollback { .. } => {}
            }
            let value = written(order);
            assert_eq!(complaint("Order", &value), None, "{order:?}");
            for field in value.as_object().unwrap().keys() {
                let mut without = value.clone();
                without.as_object_mut().unwrap().remove(field);
                let (shape, reader) = (complaint("Order", &without), serde_json::from_value::<Order>(without));
                assert_eq!(shape.is_none(), reader.is_ok(), "{order:?} without {field}: {shape:?}, {reader:?}");
            }
            // A word that nobody reads was meant for something.
            let mut more = value.clone();
            more["untill"] = "18:00".into();
            assert!(complaint("Order", &more).is_some() && serde_json::from_value::<Order>(more).is_err(), "{order:?}");
        }
        for hours in [Hours::Open, Hours::Holiday, Hours::Closed] {
            let order = json!({ "order": "schedule", "schedule": "centre", "hours": hours, "until": "2h" });
            assert_eq!(complaint("Order", &order), None);
        }
        for none in [
            json!({}),
            json!([]),
            json!({ "order": "drain" }),
            json!({ "order": "skill", "agent": "a", "skill": "b", "level": -1, "until": "2h" }),
        ] {
            assert!(complaint("Order", &none).is_some(), "{none}");
            assert!(serde_json::from_value::<Order>(none).is_err());
        }
    }

    #[test]
    fn a_break_is_a_reason_or_nothing() {
        for body in [json!({}), json!({ "reason": null }), json!({ "reason": "lunch" })] {
            assert_eq!(complaint("Break", &body), None, "{body}");
        }
        for body in [json!([]), json!("lunch"), json!({ "reason": 1 }), json!({ "until": "13:00" })] {
            assert!(complaint("Break", &body).is_some(), "{body}");
        }
    }

    #[test]
    fn the_document_that_lies_in_deploy_is_the_one_that_is_served() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/openapi.json");
        let lies = std::fs::read_to_string(file).unwrap_or_default();
        assert!(lies == crate::openapi(), "deploy/openapi.json is old: toritsugi schema --api > deploy/openapi.json");
    }

    #[test]
    fn whatever_the_document_points_to_is_there() {
        let document: Value = serde_json::from_str(&crate::openapi()).unwrap();
        let text = crate::openapi();
        let mut pointers = text.split("\"$ref\": \"#").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).peekable();
        assert!(pointers.peek().is_some());
        for pointer in pointers {
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
