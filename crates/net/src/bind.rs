//! Several sockets on one UDP port (SO_REUSEPORT), one per worker.

use socket2::{Domain, Protocol, SockAddr, Type};
use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

/// Asked for in both directions; a keyframe for a thousand viewers is 60 MB, so the pacing has to do the rest.
const BUFFER_BYTES: usize = 4 << 20;

/// Why the media port could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another program (or another server of ours) holds the port.
    #[error("UDP port {0} is in use by another program; stop it or choose another port")]
    InUse(SocketAddr),
    /// Anything else the system says.
    #[error("UDP port {address} cannot be opened: {source}")]
    System {
        /// Address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// One of the sockets on the shared port, not yet attached to a runtime.
#[derive(Debug)]
pub struct Bound {
    pub(crate) socket: UdpSocket,
    pub(crate) local: SocketAddr,
    /// Send and receive buffer the kernel granted, in bytes as it counts them.
    pub granted: (usize, usize),
}

impl Bound {
    /// Where it is bound; the address may be a wildcard, the port is a real one.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

/// Opens `count` sockets on `address`; port 0 takes one free port for all of them. An IPv6 wildcard serves IPv4 too.
///
/// SO_REUSEPORT would let a second server share the port and silently steal half of the viewers, so the port is
/// first tried without it.
pub fn bind_shared(address: SocketAddr, count: usize) -> Result<Vec<Bound>, BindError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        _ => BindError::System { address, source },
    };
    if address.port() != 0 {
        open(address, Sharing::Exclusive).map_err(fail)?;
    }
    let first = open(address, Sharing::ReusePort).map_err(fail)?;
    let shared = SocketAddr::new(address.ip(), first.local.port());
    let mut all = vec![first];
    for _ in 1..count.max(1) {
        all.push(open(shared, Sharing::ReusePort).map_err(fail)?);
    }
    let (send, receive) = all[0].granted;
    if send < BUFFER_BYTES || receive < BUFFER_BYTES {
        tracing::warn!(
            asked = BUFFER_BYTES,
            send,
            receive,
            "the kernel granted smaller UDP buffers; raise net.core.wmem_max and net.core.rmem_max"
        );
    }
    Ok(all)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Exclusive,
    ReusePort,
}

fn open(address: SocketAddr, sharing: Sharing) -> io::Result<Bound> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    #[cfg(unix)]
    if sharing == Sharing::ReusePort {
        socket.set_reuse_port(true)?;
    }
    // Best effort: the limit is the administrator's, and what was granted is reported.
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let granted = (socket.send_buffer_size()?, socket.recv_buffer_size()?);
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    let socket: UdpSocket = socket.into();
    let local = socket.local_addr()?;
    Ok(Bound { socket, local, granted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sockets_share_one_port() {
        let all = bind_shared("127.0.0.1:0".parse().expect("address"), 3).expect("free");
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|b| b.local == all[0].local));
        assert!(all[0].granted.0 > 0 && all[0].granted.1 > 0);
    }

    #[test]
    fn a_second_server_is_refused_in_words() {
        let first = bind_shared("127.0.0.1:0".parse().expect("address"), 2).expect("free");
        let error = bind_shared(first[0].local, 2).expect_err("taken");
        assert!(matches!(error, BindError::InUse(_)), "{error}");
    }
}
