//! SIP from outside: what goes over the wire, and what the calls hear of it. One program, so that it is linked once and its tests share the cores.

mod admission;
mod bounds;
mod called;
mod calling;
mod carriers;
mod changing;
mod common;
mod extras;
mod forms;
mod hostile;
mod identity;
mod keeping;
mod mutation;
mod network;
mod ntt;
mod registering;
mod reliable;
mod rsip_agrees;
mod streams;
mod torture;
mod trunks;
mod ways;
