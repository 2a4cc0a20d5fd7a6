//! Calls as collectors of traces read them: OTLP in its JSON encoding.
//!
//! OpenTelemetry Protocol 1.x, `ExportTraceServiceRequest`, in the JSON mapping of Protocol Buffers with the changes of the OTLP specification: ids are
//! hexadecimal, 64-bit numbers are strings, enums are numbers, names are in lowerCamelCase. Facts become attributes `toritsugi.*`.

use crate::calls::{Fact, Span, Trace};
use model::{UnixMillis, hex};
use serde_json::{Value, json};

/// `Span.SpanKind`: a part of us, whoever is asked from outside, and whoever asks.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// `Status.StatusCode`: unset, which means nothing in particular, and an error.
const UNSET: u8 = 0;
const ERROR: u8 = 2;

/// The body of one request for all of these calls. `version` is that of the program.
pub fn request(traces: &[Trace], version: &str) -> String {
    let spans: Vec<Value> = traces.iter().flat_map(|trace| trace.spans.iter().map(|s| span(trace.id, s))).collect();
    let of_us = [("service.name", "toritsugi"), ("service.version", version)];
    let of_us = of_us.map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } }));
    json!({
        "resourceSpans": [{
            "resource": { "attributes": of_us },
            "scopeSpans": [{ "scope": { "name": "toritsugi.calls", "version": version }, "spans": spans }],
        }],
    })
    .to_string()
}

fn span(trace: u128, span: &Span) -> Value {
    let kind = match &span.parent {
        None => SERVER,
        Some(_) if span.name.starts_with("offer ") || span.name.starts_with("transfer ") => CLIENT,
        Some(_) => INTERNAL,
    };
    let attributes: Vec<Value> = span
        .facts
        .iter()
        .map(|(name, fact)| {
            let value = match fact {
                Fact::Text(text) => json!({ "stringValue": text }),
                Fact::Whole(figure) => json!({ "intValue": figure.to_string() }),
            };
            json!({ "key": format!("toritsugi.{name}"), "value": value })
        })
        .collect();
    let mut told = json!({
        "traceId": hex(&trace.to_be_bytes()),
        "spanId": hex(&span.id.to_be_bytes()),
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": nanos(span.from),
        "endTimeUnixNano": nanos(span.until.max(span.from)),
        "attributes": attributes,
        "status": { "code": if span.failed { ERROR } else { UNSET } },
    });
    if let Some(parent) = span.parent {
        told["parentSpanId"] = hex(&parent.to_be_bytes()).into();
    }
    told
}

fn nanos(at: UnixMillis) -> String {
    (i128::from(at.0.max(0)) * 1_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_written_as_the_protocol_wants_it() {
        let call = Span {
            id: 1,
            parent: None,
            name: "call".to_owned(),
            from: UnixMillis(1_794_186_000_123),
            until: UnixMillis(1_794_186_001_000),
            facts: vec![("call", Fact::Whole(17)), ("end", Fact::Text("served".to_owned()))],
            failed: false,
        };
        let offer = Span { id: 0xabc, parent: Some(1), name: "offer ken".to_owned(), failed: true, facts: Vec::new(), ..call.clone() };
        let back = Span { id: 3, until: UnixMillis(0), ..offer.clone() };
        let said = request(&[Trace { id: 0xfe, spans: vec![call, offer, back] }], "1.2");
        let read: Value = serde_json::from_str(&said).unwrap();
        let of_us = &read["resourceSpans"][0];
        assert_eq!(of_us["resource"]["attributes"][0]["value"]["stringValue"], "toritsugi");
        let spans = &of_us["scopeSpans"][0]["spans"];
        assert_eq!(spans[0]["traceId"], "000000000000000000000000000000fe");
        assert_eq!((&spans[0]["spanId"], &spans[0]["kind"], spans[0].get("parentSpanId")), (&"0000000000000001".into(), &2.into(), None));
        assert_eq!(spans[0]["startTimeUnixNano"], "1794186000123000000");
        assert_eq!(spans[0]["attributes"][0], json!({ "key": "toritsugi.call", "value": { "intValue": "17" } }));
        assert_eq!((&spans[1]["parentSpanId"], &spans[1]["kind"]), (&"0000000000000001".into(), &3.into()));
        assert_eq!(spans[1]["status"]["code"], 2);
        assert_eq!(
            spans[2]["endTimeUnixNano"], spans[2]["startTimeUnixNano"],
            "a clock that was put back makes no span of negative length"
        );
    }
}
