//! One connection: handshake, control messages, the commands of a publisher.

use crate::{
    Error, Event, Metadata, StreamKey,
    amf0::{self, Value},
    capabilities,
    chunk::{Bounds, Reader, Writer},
    handshake::Handshake,
    message::{Message, Unwrap, is_media, type_id, user_control},
};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// What one connection may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Chunk streams; encoders use four.
    pub chunk_streams_max: usize,
    /// Longest audio or video message. At the limit the connection is closed in words.
    pub media_bytes_max: usize,
    /// Longest command or metadata message.
    pub command_bytes_max: usize,
    /// Announced length of all unfinished messages together.
    pub assembly_bytes_max: usize,
    /// Answers waiting in [`Session::poll_output`].
    pub output_bytes_max: usize,
    /// Events waiting in [`Session::poll_event`].
    pub events_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chunk_streams_max: 64,
            media_bytes_max: 8 << 20,
            command_bytes_max: 64 << 10,
            assembly_bytes_max: 12 << 20,
            output_bytes_max: 256 << 10,
            events_max: 8_192,
        }
    }
}

/// Where the peer's publication stands.
#[derive(Debug)]
enum Publish {
    /// No `connect` yet.
    Unconnected,
    /// Connected; no `publish` yet.
    Connected { app: StreamKey, encoder: String },
    /// Asked; the gateway decides.
    Requested,
    /// Media flows.
    Live,
    /// Rejected or ended. What still comes is not looked at.
    Closed,
}

/// See the crate.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    handshake: Handshake,
    reader: Reader,
    writer: Writer,
    publish: Publish,
    unwrap: Unwrap,
    window: Window,
    out: BytesMut,
    events: VecDeque<Event>,
}

/// Bytes received and when to say so (§5.4.3).
#[derive(Debug)]
struct Window {
    size: u32,
    received: u64,
    acknowledged: u64,
}

/// Acknowledgement window before the peer sets one, and the one we ask for.
const WINDOW_DEFAULT: u32 = 2_500_000;
/// A smaller window would be an acknowledgement per packet.
const WINDOW_MIN: u32 = 16 << 10;
/// Our chunk size: every answer fits one chunk.
const CHUNK_SIZE_OUT: u32 = 65_536;
/// Control messages go on chunk stream 2 (§5.4), commands on 3, answers to `publish` on 5.
const CSID_CONTROL: u8 = 2;
const CSID_COMMAND: u8 = 3;
const CSID_STREAM: u8 = 5;
/// The one message stream a connection gets from `createStream`.
const STREAM_ID: u32 = 1;
/// Longest control message with a meaning is 8 bytes; room for unknown ones.
const CONTROL_BYTES_MAX: usize = 64;

impl Session {
    /// A fresh connection.
    pub fn new(limits: Limits) -> Self {
        let bounds = Bounds {
            chunk_streams_max: limits.chunk_streams_max,
            assembly_bytes_max: limits.assembly_bytes_max,
        };
        Self {
            limits,
            handshake: Handshake::new(),
            reader: Reader::new(bounds),
            writer: Writer::new(),
            publish: Publish::Unconnected,
            unwrap: Unwrap::default(),
            window: Window { size: WINDOW_DEFAULT, received: 0, acknowledged: 0 },
            out: BytesMut::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes bytes from the peer, in any pieces. Hand over at most about 64 KiB at once, then drain.
    pub fn handle_bytes(&mut self, mut input: &[u8]) -> Result<(), Error> {
        self.window.received += input.len() as u64;
        self.handshake.read(&mut input, &mut self.out)?;
        if !matches!(self.handshake, Handshake::Done) {
            return Ok(());
        }
        loop {
            let (publish, limits) = (&self.publish, &self.limits);
            let Some(message) = self.reader.read(&mut input, |id| length_max(publish, limits, id))? else {
                break;
            };
            self.handle_message(message)?;
            if self.out.len() > self.limits.output_bytes_max {
                return Err(Error::OutputFull { bytes: self.out.len(), max: self.limits.output_bytes_max });
            }
            if self.events.len() > self.limits.events_max {
                return Err(Error::TooManyEvents { max: self.limits.events_max });
            }
        }
        if let Some(sequence) = self.window.acknowledgement() {
            self.control(type_id::ACKNOWLEDGEMENT, &sequence.to_be_bytes());
        }
        Ok(())
    }

    /// Bytes for the peer; `None` when there are none.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Lets the peer publish. Does nothing unless it has asked.
    pub fn accept_publish(&mut self) {
        if matches!(self.publish, Publish::Requested) {
            self.publish = Publish::Live;
            let begin = [&user_control::STREAM_BEGIN.to_be_bytes()[..], &STREAM_ID.to_be_bytes()].concat();
            self.control(type_id::USER_CONTROL, &begin);
            self.on_status("status", "NetStream.Publish.Start", "publishing");
        }
    }

    /// Ends a publication that asked or is live, with words the encoder shows. Drain the output, then close. False
    /// where there is none to end, and so nobody to tell.
    pub fn reject_publish(&mut self, words: &str) -> bool {
        let has_asked = matches!(self.publish, Publish::Requested | Publish::Live);
        if has_asked {
            self.publish = Publish::Closed;
            self.on_status("error", "NetStream.Publish.BadName", words);
        }
        has_asked
    }

    fn handle_message(&mut self, message: Message) -> Result<(), Error> {
        let Message { timestamp, type_id: id, body, .. } = message;
        match id {
            type_id::SET_CHUNK_SIZE => self.reader.set_chunk_size(control_u32(id, &body)?)?,
            type_id::ABORT => self.reader.abort(control_u32(id, &body)?),
            type_id::WINDOW_ACK_SIZE => self.window.size = control_u32(id, &body)?.max(WINDOW_MIN),
            type_id::USER_CONTROL => self.handle_user_control(&body),
            type_id::AUDIO | type_id::VIDEO => self.media(id, timestamp, body),
            type_id::AGGREGATE => self.handle_aggregate(timestamp, &body),
            type_id::COMMAND_AMF0 => self.handle_command(&amf0::decode_all(&body)?)?,
            // AMF3 commands start with a zero byte and go on in AMF0 until a marker says otherwise.
            type_id::COMMAND_AMF3 => {
                self.handle_command(&amf0::decode_all(body.get(1..).unwrap_or_default())?)?;
            }
            type_id::DATA_AMF0 => self.handle_data(&body),
            type_id::DATA_AMF3 => self.handle_data(body.get(1..).unwrap_or_default()),
            // Acknowledgements and Set Peer Bandwidth concern a sender of media; the rest is unknown.
            _ => {}
        }
        Ok(())
    }

    fn handle_user_control(&mut self, body: &[u8]) {
        let Some((event, data)) = body.split_first_chunk::<2>() else { return };
        if u16::from_be_bytes(*event) == user_control::PING_REQUEST {
            let pong = [&user_control::PING_RESPONSE.to_be_bytes()[..], &data[..data.len().min(4)]].concat();
            self.control(type_id::USER_CONTROL, &pong);
        }
    }

    fn media(&mut self, id: u8, timestamp: u32, body: Bytes) {
        if body.is_empty() || !matches!(self.publish, Publish::Requested | Publish::Live) {
            return;
        }
        let timestamp_ms = self.unwrap.extend(timestamp);
        self.events.push_back(match id {
            type_id::AUDIO => Event::Audio { timestamp_ms, body },
            _ => Event::Video { timestamp_ms, body },
        });
    }

    /// FLV tags in one message (§7.1.6). Their timestamps count from the first one's, which is the message's.
    ///
    /// ```text
    /// type(1) length(3) timestamp(3) timestamp high(1) stream id(3) body back pointer(4)
    /// ```
    fn handle_aggregate(&mut self, timestamp: u32, body: &Bytes) {
        let (mut at, mut first) = (0, None);
        while let Some(head) = body.get(at..at + 11) {
            let length = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
            let own = u32::from_be_bytes([head[7], head[4], head[5], head[6]]);
            let (from, to) = (at + 11, at + 11 + length);
            if to > body.len() {
                return;
            }
            let shifted = timestamp.wrapping_add(own.wrapping_sub(*first.get_or_insert(own)));
            if matches!(head[0], type_id::AUDIO | type_id::VIDEO)
                && self.events.len() < self.limits.events_max
            {
                // A copy: a view would keep the whole aggregate for as long as a few bytes of it are kept.
                self.media(head[0], shifted, Bytes::copy_from_slice(&body[from..to]));
            }
            at = to + 4;
        }
    }

    fn handle_data(&mut self, body: &[u8]) {
        // Metadata is a hint; what cannot be read is not worth the connection.
        let Ok(values) = amf0::decode_all(body) else { return };
        let skip = usize::from(values.first().and_then(Value::as_str) == Some("@setDataFrame"));
        if let [Value::String(name), value, ..] = &values[skip..]
            && name == "onMetaData"
        {
            self.events.push_back(Event::Metadata(Metadata::from_value(value)));
        }
    }

    fn handle_command(&mut self, values: &[Value]) -> Result<(), Error> {
        let name = values.first().and_then(Value::as_str).ok_or(Error::Command("has no name"))?;
        let transaction = values.get(1).and_then(Value::as_number).unwrap_or(0.0);
        match name {
            "connect" => self.connect(transaction, values.get(2))?,
            "createStream" => self.result(transaction, Value::Null, Value::Number(f64::from(STREAM_ID))),
            "publish" => {
                let stream =
                    values.get(3).and_then(Value::as_str).ok_or(Error::Command("publish has no name"))?;
                self.request(stream)?;
            }
            "play" | "play2" => self.on_status(
                "error",
                "NetStream.Play.Failed",
                "this port takes publishers; watch on the HTTP port by WebRTC or HLS",
            ),
            "deleteStream" | "closeStream" | "FCUnpublish" => self.unpublish(),
            // releaseStream, FCPublish, _checkbw and whatever else wants to be answered.
            _ if transaction > 0.0 && !name.starts_with('_') || name == "_checkbw" => {
                self.result(transaction, Value::Null, Value::Null);
            }
            _ => {}
        }
        Ok(())
    }

    fn connect(&mut self, transaction: f64, object: Option<&Value>) -> Result<(), Error> {
        if !matches!(self.publish, Publish::Unconnected) {
            return Err(Error::Command("connect came twice"));
        }
        let field = |key| object.and_then(|o| o.get(key)).and_then(Value::as_str);
        let app = field("app").ok_or(Error::Command("connect has no app"))?;
        let encoder = field("flashVer").unwrap_or_default().chars().take(64).collect();
        self.publish = Publish::Connected { app: StreamKey::new(app.trim_matches('/')), encoder };
        self.control(type_id::WINDOW_ACK_SIZE, &WINDOW_DEFAULT.to_be_bytes());
        let dynamic = [&WINDOW_DEFAULT.to_be_bytes()[..], &[2]].concat();
        self.control(type_id::SET_PEER_BANDWIDTH, &dynamic);
        self.writer.set_chunk_size(CHUNK_SIZE_OUT, &mut self.out);
        let mut server = vec![
            ("fmsVer", Value::text("FMS/3,5,3,888")),
            ("capabilities", Value::Number(127.0)),
            ("mode", Value::Number(1.0)),
        ];
        if object.is_some_and(capabilities::are_asked) {
            server.extend(capabilities::ours());
        }
        let server = Value::object(server);
        let status = Value::object([
            ("level", Value::text("status")),
            ("code", Value::text("NetConnection.Connect.Success")),
            ("description", Value::text("connected")),
            ("objectEncoding", Value::Number(0.0)),
        ]);
        self.result(transaction, server, status);
        Ok(())
    }

    fn request(&mut self, stream: &str) -> Result<(), Error> {
        match std::mem::replace(&mut self.publish, Publish::Requested) {
            Publish::Connected { app, encoder } => {
                let stream = StreamKey::new(stream);
                self.events.push_back(Event::PublishRequest { app, stream, encoder });
                Ok(())
            }
            Publish::Unconnected => Err(Error::Command("publish came before connect")),
            Publish::Requested | Publish::Live => {
                Err(Error::Command("publish came twice; one stream per connection"))
            }
            Publish::Closed => Err(Error::Command("publish came after the end")),
        }
    }

    fn unpublish(&mut self) {
        if matches!(self.publish, Publish::Requested | Publish::Live) {
            self.on_status("status", "NetStream.Unpublish.Success", "stopped publishing");
            self.publish = Publish::Closed;
            self.events.push_back(Event::Closed);
        }
    }

    fn control(&mut self, id: u8, body: &[u8]) {
        self.writer.write(CSID_CONTROL, id, 0, body, &mut self.out);
    }

    fn result(&mut self, transaction: f64, object: Value, value: Value) {
        self.command(CSID_COMMAND, 0, &[Value::text("_result"), Value::Number(transaction), object, value]);
    }

    fn on_status(&mut self, level: &str, code: &str, description: &str) {
        let status = Value::object([
            ("level", Value::text(level)),
            ("code", Value::text(code)),
            ("description", Value::text(description)),
        ]);
        let values = [Value::text("onStatus"), Value::Number(0.0), Value::Null, status];
        self.command(CSID_STREAM, STREAM_ID, &values);
    }

    fn command(&mut self, csid: u8, stream_id: u32, values: &[Value]) {
        let mut body = BytesMut::new();
        values.iter().for_each(|value| value.encode(&mut body));
        self.writer.write(csid, type_id::COMMAND_AMF0, stream_id, &body, &mut self.out);
    }
}

impl Window {
    /// The sequence number to acknowledge, once per window.
    fn acknowledgement(&mut self) -> Option<u32> {
        let is_due = self.received - self.acknowledged >= u64::from(self.size);
        is_due.then(|| {
            self.acknowledged = self.received;
            self.received as u32
        })
    }
}

/// How long a message of a type may be now; media is refused before there is a publication.
fn length_max(publish: &Publish, limits: &Limits, id: u8) -> Result<usize, Error> {
    match publish {
        _ if !is_media(id) => {
            let is_control = id <= type_id::SET_PEER_BANDWIDTH;
            Ok(if is_control { CONTROL_BYTES_MAX } else { limits.command_bytes_max })
        }
        Publish::Unconnected | Publish::Connected { .. } => Err(Error::MediaBeforePublish),
        Publish::Requested | Publish::Live | Publish::Closed => Ok(limits.media_bytes_max),
    }
}

fn control_u32(id: u8, body: &[u8]) -> Result<u32, Error> {
    let value = body.first_chunk().ok_or(Error::ShortControl { type_id: id, length: body.len() })?;
    Ok(u32::from_be_bytes(*value))
}

#[cfg(test)]
mod tests;
