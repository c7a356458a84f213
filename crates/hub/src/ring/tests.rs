use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use unisono_media::OpusConfig;

fn ring(span_ms: i64, bytes_max: usize) -> Ring {
    Ring::new(Kind::Video, RingLimits { span: Span::from_millis(span_ms), bytes_max })
}

fn push(ring: &Ring, t_ms: i64, size: usize, group: Option<u64>) {
    push_in(Epoch(1), ring, t_ms, size, group);
}

fn push_in(epoch: Epoch, ring: &Ring, t_ms: i64, size: usize, group: Option<u64>) {
    let t = MediaTime::from_micros(t_ms * 1_000);
    let header = group.map(|group| GroupHeader {
        epoch,
        group,
        segment: group,
        config: Arc::new(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 })),
    });
    ring.append(Frame::new(t, t, Bytes::from(vec![0; size])), header, false);
}

#[test]
fn a_slow_reader_skips_to_the_newest_whole_group_and_is_told() {
    let ring = ring(1_000, 1 << 20);
    push(&ring, 0, 10, Some(0));
    let mut slow = ring.newest_group().expect("a group").0;
    for i in 1..40i64 {
        push(&ring, i * 100, 10, (i % 5 == 0).then_some(i as u64 / 5));
    }
    let Read::Skipped { frames, reason: SkipReason::TooSlow } = ring.read(&mut slow) else { panic!("told") };
    assert_eq!(frames, 35, "frames of the seven groups before the newest");
    let Read::Frame { group, index, .. } = ring.read(&mut slow) else { panic!("a frame") };
    assert_eq!((group.group, index), (7, 0));
}

#[test]
fn a_group_beyond_the_byte_limit_cannot_be_joined() {
    let ring = ring(1_000, 1_000);
    push(&ring, 0, 100, Some(0));
    let mut reader = ring.tail();
    for i in 1..20i64 {
        push(&ring, i * 100, 100, None);
        assert!(matches!(ring.read(&mut reader), Read::Frame { .. }), "who is in keeps going");
    }
    assert!(ring.newest_group().is_none());
    push(&ring, 3_000, 100, Some(1));
    assert!(ring.newest_group().is_some());
}

#[test]
fn tiny_frames_of_one_endless_group_are_bounded_in_number() {
    let ring = ring(1_000, 1 << 20);
    push(&ring, 0, 1, Some(0));
    for i in 1..70_000 {
        push(&ring, i, 1, None);
    }
    assert_eq!(ring.inner.read().frames.len(), 65_536);
}

#[test]
fn b_frames_count_until_the_next_epoch() {
    let ring = ring(10_000, 1 << 20);
    for (t_ms, group) in [(0, Some(0)), (80, None), (40, None)] {
        push(&ring, t_ms, 10, group);
    }
    assert!(ring.is_reordered());
    push(&ring, 120, 10, Some(1));
    assert!(ring.is_reordered(), "a keyframe says nothing about what follows");
    push_in(Epoch(2), &ring, 160, 10, Some(2));
    push(&ring, 200, 10, None);
    assert!(!ring.is_reordered());
    push(&ring, 180, 10, None);
    assert!(ring.is_reordered());
}

#[test]
fn an_ended_ring_gives_what_it_has_first() {
    let ring = ring(1_000, 1_000);
    push(&ring, 0, 1, Some(0));
    let mut reader = ring.oldest_group().expect("a group");
    ring.end(EndReason::StreamEnded);
    assert!(matches!(ring.read(&mut reader), Read::Frame { .. }));
    assert!(matches!(ring.read(&mut reader), Read::Ended(EndReason::StreamEnded)));
}

#[test]
fn what_is_held_back_is_not_there_for_any_reader() {
    let ring = ring(10_000, 1 << 20);
    let hold = |ms: i64, key: bool| {
        let t = MediaTime::from_micros(ms * 1_000);
        let header = key.then(|| GroupHeader {
            epoch: Epoch(1),
            group: ms as u64,
            segment: 0,
            config: Arc::new(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 })),
        });
        ring.append(Frame::new(t, t, Bytes::from_static(b"secret")), header, true);
    };
    push(&ring, 0, 10, Some(0));
    let mut reader = ring.oldest_group().expect("a group");
    assert!(matches!(ring.read(&mut reader), Read::Frame { .. }));
    hold(1_000, true);
    hold(1_033, false);
    assert!(matches!(ring.read(&mut reader), Read::Pending));
    assert_eq!(ring.newest(), Some(MediaTime::from_micros(0)));
    assert_eq!(ring.newest_group().map(|(_, t)| t.as_micros()), Some(0), "a joiner gets nothing earlier");
    assert_eq!((ring.tail(), ring.newest_group_bytes()), (reader, 10));
    assert_eq!(ring.lag(reader), Span::ZERO);

    assert!(!ring.release(|_| true));
    assert!(ring.release(|t| t.as_micros() > 1_000_000));
    let Read::Frame { frame, .. } = ring.read(&mut reader) else { panic!("released") };
    assert_eq!(frame.t.as_micros(), 1_000_000);
    assert!(matches!(ring.read(&mut reader), Read::Pending), "the next is held still");
    ring.end(EndReason::StreamEnded);
    assert!(matches!(ring.read(&mut reader), Read::Ended(_)), "never shown");
}

#[test]
fn what_the_ring_drops_while_it_is_held_is_skipped_not_shown() {
    let ring = ring(500, 1 << 20);
    push(&ring, 0, 10, Some(0));
    let mut reader = ring.oldest_group().expect("a group");
    for i in 1..30i64 {
        let t = MediaTime::from_micros(i * 100_000);
        let config = Arc::new(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 }));
        let header = GroupHeader { epoch: Epoch(1), group: i as u64, segment: 0, config };
        ring.append(Frame::new(t, t, Bytes::from_static(b"x")), Some(header), true);
    }
    assert!(matches!(ring.read(&mut reader), Read::Skipped { .. }));
    assert!(matches!(ring.read(&mut reader), Read::Pending));
    assert!(ring.newest().is_none() && ring.newest_group().is_none() && ring.oldest_group().is_none());
    ring.release(|_| false);
    assert!(matches!(ring.read(&mut reader), Read::Frame { .. }));
}

#[test]
fn a_frame_that_was_read_is_found_again_while_it_is_kept_and_shown() {
    let ring = ring(500, 1 << 20);
    push(&ring, 0, 10, Some(0));
    let mut reader = ring.oldest_group().expect("a group");
    assert_eq!(reader.last_read(), None);
    assert!(matches!(ring.read(&mut reader), Read::Frame { .. }));
    let number = reader.last_read().expect("one was read");
    let (frame, group) = ring.frame(number).expect("kept");
    assert_eq!((frame.t.as_micros(), group.group), (0, 0));
    assert!(ring.frame(number + 1).is_none(), "nobody may ask for what is not there yet");
    for i in 1..20i64 {
        push(&ring, i * 100, 10, Some(i as u64));
    }
    assert!(ring.frame(number).is_none(), "dropped meanwhile");
    let held = MediaTime::from_micros(2_000_000);
    ring.append(Frame::new(held, held, Bytes::from_static(b"secret")), None, true);
    assert!(ring.frame(19).is_some() && ring.frame(20).is_none(), "held back");
}

proptest! {
    #[test]
    fn the_ring_never_exceeds_its_bytes_and_reads_stay_in_order(
        frames in proptest::collection::vec((1usize..300, any::<bool>()), 1..200),
    ) {
        let ring = ring(500, 2_000);
        let mut reader = ring.tail();
        let mut last = None;
        for (i, (size, key)) in frames.into_iter().enumerate() {
            push(&ring, i as i64 * 33, size, (key || i == 0).then_some(i as u64));
            prop_assert!(ring.inner.read().bytes <= 2_000);
            if i % 7 == 0 {
                loop {
                    match ring.read(&mut reader) {
                        Read::Frame { frame, .. } => {
                            prop_assert!(last < Some(frame.t));
                            last = Some(frame.t);
                        }
                        Read::Skipped { .. } => {}
                        Read::Pending | Read::Ended(_) => break,
                    }
                }
            }
        }
    }
}
