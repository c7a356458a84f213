import { expect, test } from 'vitest';
import { decode, draw, drawFlash, elapsed, encode, MODULUS, read, readFlash, type Painter } from '../src/testing/counter';

/** A canvas of bytes. */
class Canvas implements Painter {
  fillStyle: string | CanvasGradient | CanvasPattern = '#000';
  readonly data: Uint8ClampedArray;

  constructor(
    readonly width: number,
    readonly height: number,
    grey = 60,
  ) {
    this.data = new Uint8ClampedArray(width * height * 4).fill(grey);
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    for (let row = y; row < y + height; row += 1) {
      this.data.fill(this.fillStyle === '#fff' ? 255 : 0, (row * this.width + x) * 4, (row * this.width + x + width) * 4);
    }
  }
}

const VALUES = [0, 1, 0x5a, 0x123456, 0xaaaaaa, MODULUS - 1];

test('a value drawn is the value read, in every size', () => {
  for (const [width, height] of [[1280, 720], [640, 360], [426, 240], [320, 180]] as const) {
    for (const value of VALUES) {
      const canvas = new Canvas(width, height);
      draw(canvas, width, height, value);
      expect(read(canvas)).toBe(value);
    }
  }
});

test('the top tenth alone suffices', () => {
  const canvas = new Canvas(640, 36);
  draw(canvas, 640, 360, 77);
  expect(read(canvas, 360)).toBe(77);
});

test('the bits are the value and its check, most significant first', () => {
  // 0x010203: check = 1 + 2 + 3 + 0x5a = 0x60
  const bits = encode(0x010203).map(Number).join('');
  expect(bits).toBe('00000001' + '00000010' + '00000011' + '01100000');
});

test('one wrong bit is noticed', () => {
  for (let cell = 0; cell < 32; cell += 1) {
    const bits = encode(0x00c0de);
    bits[cell] = !bits[cell];
    expect(decode(bits)).toBeNull();
  }
});

test('a picture without a counter has none', () => {
  expect(read(new Canvas(640, 360, 20))).toBeNull();
  expect(read(new Canvas(640, 360, 250))).toBeNull();
});

test('the flash is read at the bottom right', () => {
  const canvas = new Canvas(640, 360);
  drawFlash(canvas, 640, 360, true);
  expect(readFlash(canvas)).toBe(true);
  drawFlash(canvas, 640, 360, false);
  expect(readFlash(canvas)).toBe(false);
});

test('elapsed time goes across the wrap', () => {
  expect(elapsed(MODULUS - 10, 20)).toBe(30);
});
