//! The chunk reader against hand-made chunks and against its own writer.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;

const BOUNDS: Bounds = Bounds { chunk_streams_max: 64, assembly_bytes_max: 1 << 20 };

fn any_length(_: u8) -> Result<usize, Error> {
    Ok(1 << 20)
}

fn read_all(reader: &mut Reader, bytes: &[u8], piece: usize) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::new();
    for chunk in bytes.chunks(piece) {
        let mut input = chunk;
        while let Some(message) = reader.read(&mut input, any_length)? {
            messages.push(message);
        }
        assert!(input.is_empty());
    }
    Ok(messages)
}

/// `(timestamp, body)` of what the chunks say, read whole and byte by byte.
fn check(bytes: &[u8], expected: &[(u32, &[u8])]) {
    for piece in [usize::MAX, 1, 3] {
        let messages = read_all(&mut Reader::new(BOUNDS), bytes, piece).expect("valid");
        let seen: Vec<_> = messages.iter().map(|m| (m.timestamp, &m.body[..])).collect();
        assert_eq!(seen, expected, "in pieces of {piece}");
    }
}

fn head(first: u8, fields: &[u8], body: &[u8]) -> Vec<u8> {
    [&[first][..], fields, body].concat()
}

#[test]
fn deltas_add_up_over_the_four_formats() {
    let bytes = [
        head(0x04, &[0, 0, 100, 0, 0, 1, 9, 1, 0, 0, 0], b"a"),
        head(0x44, &[0, 0, 33, 0, 0, 2, 9], b"bb"),
        head(0x84, &[0, 0, 34], b"cc"),
        head(0xc4, &[], b"dd"),
    ]
    .concat();
    check(&bytes, &[(100, b"a"), (133, b"bb"), (167, b"cc"), (201, b"dd")]);
}

#[test]
fn a_short_header_after_a_full_one_repeats_a_small_timestamp_and_not_a_large_one() {
    let small = [head(0x04, &[0, 0, 23, 0, 0, 1, 8, 1, 0, 0, 0], b"a"), head(0xc4, &[], b"b")].concat();
    check(&small, &[(23, b"a"), (46, b"b")]);
    let large = [head(0x04, &[1, 0, 0, 0, 0, 1, 8, 1, 0, 0, 0], b"a"), head(0xc4, &[], b"b")].concat();
    check(&large, &[(65_536, b"a"), (65_536, b"b")]);
}

#[test]
fn extended_timestamps_are_read_with_and_without_their_repetition() {
    let body = [7u8; 200];
    let first = head(0x04, &[0xff, 0xff, 0xff, 0, 0, 200, 9, 1, 0, 0, 0, 1, 0, 0, 5], &body[..128]);
    let repeated = [first.clone(), head(0xc4, &[1, 0, 0, 5], &body[128..])].concat();
    check(&repeated, &[(0x0100_0005, &body)]);
    let left_out = [first, head(0xc4, &[], &body[128..])].concat();
    check(&left_out, &[(0x0100_0005, &body)]);
}

#[test]
fn messages_of_two_chunk_streams_interleave() {
    let (long, short) = ([1u8; 130], [2u8; 3]);
    let bytes = [
        head(0x06, &[0, 0, 1, 0, 0, 130, 9, 1, 0, 0, 0], &long[..128]),
        head(0x00, &[6, 0, 0, 2, 0, 0, 3, 8, 1, 0, 0, 0], &short),
        head(0xc6, &[], &long[128..]),
    ]
    .concat();
    check(&bytes, &[(2, &short), (1, &long)]);
}

#[test]
fn the_writer_is_read_back() {
    let body: Vec<u8> = (0..1_000u32).map(|i| i as u8).collect();
    let (mut writer, mut out) = (Writer::new(), BytesMut::new());
    writer.write(3, 20, 0, &body, &mut out);
    writer.set_chunk_size(600, &mut out);
    let mut reader = Reader::new(BOUNDS);
    let messages = read_all(&mut reader, &out, 11).expect("own writer");
    assert_eq!(messages[0].body, Bytes::from(body.clone()));
    reader.set_chunk_size(600).expect("legal");
    let mut out = BytesMut::new();
    writer.write(3, 20, 1, &body, &mut out);
    assert_eq!(read_all(&mut reader, &out, 11).expect("own writer")[0].body, Bytes::from(body));
}

#[test]
fn limits_are_kept_before_memory_is_taken() {
    let mut reader = Reader::new(Bounds { chunk_streams_max: 2, assembly_bytes_max: 1_000 });
    let announce = |csid: u8, length: u8| head(csid, &[0, 0, 0, 0, length, 0, 9, 1, 0, 0, 0], &[]);
    assert!(read_all(&mut reader, &announce(3, 2), usize::MAX).expect("512 bytes").is_empty());
    assert!(read_all(&mut reader, &[0; 128], usize::MAX).expect("one chunk").is_empty());
    let error = read_all(&mut reader, &announce(4, 2), usize::MAX).expect_err("1024 together");
    assert!(matches!(error, Error::Assembly { bytes: 1_024, .. }), "{error}");

    let mut reader = Reader::new(Bounds { chunk_streams_max: 2, assembly_bytes_max: 1_000 });
    let full = |csid: u8| head(csid, &[0, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0], b"x");
    read_all(&mut reader, &[full(3), full(4)].concat(), usize::MAX).expect("two");
    let error = read_all(&mut reader, &full(5), usize::MAX).expect_err("a third");
    assert!(matches!(error, Error::ChunkStreams { id: 5, max: 2, .. }), "{error}");
    let error = read_all(&mut Reader::new(BOUNDS), &[0xc5], usize::MAX).expect_err("nothing before");
    assert!(matches!(error, Error::NoEarlierHeader { id: 5, format: 3, .. }), "{error}");
}

#[test]
fn an_abort_frees_what_was_announced() {
    let mut reader = Reader::new(BOUNDS);
    let begun = head(0x04, &[0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0], &[0; 128]);
    read_all(&mut reader, &begun, usize::MAX).expect("valid");
    reader.abort(4);
    reader.abort(4);
    assert_eq!(reader.assembling, 0);
    assert!(read_all(&mut reader, &begun, usize::MAX).expect("starts over").is_empty());
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..4_000), piece in 1usize..600) {
        let mut reader = Reader::new(BOUNDS);
        for chunk in bytes.chunks(piece) {
            let mut input = chunk;
            loop {
                match reader.read(&mut input, any_length) {
                    Ok(Some(message)) => prop_assert!(message.body.len() <= 1 << 20),
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
                prop_assert!(reader.assembling <= BOUNDS.assembly_bytes_max);
            }
        }
    }
}
