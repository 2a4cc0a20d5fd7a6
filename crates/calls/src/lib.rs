//! The engine: calls with legs
