//! What the operator says about rooms, and may change while they run.

use std::sync::{Arc, PoisonError, RwLock};
use unisono_auth::Secret;
use unisono_timeline::Role;

/// See the module.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What somebody may do who shows neither key nor token. Open feeds keep the role they began with.
    pub guests: Role,
    /// With which the tenant's own systems sign what they say; empty: they say nothing.
    pub inbox_secrets: Vec<Secret>,
}

/// The rules in force. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct RulesInForce(Arc<RwLock<Arc<Rules>>>);

impl RulesInForce {
    /// These, from the start.
    pub fn new(rules: Rules) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(rules))))
    }

    /// Others from now on.
    pub fn set(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// As they are now.
    pub fn now(&self) -> Arc<Rules> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
