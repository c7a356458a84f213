// What a cell should be, and what it was.

/** Cells that cannot be, with the reason: this machine's builds, or the formats themselves. A refusal in words is what is wanted there. */
const IMPOSSIBLE = [
  { codec: 'H.264', players: ['firefox-whep'], why: "Debian's Firefox has no H.264 in WebRTC: its makers' build fetches an OpenH264 plug-in" },
  { codec: 'H.265', players: ['chromium-whep', 'hls.js', 'shaka', 'chromium-hls'], why: 'this Chromium has no H.265' },
  { codec: 'H.265', players: ['firefox-whep'], why: 'Firefox offers no H.265 by WebRTC' },
  { codec: 'H.265', players: ['aiortc'], why: 'aiortc knows H.264 and VP8' },
  { codec: 'AV1', players: ['aiortc'], why: 'aiortc knows H.264 and VP8' },
  { codec: 'VP9', players: ['aiortc'], why: 'aiortc knows H.264 and VP8' },
  { codec: 'AV1', players: ['webrtcbin'], why: 'GStreamer 1.22 has no RTP depayloader for AV1 in Debian' },
  { codec: 'VP8', players: ['hls.js', 'firefox-hls', 'shaka', 'chromium-hls'], why: 'browsers play no VP8 in fragmented MP4' },
];

export function impossible(codec, player) {
  return IMPOSSIBLE.find((entry) => entry.codec === codec && entry.players.includes(player))?.why ?? null;
}

/** Sound this much ahead of the picture, or behind it, is noticed (ITU-R BT.1359-1), milliseconds. */
export const OFFSET_MAX = { ahead: 45, behind: 125 };

/**
 * What a network allows. `stalls`: gaps of more than 500 ms between pictures; `longest`: the longest gap, milliseconds. On a line that loses 2 %
 * a lost packet is sent again, and now and then the second one is lost too: short freezes are counted and shown, long ones fail.
 */
export const LIMITS = { plain: { stalls: 0, longest: 500 }, thin: { stalls: 3, longest: 1000 } };

/** What is wrong with what a player saw; nothing when all is well. `publisher.fps`: what came in. */
export function faults(publisher, seen, seconds, network = 'plain') {
  const wrong = [];
  const limit = LIMITS[network];
  const [width, height] = publisher.size ?? [640, 360];
  if (!seen.frames) return ['no picture'];
  // A loaded machine draws fewer pictures than it decodes; what is missing beyond that is a fault.
  if (seen.fps < publisher.fps * 0.8) wrong.push(`${seen.fps.toFixed(1)} fps of ${publisher.fps.toFixed(1)}`);
  if (seen.stalls > limit.stalls || seen.longest > limit.longest) wrong.push(`${seen.stalls} stalls, longest ${Math.round(seen.longest)} ms`);
  if (seen.size && (seen.size[0] !== width || seen.size[1] !== height)) wrong.push(`size ${seen.size.join('x')}`);
  if (seen.sound === false) wrong.push('no sound');
  if (seen.faults) wrong.push(`${seen.faults} decoder errors`);
  if (seen.offset > OFFSET_MAX.ahead || seen.offset < -OFFSET_MAX.behind) wrong.push(`sound ${Math.round(seen.offset)} ms off`);
  if (seen.frames < publisher.fps * seconds * 0.6) wrong.push(`${seen.frames} pictures in ${seconds} s`);
  return wrong;
}
