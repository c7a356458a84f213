//! Against a real HTTP receiver on loopback, which answers as each test says.

mod delivery;
mod gate;
mod messages;
mod samples;
mod support;
