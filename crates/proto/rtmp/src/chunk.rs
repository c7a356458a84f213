//! The chunk layer (RTMP 1.0 §5.3): messages cut into chunks that share one connection.
//!
//! ```text
//! basic header    fmt(2) csid(6) [+1 or +2 bytes for csid >= 64]
//! message header  fmt 0: timestamp(3) length(3) type(1) stream id(4, little endian)
//!                 fmt 1: delta(3) length(3) type(1)    fmt 2: delta(3)    fmt 3: nothing
//! extended        timestamp(4), where the three bytes above said 0xffffff
//! data            up to the chunk size
//! ```
//!
//! [`Reader`] copies each body once, straight from the input into a buffer of the announced length.

use crate::{
    Error,
    message::{Message, type_id},
};
use bytes::{BufMut, BytesMut};
use std::collections::HashMap;

/// Chunk size before anybody changes it (§5.4.1).
const CHUNK_SIZE_INITIAL: usize = 128;
/// Longest header: 3 basic, 11 message, 4 extended.
const HEAD_MAX: usize = 18;
/// Three bytes of timestamp that say "see the extended timestamp".
const EXTENDED: u32 = 0xff_ffff;
/// After a full header a fmt 3 chunk means either "the full header's timestamp is also the delta" (§5.3.1.2.4,
/// ffmpeg) or "delta zero" (GStreamer). Deltas are milliseconds between frames, so a large one is a timestamp.
const DELTA_PLAUSIBLE_MAX: u32 = 1_000;

/// Bounds the reader keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Chunk streams per connection.
    pub(crate) chunk_streams_max: usize,
    /// Announced length of all unfinished messages together.
    pub(crate) assembly_bytes_max: usize,
}

/// Joins chunks into messages.
#[derive(Debug)]
pub(crate) struct Reader {
    bounds: Bounds,
    chunk_size: usize,
    head: Vec<u8>,
    streams: HashMap<u32, ChunkStream>,
    /// The chunk being read: its stream and the data bytes still to come.
    open: Option<(u32, usize)>,
    assembling: usize,
    offset: u64,
}

/// What is remembered of a chunk stream's last header, and its unfinished message.
#[derive(Debug, Default)]
struct ChunkStream {
    timestamp: u32,
    delta: u32,
    length: usize,
    type_id: u8,
    stream_id: u32,
    /// The extended timestamp field of the last header that had one and no later header took back.
    extended: Option<u32>,
    body: Option<BytesMut>,
}

/// A chunk header, decoded.
struct Head {
    format: u8,
    csid: u32,
    /// Message header without the timestamp's extension, and the extension.
    message: [u8; 11],
    extended: Option<u32>,
}

impl Reader {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            chunk_size: CHUNK_SIZE_INITIAL,
            head: Vec::with_capacity(HEAD_MAX),
            streams: HashMap::new(),
            open: None,
            assembling: 0,
            offset: 0,
        }
    }

    /// The peer's Set Chunk Size. Any legal size is fine: buffers follow message lengths, never the chunk size.
    pub(crate) fn set_chunk_size(&mut self, size: u32) -> Result<(), Error> {
        if size == 0 || size > i32::MAX as u32 {
            return Err(Error::ChunkSize(size));
        }
        self.chunk_size = size as usize;
        Ok(())
    }

    /// The peer's Abort: forget the unfinished message of a chunk stream.
    pub(crate) fn abort(&mut self, csid: u32) {
        if let Some(stream) = self.streams.get_mut(&csid)
            && stream.body.take().is_some()
        {
            self.assembling -= stream.length;
        }
    }

    /// Takes bytes off the front of `input` until a message is complete or the input is empty. `length_max` says
    /// how long a message of a type may be now, and is asked before anything is allocated for it.
    pub(crate) fn read(
        &mut self,
        input: &mut &[u8],
        length_max: impl Fn(u8) -> Result<usize, Error>,
    ) -> Result<Option<Message>, Error> {
        loop {
            let (csid, left) = match self.open.take() {
                Some(open) => open,
                None => match self.read_head(input)? {
                    Some(head) => self.begin_chunk(head, &length_max)?,
                    None => return Ok(None),
                },
            };
            let offset = self.offset;
            let Some(stream) = self.streams.get_mut(&csid) else { return Ok(None) };
            // An Abort cannot arrive inside a chunk, so an open chunk always has its body.
            let body = stream.body.get_or_insert_default();
            let (taken, rest) = input.split_at(input.len().min(left));
            body.extend_from_slice(taken);
            *input = rest;
            self.offset = offset + taken.len() as u64;
            if taken.len() < left {
                self.open = Some((csid, left - taken.len()));
                return Ok(None);
            }
            if body.len() >= stream.length {
                self.assembling -= stream.length;
                return Ok(Some(Message {
                    timestamp: stream.timestamp,
                    type_id: stream.type_id,
                    stream_id: stream.stream_id,
                    body: stream.body.take().unwrap_or_default().freeze(),
                }));
            }
        }
    }

    /// Collects a header over as many inputs as it takes.
    fn read_head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, Error> {
        loop {
            let needed = self.head_length();
            if self.head.len() >= needed {
                break;
            }
            let (taken, rest) = input.split_at(input.len().min(needed - self.head.len()));
            if taken.is_empty() {
                return Ok(None);
            }
            self.head.extend_from_slice(taken);
            self.offset += taken.len() as u64;
            *input = rest;
        }
        let (format, basic) = (self.head[0] >> 6, basic_length(self.head[0]));
        let mut message = [0; 11];
        let field = &self.head[basic..basic + message_length(format)];
        message[..field.len()].copy_from_slice(field);
        let extended = self.head[basic + field.len()..].first_chunk().map(|b| u32::from_be_bytes(*b));
        let head = Head { format, csid: csid(&self.head), message, extended };
        self.head.clear();
        Ok(Some(head))
    }

    /// How long the header is, as far as the bytes already here can tell.
    fn head_length(&self) -> usize {
        let Some(&first) = self.head.first() else { return 1 };
        let basic = basic_length(first);
        if self.head.len() < basic {
            return basic;
        }
        let format = first >> 6;
        let plain = basic + message_length(format);
        let extended = match format {
            3 => self.streams.get(&csid(&self.head)).is_some_and(|s| s.extended.is_some()),
            _ if self.head.len() < plain => return plain,
            _ => u24(&self.head[basic..]) == EXTENDED,
        };
        plain + if extended { 4 } else { 0 }
    }

    /// Applies a header and returns the chunk stream and how many data bytes follow.
    fn begin_chunk(
        &mut self,
        head: Head,
        length_max: impl Fn(u8) -> Result<usize, Error>,
    ) -> Result<(u32, usize), Error> {
        let (id, offset) = (head.csid, self.offset);
        if !self.streams.contains_key(&id) {
            // A first header without stream id (fmt 1) comes from old librtmp; the others cannot be understood.
            if head.format > 1 {
                return Err(Error::NoEarlierHeader { id, format: head.format, offset });
            }
            if self.streams.len() >= self.bounds.chunk_streams_max {
                return Err(Error::ChunkStreams { id, max: self.bounds.chunk_streams_max, offset });
            }
        }
        let stream = self.streams.entry(id).or_default();
        let mut data_already = None;
        if head.format == 3 {
            // Some encoders leave the extended timestamp out of fmt 3 chunks: then these four bytes are data.
            if let (Some(seen), Some(expected)) = (head.extended, stream.extended)
                && seen != expected
            {
                data_already = Some(seen.to_be_bytes());
            }
        } else {
            if stream.body.is_some() {
                return Err(Error::Interrupted { id, offset });
            }
            stream.apply(&head);
        }
        if stream.body.is_none() {
            stream.timestamp = match head.format {
                0 => stream.delta,
                _ => stream.timestamp.wrapping_add(stream.delta),
            };
            if head.format == 0 && stream.delta > DELTA_PLAUSIBLE_MAX {
                stream.delta = 0;
            }
            let (type_id, length) = (stream.type_id, stream.length);
            let max = length_max(type_id)?;
            if length > max {
                return Err(Error::MessageLength { type_id, length, max, offset });
            }
            let announced = self.assembling + length;
            if announced > self.bounds.assembly_bytes_max {
                return Err(Error::Assembly {
                    bytes: announced,
                    max: self.bounds.assembly_bytes_max,
                    offset,
                });
            }
            self.assembling = announced;
            stream.body = Some(BytesMut::with_capacity(length));
        }
        let missing = stream.length - stream.body.as_ref().map_or(0, BytesMut::len);
        let mut left = missing.min(self.chunk_size);
        if let (Some(data), Some(body)) = (data_already, &mut stream.body) {
            if left < data.len() {
                // The header took bytes beyond this chunk; only a peer that breaks both rules gets here.
                return Err(Error::Interrupted { id, offset });
            }
            body.extend_from_slice(&data);
            left -= data.len();
        }
        Ok((id, left))
    }
}

impl ChunkStream {
    /// Takes over the fields a header of format 0, 1 or 2 has. For format 0 `delta` is the timestamp itself.
    fn apply(&mut self, head: &Head) {
        self.extended = head.extended;
        self.delta = head.extended.unwrap_or_else(|| u24(&head.message));
        if head.format <= 1 {
            self.length = u24(&head.message[3..]) as usize;
            self.type_id = head.message[6];
        }
        if head.format == 0 {
            let [.., a, b, c, d] = head.message;
            self.stream_id = u32::from_le_bytes([a, b, c, d]);
        }
    }
}

fn basic_length(first: u8) -> usize {
    match first & 0x3f {
        0 => 2,
        1 => 3,
        _ => 1,
    }
}

fn message_length(format: u8) -> usize {
    match format {
        0 => 11,
        1 => 7,
        2 => 3,
        _ => 0,
    }
}

/// Chunk stream id of a header whose basic part is complete (§5.3.1.1).
fn csid(head: &[u8]) -> u32 {
    let byte = |i: usize| u32::from(head.get(i).copied().unwrap_or(0));
    match byte(0) & 0x3f {
        0 => 64 + byte(1),
        1 => 64 + byte(1) + 256 * byte(2),
        id => id,
    }
}

fn u24(bytes: &[u8]) -> u32 {
    bytes.iter().take(3).fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Cuts our own messages into chunks. They carry no media, so every timestamp is zero.
#[derive(Debug)]
pub(crate) struct Writer {
    chunk_size: usize,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { chunk_size: CHUNK_SIZE_INITIAL }
    }

    /// Appends a message on chunk stream `csid` (2..=63).
    pub(crate) fn write(&self, csid: u8, kind: u8, stream_id: u32, body: &[u8], out: &mut BytesMut) {
        out.put_u8(csid);
        out.put_uint(0, 3);
        out.put_uint(body.len() as u64, 3);
        out.put_u8(kind);
        out.put_u32_le(stream_id);
        for (index, piece) in body.chunks(self.chunk_size).enumerate() {
            if index > 0 {
                out.put_u8(0xc0 | csid);
            }
            out.put_slice(piece);
        }
    }

    /// Announces a larger chunk size and uses it from the next message on.
    pub(crate) fn set_chunk_size(&mut self, size: u32, out: &mut BytesMut) {
        self.write(2, type_id::SET_CHUNK_SIZE, 0, &size.to_be_bytes(), out);
        self.chunk_size = size as usize;
    }
}

#[cfg(test)]
mod tests;
