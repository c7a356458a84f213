//! H.264: sequence headers, access units, parameter sets in band.

use super::{Picture, Unit, avcc};
use crate::flv::{CodecError, FlvError, nal};
use bytes::Bytes;
use unisono_media::{AvcConfig, CodecConfig, h264};

/// Bytes of a NAL unit's header.
const HEADER_BYTES: usize = 1;

#[derive(Clone, Debug)]
pub(super) struct Avc {
    config: Option<AvcConfig>,
    length_size: usize,
}

impl Avc {
    pub(super) fn new() -> Self {
        Self { config: None, length_size: 4 }
    }

    /// The configuration, where it changed.
    pub(super) fn sequence_header(&mut self, record: &Bytes) -> Result<Option<CodecConfig>, FlvError> {
        let avcc = avcc::parse(record)?;
        self.length_size = avcc.length_size;
        if self.config.as_ref() == Some(&avcc.config) {
            return Ok(None);
        }
        self.config = Some(avcc.config.clone());
        Ok(Some(CodecConfig::H264(avcc.config)))
    }

    pub(super) fn frame(&mut self, data: &Bytes) -> Result<Unit, CodecError> {
        let unit = h264::store_length_prefixed(&nal::widen(data, self.length_size)?)?;
        let config = match unit.sps.is_some() || !unit.pps.is_empty() {
            true => self.in_band(unit.sps, unit.pps)?,
            false => None,
        };
        let picture = Picture { payload: unit.payload, key: unit.key, droppable: unit.droppable };
        let is_shown = self.config.is_some() && !picture.payload.is_empty();
        Ok(Unit { config: config.map(CodecConfig::H264), picture: is_shown.then_some(picture) })
    }

    /// Parameter sets between the slices: a new SPS replaces the configuration, a PPS the one of its id.
    fn in_band(&mut self, sps: Option<Bytes>, pps: Vec<Bytes>) -> Result<Option<AvcConfig>, CodecError> {
        let old = self.config.as_ref();
        let sps_is_new = sps.is_some() && sps.as_ref() != old.map(|c| &c.sps_nal);
        let Some(sps_nal) = sps.or_else(|| old.map(|c| c.sps_nal.clone())) else { return Ok(None) };
        let kept = old.filter(|_| !sps_is_new || pps.is_empty()).map(|c| c.pps_nals.clone());
        let mut pps_nals = kept.unwrap_or_default();
        nal::merge_pps(&mut pps_nals, pps, HEADER_BYTES);
        if pps_nals.is_empty() || old.is_some_and(|c| c.sps_nal == sps_nal && c.pps_nals == pps_nals) {
            return Ok(None);
        }
        let config = AvcConfig::new(nal::copied(&sps_nal), pps_nals.iter().map(nal::copied).collect())?;
        self.config = Some(config.clone());
        Ok(Some(config))
    }
}
