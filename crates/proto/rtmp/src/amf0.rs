//! AMF0 (Adobe, 2007): the values in RTMP's commands and metadata. Bounded in depth and number; strings are
//! bounded by the message they stand in.

use crate::AmfError;
use bytes::{BufMut, BytesMut};

/// Deepest nesting read. Commands use one level, metadata two.
const DEPTH_MAX: usize = 8;
/// Most values in one message, keys counted with theirs. OBS sends about 30.
const VALUES_MAX: usize = 512;

mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0a;
    pub(super) const DATE: u8 = 0x0b;
    pub(super) const LONG_STRING: u8 = 0x0c;
    pub(super) const UNSUPPORTED: u8 = 0x0d;
    pub(super) const XML: u8 = 0x0f;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
}

/// One value. Undefined and unsupported read as [`Value::Null`], ECMA arrays and typed objects as objects, XML as
/// a string, dates as their number of milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Boolean(bool),
    String(String),
    Object(Vec<(String, Value)>),
    Array(Vec<Value>),
    Null,
}

impl Value {
    /// A string value.
    pub(crate) fn text(text: &str) -> Self {
        Self::String(text.to_owned())
    }

    /// An object of these fields.
    pub(crate) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The first field of that name.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Appends the value's encoding.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Number(number) => {
                out.put_u8(marker::NUMBER);
                out.put_f64(*number);
            }
            Self::Boolean(fact) => {
                out.put_u8(marker::BOOLEAN);
                out.put_u8(u8::from(*fact));
            }
            Self::String(text) if text.len() > usize::from(u16::MAX) => {
                out.put_u8(marker::LONG_STRING);
                out.put_u32(text.len() as u32);
                out.put_slice(text.as_bytes());
            }
            Self::String(text) => {
                out.put_u8(marker::STRING);
                encode_key(text, out);
            }
            Self::Object(fields) => {
                out.put_u8(marker::OBJECT);
                for (key, value) in fields {
                    encode_key(key, out);
                    value.encode(out);
                }
                out.put_u16(0);
                out.put_u8(marker::OBJECT_END);
            }
            Self::Array(items) => {
                out.put_u8(marker::STRICT_ARRAY);
                out.put_u32(items.len() as u32);
                for item in items {
                    item.encode(out);
                }
            }
            Self::Null => out.put_u8(marker::NULL),
        }
    }
}

fn encode_key(key: &str, out: &mut BytesMut) {
    // Keys are ours and short; a longer string took the branch above.
    out.put_u16(key.len() as u16);
    out.put_slice(key.as_bytes());
}

/// All values of a message body, at most [`VALUES_MAX`].
pub(crate) fn decode_all(body: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut decoder = Decoder { rest: body, values_left: VALUES_MAX };
    let mut values = Vec::new();
    while !decoder.rest.is_empty() {
        values.push(decoder.value(0)?);
    }
    Ok(values)
}

struct Decoder<'a> {
    rest: &'a [u8],
    values_left: usize,
}

impl<'a> Decoder<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, AmfError> {
        if depth > DEPTH_MAX {
            return Err(AmfError::Depth(DEPTH_MAX));
        }
        self.values_left = self.values_left.checked_sub(1).ok_or(AmfError::Values(VALUES_MAX))?;
        let value = match self.byte()? {
            marker::NUMBER => Value::Number(f64::from_be_bytes(self.array()?)),
            marker::BOOLEAN => Value::Boolean(self.byte()? != 0),
            marker::STRING => Value::String(self.short_string()?),
            marker::OBJECT => Value::Object(self.fields(depth)?),
            marker::NULL | marker::UNDEFINED | marker::UNSUPPORTED => Value::Null,
            marker::ECMA_ARRAY => {
                // The count is a hint that encoders get wrong; the end marker decides.
                self.array::<4>()?;
                Value::Object(self.fields(depth)?)
            }
            marker::STRICT_ARRAY => {
                let count = u32::from_be_bytes(self.array()?) as usize;
                let mut items = Vec::new();
                for _ in 0..count {
                    items.push(self.value(depth + 1)?);
                }
                Value::Array(items)
            }
            marker::DATE => {
                let millis = f64::from_be_bytes(self.array()?);
                self.array::<2>()?; // time zone, reserved
                Value::Number(millis)
            }
            marker::LONG_STRING | marker::XML => {
                let length = u32::from_be_bytes(self.array()?) as usize;
                Value::String(self.string(length)?)
            }
            marker::TYPED_OBJECT => {
                self.short_string()?;
                Value::Object(self.fields(depth)?)
            }
            other => return Err(AmfError::Marker(other)),
        };
        Ok(value)
    }

    /// Key and value pairs up to the end marker, or to the end of the message: some encoders forget the marker.
    fn fields(&mut self, depth: usize) -> Result<Vec<(String, Value)>, AmfError> {
        let mut fields = Vec::new();
        while !self.rest.is_empty() {
            let key = self.short_string()?;
            if key.is_empty() && self.rest.first() == Some(&marker::OBJECT_END) {
                self.byte()?;
                break;
            }
            fields.push((key, self.value(depth + 1)?));
        }
        Ok(fields)
    }

    fn byte(&mut self) -> Result<u8, AmfError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], AmfError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(AmfError::Short)?;
        self.rest = rest;
        Ok(*head)
    }

    fn short_string(&mut self) -> Result<String, AmfError> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        self.string(length)
    }

    fn string(&mut self, length: usize) -> Result<String, AmfError> {
        let (text, rest) = self.rest.split_at_checked(length).ok_or(AmfError::Short)?;
        self.rest = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(values: &[Value]) -> BytesMut {
        let mut out = BytesMut::new();
        values.iter().for_each(|v| v.encode(&mut out));
        out
    }

    #[test]
    fn what_is_written_is_read_back() {
        let values = [
            Value::text("connect"),
            Value::Number(1.0),
            Value::object([("app", Value::text("live")), ("ok", Value::Boolean(true))]),
            Value::Array(vec![Value::Null, Value::Number(-0.5)]),
            Value::String("x".repeat(70_000)),
        ];
        assert_eq!(decode_all(&encoded(&values)).expect("own encoding"), values);
    }

    #[test]
    fn an_ecma_array_with_a_wrong_count_reads_as_an_object() {
        let mut body = vec![0x08, 0xff, 0xff, 0xff, 0xff, 0, 1, b'w', 0];
        body.extend_from_slice(&640f64.to_be_bytes());
        body.extend_from_slice(&[0, 0, 9]);
        let values = decode_all(&body).expect("valid");
        assert_eq!(values[0].get("w").and_then(Value::as_number), Some(640.0));
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep: Vec<u8> = std::iter::repeat_n([0x0a, 0, 0, 0, 1], 100).flatten().collect();
        assert_eq!(decode_all(&deep), Err(AmfError::Depth(DEPTH_MAX)));
        let wide = vec![0x05; VALUES_MAX + 1];
        assert_eq!(decode_all(&wide), Err(AmfError::Values(VALUES_MAX)));
        assert_eq!(decode_all(&[0x0c, 0xff, 0xff, 0xff, 0xff]), Err(AmfError::Short));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(body in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = decode_all(&body);
        }
    }
}
