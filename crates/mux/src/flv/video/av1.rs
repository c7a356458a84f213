//! AV1: AV1CodecConfigurationRecord and temporal units.
//!
//! ```text
//! marker=1(1) version=1(7)  profile, level and formats(24)  configOBUs
//! ```
//!
//! (AV1 codec ISO media file format binding §2.3.)

use super::{Picture, Unit};
use crate::flv::{CodecError, FlvError};
use bytes::{Bytes, BytesMut};
use unisono_media::{
    Av1Config, CodecConfig,
    av1::{self, ObuKind},
};

/// Marker bit and version of the record.
const MARKER_AND_VERSION: u8 = 0x81;
/// Where `configOBUs` begin.
const OBUS_AT: usize = 4;

#[derive(Clone, Debug, Default)]
pub(super) struct Av1 {
    config: Option<Av1Config>,
}

impl Av1 {
    /// The configuration, where it changed. `None` also for a record without a sequence header: it comes in band.
    pub(super) fn sequence_header(&mut self, record: &Bytes) -> Result<Option<CodecConfig>, FlvError> {
        if record.len() < OBUS_AT || record[0] != MARKER_AND_VERSION {
            return Err(FlvError::SequenceHeader { codec: "AV1", fault: "it is no version 1 record" });
        }
        let fatal = |error: av1::Error| FlvError::Configuration(error.into());
        let list = record.slice(OBUS_AT..);
        for obu in av1::obus(&list) {
            let obu = obu.map_err(fatal)?;
            if obu.kind == ObuKind::SequenceHeader {
                return self.configure(&obu.payload).map_err(fatal);
            }
        }
        Ok(None)
    }

    pub(super) fn frame(&mut self, data: &Bytes) -> Result<Unit, CodecError> {
        let unit = av1::store_temporal_unit(data)?;
        let config = match &unit.sequence {
            Some(sequence) => self.configure(sequence)?,
            None => None,
        };
        let Some(known) = self.config.as_ref().filter(|_| !unit.payload.is_empty()) else {
            return Ok(Unit { config, picture: None });
        };
        // By WebRTC a decoder has no other place to find it (RTP payload format for AV1 §5).
        let payload = match unit.key && unit.sequence.is_none() {
            true => joined(&known.sequence_obu, &unit.payload),
            false => unit.payload,
        };
        Ok(Unit { config, picture: Some(Picture { payload, key: unit.key, droppable: false }) })
    }

    fn configure(&mut self, sequence: &[u8]) -> Result<Option<CodecConfig>, av1::Error> {
        let config = Av1Config::new(sequence)?;
        if self.config.as_ref() == Some(&config) {
            return Ok(None);
        }
        self.config = Some(config.clone());
        Ok(Some(CodecConfig::Av1(config)))
    }
}

fn joined(sequence_obu: &[u8], payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(sequence_obu.len() + payload.len());
    out.extend_from_slice(sequence_obu);
    out.extend_from_slice(payload);
    out.freeze()
}
