/** Walking ISO BMFF boxes (ISO/IEC 14496-12 §4.2). Bytes come from the network: a box that lies about its size ends the walk. */

export interface Box {
  /** Four characters. */
  readonly type: string;
  /** What follows the header. */
  readonly body: DataView;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The boxes that lie side by side in `view`. */
export function* boxes(view: DataView): Generator<Box> {
  let at = 0;
  while (at + 8 <= view.byteLength) {
    const short = view.getUint32(at);
    const isLong = short === 1;
    if (isLong && at + 16 > view.byteLength) return;
    const size = isLong ? Number(view.getBigUint64(at + 8)) : short === 0 ? view.byteLength - at : short;
    const header = isLong ? 16 : 8;
    if (size < header || at + size > view.byteLength) return;
    const type = String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5), view.getUint8(at + 6), view.getUint8(at + 7));
    yield { type, body: new DataView(view.buffer, view.byteOffset + at + header, size - header) };
    at += size;
  }
}

/** The first box at `path` (`'moov', 'trak', 'mdia'`). */
export function find(view: DataView, ...path: string[]): DataView | null {
  const [type, ...rest] = path;
  for (const box of boxes(view)) {
    if (box.type !== type) continue;
    const found = rest.length === 0 ? box.body : find(box.body, ...rest);
    if (found) return found;
  }
  return null;
}
