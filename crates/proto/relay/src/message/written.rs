//! The messages as bytes. The first number of each names it.

use super::{
    Cut, DEPTH_MAX, Event, Hello, NodeId, Place, Refusal, Resume, SECRETS_MAX, Subscribe, SubscriptionId,
    ToEdge, ToOrigin, Track, Welcome, peers,
};
use crate::{
    codec,
    wire::{Malformed, Reader, Writer},
};
use bytes::Bytes;
use std::sync::Arc;
use unisono_base::{Epoch, Span, StreamId, StreamName, Tenant};
use unisono_media::Kind;

/// Borders in one message; a stream remembers as many.
const CUTS_MAX: u64 = 64;
/// Longest words of a refusal.
const WORDS_MAX: usize = 1_000;
/// Longest name of a tenant.
const TENANT_MAX: usize = 64;

impl ToOrigin {
    /// The bytes of the item.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        match self {
            Self::Hello(hello) => {
                writer.number(1).number(hello.node.0).number(hello.proofs.len() as u64);
                hello.proofs.iter().for_each(|proof| {
                    writer.raw(proof);
                });
                &mut writer
            }
            Self::Subscribe(wanted) => {
                writer.number(2).number(wanted.id.0.into());
                writer.bytes(wanted.stream.tenant.as_str().as_bytes());
                writer.bytes(wanted.stream.name.as_str().as_bytes());
                writer.number(wanted.path.len() as u64);
                wanted.path.iter().for_each(|node| {
                    writer.number(node.0);
                });
                write_place(&mut writer, wanted.resume.video);
                write_place(&mut writer, wanted.resume.audio);
                match wanted.resume.events {
                    None => writer.flag(false),
                    Some((node, next)) => writer.flag(true).number(node.0).number(next),
                }
            }
            Self::Unsubscribe(id) => writer.number(3).number(id.0.into()),
            Self::Keyframe(id) => writer.number(4).number(id.0.into()),
            Self::Ping(number) => writer.number(5).number(*number),
            Self::Peers(list) => peers::write(writer.number(peers::NUMBER), list),
        };
        writer.item(0)
    }

    /// Reads one item.
    pub fn decode(item: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(item);
        let message = match reader.number("message")? {
            1 => Self::Hello(read_hello(&mut reader)?),
            2 => Self::Subscribe(read_subscribe(&mut reader)?),
            3 => Self::Unsubscribe(read_id(&mut reader)?),
            4 => Self::Keyframe(read_id(&mut reader)?),
            5 => Self::Ping(reader.number("ping")?),
            peers::NUMBER => Self::Peers(peers::read(&mut reader)?),
            value => return Err(Malformed::Unknown { what: "message", value }),
        };
        reader.end("message")?;
        Ok(message)
    }
}

impl ToEdge {
    /// The bytes of the item.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        match self {
            Self::Welcome(welcome) => writer.number(1).number(welcome.node.0).raw(&welcome.proof),
            Self::Pong(number, now) => writer.number(2).number(*number).time(*now),
            Self::Refused(id, why, words) => {
                let words: String = words.chars().take(WORDS_MAX / 4).collect();
                writer.number(3).number(id.0.into()).number(*why as u64).bytes(words.as_bytes())
            }
            Self::Live { id, epoch, accepts_pli, depth } => {
                writer.number(4).number(id.0.into()).number(epoch.0.into()).flag(*accepts_pli);
                writer.number((*depth).into())
            }
            Self::Tracks { id, video, audio } => {
                writer.number(5).number(id.0.into());
                write_track(&mut writer, video.as_ref());
                write_track(&mut writer, audio.as_ref())
            }
            Self::Cuts { id, list, target } => {
                writer.number(6).number(id.0.into()).number(list.len() as u64);
                list.iter().for_each(|cut| write_cut(&mut writer, cut));
                writer.signed(target.map_or(0, Span::as_micros))
            }
            Self::Event(id, event) => write_event(writer.number(7), *id, event),
            Self::Rewritten(id, event) => write_event(writer.number(10), *id, event),
            Self::Lost(id) => writer.number(8).number(id.0.into()),
            Self::Ended(id) => writer.number(9).number(id.0.into()),
            Self::Peers(list) => peers::write(writer.number(peers::NUMBER), list),
        };
        writer.item(0)
    }

    /// Reads one item.
    pub fn decode(item: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(item);
        let message = match reader.number("message")? {
            1 => {
                Self::Welcome(Welcome { node: NodeId(reader.number("node")?), proof: reader.array("proof")? })
            }
            2 => Self::Pong(reader.number("ping")?, reader.time("time")?),
            3 => {
                let (id, why) = (read_id(&mut reader)?, read_refusal(&mut reader)?);
                Self::Refused(id, why, reader.text("words", WORDS_MAX)?)
            }
            4 => Self::Live {
                id: read_id(&mut reader)?,
                epoch: Epoch(reader.u32("epoch")?),
                accepts_pli: reader.flag("PLI")?,
                depth: reader.up_to("depth", DEPTH_MAX as u64)? as u8,
            },
            5 => Self::Tracks {
                id: read_id(&mut reader)?,
                video: read_track(&mut reader, Kind::Video)?,
                audio: read_track(&mut reader, Kind::Audio)?,
            },
            6 => read_cuts(&mut reader)?,
            7 => return read_event(reader).map(|(id, event)| Self::Event(id, event)),
            10 => return read_event(reader).map(|(id, event)| Self::Rewritten(id, event)),
            8 => Self::Lost(read_id(&mut reader)?),
            9 => Self::Ended(read_id(&mut reader)?),
            peers::NUMBER => Self::Peers(peers::read(&mut reader)?),
            value => return Err(Malformed::Unknown { what: "message", value }),
        };
        reader.end("message")?;
        Ok(message)
    }
}

pub(crate) fn read_id(reader: &mut Reader) -> Result<SubscriptionId, Malformed> {
    reader.u32("subscription").map(SubscriptionId)
}

fn read_hello(reader: &mut Reader) -> Result<Hello, Malformed> {
    let node = NodeId(reader.number("node")?);
    let count = reader.up_to("number of proofs", SECRETS_MAX as u64)?;
    let proofs = (0..count).map(|_| reader.array("proof")).collect::<Result<_, _>>()?;
    Ok(Hello { node, proofs })
}

fn read_subscribe(reader: &mut Reader) -> Result<Subscribe, Malformed> {
    let id = read_id(reader)?;
    let tenant = Tenant::new(&reader.text("tenant", TENANT_MAX)?)?;
    let name: StreamName = reader.text("stream", 2 * TENANT_MAX + 1)?.parse()?;
    // One more than allowed can be read, so that it can be refused in words.
    let nodes = reader.up_to("path", DEPTH_MAX as u64 + 1)?;
    let path = (0..nodes).map(|_| reader.number("node").map(NodeId)).collect::<Result<_, _>>()?;
    let resume = Resume {
        video: read_place(reader)?,
        audio: read_place(reader)?,
        events: match reader.flag("resume")? {
            false => None,
            true => Some((NodeId(reader.number("node")?), reader.number("event's number")?)),
        },
    };
    Ok(Subscribe { id, stream: StreamId { tenant, name }, path, resume })
}

fn read_refusal(reader: &mut Reader) -> Result<Refusal, Malformed> {
    let all = [Refusal::NoStream, Refusal::Loop, Refusal::TooDeep, Refusal::Full];
    let value = reader.number("refusal")?;
    let known = usize::try_from(value).ok().and_then(|value| all.get(value));
    known.copied().ok_or(Malformed::Unknown { what: "refusal", value })
}

fn write_place(writer: &mut Writer, place: Option<Place>) {
    match place {
        None => writer.flag(false),
        Some(place) => {
            writer.flag(true).number(place.epoch.0.into()).number(place.group).number(place.index.into())
        }
    };
}

fn read_place(reader: &mut Reader) -> Result<Option<Place>, Malformed> {
    Ok(match reader.flag("resume")? {
        false => None,
        true => Some(Place {
            epoch: Epoch(reader.u32("epoch")?),
            group: reader.number("group")?,
            index: reader.u32("index")?,
        }),
    })
}

fn write_track<'a>(writer: &'a mut Writer, track: Option<&Track>) -> &'a mut Writer {
    let Some(track) = track else { return writer.flag(false) };
    writer.flag(true).number(track.track.into());
    codec::write(writer, &track.config);
    writer.number(track.first).flag(track.is_resumed)
}

fn read_track(reader: &mut Reader, kind: Kind) -> Result<Option<Track>, Malformed> {
    if !reader.flag("track")? {
        return Ok(None);
    }
    let track = reader.u32("track")?;
    let config = Arc::new(codec::read(reader)?);
    if config.kind() != kind {
        return Err(Malformed::Unknown { what: "track's kind", value: config.kind() as u64 });
    }
    let (first, is_resumed) = (reader.number("first frame")?, reader.flag("resumption")?);
    Ok(Some(Track { track, config, first, is_resumed }))
}

fn write_cut(writer: &mut Writer, cut: &Cut) {
    writer.number(cut.epoch.0.into()).number(cut.segment).time(cut.t);
    writer.flag(cut.independent).number(cut.discontinuities.into());
}

fn write_event<'a>(writer: &'a mut Writer, id: SubscriptionId, event: &Event) -> &'a mut Writer {
    writer.number(id.0.into()).time(event.t).time(event.arrived).number(event.next).raw(&event.json)
}

fn read_event(mut reader: Reader) -> Result<(SubscriptionId, Event), Malformed> {
    let id = read_id(&mut reader)?;
    let (t, arrived) = (reader.time("event's T")?, reader.time("event's arrival")?);
    let next = reader.number("event's number")?;
    Ok((id, Event { t, arrived, next, json: reader.rest() }))
}

fn read_cuts(reader: &mut Reader) -> Result<ToEdge, Malformed> {
    let id = read_id(reader)?;
    let count = reader.up_to("number of borders", CUTS_MAX)?;
    let cut = |reader: &mut Reader| {
        Ok(Cut {
            epoch: Epoch(reader.u32("epoch")?),
            segment: reader.up_to("segment", u64::MAX >> 1)?,
            t: reader.time("border")?,
            independent: reader.flag("border's kind")?,
            discontinuities: reader.u32("discontinuities")?,
        })
    };
    let list = (0..count).map(|_| cut(reader)).collect::<Result<_, Malformed>>()?;
    let target = reader.span("target")?;
    Ok(ToEdge::Cuts { id, list, target: (target > Span::ZERO).then_some(target) })
}

#[cfg(test)]
mod tests {
    use super::{super::Peer, *};
    use crate::{Items, MESSAGE_BYTES_MAX};
    use proptest::prelude::*;
    use unisono_base::MediaTime;
    use unisono_media::{CodecConfig, OpusConfig};

    fn peers() -> Vec<Peer> {
        let url = "https://edge1.example.org".to_owned();
        vec![Peer { node: NodeId(3), url, is_edge: true, is_draining: true, hops: 2 }]
    }

    fn item(bytes: Bytes) -> Bytes {
        let mut items = Items::new(MESSAGE_BYTES_MAX);
        items.handle_bytes(&bytes);
        items.poll().expect("valid").expect("whole")
    }

    #[test]
    fn what_an_edge_says_comes_back() {
        let place = |index| Some(Place { epoch: Epoch(7), group: 8, index });
        let (id, proof) = (SubscriptionId(4), [7; 32]);
        let stream = StreamId::local("live/alice".parse().expect("valid"));
        let path = vec![NodeId(1), NodeId(u64::MAX)];
        let resume = Resume { video: place(3), audio: None, events: Some((NodeId(9), 12)) };
        for message in [
            ToOrigin::Hello(Hello { node: NodeId(5), proofs: vec![proof, [9; 32]] }),
            ToOrigin::Subscribe(Subscribe { id, stream, path, resume }),
            ToOrigin::Unsubscribe(id),
            ToOrigin::Keyframe(id),
            ToOrigin::Ping(77),
            ToOrigin::Peers(peers()),
        ] {
            assert_eq!(ToOrigin::decode(item(message.encode())), Ok(message));
        }
    }

    #[test]
    fn what_an_origin_says_comes_back() {
        let (id, t, epoch) = (SubscriptionId(4), MediaTime::from_micros(1_760_000_000_000_000), Epoch(7));
        let config = Arc::new(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 }));
        let track = Track { track: 2, config, first: 900, is_resumed: true };
        let cut = Cut { epoch, segment: 44, t, independent: true, discontinuities: 1 };
        let event = Event { t, arrived: t, next: 3, json: Bytes::from_static(b"{}") };
        for message in [
            ToEdge::Welcome(Welcome { node: NodeId(5), proof: [1; 32] }),
            ToEdge::Pong(3, t),
            ToEdge::Refused(id, Refusal::TooDeep, "too many nodes".to_owned()),
            ToEdge::Live { id, epoch, accepts_pli: true, depth: 2 },
            ToEdge::Tracks { id, video: None, audio: Some(track) },
            ToEdge::Cuts { id, list: vec![cut], target: Some(Span::from_secs(4)) },
            ToEdge::Event(id, event.clone()),
            ToEdge::Rewritten(id, event),
            ToEdge::Lost(id),
            ToEdge::Ended(id),
            ToEdge::Peers(peers()),
        ] {
            assert_eq!(ToEdge::decode(item(message.encode())), Ok(message));
        }
    }

    #[test]
    fn a_sound_track_in_the_place_of_the_picture_is_refused() {
        let config = Arc::new(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 }));
        let video = Some(Track { track: 2, config, first: 0, is_resumed: false });
        let tracks = ToEdge::Tracks { id: SubscriptionId(1), video, audio: None };
        assert!(ToEdge::decode(item(tracks.encode())).is_err());
    }

    proptest! {
        #[test]
        fn bytes_from_outside_never_panic(number in 0u8..24, bytes: Vec<u8>) {
            let item: Bytes = [vec![number], bytes].concat().into();
            let _ = (ToOrigin::decode(item.clone()), ToEdge::decode(item));
        }
    }
}
