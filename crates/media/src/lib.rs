//! RTP without sockets
