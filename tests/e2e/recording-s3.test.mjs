// Recording into a bucket: by moto, which speaks S3; and what happens while the bucket, or the room on the disk, is gone.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort } from '../lib/port.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { at, bytesOf, pictures, recording, recordings, segmentsOf, sha256 } from '../lib/recordings.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const NAME = 'live/cloud';
const venv = process.env.UNISONO_VENV ?? join(homedir(), '.cache/unisono/venv');

/** moto believes everybody; it wants to be asked by somebody. */
const SOMEBODY = { authorization: 'AWS4-HMAC-SHA256 Credential=id/20261122/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0' };

let folder;
let port;
let moto;
let server;
let encoder;

async function startMoto() {
  moto = spawn(join(venv, 'bin/moto_server'), ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  await until('moto answers', async () => (await fetch(`http://127.0.0.1:${port}/moto-api/`).catch(() => null))?.ok);
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unisono-recording-s3-'));
  port = await freePort();
  await startMoto();
  const made = await fetch(`http://127.0.0.1:${port}/kept`, { method: 'PUT', headers: SOMEBODY });
  assert.ok(made.ok, await made.text());
  await writeFile(join(folder, 'credentials'), 'id\nsecret\n');
  const config = `[recording]\nurl = "s3://kept/shows"\nendpoint = "http://127.0.0.1:${port}"\nregion = "us-east-1"\ncredentials_file = "${join(folder, 'credentials')}"\nstreams = ["live/*"]\n`;
  await writeFile(join(folder, 'unisono.toml'), config);
  server = await Server.start({ isOneNode: true, args: ['--config', join(folder, 'unisono.toml')] });
  encoder = ffmpegRtmp(server.rtmpUrl(NAME));
  await server.live(NAME);
});

after(async () => {
  await encoder?.stop();
  await server?.stop();
  moto?.kill();
  await rm(folder, { recursive: true, force: true });
});

test('the check before the start leaves nothing in the bucket', async () => {
  const check = spawn(process.env.UNISONO_BIN, ['check', '--config', join(folder, 'unisono.toml'), '--data-dir', await mkdtemp(join(folder, 'checked-'))], { stdio: 'ignore' });
  await once(check, 'exit');
  const listed = (await bytesOf(`http://127.0.0.1:${port}/kept?list-type=2`, SOMEBODY)).toString();
  assert.match(listed, /<ListBucketResult/);
  assert.doesNotMatch(listed, /\.writable/);
});

test('a bucket takes what a folder takes, and plays', async () => {
  const running = await recording(server, NAME, 'has four segments', (one) => one.segments >= 4);
  const text = (await bytesOf(at(server, running, 'video.m3u8'))).toString();
  const [first] = segmentsOf(text);
  const kept = await bytesOf(at(server, running, first.uri));
  const there = await bytesOf(`http://127.0.0.1:${port}/kept/shows/${NAME}/${running.id}/${first.uri}`, SOMEBODY);
  assert.equal(sha256(there), sha256(kept), 'by the name it has in the recording');
});

test('while the bucket is away the stream goes on, it is said in words, and nothing is lost that memory holds', async () => {
  const [running] = await recordings(server, NAME);
  // Stopped, not ended: what it keeps is in its memory, and it answers nobody meanwhile.
  moto.kill('SIGSTOP');
  const troubled = await recording(server, NAME, 'is in trouble', (one) => one.trouble);
  assert.match(troubled.trouble.words, /s3:\/\/kept/);
  assert.equal((await server.stream(NAME)).state, 'live');
  const live = await bytesOf(`${server.url}/${NAME}/hls/video.m3u8`);
  assert.ok(segmentsOf(live.toString()).length > 0, 'viewers notice nothing');
  moto.kill('SIGCONT');
  const before = troubled.segments;
  const healed = await recording(server, NAME, 'is written again', (one) => !one.trouble && one.segments >= before + 6);
  assert.equal(healed.lost, 0);
  const numbers = segmentsOf((await bytesOf(at(server, running, 'video.m3u8'))).toString()).map((one) => Number(/(\d+)\.m4s/.exec(one.uri)[1]));
  numbers.forEach((number, i) => assert.equal(number, numbers[0] + i, 'without a hole'));
});

test('it is whole when the stream is, and plays from the bucket', async () => {
  await fetch(`${server.url}/api/v1/streams/${NAME}/recording`, { method: 'DELETE' });
  const kept = await recording(server, NAME, 'is finished', (one) => one.state === 'finished');
  const file = join(folder, 'clip.mp4');
  await writeFile(file, await bytesOf(at(server, kept, `recording.mp4?from=${kept.from + 1_000_000}&to=${kept.from + 4_000_000}`)));
  // T is slewed by up to a twentieth in a stream's first ten seconds.
  assert.ok(Math.abs(pictures(file).length - 90) <= 6);
  assert.equal((await fetch(`${server.url}/api/v1/recordings/${kept.id}`, { method: 'DELETE' })).status, 204);
  const left = (await bytesOf(`http://127.0.0.1:${port}/kept?list-type=2&prefix=shows/${NAME}/${kept.id}`, SOMEBODY)).toString();
  assert.doesNotMatch(left, /<Key>/, 'nothing of it is left');
});

test('a full disk disturbs no viewer, is said in words, and recording goes on when there is room', { skip: !canMount() && 'no mount namespace here' }, async () => {
  // A disk of its own, 12 MiB, in a mount namespace of its own: the server runs in it.
  const port2 = await freePort();
  const data = join(folder, 'small');
  const disk = join(folder, 'disk');
  const config = join(folder, 'small.toml');
  await writeFile(config, `[recording]\npath = "${disk}/r"\nstreams = ["live/*"]\nfree_mib = 0\nqueue_mib = 16\n`);
  const rtmp = await freePort();
  const script = `mkdir -p ${disk} && mount -t tmpfs -o size=12m none ${disk} && exec ${process.env.UNISONO_BIN} serve --data-dir ${data} --config ${config} --http 127.0.0.1:${port2} --rtmp 127.0.0.1:${rtmp} --webrtc off`;
  const child = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  const small = { url: `http://127.0.0.1:${port2}`, stream: server.stream };
  let publisher;
  try {
    const key = await until('a key', () => /pk_[0-9a-f]{8}_[0-9a-f]{32}/.exec(said)?.[0]);
    const name = 'live/big';
    const ballast = spawnSync('nsenter', ['-t', String(child.pid), '-m', 'sh', '-c', `mkdir -p ${disk} && head -c 11000000 /dev/zero > ${disk}/ballast`]);
    assert.equal(ballast.status, 0, ballast.stderr.toString());
    publisher = ffmpegRtmp(`rtmp://127.0.0.1:${rtmp}/live/big?key=${key}`);
    const full = await recording(small, name, 'is in trouble', (one) => one.trouble);
    assert.match(full.trouble.words, /space|full/i);
    assert.equal((await server.stream.call(small, name)).state, 'live');
    // Not waited for until memory is full as well: that takes minutes at this rate, and is tested where the queue is.
    assert.equal(spawnSync('nsenter', ['-t', String(child.pid), '-m', 'rm', `${disk}/ballast`]).status, 0);
    const healed = await recording(small, name, 'is written again', (one) => !one.trouble && one.segments >= full.segments + 2);
    assert.equal(healed.lost, 0);
  } finally {
    await publisher?.stop();
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
});

function canMount() {
  return spawnSync('unshare', ['-m', 'true']).status === 0;
}
