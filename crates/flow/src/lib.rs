//! The flow language: read, check, run
