"""Writes the FLV files that crates/mux/tests/flv reads: what FFmpeg 8 sends by Enhanced RTMP, small.

    $UNISONO_VENV/bin/python tests/python/flv_fixtures.py crates/mux/tests/flv/fixtures
"""
import os
import sys
from fractions import Fraction
from pathlib import Path

import av

SIZE, FPS, FRAMES = (96, 64), 15, 8


def x265(more):
    return {"preset": "ultrafast", "x265-params": f"log-level=none:info=0:{more}"}


def encode(out, mux, codec, options, gop=4, pixels="yuv420p"):
    """Encodes the test picture with `codec`, a stream of `out`, and hands each packet to `mux`."""
    stream = out.add_stream(codec, rate=FPS)
    stream.width, stream.height, stream.pix_fmt, stream.options = *SIZE, pixels, options
    stream.codec_context.gop_size = gop
    stream.codec_context.time_base = Fraction(1, FPS)
    source = av.open(f"testsrc2=size={SIZE[0]}x{SIZE[1]}:rate={FPS}", format="lavfi")
    for index, picture in zip(range(FRAMES), source.decode(video=0)):
        picture = picture.reformat(format=pixels)
        picture.pts, picture.time_base, picture.pict_type = index, Fraction(1, FPS), 0
        for packet in stream.encode(picture):
            mux(packet)
    for packet in stream.encode(None):
        mux(packet)


def sound(out, stream, layout):
    resampler = av.AudioResampler(format=stream.codec_context.format.name, layout=layout, rate=48000, frame_size=960)
    for _, block in zip(range(4), av.open("sine=frequency=1000:sample_rate=48000", format="lavfi").decode(audio=0)):
        for piece in resampler.resample(block):
            for packet in stream.encode(piece):
                out.mux(packet)
    for packet in stream.encode(None):
        out.mux(packet)


def flv(path, codec, options, audio=None, layout="stereo", **more):
    with av.open(str(path), "w", format="flv") as out:
        # Both before the first packet, which writes the header.
        beside = audio and out.add_stream(audio, rate=48000)
        if beside:
            beside.codec_context.layout = layout
        encode(out, out.mux, codec, options, **more)
        if beside:
            sound(out, beside, layout)


def write(path, tags):
    """An FLV file of video tags: (milliseconds, body)."""
    file = bytearray(b"FLV\x01\x01\x00\x00\x00\x09\x00\x00\x00\x00")
    for time, body in tags:
        head = b"\x09" + len(body).to_bytes(3, "big") + time.to_bytes(3, "big") + bytes(4)
        file += head + body + (11 + len(body)).to_bytes(4, "big")
    path.write_bytes(file)


def video_tags(path):
    data, at = path.read_bytes(), 13
    while at + 11 <= len(data):
        length = int.from_bytes(data[at + 1 : at + 4], "big")
        if data[at] == 9:
            yield int.from_bytes(data[at + 4 : at + 7], "big"), data[at + 11 : at + 11 + length]
        at += 11 + length + 4


def legacy(tags):
    """The same H.265 with CodecID 12 instead of an Enhanced RTMP header."""
    for time, body in tags:
        key, kind, data = 0x10 if body[0] & 0x70 == 0x10 else 0x20, body[0] & 15, body[5:]
        if kind == 0:
            yield time, bytes([key | 12, 0, 0, 0, 0]) + data
        elif kind == 1:
            yield time, bytes([key | 12, 1]) + data
        elif kind == 3:
            yield time, bytes([key | 12, 1, 0, 0, 0]) + data


def vp8(path):
    """FFmpeg has no VP8 in FLV: the packets of another container behind Enhanced RTMP headers."""
    packets = []
    with av.open(os.devnull, "w", format="ivf") as out:
        encode(out, packets.append, "libvpx", {"deadline": "realtime", "cpu-used": "8"})
    record = bytes([1, 0, 0, 0, 0, 10, 0x82, 2, 2, 2, 0, 0])
    body = lambda p: (b"\x91" if p.is_keyframe else b"\xa1") + b"vp08" + bytes(p)
    write(path, [(0, b"\x90vp08" + record)] + [(i * 1000 // FPS, body(p)) for i, p in enumerate(packets)])


def main(folder):
    realtime = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    hdr = "keyint=4:min-keyint=4:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    zero = {"tune": "zerolatency"}
    flv(folder / "hevc.flv", "libx265", x265("keyint=4:min-keyint=4") | zero, "aac")
    flv(folder / "hevc-b-frames.flv", "libx265", x265("keyint=8:bframes=2:b-adapt=0:rc-lookahead=4"), gop=8)
    flv(folder / "hevc-pq.flv", "libx265", x265(hdr) | zero, pixels="yuv420p10le")
    svt = {"preset": "12", "svtav1-params": "pred-struct=1:rc=0:lookahead=0"}
    flv(folder / "av1.flv", "libsvtav1", svt, "libopus")
    flv(folder / "vp9.flv", "libvpx-vp9", realtime, "libopus", layout="mono")
    write(folder / "hevc-legacy.flv", legacy(video_tags(folder / "hevc.flv")))
    vp8(folder / "vp8.flv")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
