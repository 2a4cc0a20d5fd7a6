//! The test phone, built on rsip and never on sip
