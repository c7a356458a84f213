/**
 * The burnt-in counter of test pictures, which people and machines read.
 *
 * The top band, a tenth of the height, has 32 equal cells; white is 1, black 0, most significant first: 24 bits of value, then 8 bits of
 * check. The value is a frame number, or Unix milliseconds modulo 2^24 where latency is measured.
 */

export const CELLS = 32;
/** Values are modulo this. */
export const MODULUS = 2 ** 24;
/** The flash and the beep last this long, from the start of each second. */
export const FLASH_MS = 100;

/** Pixels as `getImageData` gives them. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly data: ArrayLike<number>;
}

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What drawing needs: a canvas context has it. */
export interface Painter {
  fillStyle: string | CanvasGradient | CanvasPattern;
  fillRect(x: number, y: number, width: number, height: number): void;
}

/** The value's 32 bits with its check, most significant first. */
export function encode(value: number): boolean[] {
  const v = ((value % MODULUS) + MODULUS) % MODULUS;
  const check = ((v >>> 16) + ((v >>> 8) & 0xff) + (v & 0xff) + 0x5a) & 0xff;
  const bits = (v * 256 + check) >>> 0;
  return Array.from({ length: CELLS }, (_, cell) => ((bits >>> (CELLS - 1 - cell)) & 1) === 1);
}

/** The value in 32 bits, or `null` if the check says they were not read well. */
export function decode(bits: readonly boolean[]): number | null {
  const number = bits.reduce((sum, bit) => sum * 2 + (bit ? 1 : 0), 0);
  const value = Math.floor(number / 256);
  const expected = encode(value);
  return bits.length === CELLS && expected.every((bit, cell) => bit === bits[cell]) ? value : null;
}

/** Where the flash is: a square of a quarter of the height, bottom right. */
export function flashArea(width: number, height: number): Rectangle {
  const side = Math.floor(height / 4);
  return { x: width - side, y: height - side, width: side, height: side };
}

export function draw(painter: Painter, width: number, height: number, value: number): void {
  const band = Math.floor(height / 10);
  painter.fillStyle = '#000';
  painter.fillRect(0, 0, width, band);
  painter.fillStyle = '#fff';
  encode(value).forEach((bit, cell) => {
    const left = Math.round((cell * width) / CELLS);
    if (bit) painter.fillRect(left, 0, Math.round(((cell + 1) * width) / CELLS) - left, band);
  });
}

export function drawFlash(painter: Painter, width: number, height: number, isOn: boolean): void {
  const { x, y, width: side } = flashArea(width, height);
  painter.fillStyle = isOn ? '#fff' : '#000';
  painter.fillRect(x, y, side, side);
}

/** The counter's value in a picture (or in its top tenth), or `null` if there is none that reads well. `height` is that of the whole picture. */
export function read(pixels: Pixels, height = pixels.height): number | null {
  const y = Math.floor(height / 20);
  return decode(Array.from({ length: CELLS }, (_, cell) => isWhite(pixels, Math.floor(((cell + 0.5) * pixels.width) / CELLS), y)));
}

/** Whether the flash of a whole picture is on. */
export function readFlash(pixels: Pixels): boolean {
  const { x, y, width, height } = flashArea(pixels.width, pixels.height);
  return isWhite(pixels, x + (width >> 1), y + (height >> 1));
}

/** Milliseconds from one value of the millisecond counter to a later one, across the wrap. */
export function elapsed(from: number, to: number): number {
  return (((to - from) % MODULUS) + MODULUS) % MODULUS;
}

function isWhite({ width, height, data }: Pixels, x: number, y: number): boolean {
  if (x < 0 || y < 0 || x >= width || y >= height) return false;
  const at = (y * width + x) * 4;
  return 0.299 * (data[at] ?? 0) + 0.587 * (data[at + 1] ?? 0) + 0.114 * (data[at + 2] ?? 0) > 128;
}
