//! Why a connection cannot go on. All of them are the peer's fault; the answer to each is to close.

/// A broken or unwelcome RTMP connection. Close it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// C0 is not 3 (RTMP 1.0 §5.2.2).
    #[error("first byte is {0:#04x}, not RTMP version 3: {hint}", hint = version_hint(*.0))]
    Version(u8),
    /// A chunk stream beyond the limit.
    #[error("peer opened chunk stream {id}, more than the {max} allowed (byte {offset})")]
    ChunkStreams {
        /// The chunk stream id it opened.
        id: u32,
        /// The limit.
        max: usize,
        /// Where in the connection.
        offset: u64,
    },
    /// A short chunk header on a chunk stream that has had no full one.
    #[error(
        "chunk of type {format} on chunk stream {id}, which has no earlier header to refer to (byte {offset})"
    )]
    NoEarlierHeader {
        /// The chunk stream.
        id: u32,
        /// 2 or 3.
        format: u8,
        /// Where in the connection.
        offset: u64,
    },
    /// A new message begins on a chunk stream whose message is not complete.
    #[error("chunk stream {id} begins a message before its last one is complete (byte {offset})")]
    Interrupted {
        /// The chunk stream.
        id: u32,
        /// Where in the connection.
        offset: u64,
    },
    /// A message longer than its type may be.
    #[error("message of type {type_id} is {length} bytes, at most {max} are allowed (byte {offset})")]
    MessageLength {
        /// Message type id.
        type_id: u8,
        /// Its announced length.
        length: usize,
        /// The limit.
        max: usize,
        /// Where in the connection.
        offset: u64,
    },
    /// Too many bytes in messages that have begun and not ended.
    #[error("unfinished messages announce {bytes} bytes together, at most {max} are allowed (byte {offset})")]
    Assembly {
        /// Announced together.
        bytes: usize,
        /// The limit.
        max: usize,
        /// Where in the connection.
        offset: u64,
    },
    /// Set Chunk Size out of 1..=0x7fffffff (RTMP 1.0 §5.4.1).
    #[error("peer set chunk size {0}, allowed are 1 to 2147483647")]
    ChunkSize(u32),
    /// A control message shorter than its fields.
    #[error("control message of type {type_id} has only {length} bytes")]
    ShortControl {
        /// Message type id.
        type_id: u8,
        /// Its length.
        length: usize,
    },
    /// AMF0 that cannot be read.
    #[error("AMF0: {0}")]
    Amf(#[from] AmfError),
    /// Audio or video although nothing was published.
    #[error("media before a publish command")]
    MediaBeforePublish,
    /// A command in the wrong order, or without an argument it needs.
    #[error("command {0}")]
    Command(&'static str),
    /// The peer asks for answers and nobody drains them.
    #[error("{bytes} bytes of answers wait to be sent, at most {max} are allowed")]
    OutputFull {
        /// Bytes waiting.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// More messages in one input than events may wait.
    #[error("more than {max} messages in one read")]
    TooManyEvents {
        /// The limit.
        max: usize,
    },
}

/// Why AMF0 data was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmfError {
    /// It ends inside a value.
    #[error("ends inside a value")]
    Short,
    /// A marker we do not read: references, record sets, a switch to AMF3.
    #[error("value marker {0:#04x} is not supported")]
    Marker(u8),
    /// Nested deeper than eight levels.
    #[error("nested deeper than {0} levels")]
    Depth(usize),
    /// More values than a command can need.
    #[error("more than {0} values")]
    Values(usize),
}

fn version_hint(first: u8) -> &'static str {
    match first {
        0x16 => "this is TLS; use an rtmp:// URL, not rtmps://",
        b'G' | b'P' | b'H' | b'O' | b'D' => "this is HTTP; the pages are on the HTTP port",
        6 | 8 => "RTMPE is not supported",
        _ => "not an RTMP client",
    }
}
