//! What was said, as one line: for people, or as a JSON object for programs.
//!
//! A JSON line has `timestamp` (RFC 3339, UTC), `level`, `target` and `message`, then the fields of the event, then those of the call's span which the
//! event does not have itself. A line for people has the same in the same order, but for `trace_id`.

use super::bound::{Bound, Held};
use model::Instant;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The longest value; a message that a stranger makes longer is cut.
const LETTERS_MAX: usize = 4000;

/// The field by which programs find a line's trace.
const TRACE_ID: &str = "trace_id";

/// For whom the lines are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// People.
    #[default]
    Human,
    /// Programs: one JSON object a line.
    Json,
}

/// Takes what is written; must not wait.
type Sink = Box<dyn Fn(&[u8]) + Send + Sync>;

/// Writes events as lines, and holds back those that come too often. Copies are one and the same.
#[derive(Clone)]
pub struct Lines(Arc<Desk>);

struct Desk {
    form: Form,
    colour: bool,
    sink: Sink,
    zero: std::time::Instant,
    bound: Mutex<Bound>,
}

impl Lines {
    /// Lines of this form; each is given to `sink` whole, with its end of line.
    pub fn new(form: Form, sink: impl Fn(&[u8]) + Send + Sync + 'static) -> Lines {
        Lines::of(form, false, Box::new(sink))
    }

    fn of(form: Form, colour: bool, sink: Sink) -> Lines {
        Lines(Arc::new(Desk { form, colour, sink, zero: std::time::Instant::now(), bound: Mutex::default() }))
    }

    /// On standard error, in colour if that is a terminal.
    pub(crate) fn on_stderr(form: Form) -> Lines {
        use io::{IsTerminal, Write};
        // What nobody can read is not worth an end: the log is beside the work.
        let sink = |line: &[u8]| drop(io::stderr().lock().write_all(line));
        Lines::of(form, form == Form::Human && io::stderr().is_terminal(), Box::new(sink))
    }

    /// Tells how many lines were held back, where that is due; asked now and then, because what held them back may have ended.
    pub fn settle(&self) {
        self.0.settle();
    }
}

impl Desk {
    fn settle(&self) {
        let now = self.now();
        loop {
            let held = self.bound.lock().unwrap_or_else(PoisonError::into_inner).poll_held(now);
            let Some(Held { lines, level, target, message }) = held else { return };
            let said = format!("{lines} lines like this one were held back: {message}");
            let fields = [("message", Value::Text(said)), ("held_back", Value::Whole(i128::from(lines)))];
            self.write(level, target, &Fields(fields.to_vec()));
        }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.zero.elapsed()
    }

    fn write(&self, level: Level, target: &str, fields: &Fields) {
        let mut line = String::with_capacity(256);
        match self.form {
            Form::Human => human(&mut line, self.colour, level, target, fields),
            Form::Json => json(&mut line, level, target, fields),
        }
        line.push('\n');
        (self.sink)(line.as_bytes());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            record.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let (level, target) = (*metadata.level(), metadata.target());
        let site = (metadata.file().unwrap_or(target), metadata.line().unwrap_or_default());
        let fields = || {
            let mut fields = Fields::default();
            event.record(&mut fields);
            fields
        };
        // Most lines of a busy hour are held back: only one that is written is put into words.
        let passes = {
            let mut bound = self.0.bound.lock().unwrap_or_else(PoisonError::into_inner);
            bound.handle_line(self.0.now(), site, (level, target), || fields().message().to_owned())
        };
        if passes {
            let mut fields = fields();
            for span in context.event_scope(event).into_iter().flatten() {
                if let Some(of_span) = span.extensions().get::<Fields>() {
                    fields.add(of_span);
                }
            }
            self.0.write(level, target, &fields);
        }
        self.0.settle();
    }
}

/// The value of a field.
#[derive(Clone)]
enum Value {
    Text(String),
    Whole(i128),
    Real(f64),
    Flag(bool),
}

/// Fields in their order, each name once.
#[derive(Clone, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }
    /// What the span knows beside.
    fn add(&mut self, of_span: &Fields) {
        for (name, value) in &of_span.0 {
            if !self.0.iter().any(|(known, _)| known == name) {
                self.0.push((name, value.clone()));
            }
        }
    }
    fn message(&self) -> &str {
        match self.0.iter().find(|(name, _)| *name == "message") {
            Some((_, Value::Text(text))) => text,
            _ => "",
        }
    }
    fn others(&self) -> impl Iterator<Item = &(&'static str, Value)> {
        // An empty text says that something is not so any more: a caller who has left a queue.
        let said = |value: &Value| !matches!(value, Value::Text(text) if text.is_empty());
        self.0.iter().filter(move |(name, value)| *name != "message" && said(value))
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), Value::Whole(value.into()));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), Value::Whole(value.into()));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), Value::Real(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), Value::Flag(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), Value::Text(value.chars().take(LETTERS_MAX).collect()));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn stamp(line: &mut String) {
    let _ = SystemTime.format_time(&mut Writer::new(line));
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn human(line: &mut String, colour: bool, level: Level, target: &str, fields: &Fields) {
    stamp(line);
    let paint = match level {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG => "34",
        Level::TRACE => "35",
    };
    let word = word(level).to_uppercase();
    let _ = if colour { write!(line, " \u{1b}[{paint}m{word:>5}\u{1b}[0m ") } else { write!(line, " {word:>5} ") };
    let _ = write!(line, "{target}: ");
    tame(line, fields.message());
    // Nobody reads the id of a trace aloud.
    for (name, value) in fields.others().filter(|(name, _)| *name != TRACE_ID) {
        let _ = write!(line, " {name}=");
        match value {
            Value::Text(text) if text.contains([' ', '"']) => tame(line, &format!("{text:?}")),
            Value::Text(text) => tame(line, text),
            Value::Whole(number) => drop(write!(line, "{number}")),
            Value::Real(number) => drop(write!(line, "{number}")),
            Value::Flag(flag) => drop(write!(line, "{flag}")),
        }
    }
}

/// Without what moves the cursor of whoever reads it, or begins a line of its own.
fn tame(line: &mut String, text: &str) {
    for letter in text.chars() {
        if letter.is_control() { line.extend(letter.escape_default()) } else { line.push(letter) }
    }
}

fn json(line: &mut String, level: Level, target: &str, fields: &Fields) {
    line.push_str("{\"timestamp\":\"");
    stamp(line);
    let _ = write!(line, "\",\"level\":\"{}\",\"target\":{},\"message\":{}", word(level), quoted(target), quoted(fields.message()));
    for (name, value) in fields.others() {
        let _ = write!(line, ",{}:", quoted(name));
        match value {
            Value::Text(text) => line.push_str(&quoted(text)),
            Value::Whole(number) => drop(write!(line, "{number}")),
            Value::Real(number) if number.is_finite() => drop(write!(line, "{number}")),
            Value::Real(number) => line.push_str(&quoted(&number.to_string())),
            Value::Flag(flag) => drop(write!(line, "{flag}")),
        }
    }
    line.push('}');
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
