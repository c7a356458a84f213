"""Publishes a moving picture and a tone by WHIP with aiortc until it is ended.

usage: whip_aiortc.py URL KEY
"""

import array
import asyncio
import fractions
import math
import sys
import urllib.parse
import urllib.request

import aioice.ice
import av
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
        left = self.count * 4 % (WIDTH - 40)
        row = bytearray([128]) * WIDTH
        row[left : left + 40] = bytes([230]) * 40
        self.count += 1
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, rows in zip(frame.planes, (row, bytes([128]) * (WIDTH // 2), bytes([128]) * (WIDTH // 2))):
            padding = bytes(plane.line_size - len(rows))
            plane.update((bytes(rows) + padding) * plane.height)
        frame.pts, frame.time_base = pts, base
        return frame


class Tone(AudioStreamTrack):
    """1 kHz."""

    count, begun = 0, None

    async def recv(self):
        loop = asyncio.get_running_loop()
        self.begun = self.begun or loop.time()
        await asyncio.sleep(max(0, self.begun + self.count / RATE - loop.time()))
        wave = (int(10_000 * math.sin(2 * math.pi * 1000 * at / RATE)) for at in range(self.count, self.count + 960))
        frame = av.AudioFrame("s16", "stereo", 960)
        frame.planes[0].update(array.array("h", (sample for one in wave for sample in (one, one))).tobytes())
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
