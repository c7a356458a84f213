// Recording is keeping the segments: the bytes of LL-HLS, playable at once, after kill -9 too; as MP4, as clips, as evidence.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { counters, numberOf } from '../lib/counter.mjs';
import { findings } from '../lib/pages.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { at, bytesOf, jsonOf, pictures, probe, recording, recordings, segmentsOf, sha256 } from '../lib/recordings.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const NAME = 'live/kept';
const binary = process.env.UNISONO_BIN;

let folder;
let server;
let encoder;
/** What LL-HLS served, by name. */
const served = new Map();

/** Ten seconds that begin and end between two pictures. */
const clipOf = (from) => ({ from: from + 1_234_567, to: from + 11_234_567 });
const start = () => Server.start({ isOneNode: true, dataDir: join(folder, 'data'), args: ['--config', join(folder, 'unisono.toml')] });

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unisono-recording-'));
  await writeFile(join(folder, 'unisono.toml'), '[recording]\nstreams = ["live/k*"]\nfree_mib = 1\n');
  server = await start();
  encoder = ffmpegRtmp(server.rtmpUrl(NAME));
  await server.live(NAME);
});

after(async () => {
  await encoder?.stop();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Takes what the live playlists list now. */
async function takeServed() {
  for (const kind of ['video', 'audio']) {
    const text = (await bytesOf(`${server.url}/${NAME}/hls/${kind}.m3u8`)).toString();
    for (const { uri } of segmentsOf(text)) {
      if (!served.has(uri)) served.set(uri, sha256(await bytesOf(`${server.url}/${NAME}/hls/${uri}`)));
    }
    const map = /#EXT-X-MAP:URI="([^"]+)"/.exec(text)[1];
    if (!served.has(map)) served.set(map, sha256(await bytesOf(`${server.url}/${NAME}/hls/${map}`)));
  }
}

test('a stream is recorded from its first segment while nobody watches, and plays meanwhile', async () => {
  const running = await recording(server, NAME, 'has four segments', (one) => one.segments >= 4);
  assert.equal(running.state, 'recording');
  const index = (await bytesOf(at(server, running, 'index.m3u8'))).toString();
  assert.match(index, /CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2"/i);
  const video = (await bytesOf(at(server, running, 'video.m3u8'))).toString();
  assert.match(video, /#EXT-X-PLAYLIST-TYPE:EVENT\n/);
  assert.doesNotMatch(video, /ENDLIST/);
  const refused = await fetch(at(server, running, ''), { method: 'DELETE' });
  assert.ok([404, 409].includes(refused.status), 'what runs is not taken away');
});

test('what is kept are the bytes that LL-HLS served', async () => {
  await takeServed();
  await server.post(NAME, { type: 'test.mark', data: { text: 'kept as well' }, at: 'now' });
  await recording(server, NAME, 'has eighteen segments', (one) => one.segments >= 18);
  await takeServed();
  const [running] = await recordings(server, NAME);
  const names = [...served.keys()];
  await until('the recording has caught up', async () => {
    const answers = await Promise.all(names.map((name) => fetch(at(server, running, name), { method: 'HEAD' })));
    return answers.every((answer) => answer.ok);
  });
  for (const name of names) assert.equal(sha256(await bytesOf(at(server, running, name))), served.get(name), name);
  assert.ok(names.length >= 10, `${names.length}`);
  const part = await fetch(at(server, running, names[0]), { headers: { range: 'bytes=8-15' } });
  assert.equal(part.status, 206);
  assert.equal((await part.arrayBuffer()).byteLength, 8);
});

test('kill -9 leaves what plays to the last whole segment, and the next start finishes it', async () => {
  const [running] = await recordings(server, NAME);
  const known = segmentsOf((await bytesOf(at(server, running, 'video.m3u8'))).toString());
  server.child.kill('SIGKILL');
  await once(server.child, 'exit');
  await encoder.stop();
  const key = server.key;
  server = await start();
  server.key = key;
  const kept = await recording(server, NAME, 'is repaired', (one) => one.id === running.id && one.state === 'finished');
  assert.equal(kept.ended, 'repaired');
  assert.equal(kept.lost, 0);
  const text = (await bytesOf(at(server, kept, 'video.m3u8'))).toString();
  assert.match(text, /#EXT-X-PLAYLIST-TYPE:VOD\n/);
  assert.match(text, /#EXT-X-ENDLIST\n$/);
  const segments = segmentsOf(text);
  assert.deepEqual(segments.slice(0, known.length).map((one) => one.uri), known.map((one) => one.uri), 'nothing that was listed is gone');
  const shown = pictures(at(server, kept, 'index.m3u8'));
  assert.equal(shown.length, segments.length * 60, 'every picture of every segment: the encoder makes a keyframe every 60');
});

test('it is one MP4 file with picture and sound in step, and a clip of it begins and ends with the pictures of its T', async () => {
  const kept = (await recordings(server, NAME)).at(-1);
  const file = join(folder, 'whole.mp4');
  const whole = await fetch(at(server, kept, 'recording.mp4'));
  const from = Number(whole.headers.get('unisono-from'));
  await writeFile(file, Buffer.from(await whole.arrayBuffer()));
  const all = pictures(file);
  const found = probe(file);
  const seconds = (kept.to - kept.from) / 1e6;
  assert.ok(Math.abs(Number(found.format.duration) - seconds) < 0.1, `${found.format.duration} s of ${seconds}`);
  for (const stream of found.streams) assert.ok(Math.abs(Number(stream.start_time)) < 0.05, JSON.stringify(stream));

  // A segment by itself, placed by its own PROGRAM-DATE-TIME: the file has the same picture at that T.
  const playlist = (await bytesOf(at(server, kept, 'video.m3u8'))).toString();
  const segment = segmentsOf(playlist)[2];
  const map = /#EXT-X-MAP:URI="([^"]+)"/.exec(playlist)[1];
  const alone = join(folder, 'alone.mp4');
  await writeFile(alone, Buffer.concat([await bytesOf(at(server, kept, map)), await bytesOf(at(server, kept, segment.uri))]));
  const first = pictures(alone)[0];
  const there = all.find((picture) => Math.abs(from / 1e3 + picture.seconds * 1e3 - segment.date) < 10);
  assert.equal(there.md5, first.md5, 'the picture of that T');

  const span = clipOf(from);
  const clip = await fetch(at(server, kept, `recording.mp4?from=${span.from}&to=${span.to}`));
  const begins = Number(clip.headers.get('unisono-from'));
  const bytes = Buffer.from(await clip.arrayBuffer());
  await writeFile(join(folder, 'clip.mp4'), bytes);
  const cut = pictures(join(folder, 'clip.mp4'));
  const t = (picture) => from + picture.seconds * 1e6;
  const wanted = all.filter((picture, i) => t(all[i + 1] ?? { seconds: Infinity }) > span.from + 20 && t(picture) < span.to - 20);
  assert.ok(begins <= span.from && span.from - begins < 34_000, `begins at ${begins}, asked for ${span.from}`);
  assert.equal(cut[0].md5, wanted[0].md5, 'the first picture is the one on display then');
  assert.equal(cut.at(-1).md5, wanted.at(-1).md5, 'the last picture is the last one before the end');
  assert.equal(cut.length, wanted.length);
  // T follows the publisher's clock by up to 5 % in the first seconds.
  const [least, most] = process.env.E2E_STRICT === '1' ? [298, 302] : [284, 316];
  assert.ok(cut.length >= least && cut.length <= most, `${cut.length} pictures in ten seconds`);
  const [numbers, ofClip] = [counters(file), counters(join(folder, 'clip.mp4'))];
  const before = all.findIndex(({ md5 }) => md5 === cut[0].md5);
  assert.deepEqual(ofClip, numbers.slice(before, before + cut.length), 'each picture by the number burnt into it');
  assert.equal(ofClip.at(-1) - ofClip[0], cut.length - 1, 'none is missing');
  assert.ok(Math.abs(cut[0].seconds) < 0.001, 'shown from the start');

  const middle = await bytesOf(at(server, kept, `recording.mp4?from=${span.from}&to=${span.to}`), { range: `bytes=1000-${bytes.length - 1001}` });
  assert.ok(middle.equals(bytes.subarray(1000, bytes.length - 1000)), 'any stretch of it can be had');
  const hls = pictures(at(server, kept, `index.m3u8?from=${span.from}&to=${span.to}`));
  assert.ok(hls.length >= cut.length && hls.length < all.length, `the clip as HLS has whole segments: ${cut.length} <= ${hls.length} < ${all.length}`);
});

test('Chromium plays the MP4 and jumps in it, and plays the clip from its first picture to its last', async () => {
  const kept = (await recordings(server, NAME)).at(-1);
  const browser = await Browser.launch();
  try {
    const page = await browser.open(`${server.url}/`);
    const played = await page.evaluate(playFile, [at(server, kept, 'recording.mp4'), 2]);
    assert.equal(played.width, 640);
    assert.ok(Math.abs(played.duration - (kept.to - kept.from) / 1e6) < 0.1, JSON.stringify(played));
    assert.ok(played.duration - played.end < 0.5, JSON.stringify(played));

    const span = clipOf(kept.from);
    const clip = await page.evaluate(playFile, [at(server, kept, `recording.mp4?from=${span.from}&to=${span.to}`), null]);
    assert.ok(Math.abs(clip.duration - 10) < 0.1, `${clip.duration} s`);
    const numbers = counters(join(folder, 'clip.mp4'));
    assert.equal(numberOf(clip.first), numbers[0], 'the first picture');
    assert.equal(numberOf(clip.last), numbers.at(-1), 'the last picture');
  } finally {
    await browser.close();
  }
});

/** Runs in a page: plays a file to its end, the last `tail` seconds of it or all; what its first and last picture have burnt in. */
async function playFile([url, tail]) {
  const video = document.createElement('video');
  video.muted = true;
  video.src = url;
  document.body.append(video);
  const told = (name) => new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true });
    video.addEventListener('error', () => reject(new Error(video.error.message)), { once: true });
  });
  const context = new OffscreenCanvas(640, 18).getContext('2d', { willReadFrequently: true });
  const cells = () => {
    context.drawImage(video, 0, 0, video.videoWidth, video.videoHeight / 20, 0, 0, 640, 18);
    const { data } = context.getImageData(0, 9, 640, 1);
    return Array.from({ length: 32 }, (_, cell) => data[(cell * 20 + 10) * 4]);
  };
  const shown = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  await told('loadeddata');
  await shown;
  const first = cells();
  if (tail !== null) {
    const jumped = told('seeked');
    video.currentTime = video.duration - tail;
    await jumped;
  }
  await video.play();
  await told('ended');
  const result = { duration: video.duration, width: video.videoWidth, end: video.currentTime, first, last: cells() };
  video.remove();
  return result;
}

test('the page lists it, plays it and cuts a clip between two marks; axe finds nothing serious', async () => {
  const browser = await Browser.launch();
  try {
    const page = await browser.open(`${server.url}/${NAME}/recordings`);
    await page.getByRole('button', { name: 'Play' }).last().click();
    const mark = async (name, seconds) => {
      await page.evaluate(async (at) => {
        const video = document.querySelector('video');
        video.muted = true;
        if (video.readyState < 1) await new Promise((resolve) => video.addEventListener('loadedmetadata', resolve, { once: true }));
        video.pause();
        const jumped = new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }));
        video.currentTime = at;
        await jumped;
      }, seconds);
      await page.getByRole('button', { name }).click();
    };
    await mark('Clip begins here', 1);
    await mark('Clip ends here', 4);
    const href = await page.getByRole('link', { name: 'Load the clip' }).getAttribute('href');
    const file = join(folder, 'marked.mp4');
    await writeFile(file, await bytesOf(`${server.url}${href}`));
    // T is slewed by up to a twentieth in a stream's first ten seconds.
    assert.ok(Math.abs(pictures(file).length - 90) <= 6);
    for (const size of [{ width: 1280, height: 800 }, { width: 390, height: 844 }]) {
      for (const colorScheme of ['light', 'dark']) {
        await page.setViewportSize(size);
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        assert.deepEqual(await findings(page), [], `${size.width}, ${colorScheme}`);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${overflow} pixels too wide`);
      }
    }
  } finally {
    await browser.close();
  }
});

test('a bundle of evidence is proven offline, and a flipped byte of any file is found', async () => {
  const [kept] = await recordings(server, NAME);
  const room = NAME.replace('/', ':');
  const { key } = await jsonOf(`${server.url}/api/v1/rooms/${room}/checkpoints`);
  const span = `from=${kept.from + 1_000_000}&to=${kept.from + 5_000_000}`;
  const bundle = await bytesOf(`${server.url}/api/v1/rooms/${room}/evidence?${span}`);
  const file = join(folder, 'evidence.tar');
  const verify = async (bytes) => {
    await writeFile(file, bytes);
    const run = spawnSync(binary, ['verify', file, '--key', key]);
    return { ok: run.status === 0, words: `${run.stdout}${run.stderr}` };
  };
  const good = await verify(bundle);
  assert.ok(good.ok && good.words.includes('bundle '), good.words);
  // One byte in the middle of each file.
  for (let place = 0; place + 512 < bundle.length; ) {
    const name = bundle.toString('latin1', place, place + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(bundle.toString('latin1', place + 124, place + 135), 8);
    if (!name) break;
    const bent = Buffer.from(bundle);
    bent[place + 512 + Math.floor(size / 2)] ^= 1;
    const told = await verify(bent);
    assert.ok(!told.ok, `${name} was changed and passes: ${told.words}`);
    place += 512 + Math.ceil(size / 512) * 512;
  }
  const cutOff = await verify(bundle.subarray(0, bundle.length - 4096));
  assert.ok(!cutOff.ok, cutOff.words);
});

test('recording is begun and ended over the API, for good', async () => {
  const name = 'live/other';
  const other = ffmpegRtmp(server.rtmpUrl(name));
  try {
    await server.live(name);
    const ask = async (method) => (await fetch(`${server.url}/api/v1/streams/${name}/recording`, { method })).json();
    assert.deepEqual(await ask('GET'), { record: false, asked: false });
    assert.equal((await ask('PUT')).record, true);
    const running = await recording(server, name, 'has two segments', (one) => one.segments >= 2);
    assert.equal((await fetch(`${server.url}/api/v1/recordings/${running.id}`, { method: 'DELETE' })).status, 409);
    await ask('DELETE');
    const kept = await recording(server, name, 'is finished', (one) => one.state === 'finished');
    assert.equal(kept.ended, 'stopped');
    assert.equal((await fetch(`${server.url}/api/v1/recordings/${kept.id}`, { method: 'DELETE' })).status, 204);
    assert.deepEqual(await recordings(server, name), []);
    assert.equal((await fetch(at(server, kept, 'index.m3u8'))).status, 404);
  } finally {
    await other.stop();
  }
});

test('a publisher that is lost and comes back goes on in the same recording, and the file stands still meanwhile', async () => {
  const name = 'live/kback';
  await server.post(name, { type: 'test.mark', data: { text: 'from before' }, at: 'now' });
  let publisher = ffmpegRtmp(server.rtmpUrl(name));
  try {
    const first = await recording(server, name, 'has four segments', (one) => one.segments >= 4);
    await server.post(name, { type: 'test.mark', data: { text: 'while it was recorded' }, at: 'now' });
    await publisher.kill();
    publisher = ffmpegRtmp(server.rtmpUrl(name));
    await until('there is a break in it', async () => (await bytesOf(at(server, first, 'video.m3u8'))).includes('#EXT-X-DISCONTINUITY\n'));
    await recording(server, name, 'goes on', (one) => one.segments >= first.segments + 6);
    await fetch(`${server.url}/api/v1/streams/${name}/recording`, { method: 'DELETE' });
    const kept = await recording(server, name, 'is finished', (one) => one.state === 'finished');
    assert.deepEqual((await recordings(server, name)).map((one) => one.id), [first.id], 'one recording');
    const log = join(folder, 'data/recordings', name, kept.id, 'events.jsonl');
    const lines = await readFile(log, 'utf8');
    assert.ok(lines.includes('while it was recorded') && !lines.includes('from before'), 'the log of that time lies beside it');
    const verified = spawnSync(binary, ['verify', log]);
    assert.equal(verified.status, 0, `${verified.stdout}${verified.stderr}`);
    const file = join(folder, 'back.mp4');
    await writeFile(file, await bytesOf(at(server, kept, 'recording.mp4')));
    assert.ok(Math.abs(Number(probe(file).format.duration) - (kept.to - kept.from) / 1e6) < 0.1);
    const shown = pictures(file);
    const playlist = (await bytesOf(at(server, kept, 'video.m3u8'))).toString();
    const behind = segmentsOf(playlist.slice(playlist.indexOf('#EXT-X-DISCONTINUITY')))[0];
    const back = shown.findIndex((picture) => Math.abs(kept.from / 1e3 + picture.seconds * 1e3 - behind.date) < 10);
    assert.ok(back > 0 && shown[back].seconds - shown[back - 1].seconds > 0.1, 'what comes behind the break is at its own T');
  } finally {
    await publisher.stop();
  }
});

test('the folder says itself what it is', async () => {
  const [kept] = await recordings(server, NAME);
  const place = join(folder, 'data/recordings', NAME, kept.id);
  const head = JSON.parse(await readFile(join(place, 'recording.json')));
  assert.deepEqual([head.version, head.state, head.stream], [1, 'finished', NAME]);
  const shown = pictures(join(place, 'index.m3u8'));
  assert.ok(shown.length > 30, 'any player plays the folder');
});
