//! Opening what the peer sends.

use super::{
    Profile,
    cipher::{Cipher, Place, gcm_open, nonce},
    replay::Window,
};
use crate::engine::header;
use aws_lc_rs::error::Unspecified;

/// Senders of one peer that are kept apart. A browser reports under one SSRC, aiortc under one for each receiver.
const SOURCES_MAX: usize = 64;
/// Bytes of an RTCP packet that stay in the clear.
const RTCP_CLEAR: usize = 8;
/// The bit before the SRTCP index that says that the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Why a packet was not opened. It is dropped and counted; nothing else changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Too short for header, index and tag, or its header does not fit.
    #[error("a packet of {0} bytes is no SRTP or SRTCP")]
    Short(usize),
    /// Longer than the buffer given.
    #[error("a packet of {0} bytes does not fit the buffer")]
    Long(usize),
    /// RTCP in the clear, which WebRTC does not allow (RFC 8827 §6.5).
    #[error("unencrypted RTCP")]
    Clear,
    /// Seen before, or so old that nobody knows.
    #[error("packet {index} of {ssrc:#010x} came again")]
    Replayed {
        /// Its sender.
        ssrc: u32,
        /// SRTCP index, or extended sequence number.
        index: u64,
    },
    /// Not made with this key.
    #[error("packet of {ssrc:#010x} is not authentic")]
    Forged {
        /// Whom it names as its sender.
        ssrc: u32,
    },
    /// An authentic packet of one sender too many.
    #[error("more than {SOURCES_MAX} senders")]
    Sources,
}

/// Opens RTCP of one peer.
pub struct Opener {
    cipher: Cipher,
    profile: Profile,
    sources: Sources,
}

/// Opens RTP of one peer.
pub struct RtpOpener {
    cipher: Cipher,
    profile: Profile,
    sources: Sources,
}

/// Replay windows by SSRC. Only authentic packets add one.
#[derive(Default)]
struct Sources(Vec<(u32, Window)>);

impl Sources {
    fn window(&self, ssrc: u32) -> Window {
        self.0.iter().find(|(of, _)| *of == ssrc).map_or_else(Window::default, |(_, window)| *window)
    }

    fn accept(&mut self, place: Place) -> Result<(), OpenError> {
        if let Some((_, window)) = self.0.iter_mut().find(|(of, _)| *of == place.ssrc) {
            window.accept(place.index);
            return Ok(());
        }
        if self.0.len() == SOURCES_MAX {
            return Err(OpenError::Sources);
        }
        let mut window = Window::default();
        window.accept(place.index);
        self.0.push((place.ssrc, window));
        Ok(())
    }
}

impl Opener {
    pub(super) fn new(profile: Profile, cipher: Cipher) -> Self {
        Self { cipher, profile, sources: Sources::default() }
    }

    /// Opens a compound RTCP packet into `plain`, which is as long as the packet at least; returns the part written.
    pub fn open_rtcp<'a>(&mut self, packet: &[u8], plain: &'a mut [u8]) -> Result<&'a [u8], OpenError> {
        let length = packet
            .len()
            .checked_sub(self.profile.rtcp_overhead())
            .filter(|length| *length >= RTCP_CLEAR)
            .ok_or(OpenError::Short(packet.len()))?;
        let plain = plain.get_mut(..length).ok_or(OpenError::Long(packet.len()))?;
        let at = match self.cipher {
            Cipher::Gcm { .. } => packet.len() - 4,
            Cipher::Counter(_) => length,
        };
        let word = u32_at(packet, at);
        let place = Place { ssrc: u32_at(packet, 4), index: (word & !ENCRYPTED).into() };
        if word & ENCRYPTED == 0 {
            return Err(OpenError::Clear);
        }
        if !self.sources.window(place.ssrc).is_new(place.index) {
            return Err(OpenError::Replayed { ssrc: place.ssrc, index: place.index });
        }
        self.try_open(place, packet, at, plain).map_err(|_| OpenError::Forged { ssrc: place.ssrc })?;
        self.sources.accept(place)?;
        Ok(plain)
    }

    /// `at` is where the index lies.
    fn try_open(&self, place: Place, packet: &[u8], at: usize, plain: &mut [u8]) -> Result<(), Unspecified> {
        let (head, text) = plain.split_at_mut(RTCP_CLEAR);
        head.copy_from_slice(&packet[..RTCP_CLEAR]);
        match &self.cipher {
            Cipher::Gcm { key, salt } => {
                let mut aad = [0; RTCP_CLEAR + 4];
                aad[..RTCP_CLEAR].copy_from_slice(head);
                aad[RTCP_CLEAR..].copy_from_slice(&packet[at..]);
                gcm_open(key, nonce(salt, place), &aad, &packet[RTCP_CLEAR..at], text)
            }
            Cipher::Counter(mode) => {
                let (signed, tag) = packet.split_at(at + 4);
                mode.verify([signed, &[]], tag)?;
                text.copy_from_slice(&packet[RTCP_CLEAR..at]);
                mode.apply(place, text)
            }
        }
    }
}

impl RtpOpener {
    pub(super) fn new(profile: Profile, cipher: Cipher) -> Self {
        Self { cipher, profile, sources: Sources::default() }
    }

    /// Opens an RTP packet into `plain`, which is as long as the packet at least; returns its extended sequence number
    /// and the part written, header and payload.
    pub fn open_rtp<'a>(&mut self, packet: &[u8], plain: &'a mut [u8]) -> Result<(u64, &'a [u8]), OpenError> {
        let short = OpenError::Short(packet.len());
        let header_len = header::length(packet).ok_or(short)?;
        let length = packet
            .len()
            .checked_sub(self.profile.rtp_overhead())
            .filter(|length| *length >= header_len)
            .ok_or(short)?;
        let plain = plain.get_mut(..length).ok_or(OpenError::Long(packet.len()))?;
        let ssrc = u32_at(packet, 8);
        let window = self.sources.window(ssrc);
        let index = extended(window.newest(), u16::from_be_bytes([packet[2], packet[3]]));
        if !window.is_new(index) {
            return Err(OpenError::Replayed { ssrc, index });
        }
        let place = Place { ssrc, index };
        self.try_open(place, packet, header_len, plain).map_err(|_| OpenError::Forged { ssrc })?;
        self.sources.accept(place)?;
        Ok((index, plain))
    }

    fn try_open(
        &self,
        place: Place,
        packet: &[u8],
        header_len: usize,
        plain: &mut [u8],
    ) -> Result<(), Unspecified> {
        let (signed, tag) = packet.split_at(plain.len());
        let (head, text) = plain.split_at_mut(header_len);
        head.copy_from_slice(&packet[..header_len]);
        match &self.cipher {
            Cipher::Gcm { key, salt } => gcm_open(key, nonce(salt, place), head, &packet[header_len..], text),
            Cipher::Counter(mode) => {
                let rollover = (place.index >> 16) as u32;
                mode.verify([signed, &rollover.to_be_bytes()], tag)?;
                text.copy_from_slice(&signed[header_len..]);
                mode.apply(place, text)
            }
        }
    }
}

/// The extended sequence number nearest to the newest one (RFC 3711 §3.3.1); the first has a rollover counter of 0.
fn extended(newest: Option<u64>, sequence: u16) -> u64 {
    let Some(newest) = newest else { return sequence.into() };
    let distance = i64::from(sequence.wrapping_sub(newest as u16) as i16);
    // Before the very start there is nothing: such a packet is of the first round.
    newest.checked_add_signed(distance).unwrap_or(sequence.into())
}

/// The caller has checked that it is there.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
