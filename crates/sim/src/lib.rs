//! The city under virtual time
