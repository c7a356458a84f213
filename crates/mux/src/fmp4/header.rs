//! `ftyp moov`: what a decoder needs before the first fragment.

use super::{Error, TRACK_ID, video_entry};
use bytes::Bytes;
use mp4_atom::{
    Audio, Codec, Dinf, Dops, Dref, Encode, Esds, FixedPoint, FourCC, Ftyp, Hdlr, Mdhd, Mdia, Minf, Moov,
    Mp4a, Mvex, Mvhd, Opus, Smhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Url, Vmhd,
    esds::{DecoderConfig, DecoderSpecific, EsDescriptor, SLConfig},
};
use unisono_media::{AacConfig, CodecConfig, OpusConfig, Picture};

/// Ticks per second of video tracks, RTP's clock for video as well.
const VIDEO_TIMESCALE: u32 = 90_000;
/// Opus always decodes at 48 kHz (RFC 7845 §5.1).
const OPUS_RATE: u32 = 48_000;
/// 14496-1 table 5: "Audio ISO/IEC 14496-3".
const OBJECT_TYPE_AAC: u8 = 0x40;
/// 14496-1 table 6: audio stream.
const STREAM_TYPE_AUDIO: u8 = 5;

/// Ticks per second of a track: 90000 for video, the sample rate for audio. Never zero.
pub fn timescale(config: &CodecConfig) -> u32 {
    match config {
        CodecConfig::Aac(aac) => aac.sample_rate.max(1),
        CodecConfig::Opus(_) => OPUS_RATE,
        CodecConfig::H264(_)
        | CodecConfig::H265(_)
        | CodecConfig::Vp8(_)
        | CodecConfig::Vp9(_)
        | CodecConfig::Av1(_)
        | CodecConfig::Events => VIDEO_TIMESCALE,
    }
}

/// The CMAF header of a track with this configuration.
pub fn header(config: &CodecConfig) -> Result<Bytes, Error> {
    let picture = config.picture();
    let entry = match (config, picture) {
        (CodecConfig::H264(avc), Some(picture)) => Entry::video(video_entry::avc(avc, picture)?, picture)?,
        (CodecConfig::H265(hevc), Some(picture)) => Entry::video(video_entry::hevc(hevc, picture)?, picture)?,
        (CodecConfig::Vp8(vp8), Some(picture)) => Entry::video(video_entry::vp8(vp8, picture)?, picture)?,
        (CodecConfig::Vp9(vp9), Some(picture)) => Entry::video(video_entry::vp9(vp9, picture)?, picture)?,
        (CodecConfig::Av1(av1), Some(picture)) => Entry::video(video_entry::av1(av1, picture)?, picture)?,
        (CodecConfig::Aac(aac), _) => Entry::aac(aac),
        (CodecConfig::Opus(opus), _) => Entry::opus(opus),
        _ => return Err(Error::NoMedia),
    };
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: vec![FourCC::new(b"iso6"), FourCC::new(b"cmfc"), FourCC::new(b"mp41")],
    };
    let mut out = Vec::with_capacity(800);
    ftyp.encode(&mut out)?;
    entry.moov(timescale(config)).encode(&mut out)?;
    Ok(out.into())
}

/// What differs between the codecs.
struct Entry {
    codec: Codec,
    handler: FourCC,
    size: (u16, u16),
    vmhd: Option<Vmhd>,
    smhd: Option<Smhd>,
}

impl Entry {
    fn video(codec: Codec, picture: Picture) -> Result<Self, Error> {
        let size = video_entry::size(picture)?;
        Ok(Self { codec, handler: FourCC::new(b"vide"), size, vmhd: Some(Vmhd::default()), smhd: None })
    }

    fn audio(codec: Codec) -> Self {
        let smhd = Some(Smhd::default());
        Self { codec, handler: FourCC::new(b"soun"), size: (0, 0), vmhd: None, smhd }
    }

    fn aac(aac: &AacConfig) -> Self {
        let dec_specific = Some(DecoderSpecific { raw: aac.asc.to_vec(), ..DecoderSpecific::default() });
        let dec_config = DecoderConfig {
            object_type_indication: OBJECT_TYPE_AAC,
            stream_type: STREAM_TYPE_AUDIO,
            dec_specific,
            ..DecoderConfig::default()
        };
        let es_desc = EsDescriptor {
            es_id: TRACK_ID as u16,
            dec_config,
            sl_config: SLConfig {},
            ..EsDescriptor::default()
        };
        let audio = audio_entry(aac.channels, aac.sample_rate);
        Self::audio(Mp4a { audio, esds: Esds { es_desc }, btrt: None, taic: None }.into())
    }

    fn opus(opus: &OpusConfig) -> Self {
        let dops = Dops {
            output_channel_count: opus.channels,
            pre_skip: opus.pre_skip,
            input_sample_rate: OPUS_RATE,
            output_gain: 0,
            channel_mapping: None,
        };
        Self::audio(Opus { audio: audio_entry(opus.channels, OPUS_RATE), dops, btrt: None }.into())
    }

    fn moov(self, timescale: u32) -> Moov {
        let (width, height) = self.size;
        let is_audio = self.smhd.is_some();
        let tkhd = Tkhd {
            track_id: TRACK_ID,
            enabled: true,
            in_movie: true,
            volume: FixedPoint::from(u8::from(is_audio)),
            width: width.into(),
            height: height.into(),
            ..Tkhd::default()
        };
        let stbl =
            Stbl { stsd: Stsd { codecs: vec![self.codec] }, stco: Some(Stco::default()), ..Stbl::default() };
        let dinf = Dinf { dref: Dref { entries: vec![Url::default().into()] } };
        let minf = Minf { vmhd: self.vmhd, smhd: self.smhd, dinf, stbl, ..Minf::default() };
        let hdlr = Hdlr { handler: self.handler, name: "Unisono".into() };
        let mdhd = Mdhd { timescale, language: "und".into(), ..Mdhd::default() };
        let trex = Trex { track_id: TRACK_ID, default_sample_description_index: 1, ..Trex::default() };
        Moov {
            mvhd: Mvhd {
                timescale,
                rate: FixedPoint::from(1),
                volume: FixedPoint::from(1),
                next_track_id: TRACK_ID + 1,
                ..Mvhd::default()
            },
            mvex: Some(Mvex { mehd: None, trex: vec![trex] }),
            trak: vec![Trak { tkhd, mdia: Mdia { mdhd, hdlr, minf }, ..Trak::default() }],
            ..Moov::default()
        }
    }
}

/// The 16.16 rate field cannot hold more than 65535; zero says "see the decoder configuration".
fn audio_entry(channels: u8, rate: u32) -> Audio {
    Audio {
        data_reference_index: 1,
        channel_count: channels.into(),
        sample_size: 16,
        sample_rate: u16::try_from(rate).unwrap_or(0).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mp4_atom::{Decode, DecodeMaybe};

    fn moov(config: &CodecConfig) -> Moov {
        let bytes = header(config).expect("written");
        let mut rest = &bytes[..];
        Ftyp::decode(&mut rest).expect("ftyp");
        let moov = Moov::decode_maybe(&mut rest).expect("moov").expect("whole");
        assert!(rest.is_empty());
        moov
    }

    #[test]
    fn aac_keeps_its_specific_config() {
        let aac = AacConfig::parse(Bytes::from_static(&[0x12, 0x10])).expect("valid");
        let moov = moov(&CodecConfig::Aac(aac));
        assert_eq!(moov.trak[0].mdia.mdhd.timescale, 44_100);
        let Codec::Mp4a(mp4a) = &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else { panic!("mp4a") };
        let specific = mp4a.esds.es_desc.dec_config.dec_specific.as_ref().expect("there");
        assert_eq!(specific.raw, [0x12, 0x10]);
    }

    #[test]
    fn opus_is_described_by_dops() {
        let moov = moov(&CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 }));
        let Codec::Opus(opus) = &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else { panic!("Opus") };
        assert_eq!((opus.dops.output_channel_count, opus.dops.input_sample_rate), (2, 48_000));
    }

    #[test]
    fn events_are_refused_in_words() {
        assert!(header(&CodecConfig::Events).expect_err("refused").to_string().contains("events"));
    }
}
