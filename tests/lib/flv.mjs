// Cuts recordings together as an encoder does that changes its settings while it is live: one connection, one clock, a new sequence header.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const HEADER_BYTES = 9 + 4;
const TAG_HEADER_BYTES = 11;

/** Tags of an FLV file: { type, at (ms), bytes } where `bytes` is the tag with its trailing size. */
function* tags(file) {
  for (let at = HEADER_BYTES; at + TAG_HEADER_BYTES <= file.length; ) {
    const length = TAG_HEADER_BYTES + file.readUIntBE(at + 1, 3) + 4;
    const time = file.readUIntBE(at + 4, 3) | (file[at + 7] << 24);
    yield { type: file[at], at: time, bytes: file.subarray(at, at + length) };
    at += length;
  }
}

/** One file that plays `files` after each other. `gapMs` lies between the last tag of one and the first of the next. */
export function join(files, gapMs = 33) {
  const parts = [files[0].subarray(0, HEADER_BYTES)];
  let [base, last] = [0, 0];
  for (const file of files) {
    for (const { type, at, bytes } of tags(file)) {
      if (type === 18 && parts.length > 1) continue; // onMetaData: the first one's will do
      last = base + at;
      const tag = Buffer.from(bytes);
      tag.writeUIntBE(last & 0xffffff, 4, 3);
      tag[7] = last >>> 24;
      parts.push(tag);
    }
    base = last + gapMs;
  }
  return Buffer.concat(parts);
}

/** The tags of a file, without its picture before `ms`; that begins with its parameters, in front of a keyframe: { type, at (ms), body }. */
export function pictureFrom(file, ms) {
  const VIDEO = 9;
  const kept = [];
  let [header, hasBegun] = [null, false];
  for (const { type, at, bytes } of tags(file)) {
    const body = bytes.subarray(TAG_HEADER_BYTES, -4);
    const [isVideo, isKeyframe, isHeader] = [type === VIDEO, body[0] >> 4 === 1, body[1] === 0];
    if (isVideo && isHeader) {
      header = body;
      continue;
    }
    if (isVideo && isKeyframe && !hasBegun && at >= ms) {
      hasBegun = true;
      kept.push({ type, at, body: header });
    }
    if (!isVideo || hasBegun) kept.push({ type, at, body });
  }
  // What a file says about itself would name a picture.
  return kept.filter(({ type }) => type === VIDEO || type === 8);
}

/** `seconds` of moving picture and tone in H.264 (no B-frames) and AAC. */
export async function record(size, seconds, profile = 'baseline') {
  const inputs = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=30`, '-f', 'lavfi', '-i', 'sine=1000:sample_rate=48000', '-t', String(seconds)];
  const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-tune', 'zerolatency', '-profile:v', profile, '-g', '30', '-pix_fmt', 'yuv420p'];
  const child = spawn('ffmpeg', ['-nostdin', '-loglevel', 'error', ...inputs, ...video, '-c:a', 'aac', '-f', 'flv', '-flvflags', 'no_duration_filesize', 'pipe:1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`ffmpeg ended with ${code}`);
  return Buffer.concat(chunks);
}
