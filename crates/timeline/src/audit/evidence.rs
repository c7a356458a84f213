//! What a bundle of evidence says about its files, signed by the key of the checkpoints.

use super::{
    cbor,
    checkpoint::{PublicKey, Signature, Signer, check_signature},
    digest::Digest,
    lines::{room_key, serde_room},
};
use serde::{Deserialize, Serialize};
use unisono_base::{MediaTime, RoomId};

/// Version of the form.
const VERSION: u32 = 1;

/// The last file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Of the form; a reader refuses a higher one.
    pub version: u32,
    /// The room.
    #[serde(with = "serde_room")]
    pub room: RoomId,
    /// The recording that the segments are of.
    pub recording: String,
    /// First T of the span.
    pub from: MediaTime,
    /// T behind it.
    pub to: MediaTime,
    /// When it was made, on the node's timeline clock.
    pub made: MediaTime,
    /// Every other file, in the order of the archive.
    pub files: Vec<EvidenceFile>,
    /// Who signs. Compare it with the one the node publishes.
    pub key: PublicKey,
    /// Over all of the above.
    pub signature: Signature,
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceFile {
    /// Its path in the archive.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// A bundle that its key did not sign, or of another form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEvidence {
    /// Written by a newer program.
    #[error("the bundle has version {0}, this program knows {VERSION}")]
    TooNew(u32),
    /// Something in the list was changed, or somebody else signed it.
    #[error("the signature of the bundle is not by its key")]
    Forged,
}

impl Signer {
    /// The node's word that these are the files of the recording and room in this span.
    pub fn sign_evidence(
        &self,
        (room, recording): (&RoomId, String),
        (from, to): (MediaTime, MediaTime),
        made: MediaTime,
        files: Vec<EvidenceFile>,
    ) -> Evidence {
        let (room, key) = (room.clone(), self.public());
        let signature = self.sign_bytes(&[]);
        let mut evidence =
            Evidence { version: VERSION, room, recording, from, to, made, files, key, signature };
        evidence.signature = self.sign_bytes(&evidence.signed_bytes());
        evidence
    }
}

impl Evidence {
    /// Fails unless the key named in it signed it.
    pub fn check(&self) -> Result<(), BadEvidence> {
        if self.version != VERSION {
            return Err(BadEvidence::TooNew(self.version));
        }
        let is_signed = check_signature(&self.key, &self.signed_bytes(), &self.signature);
        if is_signed { Ok(()) } else { Err(BadEvidence::Forged) }
    }

    /// Deterministic CBOR of a map: `unisono` says what it is, so that the key's signatures mean nothing elsewhere.
    fn signed_bytes(&self) -> Vec<u8> {
        cbor::encode(cbor::from_json(&serde_json::json!({
            "unisono": "evidence 1", "room": room_key(&self.room), "recording": self.recording, "from": self.from,
            "to": self.to, "made": self.made, "files": self.files,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unisono_base::Tenant;

    #[test]
    fn a_bundle_is_signed_with_every_word_of_it() {
        let signer = Signer::from_seed(&[7; 32]).expect("a seed");
        let room = RoomId::parse(Tenant::default(), "live:x").expect("a room");
        let file = EvidenceFile { name: "log.jsonl".into(), bytes: 3, sha256: Digest::of(&[b"abc"]) };
        let at = MediaTime::from_micros;
        let good = signer.sign_evidence((&room, "r".into()), (at(1), at(2)), at(3), vec![file]);
        assert_eq!(good.check(), Ok(()));
        let read: Evidence =
            serde_json::from_str(&serde_json::to_string(&good).expect("JSON")).expect("read again");
        assert_eq!(read, good);
        let bends: [fn(&mut Evidence); 5] = [
            |bent| bent.to = MediaTime::from_micros(9),
            |bent| bent.recording.push('x'),
            |bent| bent.files[0].bytes += 1,
            |bent| bent.files[0].sha256 = Digest::of(&[b"abd"]),
            |bent| bent.files.clear(),
        ];
        for bend in bends {
            let mut bent = good.clone();
            bend(&mut bent);
            assert_eq!(bent.check(), Err(BadEvidence::Forged));
        }
    }
}
