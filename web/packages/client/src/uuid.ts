/** Ids that are made here: UUIDv7 (RFC 9562 §5.7), so that the ids of one sender sort by time. `crypto.randomUUID` makes version 4, and on HTTPS only. */

/** A new id. The first 48 bits are `nowMs` (Unix milliseconds), the rest is random. */
export function uuidV7(nowMs = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let at = 0, left = Math.floor(nowMs); at < 6; at += 1) {
    bytes[5 - at] = left % 256;
    left = Math.floor(left / 256);
  }
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
