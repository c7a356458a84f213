// The number burnt into each picture of the server's test source: 32 cells across the top twentieth, 24 bits of it and 8 of a check.
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';

/** Cells across the picture. */
export const CELLS = 32;

/** The number of 32 luminances (0 to 255); `null` where the check does not fit. */
export function numberOf(cells) {
  const bits = cells.reduce((all, light) => (all << 1n) | (light > 127 ? 1n : 0n), 0n);
  const [value, check] = [Number(bits >> 8n), Number(bits & 255n)];
  return ((value >> 16) + ((value >> 8) & 255) + (value & 255) + 0x5a) % 256 === check ? value : null;
}

/** The numbers of all pictures that a file shows, in order, as ffmpeg decodes it. */
export function counters(file) {
  // A pixel from the middle of each cell: 640 pixels wide and 360 high, a cell has 20 by 18.
  const filter = 'format=gray,crop=640:1:0:9';
  const run = spawnSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-i', file, '-map', '0:v:0', '-fps_mode', 'passthrough', '-vf', filter, '-f', 'rawvideo', '-'], { maxBuffer: 64 << 20 });
  assert.equal(run.status, 0, run.stderr.toString());
  const rows = Array.from({ length: run.stdout.length / 640 }, (_, i) => run.stdout.subarray(i * 640, (i + 1) * 640));
  return rows.map((row) => numberOf(Array.from({ length: CELLS }, (_, cell) => row[cell * 20 + 10])));
}
