/** The few things about offers that no API sets. */

/**
 * Says that we play Opus in stereo (RFC 7587 §7: `stereo=1` speaks of what the side that writes it prefers to receive). Browsers leave it
 * out and then decode mono.
 */
export function preferStereo(sdp: string): string {
  const payloads = [...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000\/2\r?$/gim)].map((match) => match[1]!);
  return payloads.reduce((text, payload) => {
    const fmtp = new RegExp(`^(a=fmtp:${payload} )([^\\r\\n]*)`, 'm');
    if (!fmtp.test(text)) return text.replace(new RegExp(`^(a=rtpmap:${payload} [^\\r\\n]*)`, 'm'), `$1\r\na=fmtp:${payload} stereo=1`);
    return text.replace(fmtp, (line, head: string, parameters: string) =>
      /(^|;\s*)stereo=/.test(parameters) ? line : `${head}${parameters};stereo=1`,
    );
  }, sdp);
}

/** A codec as browsers list it (`RTCRtpCodec`). */
export interface Codec {
  readonly mimeType: string;
  readonly sdpFmtpLine?: string;
}

/**
 * H.264 first, constrained baseline in single-stream packetization before the others: everything decodes it, and it goes through to LL-HLS
 * unchanged. The rest keeps the browser's order, so that a stream in another codec still plays.
 */
export function h264First<C extends Codec>(codecs: readonly C[]): C[] {
  return codecs
    .map((codec, index) => ({ codec, index, rank: h264Rank(codec) }))
    .sort((a, b) => a.rank - b.rank || a.index - b.index)
    .map(({ codec }) => codec);
}

/** Those named `name` (`VP9`) before the others; both keep their order. */
export function codecFirst<C extends Codec>(codecs: readonly C[], name: string): C[] {
  const isWanted = ({ mimeType }: Codec) => mimeType.toLowerCase() === `video/${name.toLowerCase()}`;
  return [...codecs.filter(isWanted), ...codecs.filter((codec) => !isWanted(codec))];
}

function h264Rank({ mimeType, sdpFmtpLine = '' }: Codec): number {
  if (mimeType.toLowerCase() !== 'video/h264') return 3;
  if (!/packetization-mode=1/.test(sdpFmtpLine)) return 2;
  // profile_idc 66 with constraint_set1: constrained baseline (RFC 6184 §8.1).
  return /profile-level-id=42e0/i.test(sdpFmtpLine) ? 0 : 1;
}
