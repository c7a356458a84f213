use super::*;
use crate::{At, Body, Role, Status, Verb, Witness};
use serde_json::{Value, json};
use unisono_base::{Span, Tenant};

mod ask;
mod erased;
mod order;
mod properties;
mod queue;
mod stock;
mod window;
mod words;

use ask::{NOW, Room, ack_event, host, member, secs};
