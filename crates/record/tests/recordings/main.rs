//! All recordings of a node, in a real folder, with a real hub: what becomes of them when the place they are kept in fails.

mod away;
mod left_open;
mod owners;
mod place;
mod sound;
