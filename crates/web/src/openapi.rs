//! The OpenAPI 3.1 document of the table of routes: for whoever writes a program against the engine, and for the proof that sends it nonsense.

use crate::roles::Right;
use crate::routes::{Deed, ROUTES, Route};
use crate::shapes;
use serde_json::{Map, Value, json};

/// The document, as it is served and as it lies in `deploy/openapi.json`.
pub fn document() -> String {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(format!("/api/{}", route.path)).or_insert_with(|| json!({}));
        path[route.method().to_lowercase()] = operation(route);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Toritsugi",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The engine's interface for programs. Refusals are sentences in the language of Accept-Language, en or ja. \
                            `toritsugi token add NAME --role ROLE` makes a token.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:8080", "description": "listen: { admin: .. } in config/engine.yaml" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": shapes::all(),
        },
    });
    format!("{document:#}\n")
}

fn operation(route: &Route) -> Value {
    let answers = common(route).into_iter().chain(route.answers.iter().copied());
    let responses: Map<String, Value> = answers.map(|(status, says, shape)| (status.to_string(), answer(says, shape))).collect();
    let mut operation = json!({ "operationId": id(route), "summary": route.summary, "responses": responses });
    let variable = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(|name| {
        json!({ "name": name, "in": "path", "required": true, "description": "A name in config/agents.yaml.", "schema": { "type": "string", "minLength": 1 } })
    });
    let query = route.query.iter().map(|(name, says)| {
        json!({ "name": name, "in": "query", "description": says, "schema": { "type": "string", "pattern": shapes::MOMENT } })
    });
    let parameters: Vec<Value> = variable.chain(query).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Deed::Change { body: Some(shape), optional, .. } = route.deed {
        operation["requestBody"] = json!({ "required": !optional, "content": { "application/json": { "schema": reference(shape) } } });
    }
    if route.rights.is_empty() {
        operation["security"] = json!([]);
    } else {
        let mut roles: Vec<&str> = route.rights.iter().flat_map(|right: &Right| right.holders()).collect();
        roles.dedup();
        operation["x-roles"] = roles.into();
    }
    operation
}

/// What every route may answer beside its own.
fn common(route: &Route) -> Vec<(u16, &'static str, Option<&'static str>)> {
    let mut answers = vec![(421, "The Host is none of ours.", None), (403, "A page of another origin asks.", None)];
    if !route.rights.is_empty() {
        answers.push((401, "No token, or none that is good.", None));
        answers.push((403, "The token's role may not, and which may; or a page of another origin asks.", None));
        answers.push((503, "The engine is gone; or nobody can write down, or read, who does what. Nothing was changed.", None));
    }
    if let Deed::Change { .. } = route.deed {
        answers.push((413, "The body is too large.", None));
        answers.push((429, "The token has changed something more than 120 times within a minute. Nothing was changed.", None));
    }
    answers
}

fn answer(says: &str, shape: Option<&str>) -> Value {
    let content = match shape {
        Some(shape) => json!({ "application/json": { "schema": reference(shape) } }),
        None => json!({ "text/plain": { "schema": { "type": "string" } } }),
    };
    json!({ "description": says, "content": content })
}

fn reference(shape: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{shape}") })
}

/// `post_agents_agent_ready`.
fn id(route: &Route) -> String {
    let word = |c| match c {
        '/' | '.' => Some('_'),
        '{' | '}' => None,
        c => Some(c),
    };
    format!("{}_{}", route.method().to_lowercase(), route.path.chars().filter_map(word).collect::<String>())
}
