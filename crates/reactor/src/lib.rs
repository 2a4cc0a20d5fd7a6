//! Sockets, clock, threads and the gate
