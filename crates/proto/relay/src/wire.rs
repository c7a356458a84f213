//! The bytes below the messages: little-endian base-128 numbers, texts, and items with a length in front.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use unisono_base::{MediaTime, NameError, Span};

/// Longest control message. An event of a room is far below it.
pub const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// Longest item of a group's stream: one frame, as much as a ring holds.
pub const ITEM_BYTES_MAX: usize = 32 << 20;
/// Longest number: 64 bits, seven in each byte.
const NUMBER_BYTES_MAX: usize = 10;

/// Why bytes of the other node were refused. Its fault, or its version's; the connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// An item ended before its fields did.
    #[error("the other node's message ends within {0}")]
    Short(&'static str),
    /// A field is beyond what it may be.
    #[error("the other node's {what} is {value}, beyond {max}")]
    TooLarge {
        /// The field.
        what: &'static str,
        /// What came.
        value: u64,
        /// The limit.
        max: u64,
    },
    /// A value that this version does not know.
    #[error("the other node's {what} is {value}, which this version does not know")]
    Unknown {
        /// The field.
        what: &'static str,
        /// What came.
        value: u64,
    },
    /// A text that is no UTF-8.
    #[error("the other node's {0} is no text")]
    Text(&'static str),
    /// A codec configuration that its own parser refuses.
    #[error("the other node's {codec} configuration cannot be used: {words}")]
    Config {
        /// The codec.
        codec: &'static str,
        /// What its parser says.
        words: String,
    },
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Bytes behind the last field.
    #[error("the other node's {what} has {count} bytes too many")]
    Rest {
        /// The message.
        what: &'static str,
        /// How many.
        count: usize,
    },
}

/// Farthest T, 2106; every T lies after 1970.
const MICROS_MAX: i64 = (u32::MAX as i64) * 1_000_000;
/// Longest distance between two times of one frame.
const SPAN_MICROS_MAX: i64 = 3_600 * 1_000_000;

/// A T, if it can be one.
pub(crate) fn micros(what: &'static str, micros: i64) -> Result<MediaTime, Malformed> {
    within(what, micros, MICROS_MAX).map(MediaTime::from_micros)
}

fn within(what: &'static str, micros: i64, max: i64) -> Result<i64, Malformed> {
    if micros.unsigned_abs() > max as u64 {
        return Err(Malformed::TooLarge { what, value: micros.unsigned_abs(), max: max as u64 });
    }
    Ok(micros)
}

/// Splits a stream of bytes into its items.
///
/// ```text
/// | length (base 128) | that many bytes | length | ...
/// ```
#[derive(Debug)]
pub struct Items {
    buffer: BytesMut,
    bytes_max: usize,
}

impl Items {
    /// For items of at most `bytes_max` bytes each. Memory grows with what has come, never with what is announced.
    pub fn new(bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), bytes_max }
    }

    /// Takes what has come.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole item. Errors for one that is too long; nothing behind it can be read.
    pub fn poll(&mut self) -> Result<Option<Bytes>, Malformed> {
        let Some((length, prefix)) = peek_number(&self.buffer)? else { return Ok(None) };
        let max = self.bytes_max as u64;
        if length > max {
            return Err(Malformed::TooLarge { what: "item", value: length, max });
        }
        let length = length as usize;
        if self.buffer.len() - prefix < length {
            return Ok(None);
        }
        self.buffer.advance(prefix);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// True where nothing of an unfinished item is left.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// A number at the start of `bytes` and its length; `None` while it is not whole.
fn peek_number(bytes: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().take(NUMBER_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if i == NUMBER_BYTES_MAX - 1 && *byte > 1 {
            return Err(Malformed::TooLarge { what: "number", value: bits, max: 1 });
        }
        value |= bits << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(Some((value, i + 1)));
        }
    }
    Ok(None)
}

/// Writes the fields of one item.
#[derive(Debug, Default)]
pub(crate) struct Writer(BytesMut);

impl Writer {
    pub(crate) fn number(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.put_u8(value as u8);
        self
    }

    /// Small numbers of either sign stay short.
    pub(crate) fn signed(&mut self, value: i64) -> &mut Self {
        self.number((value << 1 ^ value >> 63) as u64)
    }

    pub(crate) fn flag(&mut self, flag: bool) -> &mut Self {
        self.number(u64::from(flag))
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.put_slice(bytes);
        self
    }

    /// Bytes whose length the reader knows, or that end the item.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.put_slice(bytes);
        self
    }

    pub(crate) fn time(&mut self, t: MediaTime) -> &mut Self {
        self.signed(t.as_micros())
    }

    /// The item with its length, and `behind` more bytes announced that the caller sends after it.
    pub(crate) fn item(&self, behind: usize) -> Bytes {
        let mut item = Self(BytesMut::with_capacity(self.0.len() + NUMBER_BYTES_MAX));
        item.number((self.0.len() + behind) as u64);
        item.raw(&self.0);
        item.0.freeze()
    }
}

/// Reads the fields of one item.
#[derive(Debug)]
pub(crate) struct Reader(Bytes);

impl Reader {
    pub(crate) fn new(item: Bytes) -> Self {
        Self(item)
    }

    pub(crate) fn number(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let (value, length) = peek_number(&self.0)?.ok_or(Malformed::Short(what))?;
        self.0.advance(length);
        Ok(value)
    }

    /// A number up to and including `max`.
    pub(crate) fn up_to(&mut self, what: &'static str, max: u64) -> Result<u64, Malformed> {
        let value = self.number(what)?;
        if value > max { Err(Malformed::TooLarge { what, value, max }) } else { Ok(value) }
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        Ok(self.up_to(what, u32::MAX.into())? as u32)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(self.up_to(what, u8::MAX.into())? as u8)
    }

    pub(crate) fn signed(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let value = self.number(what)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, Malformed> {
        Ok(self.up_to(what, 1)? == 1)
    }

    pub(crate) fn bytes(&mut self, what: &'static str, max: usize) -> Result<Bytes, Malformed> {
        let length = self.up_to(what, max as u64)? as usize;
        if length > self.0.len() { Err(Malformed::Short(what)) } else { Ok(self.0.split_to(length)) }
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let array = *self.0.first_chunk().ok_or(Malformed::Short(what))?;
        self.0.advance(N);
        Ok(array)
    }

    pub(crate) fn text(&mut self, what: &'static str, max: usize) -> Result<String, Malformed> {
        String::from_utf8(self.bytes(what, max)?.to_vec()).map_err(|_| Malformed::Text(what))
    }

    /// A T of the years that this program can meet, so that arithmetic with it never overflows.
    pub(crate) fn time(&mut self, what: &'static str) -> Result<MediaTime, Malformed> {
        micros(what, self.signed(what)?)
    }

    /// A distance of at most an hour either way.
    pub(crate) fn span(&mut self, what: &'static str) -> Result<Span, Malformed> {
        within(what, self.signed(what)?, SPAN_MICROS_MAX).map(Span::from_micros)
    }

    /// What is left.
    pub(crate) fn rest(self) -> Bytes {
        self.0
    }

    /// Nothing may be left.
    pub(crate) fn end(self, what: &'static str) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Rest { what, count: self.0.len() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_of_either_sign_come_back(value: i64, other: u64) {
            let mut writer = Writer::default();
            let item = writer.signed(value).number(other).item(0);
            let mut items = Items::new(64);
            // Byte by byte, as a slow link gives them.
            for byte in &item {
                prop_assert_eq!(items.poll(), Ok(None));
                items.handle_bytes(&[*byte]);
            }
            let mut reader = Reader::new(items.poll().expect("valid").expect("whole"));
            prop_assert_eq!((reader.signed("a"), reader.number("b")), (Ok(value), Ok(other)));
            prop_assert_eq!(reader.end("item"), Ok(()));
        }
    }

    #[test]
    fn an_item_that_is_announced_too_long_is_refused_before_it_comes() {
        let mut items = Items::new(100);
        items.handle_bytes(&[101]);
        assert_eq!(items.poll(), Err(Malformed::TooLarge { what: "item", value: 101, max: 100 }));
        let mut endless = Items::new(100);
        endless.handle_bytes(&[0xff; 11]);
        assert!(endless.poll().is_err(), "a number of more than 64 bits");
    }
}
