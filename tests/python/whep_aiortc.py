"""Plays a WHEP address with aiortc and prints what came as one JSON object: the counters of the pictures, the sound's samples and loudness.

usage: whep_aiortc.py URL FRAMES
"""

import asyncio
import json
import sys
import urllib.parse
import urllib.request

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription

import counter

# aioice leaves the loopback addresses out; here they are all there is to be sure of.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def ask(method, url, body=None):
    request = urllib.request.Request(url, data=body and body.encode(), method=method, headers={"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers.get("Location"), answer.read().decode()


async def pictures(track, count, seen):
    while len(seen["counters"]) < count:
        frame = await track.recv()
        seen["size"] = [frame.width, frame.height]
        gray = frame.reformat(format="gray8")
        plane = gray.planes[0]
        seen["counters"].append(counter.read(bytes(plane), plane.line_size, gray.width, gray.height))


async def sound(track, seen):
    while True:
        frame = await track.recv()
        samples = memoryview(bytes(frame.planes[0])).cast("h")
        seen["samples"] += frame.samples
        seen["rate"] = frame.sample_rate
        seen["peak"] = max(seen["peak"], *(abs(s) for s in samples))


async def main(url, count):
    seen = {"counters": [], "size": None, "samples": 0, "rate": None, "peak": 0}
    peer = RTCPeerConnection()
    peer.addTransceiver("video", direction="recvonly")
    peer.addTransceiver("audio", direction="recvonly")
    tracks = {}
    peer.on("track", lambda track: tracks.update({track.kind: track}))
    await peer.setLocalDescription(await peer.createOffer())
    location, answer = await asyncio.to_thread(ask, "POST", url, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    hearing = asyncio.create_task(sound(tracks["audio"], seen))
    try:
        await asyncio.wait_for(pictures(tracks["video"], count, seen), 120)
    finally:
        hearing.cancel()
        await asyncio.to_thread(ask, "DELETE", urllib.parse.urljoin(url, location))
        await peer.close()
        print(json.dumps(seen))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
