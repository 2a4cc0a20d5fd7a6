//! What happened, as figures for the dashboards and as lines for whoever reads at three in the morning.
//!
//! [`Metrics`] counts [`model::Event`]s and holds the latest [`model::Snapshot`] and [`model::WorkerStats`]; it renders them in the
//! Prometheus text exposition format 0.0.4. Every metric is one entry of one table (`table/`): name, help, labels, and where its figure
//! comes from. [`log`] maps the same events to `tracing` lines, [`Calls`] to spans: what each line says of its call, and what [`otlp`] writes for
//! collectors of traces.
//!
//! A caller's number is in no label, in no line and in no span in clear; the city's own numbers may be labels.
//!
//! Deliberately absent: counting anywhere else in the product (the core notes events), averages and rates (Prometheus makes them),
//! files and rotation (the service manager's), and the network (the roof sends what is written here).

mod calls;
mod catalogue;
pub mod log;
mod metrics;
pub mod otlp;
mod series;
mod table;

pub use calls::{Calls, Fact, Span, Trace};
pub use catalogue::{Described, Kind, PLANNED, Planned, catalogue};
pub use metrics::Metrics;
pub use series::{Files, Health};
