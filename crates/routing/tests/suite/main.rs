//! The ACD from outside. One program, so that it is linked once and its tests share the cores.

mod breaks;
mod city;
mod complaints;
mod days;
mod desk;
mod invariants;
mod lines;
mod outlook;
mod promises;
mod reference;
mod rules;
mod situations;
