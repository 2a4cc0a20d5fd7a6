//! Skills-based routing
