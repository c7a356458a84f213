/** PRIV frames of an ID3v2 tag (id3.org, ID3v2.4 §4.27): the wrapping in which hls.js and Safari hand timed metadata on. */

/** The data of the PRIV frames that belong to `owner`. */
export function privFrames(tag: Uint8Array, owner: string): Uint8Array[] {
  const found: Uint8Array[] = [];
  if (tag.length < 10 || tag[0] !== 0x49 || tag[1] !== 0x44 || tag[2] !== 0x33) return found;
  const version = tag[3]!;
  const end = Math.min(10 + synchsafe(tag, 6), tag.length);
  let at = 10;
  while (at + 10 <= end) {
    const id = String.fromCharCode(...tag.subarray(at, at + 4));
    // Sizes are synchsafe from version 4 on, plain before.
    const size = version >= 4 ? synchsafe(tag, at + 4) : plain(tag, at + 4);
    const body = tag.subarray(at + 10, at + 10 + size);
    if (size === 0 || at + 10 + size > end) break;
    const separator = body.indexOf(0);
    if (id === 'PRIV' && separator >= 0 && new TextDecoder().decode(body.subarray(0, separator)) === owner) {
      found.push(body.slice(separator + 1));
    }
    at += 10 + size;
  }
  return found;
}

function synchsafe(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! & 0x7f) << 21) | ((bytes[at + 1]! & 0x7f) << 14) | ((bytes[at + 2]! & 0x7f) << 7) | (bytes[at + 3]! & 0x7f);
}

function plain(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
