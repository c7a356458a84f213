//! What tests share. A dev-dependency only: nothing of it is in the product.

mod link;

pub use link::{Link, LinkConfig};
