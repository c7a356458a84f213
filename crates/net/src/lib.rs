//! Sockets as a media server needs them: how many connections a door holds and how often somebody
//! may knock, and UDP: one port shared by several workers, segmentation offload both ways,
//! the local address of every datagram, and the addresses to advertise.
//!
//! A worker owns one [`Socket`], and sleeps in a [`Poller`]. It reads with [`Socket::recv`] into a [`RecvBuffers`] and sends through a
//! [`TrainBatch`], which turns equal-sized packets for one peer into one system call. Nothing here queues: what the
//! kernel does not take is dropped and counted, since media that waits is late.

mod admission;
mod bind;
mod interfaces;
mod listen;
mod nets;
mod patience;
mod poller;
mod prefetch;
mod rate;
mod recv;
mod socket;
mod train;

pub use admission::{Admission, Full, Place};
pub use bind::{BindError, Bound, bind_shared};
pub use interfaces::{advertised, local_addresses};
pub use listen::listen;
pub use nets::{Exempt, Net, NetError, client_of, source_of};
pub use patience::Patience;
pub use poller::{Poller, Until, Waker};
pub use prefetch::prefetch;
pub use rate::{Buckets, Failures, Rate, Wait};
pub use recv::{Datagram, RecvBuffers};
pub use socket::Socket;
pub use train::{SendStats, TrainBatch};
