// A lost publisher, garbage on every port: normal events that viewers hardly notice.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { pause, until } from '../lib/until.mjs';
import { forget, frames, seen, watch } from '../lib/watch.mjs';

const noiseSeconds = Number(process.env.NOISE_SECONDS ?? 5);

describe('resilience', () => {
  let server, browser, encoder;

  before(async () => {
    server = await Server.start();
    browser = await Browser.launch();
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
  });

  after(async () => {
    await encoder?.stop();
    await browser?.close();
    await server?.stop();
  });

  it('a publisher killed with -9 comes back, and viewers go on without a reload', async () => {
    const pages = [await watch(browser, server, 'live/x', 'webrtc'), await watch(browser, server, 'live/x', 'hls')];
    const epochs = await Promise.all(pages.map((page) => page.evaluate(() => window.seen.frames.at(-1).epoch)));
    for (const page of pages) await page.evaluate(() => (window.sameDocument = true));
    await encoder.kill();
    await until('the stream is lost', async () => (await server.stream('live/x'))?.state === 'lost');
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    for (const [index, page] of pages.entries()) {
      await until('frames of the new epoch', () => page.evaluate((old) => window.seen.frames.at(-1)?.epoch > old, epochs[index]), 90);
      assert.ok(await page.evaluate(() => window.sameDocument), 'no reload');
      const { frames: shown } = await seen(page);
      const times = shown.map((frame) => frame.t);
      assert.ok(times.every((t, i) => i === 0 || t > times[i - 1]), 'T never goes back across epochs');
      await page.close();
    }
  });

  it(`${noiseSeconds} s of random bytes on each port disturb nobody`, async (test) => {
    const page = await watch(browser, server, 'live/x', 'webrtc');
    await forget(page);
    const end = Date.now() + noiseSeconds * 1000;
    const udp = createSocket('udp4');
    let sent = 0;
    const flood = async (send) => {
      while (Date.now() < end) {
        for (let i = 0; i < 20; i += 1, sent += 1) send(randomBytes(1 + Math.floor(Math.random() * 1400)));
        await pause(10);
      }
    };
    const tcp = (port) =>
      flood((bytes) => {
        const socket = connect(port, '127.0.0.1').on('error', () => {});
        socket.end(bytes);
        // A handshake that never comes is waited for longer than this process has descriptors.
        setTimeout(() => socket.destroy(), 1000);
      });
    await Promise.all([flood((bytes) => udp.send(bytes, server.webrtc, '127.0.0.1')), tcp(server.http), tcp(server.rtmp)]);
    udp.close();
    test.diagnostic(`${sent} messages of noise`);
    await frames(page, 30);
    const { frames: shown } = await seen(page);
    assert.equal(new Set(shown.map((frame) => frame.epoch)).size, 1, 'the same run of the stream');
    assert.equal(server.child.exitCode, null);
    assert.equal((await server.stream('live/x')).state, 'live');
    await page.close();
  });

  it('keys are asked for, in words', async () => {
    const offer = 'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n';
    const post = (headers) => fetch(`${server.url}/live/y/whip`, { method: 'POST', headers: { 'content-type': 'application/sdp', ...headers }, body: offer });
    const without = await post({});
    assert.equal(without.status, 401);
    assert.match(without.headers.get('www-authenticate'), /^Bearer/);
    const wrong = await post({ authorization: 'Bearer pk_00000000_00000000000000000000000000000000' });
    assert.ok([401, 403].includes(wrong.status), `${wrong.status}`);
    assert.match((await wrong.json()).detail, /key/);
    const nobody = await fetch(`${server.url}/live/y/whep`, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: offer });
    assert.equal(nobody.status, 404);
    assert.equal(nobody.headers.get('retry-after'), '1');
  });
});
