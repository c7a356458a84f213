#!/usr/bin/env python3
"""Writes seeds/: what real peers send, in the form each fuzz target reads. Run it in fuzz/ after a target's form changes."""

import base64
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
PEERS = HERE.parent / "crates/proto/webrtc/tests/peers"
SPS = bytes.fromhex("6742c01ed900a02ff970110000030001000003003c0f162d00")
PPS = bytes.fromhex("68ee3c80")


def seed(target, name, content):
    folder = HERE / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def amf_text(value):
    return b"\x02" + struct.pack(">H", len(value)) + value.encode()


def amf_number(value):
    return b"\x00" + struct.pack(">d", value)


def amf_object(pairs, marker=b"\x03"):
    fields = b"".join(struct.pack(">H", len(name)) + name.encode() + value for name, value in pairs.items())
    return marker + fields + b"\x00\x00\x09"


def rtmp():
    connect = amf_text("connect") + amf_number(1) + amf_object({
        "app": amf_text("live"), "type": amf_text("nonprivate"), "flashVer": amf_text("FMLE/3.0 (compatible; Lavf59.27.100)"),
        "tcUrl": amf_text("rtmp://127.0.0.1/live"), "fourCcList": b"\x0a\x00\x00\x00\x02" + amf_text("av01") + amf_text("hvc1"),
    })
    create = amf_text("createStream") + amf_number(4) + b"\x05"
    publish = amf_text("publish") + amf_number(5) + b"\x05" + amf_text("alice?key=pk_00000000_" + "0" * 32) + amf_text("live")
    metadata = amf_text("@setDataFrame") + amf_text("onMetaData") + amf_object({
        "width": amf_number(640), "height": amf_number(360), "framerate": amf_number(30), "videocodecid": amf_number(7),
        "audiocodecid": amf_number(10), "stereo": b"\x01\x01", "encoder": amf_text("Lavf59.27.100"),
    }, marker=b"\x08\x00\x00\x00\x07")
    delete = amf_text("deleteStream") + amf_number(7) + b"\x05" + amf_number(1)
    messages = [(0, connect), (0, create), (0, publish), (1, metadata), (0, delete)]
    framed = b"".join(bytes([kind]) + struct.pack(">H", len(body)) + body for kind, body in messages)
    seed("rtmp_commands", "publisher", framed)
    for name, (kind, body) in zip(["connect", "create", "publish", "metadata", "delete"], messages):
        seed("rtmp_commands", name, bytes([kind]) + struct.pack(">H", len(body)) + body)

    def message(type_id, body, stream=1):
        header = bytes([3, 0, 0, 0]) + struct.pack(">I", len(body))[1:] + bytes([type_id]) + struct.pack("<I", stream)
        chunks = [body[at:at + 128] for at in range(0, len(body), 128)]
        return header + b"\xc3".join(chunks)

    avcc = b"\x01" + SPS[1:4] + b"\xff\xe1" + struct.pack(">H", len(SPS)) + SPS + b"\x01" + struct.pack(">H", len(PPS)) + PPS
    video = b"\x17\x00\x00\x00\x00" + avcc
    picture = b"\x17\x01\x00\x00\x00" + struct.pack(">I", 5) + b"\x65\x88\x84\x00\x10"
    audio, sound = b"\xaf\x00\x11\x90", b"\xaf\x01\x21\x10\x04\x60\x8c\x1c"
    whole = b"".join([message(20, connect, 0), message(20, create, 0), message(20, publish), message(18, metadata),
                      message(9, video), message(8, audio), message(9, picture), message(8, sound)])
    seed("rtmp_session", "publisher", b"\x40" + whole)
    tags = [video, audio, picture, sound]
    seed("flv", "publisher", b"".join(len(tag).to_bytes(2, "big") + tag for tag in tags))


def stun(kind, *attributes):
    body = b"".join(struct.pack(">HH", number, len(value)) + value + bytes(-len(value) % 4) for number, value in attributes)
    return struct.pack(">HHI", kind, len(body), 0x2112a442) + bytes(range(12)) + body


def webrtc():
    for name in ["whip", "whep", "whep-two-pictures"]:
        offer = (PEERS / f"chromium-{name}.sdp").read_text()
        restart = "a=ice-ufrag:abcdefgh\r\na=ice-pwd:abcdefghabcdefghabcdefgh\r\n"
        seed("sdp_offer", name, (b"0" if name == "whip" else b"1") + offer.encode() + b"\0" + restart.encode())
    for name in ["chromium-whep", "chromium-whep-two-pictures", "firefox-whep", "gstreamer-whep", "aiortc-whep"]:
        offer = (PEERS / f"{name}.sdp").read_bytes()
        # H.264 for most, VP8 for who has none; two pictures to give.
        seed("engine_offer", name, (b"\x40" if name == "firefox-whep" else b"\x42") + offer + b"\0" + offer)
    trickled = "a=ice-ufrag:abcdefgh\r\na=ice-pwd:abcdefghabcdefghabcdefgh\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" \
        "a=candidate:1 1 udp 2122260223 192.0.2.7 61764 typ host generation 0\r\na=end-of-candidates\r\n"
    seed("sdp_fragment", "restart", trickled)
    seed("sdp_fragment", "restart-twice", trickled + "\0" + trickled.replace("abcdefgh", "hgfedcba"))
    request = stun(0x0001, (6, b"abcd:efgh"), (0x24, b"\x6e\x7f\x1e\xff"), (0x802a, bytes(8)), (0x25, b""), (8, bytes(20)), (0x8028, bytes(4)))
    success = stun(0x0101, (0x20, bytes(8)), (8, bytes(20)), (0x8028, bytes(4)))
    hello = bytes.fromhex("16fefd00000000000000000036010000" "2a000000000000002afefd") + bytes(32) + bytes.fromhex("000000" "02c02b0100")
    rtp = bytes.fromhex("806f0001000003e8deadbeef") + bytes(40)
    report = bytes.fromhex("81c90007deadbeefcafebabe0000000000000001000000000000000000000000") + bytes(14)
    nack = bytes.fromhex("81cd0003deadbeefcafebabe00010000") + bytes(14)
    datagrams = [request, success, hello, rtp, report, nack]
    framed = lambda how, bytes_: bytes([how]) + struct.pack(">H", len(bytes_)) + bytes_
    seed("webrtc_datagrams", "peer", b"\0" + b"".join(framed(0x20, d) for d in datagrams))
    seed("engine_datagrams", "peer", b"\0" + b"".join(framed(0x20, d) for d in datagrams))
    seed("webrtc_datagrams", "stranger", b"\1" + b"".join(framed(0x21, d) for d in datagrams))
    blocks = bytes.fromhex("81c9000700000001cafebabe00000000000000ff000000090000000000000000")
    lost = bytes.fromhex("81cd000300000001cafebabe0010ffff")
    loss = bytes.fromhex("81ce000200000001cafebabe84ce000400000001000000000cafebabe7000000")
    arrived = bytes.fromhex("8fcd000700000001cafebabe0000001400000205" "2003a000e0000400080100fc")
    clock = bytes.fromhex("80cf00040000000104000002" "e000000012345678")
    for name, body in [("report", blocks), ("nack", lost), ("loss", loss), ("feedback", arrived), ("clock", clock)]:
        seed("egress_rtcp", name, body)
    seed("egress_rtcp", "compound", blocks + lost + arrived + clock)
    # In DTLS with a right checksum, and as SRTCP.
    data = bytes.fromhex("138813880000000000000000" "00030023" "000003e8" "00000000" "00000032" "030000000000000000070000") + b"unisono\0"
    forward = bytes.fromhex("138813880000000000000000" "c0000010" "000003f0" "00000001" "00000000")
    seed("engine_insider", "sctp", b"".join(framed(0x11, packet) for packet in [data, forward]))
    seed("engine_insider", "rtcp", b"".join(framed(0x12, packet) for packet in [blocks, lost, loss, arrived, clock]))
    fragments = [b"\x7c\x85" + bytes(20), b"\x7c\x05" + bytes(20), b"\x7c\x45" + bytes(20)]
    stap = b"\x78" + b"".join(struct.pack(">H", len(unit)) + unit for unit in [SPS, PPS])
    seed("rtp_h264", "keyframe", b"".join(bytes([len(p)]) + p for p in [stap, *fragments]) + b"\0")


def codecs():
    seed("codec_headers", "sps", b"\0" + SPS)
    seed("codec_headers", "sps-high", b"\0" + bytes.fromhex("67640028acd940780227e5c05a808080a0000003002000000781e30632c0"))
    # The largest delta of a scaling list: once an overflow.
    seed("codec_headers", "sps-scaling-delta", b"\0" + bytes.fromhex("6764001ead80000000fffffffe") + b"\xff" * 60)
    seed("codec_headers", "aac-lc", b"\1\x11\x90")
    seed("codec_headers", "he-aac", b"\1\x2b\x92\x08\x00")
    seed("codec_headers", "avc", b"\2" + SPS)
    unit = b"".join(struct.pack(">I", len(nal)) + nal for nal in [SPS, PPS, b"\x65\x88\x84\x00"])
    seed("codec_headers", "access-unit", b"\3" + unit)
    for name, toc in [("celt-20ms", b"\xfc"), ("silk-60ms", b"\x18"), ("code-3", b"\xff\x03")]:
        seed("codec_headers", f"opus-{name}", b"\4" + toc + bytes(10))


def http():
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    grants = [{"stream": "live/alice-*", "actions": ["view", "send"]}, {"stream": "*/*", "actions": ["admin"]}]
    claims = {"exp": 1800000060, "nbf": 1700000000, "jti": "a", "sub": "alice", "uses": 2, "sessions": 1, "grants": grants}
    seed("tokens", "claims", json.dumps(claims))
    seed("tokens", "token", f"{part({'alg': 'HS256', 'kid': 'node'})}.{part(claims)}.{'A' * 43}")
    seed("tokens", "key", "pk_00000000_" + "0" * 32)
    seed("tokens", "pattern", "live/alice-*")
    seed("tokens", "jwks", json.dumps({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
         "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}))
    event = {"type": "poll.open", "lane": "timed", "at": "now", "dur": 1000000, "ttl": 5000000, "late": "drop",
             "cmd_id": "0190f5a0-0000-7000-8000-000000000000", "data": {"question": "?", "answers": ["a", "b"]}}
    seed("event_request", "poll", json.dumps(event))
    seed("event_request", "at", json.dumps({"type": "x", "at": 1800000000000000, "data": None}))
    seed("event_request", "room", "live:alice")
    for name, query in [("part", "_HLS_msn=12&_HLS_part=3"), ("skip", "_HLS_msn=12&_HLS_skip=YES"), ("file", "1800000000/video/12.3.mp4")]:
        seed("hls_request", name, query)


def rooms():
    def say(number, **command):
        return json.dumps({"cmd_id": f"0190f5a0-0000-7000-8000-{number:012}", **command})

    # The nil id stands for the event before it.
    before = "00000000-0000-0000-0000-000000000000"
    poll = {"question": "Tea?", "choices": ["yes", "no"]}
    lot = {"title": "a lamp", "start": 100, "step": 10, "terms": {"l_max": 1000000}}
    goals = {"name": "goals", "lane": "round", "class": {"rule": "latest", "key": "/team"}, "send": "guest",
             "schema": {"type": "object", "properties": {"team": {"type": "string", "pattern": "^[a-z]+$"}}, "required": ["team"]}}
    conversations = {
        "chat": [say(n, type="chat", data={"text": f"hello {n}"}) for n in range(8)],
        "poll": [say(n, type="poll", do="open", dur=5000000, data=poll) for n in range(6)] + [say(n + 9, type="poll", do="enter", subject=before, data={"choice": 1}) for n in range(6)],
        "auction": [say(n, type="auction", do="open", dur=9000000, data=lot) for n in range(6)] + [say(n + 9, type="auction", do="enter", subject=before, seen={"t": 1700000009000000, "seq": 3}, data={"amount": 100 + 10 * n}) for n in range(9)],
        "drop": [say(n, type="drop", do="open", data={"title": "a bulb", "quantity": 2}) for n in range(6)] + [say(n + 9, type="drop", do=verb, subject=before, data={}) for n, verb in enumerate(["enter", "confirm", "enter", "release", "close"] * 2)],
        "alerts": [say(n, type="alert", dur=2000000, data={"text": "look"}) for n in range(12)] + [say(20, type="alert", do="cancel", subject=before)],
        "types": [json.dumps(goals)] + [say(n, type="goals", do="send", at="now", lane="round", late="skip", data={"team": "a"}) for n in range(6)],
        "log": [json.dumps({"log": {"version": 1, "room": "live:x", "key": "00" * 32, "base": {"n": 0, "seq": 0, "term": 0, "hash": "00" * 32}}})],
    }
    for name, lines in conversations.items():
        seed("room_messages", name, "\n".join(lines))


def relay():
    def number(value):
        out = b""
        while value >= 0x80:
            out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
        return out + bytes([value])

    def signed(value):
        return number(value << 1 if value >= 0 else (-value << 1) - 1)

    def sized(content):
        return number(len(content)) + content

    t, epoch = 1_760_000_000_000_000, 1_760_000_000
    avc = number(1) + sized(SPS) + number(1) + sized(PPS)
    head = sized(number(1) + number(1) + number(epoch) + number(epoch << 20) + number(epoch) + number(0) + number(0) + avc)
    key = number(5) + number(0) + signed(t) + signed(0) + signed(30_000) + signed(33_333) + number(2) + signed(0) + b"\0\0\0\x02\x65\x88"
    other = number(6) + number(0) + signed(33_333) + signed(0) + signed(30_000) + signed(33_333) + number(0) + signed(0) + b"\0\0\0\x02\x41\x9a"
    seed("relay", "group", b"\0" + head + sized(key) + sized(other))
    name = number(1) + sized(b"default") + sized(b"live/alice") + number(1) + number(7)
    place = number(1) + number(epoch) + number(epoch << 20) + number(3)
    asked = [number(1) + number(7) + number(1) + bytes(32), number(2) + name + place + number(0) + number(0), number(5) + number(9), number(4) + number(1), number(3) + number(1)]
    seed("relay", "asked", b"\1" + b"".join(map(sized, asked)))
    track = number(1) + number(1) + avc + number(0) + number(0)
    cut = number(epoch) + number(epoch) + signed(t) + number(1) + number(0)
    told = [number(2) + number(9) + signed(t), number(4) + number(1) + number(epoch) + number(1) + number(0), number(5) + number(1) + track + number(0), number(6) + number(1) + number(1) + cut + signed(4_000_000), number(3) + number(1) + number(0) + sized(b"nobody"), number(9) + number(1)]
    seed("relay", "told", b"\1" + b"".join(map(sized, told)))


rtmp()
webrtc()
codecs()
http()
rooms()
relay()
