//! Call records in SQLite
