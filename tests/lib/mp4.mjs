// What is read of a media segment's bytes.

/** T of the first frame of each fragment, Unix microseconds, from its `prft` (ISO/IEC 14496-12, 8.16.5). */
export function producerTimes(bytes) {
  const times = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    if (size < 8) break;
    if (bytes.toString('latin1', at + 4, at + 8) === 'prft') {
      const seconds = bytes.readUInt32BE(at + 16) - NTP_EPOCH;
      times.push(seconds * 1e6 + Math.round((bytes.readUInt32BE(at + 20) * 1e6) / 2 ** 32));
    }
    at += size;
  }
  return times;
}

/** Seconds from 1900 to 1970. */
const NTP_EPOCH = 2_208_988_800;
