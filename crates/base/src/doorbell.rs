//! The one way a producer tells a consumer that there is something new.

/// Wakes a consumer. Ringing twice before the consumer looks is the same as ringing once.
///
/// Implementations coalesce, never block and never carry data: the consumer reads the ring it already knows.
pub trait Doorbell: Send + Sync + 'static {
    /// Something changed; look again.
    fn ring(&self);
}
