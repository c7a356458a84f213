//! Master keys from DTLS, and the session keys made of them (RFC 3711 §4.3).

use super::{Opener, Profile, RtpOpener, Sealer, cipher::Cipher};
use aws_lc_rs::{
    cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    error::Unspecified,
    iv::FixedLength,
};

/// Which end of the DTLS handshake we were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We began it.
    Client,
    /// We answered it.
    Server,
}

/// Why no keys came out of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// DTLS exported another amount than the profile takes: a fault of ours.
    #[error("keying material of {length} bytes, {profile:?} takes {}", profile.material_len())]
    Length {
        /// The profile negotiated.
        profile: Profile,
        /// Bytes exported.
        length: usize,
    },
    /// The crypto library refused the key.
    #[error("the crypto library refused a key for {0:?}")]
    Refused(Profile),
}

/// The master keys of both directions. Build the [`Sealer`] and [`Opener`] of a session from it, then drop it.
pub struct Keys {
    profile: Profile,
    ours: Master,
    theirs: Master,
}

/// Master key and salt of one direction, each in the first bytes of its field.
pub(super) struct Master {
    key: [u8; 32],
    salt: [u8; 14],
}

/// What a session key is for (RFC 3711 §4.3.2).
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

impl Keys {
    /// Cuts the material exported from DTLS: client key, server key, client salt, server salt (RFC 5764 §4.2).
    pub fn from_dtls(profile: Profile, material: &[u8], we_are: Side) -> Result<Self, KeyError> {
        let length = material.len();
        if length != profile.material_len() {
            return Err(KeyError::Length { profile, length });
        }
        let (keys, salts) = material.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        let (client, server) = (Master::new(client_key, client_salt), Master::new(server_key, server_salt));
        let (ours, theirs) = match we_are {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        Ok(Self { profile, ours, theirs })
    }

    /// Protects what we send.
    pub fn sealer(&self) -> Result<Sealer, KeyError> {
        let (rtp, rtcp) = self.ours.derive(self.profile)?;
        Ok(Sealer::new(self.profile, rtp, rtcp))
    }

    /// Opens RTCP of the peer.
    pub fn opener(&self) -> Result<Opener, KeyError> {
        let (_, rtcp) = self.theirs.derive(self.profile)?;
        Ok(Opener::new(self.profile, rtcp))
    }

    /// Opens RTP of the peer.
    pub fn rtp_opener(&self) -> Result<RtpOpener, KeyError> {
        let (rtp, _) = self.theirs.derive(self.profile)?;
        Ok(RtpOpener::new(self.profile, rtp))
    }
}

impl Master {
    /// Both slices are at most as long as the fields: lengths of a [`Profile`].
    pub(super) fn new(key: &[u8], salt: &[u8]) -> Self {
        let mut master = Self { key: [0; 32], salt: [0; 14] };
        master.key[..key.len()].copy_from_slice(key);
        master.salt[..salt.len()].copy_from_slice(salt);
        master
    }

    /// Ciphers for RTP and RTCP.
    fn derive(&self, profile: Profile) -> Result<(Cipher, Cipher), KeyError> {
        let labels = [
            [Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt],
            [Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt],
        ];
        let make = |[encryption, authentication, salt]: [Label; 3]| {
            let key = self.session_key::<32>(profile, encryption)?;
            let mac = self.session_key::<20>(profile, authentication)?;
            let salt = self.session_key::<14>(profile, salt)?;
            Cipher::new(profile, &key[..profile.key_len()], &mac, &salt[..profile.salt_len()])
        };
        let [rtp, rtcp] = labels.map(make);
        match (rtp, rtcp) {
            (Ok(rtp), Ok(rtcp)) => Ok((rtp, rtcp)),
            _ => Err(KeyError::Refused(profile)),
        }
    }

    /// AES-CM as the pseudo-random function, with a key derivation rate of 0 (RFC 3711 §4.3.3, RFC 6188 for 256 bits).
    /// A salt of 12 bytes counts as one of 14 that ends in zeros (RFC 7714 §11).
    pub(super) fn session_key<const N: usize>(
        &self,
        profile: Profile,
        label: Label,
    ) -> Result<[u8; N], Unspecified> {
        let mut counter = [0; 16];
        counter[..14].copy_from_slice(&self.salt);
        counter[7] ^= label as u8;
        let algorithm = if profile.key_len() == 32 { &AES_256 } else { &AES_128 };
        let key = UnboundCipherKey::new(algorithm, &self.key[..profile.key_len()])?;
        let mut stream = [0; N];
        let context = EncryptionContext::Iv128(FixedLength::from(counter));
        EncryptingKey::ctr(key)?.less_safe_encrypt(&mut stream, context)?;
        Ok(stream)
    }
}
