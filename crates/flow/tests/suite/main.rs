//! What supervisors write: read, checked, drawn and played. One program, so that it is linked once and its tests share the cores.

mod clock;
mod common;
mod diagram;
mod examples;
mod mistakes;
mod mutations;
mod runs;
mod schema;
mod shipped;
mod small_flows;
