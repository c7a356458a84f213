"""Plays an HLS address with GStreamer's adaptive demuxer and prints what came as one JSON object.

usage: hls_gstreamer.py URL SECONDS          (the system's python3, which has gi)
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

from rhythm import Rhythm  # noqa: E402


class Player:
    def __init__(self, url, seconds):
        self.rhythm, self.seconds, self.error = Rhythm(f"{seconds}s"), seconds, None
        self.seen = {"codec": None, "size": None, "samples": 0, "sound": False}
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline.new("player")
        source = Gst.ElementFactory.make("uridecodebin3")
        source.set_property("uri", url)
        source.connect("pad-added", self.on_pad)
        source.connect("deep-element-added", self.on_element)
        self.pipeline.add(source)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add_seconds(60 + 2 * self.seconds, self.fail, "no end in time")
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)
        self.seen |= self.rhythm.report()
        print(json.dumps(self.seen | ({"error": self.error} if self.error else {})))

    def on_element(self, _, __, element):
        factory = element.get_factory()
        if factory and "Decoder/Video" in (factory.get_metadata("klass") or ""):
            self.seen["codec"] = factory.get_name()

    def on_pad(self, _, pad):
        caps = pad.get_current_caps() or pad.query_caps()
        is_video = caps.get_structure(0).get_name().startswith("video")
        chain, handler = ("videoconvert", self.on_picture) if is_video else ("audioconvert ! audio/x-raw,format=S16LE", self.on_sound)
        bin_ = Gst.parse_bin_from_description(f"queue ! {chain} ! appsink name=sink emit-signals=true sync={'true' if is_video else 'false'} max-buffers=200", True)
        bin_.get_by_name("sink").connect("new-sample", handler)
        self.pipeline.add(bin_)
        bin_.sync_state_with_parent()
        pad.link(bin_.get_static_pad("sink"))

    def on_picture(self, sink):
        sample = sink.emit("pull-sample")
        form = sample.get_caps().get_structure(0)
        self.seen["size"] = [form.get_value("width"), form.get_value("height")]
        # By presentation time: what is in the stream counts, not how this machine draws it.
        if self.rhythm.tick(sample.get_buffer().pts / Gst.SECOND):
            self.loop.quit()
        return Gst.FlowReturn.OK

    def on_sound(self, sink):
        sample = sink.emit("pull-sample")
        data = memoryview(sample.get_buffer().extract_dup(0, sample.get_buffer().get_size())).cast("h")
        self.seen["samples"] += len(data)
        self.seen["sound"] = self.seen["sound"] or max(map(abs, data), default=0) > 500
        return Gst.FlowReturn.OK

    def on_error(self, _, message):
        error, where = message.parse_error()
        self.fail(f"{error} ({where})")

    def fail(self, words):
        self.error = words
        self.loop.quit()
        return False


Gst.init(None)
Player(sys.argv[1], int(sys.argv[2])).run()
