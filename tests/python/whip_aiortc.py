"""Publishes a moving picture and a tone by WHIP with aiortc until it is ended.

usage: whip_aiortc.py URL KEY
"""

import asyncio
import fractions
import sys
import urllib.parse
import urllib.request

import aioice.ice
import av
import numpy
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

# aioice leaves the loopback addresses out; with a server there they are all there is to be sure of.
if urllib.parse.urlsplit(sys.argv[1]).hostname == "127.0.0.1":
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]

WIDTH, HEIGHT, RATE = 640, 360, 48_000


class Picture(VideoStreamTrack):
    """A bar that moves; 30 pictures a second."""

    count = 0

    async def recv(self):
        pts, base = await self.next_timestamp()
        luma = numpy.full((HEIGHT * 3 // 2, WIDTH), 128, dtype=numpy.uint8)
        left = self.count * 4 % (WIDTH - 40)
        luma[:HEIGHT, left : left + 40] = 230
        self.count += 1
        frame = av.VideoFrame.from_ndarray(luma, format="yuv420p")
        frame.pts, frame.time_base = pts, base
        return frame


class Tone(AudioStreamTrack):
    """1 kHz."""

    count, begun = 0, None

    async def recv(self):
        loop = asyncio.get_running_loop()
        self.begun = self.begun or loop.time()
        await asyncio.sleep(max(0, self.begun + self.count / RATE - loop.time()))
        at = numpy.arange(self.count, self.count + 960) / RATE
        wave = (numpy.sin(2 * numpy.pi * 1000 * at) * 10_000).astype(numpy.int16)
        frame = av.AudioFrame.from_ndarray(numpy.repeat(wave, 2).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.count, fractions.Fraction(1, RATE)
        self.count += 960
        return frame


def post(url, key, offer):
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {key}"}
    with urllib.request.urlopen(urllib.request.Request(url, data=offer.encode(), headers=headers), timeout=30) as answer:
        return answer.read().decode()


async def main(url, key):
    peer = RTCPeerConnection()
    peer.addTransceiver(Picture(), direction="sendonly")
    peer.addTransceiver(Tone(), direction="sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    answer = await asyncio.to_thread(post, url, key, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:3]))
