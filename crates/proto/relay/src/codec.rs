//! Codec configurations on the wire: a number that names the codec, then what its parser was given at the origin, so that
//! the edge comes to the same configuration by the same way.

use crate::wire::{Malformed, Reader, Writer};
use bytes::Bytes;
use std::fmt::Display;
use unisono_media::{
    AacConfig, Av1Config, AvcConfig, CodecConfig, HevcConfig, OpusConfig, Vp8Config, Vp9Config, av1,
};

/// Longest parameter set, sequence header or AudioSpecificConfig.
const HEADER_BYTES_MAX: usize = 4 << 10;
/// Parameter sets of one kind.
const SETS_MAX: u64 = 16;

const H264: u64 = 1;
const H265: u64 = 2;
const VP8: u64 = 3;
const VP9: u64 = 4;
const AV1: u64 = 5;
const AAC: u64 = 6;
const OPUS: u64 = 7;
const EVENTS: u64 = 8;

pub(crate) fn write(writer: &mut Writer, config: &CodecConfig) {
    match config {
        CodecConfig::H264(avc) => {
            writer.number(H264).bytes(&avc.sps_nal);
            write_sets(writer, &avc.pps_nals);
        }
        CodecConfig::H265(hevc) => {
            writer.number(H265).bytes(&hevc.vps_nal).bytes(&hevc.sps_nal);
            write_sets(writer, &hevc.pps_nals);
        }
        CodecConfig::Vp8(vp8) => {
            writer.number(VP8).number(vp8.profile.into()).number(vp8.width.into()).number(vp8.height.into());
        }
        CodecConfig::Vp9(vp9) => {
            writer.number(VP9).number(vp9.profile.into()).number(vp9.bit_depth.into());
            writer.number(vp9.color_space.into()).flag(vp9.is_full_range);
            writer.flag(vp9.subsampling_x).flag(vp9.subsampling_y);
            writer.number(vp9.width.into()).number(vp9.height.into());
        }
        CodecConfig::Av1(av1) => {
            writer.number(AV1).bytes(&av1.sequence_obu);
        }
        CodecConfig::Aac(aac) => {
            writer.number(AAC).bytes(&aac.asc);
        }
        CodecConfig::Opus(opus) => {
            writer.number(OPUS).number(opus.channels.into()).number(opus.pre_skip.into());
        }
        CodecConfig::Events => {
            writer.number(EVENTS);
        }
    }
}

pub(crate) fn read(reader: &mut Reader) -> Result<CodecConfig, Malformed> {
    let header = |reader: &mut Reader, what| reader.bytes(what, HEADER_BYTES_MAX);
    match reader.number("codec")? {
        H264 => {
            let (sps, pps) = (header(reader, "SPS")?, read_sets(reader)?);
            AvcConfig::new(sps, pps).map(CodecConfig::H264).map_err(|error| refused("H.264", error))
        }
        H265 => {
            let (vps, sps) = (header(reader, "VPS")?, header(reader, "SPS")?);
            let pps = read_sets(reader)?;
            HevcConfig::new(vps, sps, pps).map(CodecConfig::H265).map_err(|error| refused("H.265", error))
        }
        VP8 => Ok(CodecConfig::Vp8(Vp8Config {
            profile: reader.u8("VP8 profile")?,
            width: reader.u32("width")?,
            height: reader.u32("height")?,
        })),
        VP9 => Ok(CodecConfig::Vp9(Vp9Config {
            profile: reader.u8("VP9 profile")?,
            bit_depth: reader.u8("VP9 bit depth")?,
            color_space: reader.u8("VP9 color space")?,
            is_full_range: reader.flag("VP9 range")?,
            subsampling_x: reader.flag("VP9 subsampling")?,
            subsampling_y: reader.flag("VP9 subsampling")?,
            width: reader.u32("width")?,
            height: reader.u32("height")?,
        })),
        AV1 => {
            let obu = header(reader, "sequence header")?;
            sequence(&obu).map(CodecConfig::Av1)
        }
        AAC => AacConfig::parse(header(reader, "AudioSpecificConfig")?)
            .map(CodecConfig::Aac)
            .map_err(|error| refused("AAC", error)),
        OPUS => Ok(CodecConfig::Opus(OpusConfig {
            channels: reader.up_to("Opus channels", 2)? as u8,
            pre_skip: reader.up_to("Opus pre-skip", u16::MAX.into())? as u16,
        })),
        EVENTS => Ok(CodecConfig::Events),
        value => Err(Malformed::Unknown { what: "codec", value }),
    }
}

fn write_sets(writer: &mut Writer, sets: &[Bytes]) {
    let sets = &sets[..sets.len().min(SETS_MAX as usize)];
    writer.number(sets.len() as u64);
    sets.iter().for_each(|set| {
        writer.bytes(set);
    });
}

fn read_sets(reader: &mut Reader) -> Result<Vec<Bytes>, Malformed> {
    let count = reader.up_to("number of PPS", SETS_MAX)?;
    (0..count).map(|_| reader.bytes("PPS", HEADER_BYTES_MAX)).collect()
}

fn refused(codec: &'static str, error: impl Display) -> Malformed {
    Malformed::Config { codec, words: error.to_string() }
}

fn sequence(obu: &Bytes) -> Result<Av1Config, Malformed> {
    let mut units = av1::obus(obu).filter_map(Result::ok);
    let header = units.find(|unit| unit.kind == av1::ObuKind::SequenceHeader);
    let header = header.ok_or(Malformed::Short("AV1 sequence header"))?;
    Av1Config::new(&header.payload).map_err(|error| refused("AV1", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x264, 640x360, constrained baseline.
    const SPS: [u8; 23] = [
        0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x61, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00,
        0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e,
    ];

    fn check(config: &CodecConfig) {
        let mut writer = Writer::default();
        write(&mut writer, config);
        let item = writer.item(0);
        let mut reader = Reader::new(item.slice(1..));
        assert_eq!(read(&mut reader).as_ref(), Ok(config));
        assert_eq!(reader.end("config"), Ok(()));
    }

    #[test]
    fn every_codec_comes_back_as_it_was() {
        let avc = AvcConfig::new(Bytes::from_static(&SPS), vec![Bytes::from_static(&[0x68, 0xce])]);
        check(&CodecConfig::H264(avc.expect("a valid SPS")));
        check(&CodecConfig::Aac(AacConfig::parse(Bytes::from_static(&[0x12, 0x10])).expect("valid")));
        check(&CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 312 }));
        check(&CodecConfig::Vp8(Vp8Config { profile: 1, width: 640, height: 360 }));
        check(&CodecConfig::Events);
    }

    #[test]
    fn what_its_own_parser_refuses_is_refused_in_words() {
        let mut writer = Writer::default();
        writer.number(AAC).bytes(&[0x2b, 0x92, 0x08, 0x00]);
        let error = read(&mut Reader::new(writer.item(0).slice(1..))).expect_err("HE-AAC");
        assert!(error.to_string().contains("AAC-LC"), "{error}");
    }
}
