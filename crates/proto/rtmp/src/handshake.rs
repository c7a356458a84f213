//! The plain handshake (RTMP 1.0 §5.2).
//!
//! ```text
//! C0 version=3 | C1 time(4) zero(4) random(1528)  ->
//!              <- S0 version=3 | S1 time(4) zero(4) random(1528) | S2 = echo of C1
//! C2 = echo of S1 (1536)  ->
//! ```
//!
//! Clients that put a digest into C1 (ffmpeg, OBS) take the plain answer when they publish. C2 is read and not
//! compared: digest clients do not echo.

use crate::Error;
use bytes::{BufMut, BytesMut};

/// The only version there is.
const VERSION: u8 = 3;
/// Length of C1, C2, S1 and S2.
const BLOCK: usize = 1536;

/// How far the handshake is. Holds at most one block.
#[derive(Debug)]
pub(crate) enum Handshake {
    /// Waiting for C0 and C1, of which these bytes came.
    Hello(Vec<u8>),
    /// Waiting for so many more bytes of C2.
    Echo(usize),
    /// Over; what follows are chunks.
    Done,
}

impl Handshake {
    pub(crate) fn new() -> Self {
        Self::Hello(Vec::new())
    }

    /// Takes bytes off the front of `input` and writes the answer. Returns once the handshake is over or the
    /// input is empty.
    pub(crate) fn read(&mut self, input: &mut &[u8], out: &mut BytesMut) -> Result<(), Error> {
        if let Self::Hello(got) = self {
            if got.is_empty()
                && let Some(&first) = input.first()
                && first != VERSION
            {
                return Err(Error::Version(first));
            }
            let (taken, rest) = input.split_at(input.len().min(1 + BLOCK - got.len()));
            got.extend_from_slice(taken);
            *input = rest;
            if got.len() == 1 + BLOCK {
                answer(&got[1..], out);
                *self = Self::Echo(BLOCK);
            }
        }
        if let Self::Echo(left) = self {
            let skipped = input.len().min(*left);
            *input = &input[skipped..];
            *left -= skipped;
            if *left == 0 {
                *self = Self::Done;
            }
        }
        Ok(())
    }
}

fn answer(c1: &[u8], out: &mut BytesMut) {
    out.put_u8(VERSION);
    // Time zero, version zero: says that this is not the digest handshake.
    out.put_u64(0);
    // The block tells an echo from a greeting and needs no secrecy, so a fixed sequence does (xorshift64).
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..(BLOCK - 8) / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.put_u64(state);
    }
    out.put_slice(c1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_once_and_skips_c2_in_any_pieces() {
        for piece in [1, 7, 1537, 5000] {
            let mut client = vec![3u8];
            client.extend((0..2 * BLOCK).map(|i| i as u8));
            client.extend_from_slice(b"rest");
            let (mut handshake, mut out, mut left) = (Handshake::new(), BytesMut::new(), Vec::new());
            for chunk in client.chunks(piece) {
                let mut input = chunk;
                handshake.read(&mut input, &mut out).expect("valid");
                left.extend_from_slice(input);
            }
            assert!(matches!(handshake, Handshake::Done));
            assert_eq!(
                (out.len(), &out[1 + BLOCK..], &left[..]),
                (1 + 2 * BLOCK, &client[1..=BLOCK], &b"rest"[..])
            );
        }
    }

    #[test]
    fn tls_and_http_are_told_apart() {
        for (first, word) in [(0x16, "TLS"), (b'G', "HTTP"), (0xff, "not an RTMP client")] {
            let error = Handshake::new().read(&mut &[first][..], &mut BytesMut::new()).expect_err("not RTMP");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
