//! Protecting what we send.

use super::{
    Profile,
    cipher::{Cipher, Place, gcm_seal, gcm_seal_in_place, nonce},
};
use aws_lc_rs::error::Unspecified;

/// Largest SRTCP index (RFC 3711 §3.2.1): 31 bits. A key may not be used beyond it.
const RTCP_INDEX_MAX: u32 = 0x7fff_ffff;
/// Sequence number and rollover counter together have 48 bits.
const RTP_INDEX_BITS: u32 = 48;
/// Bytes of an RTCP packet that stay in the clear.
const RTCP_CLEAR: usize = 8;
/// The bit before the SRTCP index that says that the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Session keys of what we send to one peer.
pub struct Sealer {
    rtp: Cipher,
    rtcp: Box<Rtcp>,
    profile: Profile,
}

/// Used once a second.
struct Rtcp {
    cipher: Cipher,
    next_index: u32,
}

impl Sealer {
    pub(super) fn new(profile: Profile, rtp: Cipher, rtcp: Cipher) -> Self {
        Self { rtp, rtcp: Box::new(Rtcp { cipher: rtcp, next_index: 0 }), profile }
    }

    /// For known answers, which begin anywhere.
    #[cfg(test)]
    pub(super) fn skip_rtcp_to(&mut self, index: u32) {
        self.rtcp.next_index = index;
    }

    /// The profile in force.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Protects one RTP packet. `packet` is as long as header, payload and [`Profile::rtp_overhead`] together and begins
    /// with the whole header of `header_len` bytes; the rest is written: the sealed `payload` and the tag.
    ///
    /// `sequence` is the extended sequence number: its upper part is the rollover counter, so it starts below 65,536.
    /// **No two packets of one SSRC may ever have the same one**: with GCM that gives the key away. That is why a lost
    /// packet is resent under the SSRC of the retransmissions (RFC 4588) or not at all.
    ///
    /// Returns false, and `packet` all zero, which every receiver drops, where lengths do not fit or 48 bits are used up.
    #[must_use]
    pub fn seal_rtp(
        &self,
        ssrc: u32,
        sequence: u64,
        packet: &mut [u8],
        header_len: usize,
        payload: &[u8],
    ) -> bool {
        let is_sealed =
            self.try_seal_rtp(Place { ssrc, index: sequence }, packet, header_len, payload).is_ok();
        if !is_sealed {
            packet.fill(0);
        }
        is_sealed
    }

    /// The same for a payload that lies in `packet` already, behind the header.
    #[must_use]
    pub fn seal_rtp_in_place(&self, ssrc: u32, sequence: u64, packet: &mut [u8], header_len: usize) -> bool {
        let is_sealed =
            self.try_seal_rtp_in_place(Place { ssrc, index: sequence }, packet, header_len).is_ok();
        if !is_sealed {
            packet.fill(0);
        }
        is_sealed
    }

    fn try_seal_rtp(
        &self,
        place: Place,
        packet: &mut [u8],
        header_len: usize,
        payload: &[u8],
    ) -> Result<(), Unspecified> {
        if packet.len() != header_len + payload.len() + self.profile.rtp_overhead() {
            return Err(Unspecified);
        }
        match &self.rtp {
            Cipher::Gcm { key, salt } => {
                let (header, body) = packet.split_at_mut(header_len);
                gcm_seal(key, rtp_nonce(salt, place)?, header, payload, body)
            }
            Cipher::Counter(_) => {
                packet[header_len..header_len + payload.len()].copy_from_slice(payload);
                self.try_seal_rtp_in_place(place, packet, header_len)
            }
        }
    }

    fn try_seal_rtp_in_place(
        &self,
        place: Place,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<(), Unspecified> {
        let end = packet.len().checked_sub(self.profile.rtp_overhead()).ok_or(Unspecified)?;
        let (clear, tag) = packet.split_at_mut(end);
        let (header, text) = clear.split_at_mut_checked(header_len).ok_or(Unspecified)?;
        match &self.rtp {
            Cipher::Gcm { key, salt } => gcm_seal_in_place(key, rtp_nonce(salt, place)?, header, text, tag),
            Cipher::Counter(mode) => {
                mode.apply(checked(place)?, text)?;
                // The rollover counter is authenticated and not sent.
                let rollover = (place.index >> 16) as u32;
                tag.copy_from_slice(&mode.tag([clear, &rollover.to_be_bytes()]));
                Ok(())
            }
        }
    }

    /// Protects one compound RTCP packet, in place and longer by [`Profile::rtcp_overhead`]. Returns false, and the packet
    /// empty, where it is shorter than a header or 2^31 packets were sent with this key.
    #[must_use]
    pub fn seal_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        let is_sealed = self.try_seal_rtcp(packet).is_ok();
        if !is_sealed {
            packet.clear();
        }
        is_sealed
    }

    fn try_seal_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), Unspecified> {
        let Rtcp { cipher, next_index } = &mut *self.rtcp;
        let index = *next_index;
        let (header, _) = packet.split_first_chunk::<RTCP_CLEAR>().ok_or(Unspecified)?;
        if index > RTCP_INDEX_MAX {
            return Err(Unspecified);
        }
        *next_index += 1;
        let (_, &ssrc) = header.split_last_chunk::<4>().ok_or(Unspecified)?;
        let place = Place { ssrc: u32::from_be_bytes(ssrc), index: index.into() };
        let index = (ENCRYPTED | index).to_be_bytes();
        match cipher {
            Cipher::Gcm { key, salt } => {
                // What is authenticated is the header and, behind it, the index (RFC 7714 §9.2).
                let mut aad = [0; RTCP_CLEAR + 4];
                aad[..RTCP_CLEAR].copy_from_slice(header);
                aad[RTCP_CLEAR..].copy_from_slice(&index);
                let end = packet.len();
                packet.resize(end + self.profile.rtp_overhead(), 0);
                let (text, tag) = packet[RTCP_CLEAR..].split_at_mut(end - RTCP_CLEAR);
                gcm_seal_in_place(key, nonce(salt, place), &aad, text, tag)?;
                packet.extend(index);
            }
            Cipher::Counter(mode) => {
                mode.apply(place, &mut packet[RTCP_CLEAR..])?;
                packet.extend(index);
                let tag = mode.tag([packet, &[]]);
                packet.extend(tag);
            }
        }
        Ok(())
    }
}

/// A place that may still be used with this key.
fn checked(place: Place) -> Result<Place, Unspecified> {
    if place.index >> RTP_INDEX_BITS == 0 { Ok(place) } else { Err(Unspecified) }
}

fn rtp_nonce(salt: &[u8; 12], place: Place) -> Result<[u8; 12], Unspecified> {
    Ok(nonce(salt, checked(place)?))
}
