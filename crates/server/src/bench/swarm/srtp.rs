//! What a counted viewer needs of SRTP: it seals its RTCP, opens the server's, and opens resent packets, whose number is
//! in the payload. AEAD only (RFC 7714); a server that chooses another profile is told so in words.

use anyhow::{Context, bail};
use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    iv::FixedLength,
};
use dimpl::SrtpProfile;

const TAG: usize = 16;
/// E flag and index behind a sealed RTCP packet.
const TRAILER: usize = 4;
/// Bytes of an RTCP packet that stay clear: first header and sender.
const RTCP_CLEAR: usize = 8;
const IS_ENCRYPTED: u32 = 1 << 31;

/// Session keys of both directions. Raw: expanding one takes less than opening a packet, and an expanded one takes
/// half a kilobyte for each of thousands of viewers.
pub(super) struct Keys {
    algorithm: &'static Algorithm,
    send_rtcp: Key,
    receive_rtcp: Key,
    receive_rtp: Key,
    next_index: u32,
}

struct Key {
    bytes: [u8; 32],
    salt: [u8; NONCE_LEN],
}

impl Keys {
    /// Session keys of the DTLS client from the handshake's material (RFC 5764 §4.2).
    pub(super) fn derive(profile: SrtpProfile, material: &[u8]) -> anyhow::Result<Self> {
        let (algorithm, length) = match profile {
            SrtpProfile::AEAD_AES_128_GCM => (&AES_128_GCM, 16),
            SrtpProfile::AEAD_AES_256_GCM => (&AES_256_GCM, 32),
            other => bail!("the server chose {other}; counted viewers speak AEAD_AES_(128|256)_GCM only"),
        };
        if material.len() < 2 * (length + NONCE_LEN) {
            bail!("the handshake gave {} bytes of keys", material.len());
        }
        let (keys, salts) = material.split_at(2 * length);
        let (ours, theirs) = keys.split_at(length);
        let (our_salt, their_salt) = (&salts[..NONCE_LEN], &salts[NONCE_LEN..2 * NONCE_LEN]);
        Ok(Self {
            algorithm,
            send_rtcp: Key::derive(ours, our_salt, 3)?,
            receive_rtcp: Key::derive(theirs, their_salt, 3)?,
            receive_rtp: Key::derive(theirs, their_salt, 0)?,
            next_index: 0,
        })
    }

    /// Seals a compound packet in place (RFC 7714 §9). Shorter than a header: left as it is, and refused by any peer.
    pub(super) fn seal_rtcp(&mut self, packet: &mut Vec<u8>) -> anyhow::Result<()> {
        let index = self.next_index;
        self.next_index = (index + 1) & !IS_ENCRYPTED;
        let trailer = (index | IS_ENCRYPTED).to_be_bytes();
        let (aad, nonce) = rtcp_context(packet, trailer, &self.send_rtcp.salt).context("too short")?;
        let key = self.send_rtcp.expand(self.algorithm)?;
        let body = packet.get_mut(RTCP_CLEAR..).context("too short")?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), body).ok().context("sealing")?;
        packet.extend_from_slice(tag.as_ref());
        packet.extend_from_slice(&trailer);
        Ok(())
    }

    /// Opens a packet of the server's in place; `None` where it is not genuine.
    pub(super) fn open_rtcp<'a>(&self, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        let body_end = packet.len().checked_sub(TRAILER)?;
        let trailer: [u8; TRAILER] = packet[body_end..].try_into().ok()?;
        let (aad, nonce) = rtcp_context(packet, trailer, &self.receive_rtcp.salt)?;
        let body = packet.get_mut(RTCP_CLEAR..body_end)?;
        let key = self.receive_rtcp.expand(self.algorithm).ok()?;
        let length = key.open_in_place(nonce, Aad::from(aad), body).ok()?.len();
        Some(&packet[..RTCP_CLEAR + length])
    }

    /// Opens an RTP packet in place (RFC 7714 §8) with the sequence number `extended` by its rollover count.
    pub(super) fn open_rtp<'a>(
        &self,
        packet: &'a mut [u8],
        header: usize,
        ssrc: u32,
        extended: u64,
    ) -> Option<&'a [u8]> {
        let mut nonce = [0; NONCE_LEN];
        nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
        nonce[6..].copy_from_slice(&extended.to_be_bytes()[2..]);
        let nonce = salted(nonce, &self.receive_rtp.salt);
        let (clear, body) = packet.split_at_mut_checked(header)?;
        let key = self.receive_rtp.expand(self.algorithm).ok()?;
        key.open_in_place(nonce, Aad::from(clear), body).ok().map(|opened| &*opened)
    }
}

impl Key {
    /// Key derivation with rate 0 (RFC 3711 §4.3.1, RFC 7714 §11): `label` for the key, two more for its salt.
    fn derive(master: &[u8], master_salt: &[u8], label: u8) -> anyhow::Result<Self> {
        let mut key = Self { bytes: [0; 32], salt: [0; NONCE_LEN] };
        keystream(master, master_salt, label, &mut key.bytes[..master.len()])?;
        keystream(master, master_salt, label + 2, &mut key.salt)?;
        Ok(key)
    }

    fn expand(&self, algorithm: &'static Algorithm) -> anyhow::Result<LessSafeKey> {
        let bytes = &self.bytes[..algorithm.key_len()];
        Ok(LessSafeKey::new(UnboundKey::new(algorithm, bytes).ok().context("key length")?))
    }
}

fn keystream(master: &[u8], salt: &[u8], label: u8, out: &mut [u8]) -> anyhow::Result<()> {
    let algorithm = if master.len() == 16 { &AES_128 } else { &AES_256 };
    let mut block = [0; 16];
    block[..salt.len()].copy_from_slice(salt);
    block[7] ^= label;
    let key = UnboundCipherKey::new(algorithm, master).ok().context("key length")?;
    let key = EncryptingKey::ctr(key).ok().context("no AES-CTR")?;
    let context = EncryptionContext::Iv128(FixedLength::from(block));
    key.less_safe_encrypt(out, context).ok().context("key derivation")?;
    Ok(())
}

/// Additional data and nonce of an RTCP packet (RFC 7714 §9.1, §9.3).
fn rtcp_context(packet: &[u8], trailer: [u8; TRAILER], salt: &[u8; NONCE_LEN]) -> Option<([u8; 12], Nonce)> {
    let head = packet.first_chunk::<RTCP_CLEAR>()?;
    let mut aad = [0; 12];
    aad[..RTCP_CLEAR].copy_from_slice(head);
    aad[RTCP_CLEAR..].copy_from_slice(&trailer);
    let index = (u32::from_be_bytes(trailer) & !IS_ENCRYPTED).to_be_bytes();
    let mut nonce = [0; NONCE_LEN];
    nonce[2..6].copy_from_slice(&head[4..]);
    nonce[8..].copy_from_slice(&index);
    Some((aad, salted(nonce, salt)))
}

fn salted(mut nonce: [u8; NONCE_LEN], salt: &[u8; NONCE_LEN]) -> Nonce {
    nonce.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
    Nonce::assume_unique_for_key(nonce)
}

/// Bytes that sealing adds to an RTP packet.
pub(super) const RTP_TAG: usize = TAG;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(profile: SrtpProfile, length: usize) -> (Keys, Keys) {
        let material: Vec<u8> = (0..2 * (length + NONCE_LEN) as u8).collect();
        // The server sees the same material the other way round.
        let mut swapped = material[length..2 * length].to_vec();
        swapped.extend_from_slice(&material[..length]);
        swapped.extend_from_slice(&material[2 * length + NONCE_LEN..]);
        swapped.extend_from_slice(&material[2 * length..2 * length + NONCE_LEN]);
        (Keys::derive(profile, &material).expect("ours"), Keys::derive(profile, &swapped).expect("theirs"))
    }

    #[test]
    fn what_one_side_seals_the_other_opens_and_nobody_else_changes() {
        for (profile, length) in [(SrtpProfile::AEAD_AES_128_GCM, 16), (SrtpProfile::AEAD_AES_256_GCM, 32)] {
            let (mut viewer, server) = pair(profile, length);
            let plain = b"\x81\xc9\x00\x07SSRCbody of a report".to_vec();
            for index in 0..3u32 {
                let mut sealed = plain.clone();
                viewer.seal_rtcp(&mut sealed).expect("sealed");
                assert_eq!(sealed[sealed.len() - 4..], (index | IS_ENCRYPTED).to_be_bytes());
                let mut broken = sealed.clone();
                broken[10] ^= 1;
                assert_eq!(server.open_rtcp(&mut broken), None);
                assert_eq!(server.open_rtcp(&mut sealed), Some(&plain[..]));
            }
        }
    }

    /// RFC 7714 §17.1.
    #[test]
    fn the_vector_of_the_standard_is_met() {
        let mut keys = pair(SrtpProfile::AEAD_AES_128_GCM, 16).0;
        keys.send_rtcp.bytes[..16].copy_from_slice(&std::array::from_fn::<u8, 16, _>(|n| n as u8));
        keys.send_rtcp.salt = *b"Quid pro quo";
        keys.next_index = 0x5d4;
        let mut packet = b"\x81\xc8\x00\x0dMarsNTP1NTP2RTP \x00\x00\x04\x2a\x00\x00\xe9\x30Luna".to_vec();
        packet.extend_from_slice(&[0xde, 0xad, 0xbe, 0xef].repeat(5));
        keys.seal_rtcp(&mut packet).expect("sealed");
        assert_eq!(packet[8..16], [0x63, 0xe9, 0x48, 0x85, 0xdc, 0xda, 0xb6, 0x7c]);
        assert_eq!(packet[packet.len() - 4..], [0x80, 0x00, 0x05, 0xd4]);
    }

    #[test]
    fn short_and_foreign_packets_are_nothing() {
        let (_, server) = pair(SrtpProfile::AEAD_AES_256_GCM, 32);
        for length in 0..40 {
            assert_eq!(server.open_rtcp(&mut vec![0x80; length]), None);
            assert_eq!(server.open_rtp(&mut vec![0x80; length], 12, 1, 1), None);
        }
        assert!(Keys::derive(SrtpProfile::AES128_CM_SHA1_80, &[0; 60]).is_err());
    }
}
