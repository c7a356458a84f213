//! TCP listeners that hold a whole audience arriving at once.

use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{SocketAddr, TcpListener},
};

/// Connections that may wait for the accept loop; the kernel takes less where `net.core.somaxconn` says so.
///
/// What overflows is not refused: Linux drops the handshake and the peer repeats it after a second, then two, four.
/// With the usual 128 the players of one popular stream lose seconds when they come together, as they do after a restart.
const BACKLOG: i32 = 4096;

/// Binds `address` for a TCP door, not yet attached to a runtime (it does not block, which runtimes ask for).
///
/// Port 0 takes a free one. Errors are the system's own: taken, not permitted, not an address of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the server before may still be in TIME_WAIT; a living listener keeps its port all the same. On
    // Windows the option means something else: to take a port from whoever holds it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, net::TcpStream, time::Duration};

    /// More than the backlog the standard library asks for. Both ends are open files of this process.
    const CROWD: usize = 400;

    #[test]
    fn a_crowd_is_let_in_before_anybody_is_accepted() {
        let most =
            fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|n| n.trim().parse().ok());
        let listener = listen("127.0.0.1:0".parse().expect("an address")).expect("any port");
        let address = listener.local_addr().expect("bound");
        // What finds no place in the queue gets no answer at all: its connect would end in a timeout.
        let crowd: Vec<_> = (0..CROWD.min(most.unwrap_or(CROWD)))
            .map(|n| TcpStream::connect_timeout(&address, Duration::from_secs(20)).map_err(|e| (n, e)))
            .collect::<Result<_, _>>()
            .expect("everybody is let in");
        assert!(crowd.iter().all(|_| listener.accept().is_ok()), "and accepted");
    }

    #[test]
    fn a_port_that_is_listened_on_is_taken() {
        let first = listen("127.0.0.1:0".parse().expect("an address")).expect("any port");
        let error = listen(first.local_addr().expect("bound")).expect_err("taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
