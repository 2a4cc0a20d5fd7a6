//! One call record as one row, and back.

use model::{AgentId, CallId, CallRecord, Cause, Lang, LineId, Millis, Number, Person, QueueId, TicketId, UnixMillis, Version};
use rusqlite::types::Type;
use rusqlite::{Row, Statement, params};
use serde::de::DeserializeOwned;

/// Gives how many rows it made: 1, or 0 where one was there that stays.
pub(crate) fn insert(statement: &mut Statement<'_>, record: &CallRecord) -> rusqlite::Result<usize> {
    let path = serde_json::to_string(&record.path).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    statement.execute(params![
        record.arrived.0,
        integer(record.call.0),
        record.number.as_str(),
        record.caller,
        record.lang.as_str(),
        path,
        record.queue.as_ref().map(QueueId::as_str),
        record.waited.map(|m| integer(m.0)),
        record.to_human.map(|m| integer(m.0)),
        record.agent.as_ref().map(AgentId::as_str),
        record.talked.map(|m| integer(m.0)),
        record.ended.0,
        record.end.to_string(),
        record.hung_up_by.to_string(),
        record.version.as_str(),
        record.person.as_ref().map(Person::as_str),
        record.ticket.map(|t| integer(t.0)),
        record.class,
        record.gave_up.map(|stage| stage.to_string()),
        record.transferred_to,
        record.called_back,
        record.called_first.as_ref().map(LineId::as_str),
        record.cause.map(|cause| cause.to_string()),
    ])
}

pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<CallRecord> {
    let text = |column| row.get::<_, String>(column);
    let millis = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(|n| Millis(count(n))));
    Ok(CallRecord {
        arrived: UnixMillis(row.get(0)?),
        call: CallId(count(row.get(1)?)),
        number: Number::parse(&text(2)?).map_err(|e| broken(2, e))?,
        caller: text(3)?,
        lang: Lang::from(text(4)?),
        path: serde_json::from_str(&text(5)?).map_err(|e| broken(5, e))?,
        queue: row.get::<_, Option<String>>(6)?.map(QueueId::from),
        waited: millis(7)?,
        to_human: millis(8)?,
        agent: row.get::<_, Option<String>>(9)?.map(AgentId::from),
        talked: millis(10)?,
        ended: UnixMillis(row.get(11)?),
        end: word(12, text(12)?)?,
        hung_up_by: word(13, text(13)?)?,
        version: Version::from(text(14)?),
        person: row.get::<_, Option<String>>(15)?.map(Person::from),
        ticket: row.get::<_, Option<i64>>(16)?.map(|n| TicketId(count(n))),
        class: row.get(17)?,
        gave_up: row.get::<_, Option<String>>(18)?.map(|stage| word(18, stage)).transpose()?,
        transferred_to: row.get(19)?,
        called_back: row.get(20)?,
        called_first: row.get::<_, Option<String>>(21)?.map(LineId::from),
        cause: row.get::<_, Option<String>>(22)?.as_deref().and_then(Cause::parse),
    })
}

/// A word of one of our enums: the column holds what serde writes.
fn word<T: DeserializeOwned>(column: usize, text: String) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::String(text)).map_err(|e| broken(column, e))
}
fn broken(column: usize, why: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(why))
}
/// SQLite's integers are signed. Neither calls nor milliseconds come near the end of them: 292 million years.
fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
