//! The packager fed from a real hub with synthetic frames: a checklist in which each line is a test.

mod codecs;
mod continuity;
mod determinism;
mod rules;
mod source;
mod text;
