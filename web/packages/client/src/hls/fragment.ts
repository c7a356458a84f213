/** What the timeline needs from CMAF bytes: time scale, decode time, first composition offset, `prft` and `emsg`. */

import { boxes, find, viewOf } from './boxes';

/** Seconds from 1900 (NTP) to 1970 (Unix). */
const NTP_TO_UNIX_S = 2_208_988_800;

/** The first frame of a `moof`. */
export interface FragmentStart {
  /** Presentation time of the first frame in decode order, ticks of the track: `tfdt` + its composition offset. */
  readonly pts: number;
  /** That frame's exact T from `prft`, microseconds; `null` where there was none. */
  readonly t: number | null;
}

/** Ticks per second of the (one) track in an init segment; `null` if `bytes` is not one. */
export function timescaleOf(bytes: Uint8Array): number | null {
  const mdhd = find(viewOf(bytes), 'moov', 'trak', 'mdia', 'mdhd');
  const at = mdhd?.byteLength && mdhd.getUint8(0) === 1 ? 20 : 12;
  if (!mdhd || mdhd.byteLength < at + 4) return null;
  return mdhd.getUint32(at) || null;
}

/** Every fragment in `bytes` (a part, or a segment of several). */
export function fragmentsOf(bytes: Uint8Array): FragmentStart[] {
  const starts: FragmentStart[] = [];
  let t: number | null = null;
  for (const { type, body } of boxes(viewOf(bytes))) {
    if (type === 'prft') t = producerTime(body);
    if (type !== 'moof') continue;
    const pts = firstPts(body);
    if (pts !== null) starts.push({ pts, t });
    // A prft speaks of the moof that follows it, and of no other.
    t = null;
  }
  return starts;
}

export interface EventMessage {
  readonly scheme: string;
  readonly value: string;
  readonly data: Uint8Array;
}

/** Every `emsg` version 1 in `bytes`. */
export function eventMessagesOf(bytes: Uint8Array): EventMessage[] {
  const messages: EventMessage[] = [];
  for (const { type, body } of boxes(viewOf(bytes))) {
    // version+flags 4, timescale 4, presentation time 8, duration 4, id 4, then scheme\0 value\0 data
    if (type !== 'emsg' || body.byteLength < 26 || body.getUint8(0) !== 1) continue;
    const rest = new Uint8Array(body.buffer, body.byteOffset + 24, body.byteLength - 24);
    const schemeEnd = rest.indexOf(0);
    const valueEnd = rest.indexOf(0, schemeEnd + 1);
    if (schemeEnd < 0 || valueEnd < 0) continue;
    messages.push({
      scheme: new TextDecoder().decode(rest.subarray(0, schemeEnd)),
      value: new TextDecoder().decode(rest.subarray(schemeEnd + 1, valueEnd)),
      data: rest.slice(valueEnd + 1),
    });
  }
  return messages;
}

/** NTP 32.32 to microseconds since 1970. Exact: a microsecond is 4295 units of the fraction, however the writer rounded. */
function producerTime(prft: DataView): number | null {
  // version+flags 4, reference track 4, NTP 8, media time 4 or 8
  if (prft.byteLength < 20) return null;
  const seconds = prft.getUint32(8) - NTP_TO_UNIX_S;
  return seconds * 1e6 + Math.round((prft.getUint32(12) * 1e6) / 2 ** 32);
}

function firstPts(moof: DataView): number | null {
  const traf = find(moof, 'traf');
  const tfdt = traf && find(traf, 'tfdt');
  if (!traf || !tfdt || tfdt.byteLength < 8) return null;
  const isLong = tfdt.getUint8(0) === 1;
  if (isLong && tfdt.byteLength < 12) return null;
  const decodeTime = isLong ? Number(tfdt.getBigUint64(4)) : tfdt.getUint32(4);
  const trun = find(traf, 'trun');
  return decodeTime + (trun ? firstCompositionOffset(trun) : 0);
}

/** ISO/IEC 14496-12 §8.8.8: the fields of the first sample, of which the composition offset is the last. */
function firstCompositionOffset(trun: DataView): number {
  if (trun.byteLength < 8) return 0;
  const flags = trun.getUint32(0) & 0xffffff;
  if (!(flags & 0x800) || trun.getUint32(4) === 0) return 0;
  let at = 8;
  for (const optional of [0x1, 0x4, 0x100, 0x200, 0x400]) if (flags & optional) at += 4;
  if (at + 4 > trun.byteLength) return 0;
  return trun.getUint8(0) === 0 ? trun.getUint32(at) : trun.getInt32(at);
}
