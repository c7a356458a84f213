"""Plays a WHEP address with aiortc and prints what came as one JSON object: the counters of the pictures with when they came (Unix milliseconds), the sound's samples and loudness.

usage: whep_aiortc.py URL FRAMES|SECONDSs
"""

import asyncio
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription

import counter
from rhythm import Rhythm

# aioice leaves the loopback addresses out; with a server there they are all there is to be sure of.
if urllib.parse.urlsplit(sys.argv[1]).hostname == "127.0.0.1":
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def ask(method, url, body=None):
    request = urllib.request.Request(url, data=body and body.encode(), method=method, headers={"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers.get("Location"), answer.read().decode()


async def pictures(track, rhythm, seen):
    done = False
    while not done:
        frame = await track.recv()
        done = rhythm.tick()
        seen["size"] = [frame.width, frame.height]
        gray = frame.reformat(format="gray8")
        plane = gray.planes[0]
        seen["counters"].append(counter.read(bytes(plane), plane.line_size, gray.width, gray.height))
        seen["arrived"].append(round(1000 * time.time()))


async def sound(track, seen):
    while True:
        frame = await track.recv()
        samples = memoryview(bytes(frame.planes[0])).cast("h")
        seen["samples"] += frame.samples
        seen["rate"] = frame.sample_rate
        seen["peak"] = max(seen["peak"], *(abs(s) for s in samples))


async def main(url, goal):
    rhythm = Rhythm(goal)
    seen = {"counters": [], "arrived": [], "size": None, "samples": 0, "rate": None, "peak": 0}
    peer = RTCPeerConnection()
    peer.addTransceiver("video", direction="recvonly")
    peer.addTransceiver("audio", direction="recvonly")
    tracks = {}
    peer.on("track", lambda track: tracks.update({track.kind: track}))
    await peer.setLocalDescription(await peer.createOffer())
    try:
        location, answer = await asyncio.to_thread(ask, "POST", url, peer.localDescription.sdp)
    except urllib.error.HTTPError as refusal:
        await peer.close()
        print(json.dumps({"error": f"{refusal.code} {refusal.read().decode()}"}))
        return
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    hearing = asyncio.create_task(sound(tracks["audio"], seen))
    try:
        await asyncio.wait_for(pictures(tracks["video"], rhythm, seen), 120)
    finally:
        hearing.cancel()
        try:
            await asyncio.to_thread(ask, "DELETE", urllib.parse.urljoin(url, location))
        except Exception as error:  # What came counts, however it ended.
            print(f"DELETE: {error}", file=sys.stderr)
        await peer.close()
        seen["sound"] = seen["peak"] > 500
        print(json.dumps(seen | rhythm.report() | {"codec": codec_of(answer)}))


def codec_of(answer):
    """The first codec of the answer's picture section: the one that is sent."""
    video = answer.split("m=video", 1)[-1]
    return video.split("a=rtpmap:", 1)[-1].split(" ", 1)[1].split("/", 1)[0]


asyncio.run(main(sys.argv[1], sys.argv[2]))
