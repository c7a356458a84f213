"""Publishes a picture and a tone by Enhanced RTMP, in real time, until it is ended: FFmpeg 8, which Debian's is not yet.

    publish_rtmp.py URL VIDEO AUDIO [--size 320x180] [--fps 15] [--keyframes 15] [--stdin]

VIDEO is h264, hevc, hevc-b-frames, hevc-10bit, av1, vp9 or none; AUDIO is aac, opus, flac or none. With --stdin raw yuv420p pictures come from
there, at the pace of whoever writes them, else ffmpeg's test picture is sent at the wall clock's.
"""
import argparse
import subprocess
import sys
import time
from fractions import Fraction

import av
import av.logging

SAMPLE_RATE = 48000
X265 = "log-level=none:keyint={0}:min-keyint={0}:scenecut=0"
ENCODERS = {
    "h264": ("libx264", "yuv420p", {"preset": "ultrafast", "tune": "zerolatency"}),
    "hevc": ("libx265", "yuv420p", {"preset": "ultrafast", "tune": "zerolatency", "x265-params": X265}),
    "hevc-b-frames": ("libx265", "yuv420p", {"preset": "ultrafast", "x265-params": X265 + ":bframes=2:b-adapt=0:rc-lookahead=5"}),
    "hevc-10bit": ("libx265", "yuv420p10le", {"preset": "ultrafast", "tune": "zerolatency", "x265-params": X265}),
    "vp9": ("libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "b": "1500k"}),
}
# By Debian's ffmpeg: the one encoder that PyAV has for it (SVT-AV1 3.1 and later) stands still for ever now and then.
AV1 = "-c:v libaom-av1 -usage realtime -cpu-used 8 -lag-in-frames 0 -threads 1 -b:v 500k -g {0} -keyint_min {0}"
AUDIO = {"aac": "aac", "opus": "libopus", "flac": "flac"}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("video", choices=[*ENCODERS, "av1", "none"])
    parser.add_argument("audio", choices=[*AUDIO, "none"])
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--keyframes", type=int, default=15)
    parser.add_argument("--stdin", action="store_true")
    return parser.parse_args()


def pictures(args):
    if args.stdin:
        form = {"video_size": args.size, "pixel_format": "yuv420p", "framerate": str(args.fps), "probesize": "32"}
        source = av.open("pipe:0", format="rawvideo", options=form)
    else:
        source = av.open(f"testsrc2=size={args.size}:rate={args.fps}", format="lavfi")
    return source.decode(video=0)


def open_video(out, args):
    name, pixels, options = ENCODERS[args.video]
    stream = out.add_stream(name, rate=args.fps)
    stream.width, stream.height = map(int, args.size.split("x"))
    stream.pix_fmt = pixels
    stream.options = {key: value.format(args.keyframes) for key, value in options.items()}
    stream.codec_context.gop_size = args.keyframes
    stream.codec_context.time_base = Fraction(1, args.fps)
    return stream


class Tone:
    """1 kHz, encoded as far as the picture has come."""

    def __init__(self, out, codec):
        self.stream = out.add_stream(codec, rate=SAMPLE_RATE)
        self.stream.codec_context.layout = "stereo"
        self.source = av.open(f"sine=frequency=1000:sample_rate={SAMPLE_RATE}", format="lavfi").decode(audio=0)
        self.resampler, self.samples = None, 0

    def until(self, seconds):
        while self.samples < seconds * SAMPLE_RATE:
            block = next(self.source)
            self.samples += block.samples
            if self.resampler is None:
                context = self.stream.codec_context
                context.open(strict=False)
                self.resampler = av.AudioResampler(context.format.name, "stereo", SAMPLE_RATE, context.frame_size)
            for piece in self.resampler.resample(block):
                yield from self.stream.encode(piece)


def av1_packets(args):
    """The encoder, the stream of AV1 that comes out of it, and its packets."""
    lavfi = ["-re", "-f", "lavfi", "-i", f"testsrc2=size={args.size}:rate={args.fps}"]
    raw = ["-probesize", "32", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", args.size, "-r", str(args.fps), "-i", "pipe:0"]
    encode = ["-pix_fmt", "yuv420p", *AV1.format(args.keyframes).split(), "-flush_packets", "1", "-f", "nut", "pipe:1"]
    command = ["ffmpeg", "-loglevel", "error", *(raw if args.stdin else lavfi), *encode]
    encoder = subprocess.Popen(command, stdin=sys.stdin if args.stdin else subprocess.DEVNULL, stdout=subprocess.PIPE)
    source = av.open(encoder.stdout, format="nut", options={"probesize": "32", "analyzeduration": "0"})
    return encoder, source.streams.video[0], source.demux(video=0)


def main():
    args = arguments()
    av.logging.set_libav_level(av.logging.ERROR)
    av.logging.restore_default_callback()
    # Flushed at once: else libavformat holds back half a second of a small picture.
    out = av.open(args.url, "w", format="flv", options={"rtmp_enhanced_codecs": "hvc1,av01,vp09", "flush_packets": "1"})
    if args.video == "av1":
        encoder, encoded, packets = av1_packets(args)
        video = out.add_stream_from_template(encoded, opaque=True)
    else:
        video = open_video(out, args) if args.video != "none" else None
    tone = Tone(out, AUDIO[args.audio]) if args.audio != "none" else None
    if args.video == "av1":
        copy(out, packets, video, tone)
        sys.exit(encoder.wait())
    else:
        encode(out, args, video, tone)


def copy(out, packets, video, tone):
    for packet in packets:
        if packet.pts is None:
            continue
        if tone:
            out.mux(list(tone.until(float(packet.pts * packet.time_base))))
        packet.stream = video
        out.mux(packet)


def encode(out, args, video, tone):
    begun = time.monotonic()
    for index, picture in enumerate(pictures(args)):
        if not args.stdin:
            time.sleep(max(0, begun + index / args.fps - time.monotonic()))
        if tone:
            out.mux(list(tone.until(index / args.fps)))
        if video:
            picture = picture.reformat(format=video.pix_fmt)
            picture.pts, picture.time_base, picture.pict_type = index, Fraction(1, args.fps), 0
            out.mux(video.encode(picture))


if __name__ == "__main__":
    main()
