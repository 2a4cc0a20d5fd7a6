//! Situations of a leg, told from outside: a rack, a wire that keeps what was sent, and phones made of the same RTP parts.

mod desk;
mod hall;
mod hostile;
mod joined;
mod keys;
mod latching;
mod mixed;
mod places;
mod playing;
mod recording;
mod reports;
