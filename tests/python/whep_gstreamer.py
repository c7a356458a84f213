"""Plays a WHEP address with GStreamer's webrtcbin and prints what came as one JSON object, as whep_aiortc.py does.

usage: whep_gstreamer.py URL FRAMES|SECONDSs [CODEC [nack]]          (the system's python3, which has gi)
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

import counter  # noqa: E402
from rhythm import Rhythm  # noqa: E402

VIDEO = "application/x-rtp,media=video,encoding-name={},payload=102,clock-rate=90000"
# What is offered for a codec, and what decodes it.
CODECS = {
    "H.264": (VIDEO.format("H264") + ",packetization-mode=(string)1,profile-level-id=(string)42e01f", "rtph264depay ! avdec_h264"),
    "H.265": (VIDEO.format("H265"), "rtph265depay ! avdec_h265"),
    "VP8": (VIDEO.format("VP8"), "rtpvp8depay ! vp8dec"),
    "VP9": (VIDEO.format("VP9"), "rtpvp9depay ! vp9dec"),
}
OPUS = "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2"
RECVONLY = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY


def ask(method, url, body=None):
    request = urllib.request.Request(url, data=body and body.encode(), method=method, headers={"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers.get("Location"), answer.read().decode()


class Viewer:
    def __init__(self, url, goal, codec, nack):
        self.url, self.rhythm, self.codec, self.session, self.error = url, Rhythm(goal), codec, None, None
        self.seen = {"counters": [], "size": None, "samples": 0, "rate": None, "peak": 0}
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline.new("viewer")
        self.webrtc = Gst.ElementFactory.make("webrtcbin")
        self.webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.webrtc)
        # libnice leaves the loopback addresses out; with a server there they are all there is to be sure of. The agent goes if its only name here goes.
        self.ice = self.webrtc.get_property("ice-agent")
        if urllib.parse.urlsplit(url).hostname == "127.0.0.1":
            self.ice.emit("add-local-ip-address", "127.0.0.1")
        for caps in (CODECS[codec][0], OPUS):
            transceiver = self.webrtc.emit("add-transceiver", RECVONLY, Gst.Caps.from_string(caps))
            # Off by default, when every lost packet is a broken picture.
            transceiver.set_property("do-nack", nack)
        self.webrtc.connect("pad-added", self.on_pad)
        self.webrtc.connect("notify::ice-gathering-state", self.on_gathering)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        self.webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))
        GLib.timeout_add_seconds(120, self.fail, "no end within 120 s")
        self.loop.run()
        if self.session:
            try:
                ask("DELETE", self.session)
            except Exception as error:  # What came counts, however it ended.
                print(f"DELETE: {error}", file=sys.stderr)
        self.pipeline.set_state(Gst.State.NULL)
        self.seen |= self.rhythm.report() | {"sound": self.seen["peak"] > 500, "codec": self.codec}
        print(json.dumps(self.seen | ({"error": self.error} if self.error else {})))

    def on_offer(self, promise):
        # The offer lives in the reply, which must not go first.
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())

    def on_gathering(self, *_):
        if self.webrtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.exchange)

    def exchange(self):
        offer = self.webrtc.get_property("local-description").sdp.as_text()
        try:
            location, answer = ask("POST", self.url, offer)
        except urllib.error.HTTPError as refusal:
            self.fail(f"{refusal.code} {refusal.read().decode()}")
            return False
        self.session = urllib.parse.urljoin(self.url, location)
        _, sdp = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.webrtc.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def on_pad(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        is_video = pad.get_current_caps().get_structure(0).get_string("media") == "video"
        decode, form, on_sample = (
            (f"{CODECS[self.codec][1]} ! videoconvert", "video/x-raw,format=GRAY8", self.on_picture)
            if is_video
            else ("rtpopusdepay ! opusdec ! audioconvert", "audio/x-raw,format=S16LE", self.on_sound)
        )
        chain = Gst.parse_bin_from_description(f"queue ! {decode} ! {form} ! appsink name=sink emit-signals=true sync=false max-buffers=600", True)
        chain.get_by_name("sink").connect("new-sample", on_sample)
        self.pipeline.add(chain)
        chain.sync_state_with_parent()
        pad.link(chain.get_static_pad("sink"))

    def on_picture(self, sink):
        sample = sink.emit("pull-sample")
        form = sample.get_caps().get_structure(0)
        width, height = form.get_value("width"), form.get_value("height")
        self.seen["size"] = [width, height]
        # Rows of GRAY8 are padded to four bytes.
        luma = sample.get_buffer().extract_dup(0, sample.get_buffer().get_size())
        self.seen["counters"].append(counter.read(luma, (width + 3) & ~3, width, height))
        if self.rhythm.tick():
            self.loop.quit()
        return Gst.FlowReturn.OK

    def on_sound(self, sink):
        sample = sink.emit("pull-sample")
        form = sample.get_caps().get_structure(0)
        samples = memoryview(sample.get_buffer().extract_dup(0, sample.get_buffer().get_size())).cast("h")
        self.seen["rate"] = form.get_value("rate")
        self.seen["samples"] += len(samples) // form.get_value("channels")
        self.seen["peak"] = max(self.seen["peak"], *(abs(s) for s in samples))
        return Gst.FlowReturn.OK

    def on_error(self, _, message):
        error, where = message.parse_error()
        self.fail(f"{error} ({where})")

    def fail(self, words):
        self.error = words
        self.loop.quit()
        return False


Gst.init(None)
name = sys.argv[3] if len(sys.argv) > 3 else "H.264"
if name not in CODECS:
    print(json.dumps({"error": f"GStreamer 1.22 has no RTP depayloader for {name}"}))
else:
    Viewer(sys.argv[1], sys.argv[2], name, "nack" in sys.argv[4:]).run()
