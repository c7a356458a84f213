//! The `unisono` program.
#![expect(dead_code, reason = "assembling")]
mod cli;
mod config;
mod demo;
mod doors;
mod logging;
mod pages;
mod process;

fn main() {}
