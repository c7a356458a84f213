// What goes wrong on the operator's side: said in words, and no reason to stop what still works.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { frames, watch } from '../lib/watch.mjs';

const run = promisify(execFile);
const binary = process.env.UNISONO_BIN;

/** Starts a server that shall not start: its exit code and words. */
async function refused(args) {
  const folder = await mkdtemp(join(tmpdir(), 'unisono-refused-'));
  const closed = ['http', 'https', 'rtmp', 'webrtc'].flatMap((door) => (args.includes(`--${door}`) ? [] : [`--${door}`, 'off']));
  const place = args.includes('--data-dir') ? [] : ['--data-dir', folder];
  const ended = await run(binary, ['serve', ...closed, ...place, ...args], { timeout: 60_000 }).then(
    () => ({ code: 0, stderr: '' }),
    ({ code, stderr }) => ({ code, stderr }),
  );
  await rm(folder, { recursive: true, force: true });
  return ended;
}

describe('an operator is told', () => {
  it('which port is taken, and how to move', async () => {
    const server = await Server.start();
    try {
      for (const [door, port] of [['http', server.http], ['rtmp', server.rtmp], ['webrtc', server.webrtc]]) {
        const { code, stderr } = await refused([`--${door}`, `127.0.0.1:${port}`]);
        assert.equal(code, 1, stderr);
        assert.ok(stderr.includes(String(port)) && stderr.includes(`--${door}`), `${door}: ${stderr}`);
        assert.match(stderr, /taken|in use/i);
      }
    } finally {
      await server.stop();
    }
  });

  it('which certificate is missing, and which data directory cannot be used', async () => {
    const missing = await refused(['--https', '127.0.0.1:0', '--certificate', '/nonexistent/chain.pem', '--certificate-key', '/nonexistent/key.pem']);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /\/nonexistent\/chain\.pem cannot be used as a PEM certificate chain/);
    const folder = await mkdtemp(join(tmpdir(), 'unisono-file-'));
    const file = join(folder, 'file');
    await writeFile(file, '');
    const unusable = await refused(['--http', '127.0.0.1:0', '--data-dir', join(file, 'data')]);
    assert.equal(unusable.code, 1);
    assert.match(unusable.stderr, /the data directory .*file\/data cannot be made/);
    await rm(folder, { recursive: true, force: true });
  });
});

describe('a full disk', { skip: process.getuid() !== 0 && 'needs root for a small tmpfs' }, () => {
  let server, encoder, folder;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unisono-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder]);
    server = await Server.start({ dataDir: folder });
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
  });
  after(async () => {
    await encoder?.stop();
    await server?.stop();
    execFileSync('umount', [folder]);
    await rm(folder, { recursive: true, force: true });
  });

  it('refuses what needs the disk, in words, and goes on with the rest', async () => {
    const makeKey = () => fetch(`${server.url}/api/v1/keys`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"role":"publish"}' });
    assert.equal((await makeKey()).status, 201);
    await writeFile(join(folder, 'filler'), Buffer.alloc(4 << 20)).catch((error) => assert.equal(error.code, 'ENOSPC'));
    // What fits into pages that exist is still written; then no more.
    const problem = await until('the disk is full for the store, too', async () => {
      const response = await makeKey();
      return response.status === 503 ? response.json() : null;
    });
    assert.match(problem.detail, /disk is full/);
    assert.equal((await fetch(`${server.url}/readyz`)).status, 200, 'it can serve');
    const playlist = () => fetch(`${server.url}/live/x/hls/video.m3u8`).then((response) => response.text());
    const first = await playlist();
    await until('media goes on', async () => (await playlist()) !== first);
    // Small events may find a place in pages that exist; sooner or later there is none.
    const postEvent = () => fetch(`${server.url}/api/v1/rooms/live:x/events`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"type":"note","data":{}}' });
    const refused = await until('the disk is full for events, too', async () => {
      const response = await postEvent();
      return response.status === 201 ? null : response;
    });
    assert.equal(refused.status, 503);
    assert.match((await refused.json()).detail, /disk is full|failed just now/);
    await rm(join(folder, 'filler'));
    await until('events are taken again', async () => (await postEvent()).status === 201);
    await until('there is room again', async () => (await makeKey()).status === 201);
  });
});

describe('SIGTERM', () => {
  it('ends publishers, viewers, players and feeds within seconds, with code 0', async () => {
    const server = await Server.start();
    const browser = await Browser.launch();
    const encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    try {
      await server.live('live/x');
      const pages = [await watch(browser, server, 'live/x', 'webrtc'), await watch(browser, server, 'live/x', 'hls')];
      await Promise.all(pages.map((page) => frames(page, 10)));
      const feed = await fetch(`${server.url}/api/v1/rooms/live:x/events`, { headers: { accept: 'text/event-stream' } });
      const idle = spawn('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${server.http}; sleep 60`]);
      const began = Date.now();
      server.child.kill('SIGTERM');
      const [code] = await once(server.child, 'exit');
      console.log(`# ended after ${Date.now() - began} ms`);
      assert.equal(code, 0);
      // Five seconds are the server's own bound; the rest is for a loaded machine.
      assert.ok(Date.now() - began < 20_000);
      await feed.body.cancel().catch(() => {});
      idle.kill();
    } finally {
      await encoder.stop();
      await browser.close();
      await server.stop();
    }
  });
});
