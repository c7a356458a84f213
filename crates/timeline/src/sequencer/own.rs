//! What one person has in the windows and offers that are open: nobody else's business, and theirs again after a reload or
//! on another device.

use super::{State, stock::Stock, window::Window};
use crate::Decide;
use serde::Serialize;
use serde_json::{Value, json};
use unisono_base::MediaTime;
use uuid::Uuid;

/// See the module. Bounded by the windows and offers that may be open.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Own {
    /// The last entry in each open window.
    pub windows: Vec<OwnEntry>,
    /// Units taken and not paid yet.
    pub units: Vec<OwnUnit>,
    /// Units paid, by offer.
    pub bought: Vec<OwnBought>,
}

/// An entry that stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnEntry {
    /// The window.
    pub window: Uuid,
    /// As it was entered: `{"choice": 1}` or `{"amount": 1200}`.
    pub data: Value,
}

/// A unit that is held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnUnit {
    /// The offer.
    pub offer: Uuid,
    /// The event that took it.
    pub event: Uuid,
    /// Its entry.
    pub reserved_n: u64,
    /// When it goes back unless confirmed, on the node's timeline clock.
    pub until: MediaTime,
}

/// Units that are paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnBought {
    /// The offer.
    pub offer: Uuid,
    /// How many.
    pub units: u32,
}

impl Own {
    /// There is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.units.is_empty() && self.bought.is_empty()
    }
}

impl State {
    pub(super) fn own(&self, person: &str) -> Own {
        let windows = self.windows.iter().filter_map(|window| entry(window, person)).collect();
        let mut own = Own { windows, ..Own::default() };
        // Holds are looked through only where this person has any unit at all.
        for stock in self.offers.iter().filter(|stock| stock.units_of(person) > 0) {
            let before = own.units.len();
            own.units.extend(units(stock, person));
            let held = (own.units.len() - before) as u32;
            let units = stock.units_of(person).saturating_sub(held);
            if units > 0 {
                own.bought.push(OwnBought { offer: stock.offer.offer, units });
            }
        }
        own
    }
}

fn entry(window: &Window, person: &str) -> Option<OwnEntry> {
    let value = window.last_of(person)?;
    let data = match window.terms.decide {
        Decide::Tally { .. } | Decide::Match { .. } => json!({ "choice": value }),
        Decide::Highest { .. } => json!({ "amount": value }),
    };
    Some(OwnEntry { window: window.terms.window, data })
}

fn units<'a>(stock: &'a Stock, person: &'a str) -> impl Iterator<Item = OwnUnit> + 'a {
    let offer = stock.offer.offer;
    stock.held_by(person).map(move |(reserved_n, event, until)| OwnUnit { offer, event, reserved_n, until })
}
