//! Sessions as the encoders hold them, and as nobody should.

use super::*;
use proptest::prelude::*;

/// The client's side, as bytes.
#[derive(Default)]
struct Client(Vec<u8>);

impl Client {
    fn hello() -> Self {
        let mut bytes = vec![3];
        bytes.extend_from_slice(&[9; 2 * 1536]);
        Self(bytes)
    }

    fn message(mut self, csid: u8, timestamp: u32, id: u8, body: &[u8]) -> Self {
        let short = timestamp.min(0xff_ffff);
        self.0.push(csid);
        self.0.extend_from_slice(&short.to_be_bytes()[1..]);
        self.0.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
        self.0.extend_from_slice(&[id, 1, 0, 0, 0]);
        if short == 0xff_ffff {
            self.0.extend_from_slice(&timestamp.to_be_bytes());
        }
        for (index, piece) in body.chunks(128).enumerate() {
            if index > 0 {
                self.0.push(0xc0 | csid);
                if short == 0xff_ffff {
                    self.0.extend_from_slice(&timestamp.to_be_bytes());
                }
            }
            self.0.extend_from_slice(piece);
        }
        self
    }

    fn command(self, values: &[Value]) -> Self {
        let mut body = BytesMut::new();
        values.iter().for_each(|v| v.encode(&mut body));
        self.message(3, 0, type_id::COMMAND_AMF0, &body)
    }

    /// What OBS (librtmp) sends up to its first media.
    fn obs(app: &str, stream: &str) -> Self {
        let (null, number) = (|| Value::Null, Value::Number);
        Self::hello()
            .command(&[
                Value::text("connect"),
                number(1.0),
                Value::object([
                    ("app", Value::text(app)),
                    ("type", Value::text("nonprivate")),
                    ("flashVer", Value::text("FMLE/3.0 (compatible; FMSc/1.0)")),
                    ("tcUrl", Value::text("rtmp://127.0.0.1/live")),
                ]),
            ])
            .command(&[Value::text("releaseStream"), number(2.0), null(), Value::text(stream)])
            .command(&[Value::text("FCPublish"), number(3.0), null(), Value::text(stream)])
            .command(&[Value::text("createStream"), number(4.0), null()])
            .command(&[Value::text("_checkbw"), number(5.0), null()])
            .command(&[Value::text("publish"), number(6.0), null(), Value::text(stream), Value::text("live")])
    }
}

fn feed(session: &mut Session, bytes: &[u8], piece: usize) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    for chunk in bytes.chunks(piece) {
        session.handle_bytes(chunk)?;
        while let Some(event) = session.poll_event() {
            if matches!(event, Event::PublishRequest { .. }) {
                session.accept_publish();
            }
            events.push(event);
        }
    }
    Ok(events)
}

/// The commands in what the server sent after its handshake.
fn answers(session: &mut Session) -> Vec<Vec<Value>> {
    let output = session.poll_output().expect("answers");
    let mut input = &output[1 + 2 * 1536..];
    let mut reader = Reader::new(Bounds { chunk_streams_max: 64, assembly_bytes_max: 1 << 20 });
    let mut commands = Vec::new();
    while let Some(message) = reader.read(&mut input, |_| Ok(1 << 20)).expect("own output") {
        match message.type_id {
            type_id::SET_CHUNK_SIZE => reader.set_chunk_size(CHUNK_SIZE_OUT).expect("legal"),
            type_id::COMMAND_AMF0 => commands.push(amf0::decode_all(&message.body).expect("own output")),
            _ => {}
        }
    }
    commands
}

#[test]
fn obs_connects_publishes_and_leaves() {
    let metadata = {
        let mut body = BytesMut::new();
        Value::text("@setDataFrame").encode(&mut body);
        Value::text("onMetaData").encode(&mut body);
        let fields = [("width", Value::Number(640.0)), ("videocodecid", Value::Number(7.0))];
        Value::object(fields).encode(&mut body);
        body
    };
    let bytes = Client::obs("live/", "alice?key=pk_1_2")
        .message(4, 0, type_id::DATA_AMF0, &metadata)
        .message(4, 10, type_id::VIDEO, &[0x17; 300])
        .message(4, 12, type_id::AUDIO, &[0xaf, 1, 2])
        .command(&[Value::text("deleteStream"), Value::Number(7.0), Value::Null, Value::Number(1.0)])
        .0;
    for piece in [1, 100] {
        let mut session = Session::new(Limits::default());
        let events = feed(&mut session, &bytes, piece).expect("valid");
        let [Event::PublishRequest { app, stream, encoder }, rest @ ..] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!((app.name(), stream.name(), stream.query("key")), ("live", "alice", Some("pk_1_2")));
        assert!(encoder.starts_with("FMLE"));
        let expected = Metadata { width: Some(640.0), has_video: true, ..Metadata::default() };
        assert_eq!(rest[0], Event::Metadata(expected));
        assert_eq!(rest[1], Event::Video { timestamp_ms: 10, body: vec![0x17; 300].into() });
        assert_eq!(
            rest[2..],
            [Event::Audio { timestamp_ms: 12, body: Bytes::from_static(&[0xaf, 1, 2]) }, Event::Closed]
        );
        let answers = answers(&mut session);
        let names: Vec<_> =
            answers.iter().map(|c| (c[0].as_str().expect("name"), c[1].as_number().expect("id"))).collect();
        let results = (1..=5).map(|n| ("_result", f64::from(n)));
        assert_eq!(names, results.chain([("onStatus", 0.0), ("onStatus", 0.0)]).collect::<Vec<_>>());
        assert_eq!(answers[3][3], Value::Number(1.0), "the message stream of createStream");
        let code = |i: usize| answers[i][3].get("code").and_then(Value::as_str).map(str::to_owned);
        assert_eq!(code(5).as_deref(), Some("NetStream.Publish.Start"));
    }
}

#[test]
fn enhanced_rtmp_is_answered_where_it_is_asked_for() {
    let connect = |more: Option<(&'static str, Value)>| {
        let fields = [("app", Value::text("live"))].into_iter().chain(more);
        let values = [Value::text("connect"), Value::Number(1.0), Value::object(fields)];
        let mut session = Session::new(Limits::default());
        session.handle_bytes(&Client::hello().command(&values).0).expect("valid");
        answers(&mut session).remove(0).remove(2)
    };
    let old = connect(None);
    assert!(old.get("fmsVer").is_some() && old.get("fourCcList").is_none());
    let map = Value::object([("*", Value::Number(1.0))]);
    for asked in [
        ("fourCcList", Value::Array(vec![Value::text("hvc1")])),
        ("videoFourCcInfoMap", map.clone()),
        ("audioFourCcInfoMap", map),
        ("capsEx", Value::Number(15.0)),
    ] {
        let new = connect(Some(asked));
        let Some(Value::Array(codes)) = new.get("fourCcList") else { panic!("{new:?}") };
        let codes: Vec<_> = codes.iter().filter_map(Value::as_str).collect();
        assert_eq!(codes, ["avc1", "hvc1", "av01", "vp09", "vp08", "mp4a", "Opus"]);
        let mask = |map: &str, code: &str| new.get(map).and_then(|m| m.get(code)).and_then(Value::as_number);
        assert_eq!(mask("videoFourCcInfoMap", "av01"), Some(4.0), "forwarded");
        assert_eq!(mask("audioFourCcInfoMap", "Opus"), Some(4.0));
        assert_eq!(new.get("capsEx").and_then(Value::as_number), Some(12.0));
    }
}

#[test]
fn a_refusal_reaches_the_encoder_in_words() {
    let mut session = Session::new(Limits::default());
    session.handle_bytes(&Client::obs("live", "alice").0).expect("valid");
    assert!(matches!(session.poll_event(), Some(Event::PublishRequest { .. })));
    assert!(session.reject_publish("no key was given"));
    let answers = answers(&mut session);
    let status = &answers.last().expect("onStatus")[3];
    assert_eq!(status.get("description").and_then(Value::as_str), Some("no key was given"));
    session.handle_bytes(&Client::default().message(4, 1, type_id::VIDEO, b"late").0).expect("not looked at");
    assert_eq!(session.poll_event(), None);
}

#[test]
fn media_before_publish_is_refused_before_memory_is_taken() {
    let mut session = Session::new(Limits::default());
    let bytes = Client::hello().message(4, 0, type_id::VIDEO, &[]).0;
    assert_eq!(session.handle_bytes(&bytes), Err(Error::MediaBeforePublish));
}

#[test]
fn over_long_messages_are_refused_by_type() {
    let mut session = Session::new(Limits::default());
    let mut bytes = Client::obs("live", "a").0;
    bytes.extend_from_slice(&[4, 0, 0, 0, 0x80, 0, 1, type_id::VIDEO, 1, 0, 0, 0]);
    let error = session.handle_bytes(&bytes).expect_err("8 MiB and a byte");
    assert!(error.to_string().contains("8388609 bytes, at most 8388608"), "{error}");
    let mut session = Session::new(Limits::default());
    let mut bytes = Client::hello().0;
    bytes.extend_from_slice(&[3, 0, 0, 0, 1, 0, 1, type_id::COMMAND_AMF0, 0, 0, 0, 0]);
    assert!(matches!(session.handle_bytes(&bytes), Err(Error::MessageLength { max: 65_536, .. })));
}

#[test]
fn pings_are_answered_and_the_window_acknowledged() {
    let mut session = Session::new(Limits::default());
    let bytes = Client::hello()
        .message(2, 0, type_id::WINDOW_ACK_SIZE, &1u32.to_be_bytes())
        .message(2, 0, type_id::USER_CONTROL, &[0, 6, 1, 2, 3, 4])
        .0;
    session.handle_bytes(&bytes).expect("valid");
    let output = session.poll_output().expect("pong");
    assert!(output.ends_with(&[0, 7, 1, 2, 3, 4]));
    let connect = Client::obs("live", "a");
    session.handle_bytes(&connect.0[3073..]).expect("valid");
    session.poll_output();
    let media = (0..200).fold(Client::default(), |c, _| c.message(4, 0, type_id::VIDEO, &[1; 128]));
    session.handle_bytes(&media.0).expect("valid");
    let output = session.poll_output().expect("an acknowledgement");
    let received = (bytes.len() + connect.0.len() - 3073 + media.0.len()) as u32;
    assert!(output.ends_with(&received.to_be_bytes()));
}

#[test]
fn timestamps_go_on_past_24_and_32_bits() {
    let stamps = [0xff_fffe, 0x100_0001, u32::MAX - 1, 5];
    let start = Client::obs("live", "a").message(4, stamps[0], type_id::VIDEO, &[1; 300]);
    let bytes = stamps[1..].iter().fold(start, |c, &t| c.message(4, t, type_id::VIDEO, &[1; 300])).0;
    let events = feed(&mut Session::new(Limits::default()), &bytes, 977).expect("valid");
    let seen: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            Event::Video { timestamp_ms, .. } => Some(*timestamp_ms as u32),
            _ => None,
        })
        .collect();
    assert_eq!(seen, stamps);
    let last = events.last().cloned();
    // From 0x1000001 the shorter way to 0xfffffffe is back; from there 5 lies ahead.
    assert!(matches!(last, Some(Event::Video { timestamp_ms: 5, .. })), "{last:?}");
}

#[test]
fn an_aggregate_is_taken_apart() {
    let tag = |id: u8, t: u8, body: &[u8]| {
        let mut bytes = vec![id, 0, 0, body.len() as u8, 0, 0, t, 0, 0, 0, 0];
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(&[0; 4]);
        bytes
    };
    let body = [tag(9, 50, b"v"), tag(8, 60, b"a"), vec![9, 0, 1]].concat();
    let bytes = Client::obs("live", "a").message(4, 1_000, type_id::AGGREGATE, &body).0;
    let mut events = feed(&mut Session::new(Limits::default()), &bytes, usize::MAX).expect("valid");
    assert_eq!(
        events[1..],
        [
            Event::Video { timestamp_ms: 1_000, body: Bytes::from_static(b"v") },
            Event::Audio { timestamp_ms: 1_010, body: Bytes::from_static(b"a") },
        ]
    );
    let Event::Video { body: part, .. } = events.swap_remove(1) else { panic!("a picture") };
    assert!(part.is_unique(), "it keeps nothing of the aggregate");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn garbage_after_the_handshake_never_panics(
        garbage in proptest::collection::vec(any::<u8>(), 0..4_000), greets in any::<bool>(), piece in 1usize..500,
    ) {
        let mut session = Session::new(Limits::default());
        if greets {
            session.handle_bytes(&Client::hello().0).expect("valid");
        }
        let _ = feed(&mut session, &garbage, piece);
    }

    #[test]
    fn a_damaged_session_never_panics(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(), piece in 1usize..3_000,
    ) {
        let mut bytes = Client::obs("live", "alice?key=pk_1_2")
            .message(4, 10, type_id::VIDEO, &[0x17; 900])
            .message(6, 0x100_0000, type_id::AUDIO, &[0xaf; 200])
            .message(4, 40, type_id::AGGREGATE, &[0; 60])
            .0[3073..].to_vec();
        for (index, byte) in &flips {
            let at = index.index(bytes.len());
            bytes[at] = *byte;
        }
        let cut = cut.index(bytes.len());
        bytes.remove(cut);
        let mut session = Session::new(Limits::default());
        session.handle_bytes(&Client::hello().0).expect("valid");
        let _ = feed(&mut session, &bytes, piece);
        prop_assert!(session.poll_output().is_none_or(|o| o.len() <= Limits::default().output_bytes_max + 1024));
    }
}
