//! One session key at work: encryption, authentication and nonces of one protocol in one direction.

use super::Profile;
use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey},
    constant_time::verify_slices_are_equal,
    error::Unspecified,
    hmac,
    iv::FixedLength,
};

/// Authentication tag of AES-CM-SHA1-80, bytes.
const SHA1_80_TAG: usize = 10;

/// See the module. A GCM key with its table of powers lies in 600 bytes of aws-lc's; the parts of AES-CM are rare enough
/// to stay boxed.
pub(super) enum Cipher {
    Gcm { key: LessSafeKey, salt: [u8; 12] },
    Counter(Box<CounterMode>),
}

/// AES in counter mode, authenticated by HMAC-SHA1 (RFC 3711 §4.1.1, §4.2.1).
pub(super) struct CounterMode {
    key: EncryptingKey,
    mac: hmac::Key,
    salt: [u8; 14],
}

/// Where a packet stands in the key stream.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Of the packet's sender.
    pub(super) ssrc: u32,
    /// RTP: rollover counter and sequence number, 48 bits. RTCP: the 31-bit index.
    pub(super) index: u64,
}

impl Cipher {
    /// Keys and salt have the lengths of the profile.
    pub(super) fn new(profile: Profile, key: &[u8], mac: &[u8], salt: &[u8]) -> Result<Self, Unspecified> {
        let gcm = |algorithm| -> Result<Self, Unspecified> {
            let key = LessSafeKey::new(UnboundKey::new(algorithm, key)?);
            Ok(Self::Gcm { key, salt: salt.try_into().map_err(|_| Unspecified)? })
        };
        match profile {
            Profile::AeadAes256Gcm => gcm(&AES_256_GCM),
            Profile::AeadAes128Gcm => gcm(&AES_128_GCM),
            Profile::Aes128CmSha1_80 => Ok(Self::Counter(Box::new(CounterMode {
                key: EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key)?)?,
                mac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, mac),
                salt: salt.try_into().map_err(|_| Unspecified)?,
            }))),
        }
    }
}

/// GCM of `plain` into `out`, the tag behind it (RFC 7714 §5.1). `out` is longer than `plain` by 16.
pub(super) fn gcm_seal(
    key: &LessSafeKey,
    nonce: [u8; 12],
    aad: &[u8],
    plain: &[u8],
    out: &mut [u8],
) -> Result<(), Unspecified> {
    let (text, tag) = out.split_at_mut_checked(plain.len()).ok_or(Unspecified)?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_out_of_place_scatter(nonce, Aad::from(aad), plain, text, &[], tag)
}

/// The same where the plain text lies; the tag goes elsewhere.
pub(super) fn gcm_seal_in_place(
    key: &LessSafeKey,
    nonce: [u8; 12],
    aad: &[u8],
    text: &mut [u8],
    tag: &mut [u8],
) -> Result<(), Unspecified> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_scatter(nonce, Aad::from(aad), text, &[], tag)
}

/// The inverse of [`gcm_seal`]. `out` is shorter than `sealed` by 16; it holds garbage after an error.
pub(super) fn gcm_open(
    key: &LessSafeKey,
    nonce: [u8; 12],
    aad: &[u8],
    sealed: &[u8],
    out: &mut [u8],
) -> Result<(), Unspecified> {
    let (text, tag) = sealed.split_at_checked(out.len()).ok_or(Unspecified)?;
    key.open_separate_gather(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text, tag, out)
}

/// Two zero bytes, SSRC, and the index in six bytes, masked by the salt: for RTP these are rollover counter and sequence
/// number (RFC 7714 §8.1), for RTCP two zero bytes and the index (§9.1).
pub(super) fn nonce(salt: &[u8; 12], place: Place) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&place.ssrc.to_be_bytes());
    nonce[6..].copy_from_slice(&place.index.to_be_bytes()[2..]);
    nonce.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
    nonce
}

impl CounterMode {
    /// Encrypts or decrypts in place.
    pub(super) fn apply(&self, place: Place, text: &mut [u8]) -> Result<(), Unspecified> {
        let mut counter = [0; 16];
        counter[4..8].copy_from_slice(&place.ssrc.to_be_bytes());
        // 48 bits of index, 16 of block counter.
        counter[8..].copy_from_slice(&(place.index << 16).to_be_bytes());
        counter.iter_mut().zip(&self.salt).for_each(|(byte, salt)| *byte ^= salt);
        let context = EncryptionContext::Iv128(FixedLength::from(counter));
        self.key.less_safe_encrypt(text, context).map(|_| ())
    }

    /// The tag over `parts` in a row.
    pub(super) fn tag(&self, parts: [&[u8]; 2]) -> [u8; SHA1_80_TAG] {
        let mut context = hmac::Context::with_key(&self.mac);
        parts.iter().for_each(|part| context.update(part));
        let mut tag = [0; SHA1_80_TAG];
        tag.copy_from_slice(&context.sign().as_ref()[..SHA1_80_TAG]);
        tag
    }

    /// In constant time.
    pub(super) fn verify(&self, parts: [&[u8]; 2], tag: &[u8]) -> Result<(), Unspecified> {
        verify_slices_are_equal(&self.tag(parts), tag)
    }
}
