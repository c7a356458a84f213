//! H.265: sequence headers, access units, parameter sets in band.

use super::{Picture, Unit, hvcc};
use crate::flv::{CodecError, FlvError, nal};
use bytes::Bytes;
use unisono_media::{CodecConfig, HevcConfig, h265};

#[derive(Clone, Debug)]
pub(super) struct Hevc {
    config: Option<HevcConfig>,
    length_size: usize,
}

impl Hevc {
    pub(super) fn new() -> Self {
        Self { config: None, length_size: 4 }
    }

    /// The configuration, where it changed.
    pub(super) fn sequence_header(&mut self, record: &Bytes) -> Result<Option<CodecConfig>, FlvError> {
        let hvcc = hvcc::parse(record)?;
        self.length_size = hvcc.length_size;
        let Some(config) = hvcc.config.filter(|config| self.config.as_ref() != Some(config)) else {
            return Ok(None);
        };
        self.config = Some(config.clone());
        Ok(Some(CodecConfig::H265(config)))
    }

    pub(super) fn frame(&mut self, data: &Bytes) -> Result<Unit, CodecError> {
        let data = nal::widen(data, self.length_size).map_err(h265::Error::NalLength)?;
        let mut unit = h265::store_length_prefixed(&data)?;
        let config = self.in_band(&mut unit)?;
        let Some(known) = self.config.as_ref().filter(|_| !unit.payload.is_empty()) else {
            return Ok(Unit { config: config.map(CodecConfig::H265), picture: None });
        };
        let droppable = known.is_droppable(&unit);
        let picture = Picture { payload: unit.payload, key: unit.key, droppable };
        Ok(Unit { config: config.map(CodecConfig::H265), picture: Some(picture) })
    }

    /// Parameter sets between the slices. A new VPS or SPS without its PPS keeps those there are.
    fn in_band(&mut self, unit: &mut h265::AccessUnit) -> Result<Option<HevcConfig>, CodecError> {
        let (vps, sps, pps) = (unit.vps.take(), unit.sps.take(), std::mem::take(&mut unit.pps));
        if vps.is_none() && sps.is_none() && pps.is_empty() {
            return Ok(None);
        }
        let old = self.config.as_ref();
        let sps_is_new = sps.is_some() && sps.as_ref() != old.map(|c| &c.sps_nal);
        let vps = vps.or_else(|| old.map(|c| c.vps_nal.clone()));
        let sps = sps.or_else(|| old.map(|c| c.sps_nal.clone()));
        let kept = old.filter(|_| !sps_is_new || pps.is_empty()).map(|c| c.pps_nals.clone());
        let mut pps_nals = kept.unwrap_or_default();
        nal::merge_pps(&mut pps_nals, pps, h265::HEADER_BYTES);
        // What is missing may come with a later access unit.
        let (Some(vps), Some(sps), false) = (vps, sps, pps_nals.is_empty()) else { return Ok(None) };
        if old.is_some_and(|c| c.vps_nal == vps && c.sps_nal == sps && c.pps_nals == pps_nals) {
            return Ok(None);
        }
        let pps_nals = pps_nals.iter().map(nal::copied).collect();
        let config = HevcConfig::new(nal::copied(&vps), nal::copied(&sps), pps_nals)?;
        self.config = Some(config.clone());
        Ok(Some(config))
    }
}
