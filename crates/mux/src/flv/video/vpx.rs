//! VP8 and VP9: a keyframe says all that a decoder needs, so the sequence header, a VPCodecConfigurationRecord, is not
//! looked at.

use super::{Picture, Unit};
use crate::flv::CodecError;
use bytes::Bytes;
use unisono_media::{CodecConfig, Vp8Config, Vp9Config, vp8, vp9};

#[derive(Clone, Debug, Default)]
pub(super) struct Vp8 {
    config: Option<Vp8Config>,
}

impl Vp8 {
    pub(super) fn frame(&mut self, data: &Bytes) -> Result<Unit, CodecError> {
        let key = vp8::Header::parse(data)?.key;
        let changed = key.filter(|config| self.config != Some(*config));
        self.config = key.or(self.config);
        Ok(unit(data, self.config.is_some(), key.is_some(), changed.map(CodecConfig::Vp8)))
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Vp9 {
    config: Option<Vp9Config>,
}

impl Vp9 {
    pub(super) fn frame(&mut self, data: &Bytes) -> Result<Unit, CodecError> {
        let key = vp9::Header::parse(data)?.key;
        let changed = key.filter(|config| self.config != Some(*config));
        self.config = key.or(self.config);
        Ok(unit(data, self.config.is_some(), key.is_some(), changed.map(CodecConfig::Vp9)))
    }
}

fn unit(data: &Bytes, is_configured: bool, key: bool, config: Option<CodecConfig>) -> Unit {
    let picture = Picture { payload: data.clone(), key, droppable: false };
    Unit { config, picture: is_configured.then_some(picture) }
}
