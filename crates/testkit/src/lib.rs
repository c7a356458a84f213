//! What tests share. A dev-dependency only: nothing of it is in the product.

mod bottleneck;
mod link;

pub use bottleneck::Bottleneck;
pub use link::{Link, LinkConfig};
