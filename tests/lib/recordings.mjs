// What a test asks about recordings, and what ffmpeg says of their pictures.
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';
import { until } from './until.mjs';

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

export async function bytesOf(url, headers = {}) {
  const answer = await fetch(url, { headers });
  assert.ok(answer.ok, `${url}: ${answer.status} ${answer.ok ? '' : await answer.text()}`);
  return Buffer.from(await answer.arrayBuffer());
}

export const jsonOf = async (url) => JSON.parse(await bytesOf(url));

export async function recordings(server, stream) {
  return (await jsonOf(`${server.url}/api/v1/recordings?stream=${stream}`)).recordings;
}

/** The one recording of a stream, once `has` finds in it what it waits for. */
export function recording(server, stream, what, has) {
  return until(`a recording of ${stream} ${what}`, async () => (await recordings(server, stream)).find(has), 120);
}

export const at = (server, recording, path) => `${server.url}/api/v1/recordings/${recording.id}/${path}`;

/** URLs of the segments that a media playlist lists, with their moment T (to the millisecond) and duration. */
export function segmentsOf(text) {
  const found = [];
  let date;
  let seconds;
  for (const line of text.split('\n')) {
    if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) date = Date.parse(line.slice(25));
    if (line.startsWith('#EXTINF:')) seconds = Number.parseFloat(line.slice(8));
    if (line && !line.startsWith('#')) found.push({ uri: line, date, seconds });
  }
  return found;
}

function ffmpeg(args) {
  const run = spawnSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', ...args], { maxBuffer: 64 << 20 });
  assert.equal(run.status, 0, run.stderr.toString());
  // What is wrong with a file ffmpeg says, and goes on.
  assert.equal(run.stderr.toString(), '', 'ffmpeg has nothing to complain about');
  return run.stdout.toString();
}

/** The pictures that are shown: seconds and digest, in order. */
export function pictures(file) {
  const text = ffmpeg(['-i', file, '-map', '0:v:0', '-fps_mode', 'passthrough', '-enc_time_base', '1:90000', '-f', 'framemd5', '-']);
  const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));
  const columns = lines.map((line) => line.split(',').map((word) => word.trim()));
  return columns.map(([, , pts, , , md5]) => ({ seconds: Number(pts) / 90000, md5 }));
}

/** Duration of the streams of a file in seconds, and where each starts. */
export function probe(file) {
  const run = spawnSync('ffprobe', ['-v', 'error', '-show_entries', 'stream=codec_type,start_time,duration:format=duration', '-of', 'json', file]);
  assert.equal(run.status, 0, run.stderr.toString());
  return JSON.parse(run.stdout);
}
