//! Text to sound
