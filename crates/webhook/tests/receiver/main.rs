//! Against a real HTTP receiver on loopback, which answers as each test says.

mod delivery;
mod gate;
mod samples;
mod support;
