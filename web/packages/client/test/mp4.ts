/** Writes the few boxes that tests need. */

const text = (s: string) => [...new TextEncoder().encode(s)];
export const u32 = (n: number) => [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
export const u64 = (n: number) => [...u32(Math.floor(n / 2 ** 32)), ...u32(n >>> 0)];

export function box(type: string, ...body: number[][]): number[] {
  const bytes = body.flat();
  return [...u32(bytes.length + 8), ...text(type), ...bytes];
}

export function init(timescale: number): Uint8Array {
  const mdhd = box('mdhd', u32(0), u32(0), u32(0), u32(timescale), u32(0), u32(0));
  return Uint8Array.from([...box('ftyp', text('cmf2')), ...box('moov', box('trak', box('tkhd', u32(0)), box('mdia', mdhd)))]);
}

/** A producer reference time of version 1, `t` in microseconds since 1970; the fraction is rounded down, as a careless writer would. */
export function prft(t: number): number[] {
  const seconds = Math.floor(t / 1e6);
  const fraction = Math.floor(((t - seconds * 1e6) * 2 ** 32) / 1e6);
  return box('prft', u32(0x0100_0000), u32(1), u32(seconds + 2_208_988_800), u32(fraction), u64(0));
}

export function moof(decodeTime: number, firstCts: number): number[] {
  // data-offset, duration, size, flags and (signed) composition offset of two samples
  const sample = (cts: number) => [...u32(3000), ...u32(9), ...u32(0), ...u32(cts >>> 0)];
  const trun = box('trun', u32(0x0100_0f01), u32(2), u32(100), sample(firstCts), sample(0));
  return box('moof', box('mfhd', u32(0), u32(1)), box('traf', box('tfhd', u32(0x0002_0000), u32(1)), box('tfdt', u32(0x0100_0000), u64(decodeTime)), trun));
}

export function id3(owner: string, data: string): number[] {
  const body = [...text(owner), 0, ...text(data)];
  const synchsafe = (n: number) => [(n >>> 21) & 127, (n >>> 14) & 127, (n >>> 7) & 127, n & 127];
  const frame = [...text('PRIV'), ...synchsafe(body.length), 0, 0, ...body];
  return [...text('ID3'), 4, 0, 0, ...synchsafe(frame.length), ...frame];
}

export function emsg(scheme: string, data: number[]): number[] {
  return box('emsg', u32(0x0100_0000), u32(90_000), u64(1), u32(0xffff_ffff), u32(1), text(scheme), [0], [0], data);
}
