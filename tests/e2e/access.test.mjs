// Watching by token: every door against every kind of token, and what happens to playback when a token ends.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { pause, until } from '../lib/until.mjs';
import { frames, watch } from '../lib/watch.mjs';

const run = promisify(execFile);
const OFFER = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', ''].join('\r\n');

describe('watching by token', () => {
  let server, browser, encoder;

  const unisono = async (...args) => (await run(process.env.UNISONO_BIN, [...args, '--data-dir', server.dataDir])).stdout.trim();
  const token = (...args) => unisono('token', 'new', ...args);

  before(async () => {
    server = await Server.start({ args: ['--view', 'token'] });
    browser = await Browser.launch();
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
  });

  after(async () => {
    await encoder?.stop();
    await browser?.close();
    await server?.stop();
  });

  /** The ways in; each answers its status and words. An offer without media gets as far as 422 once its token is taken. */
  const doors = {
    whep: (headers, prefix) => fetch(`${server.url}${prefix}/live/x/whep`, { method: 'POST', headers: { 'content-type': 'application/sdp', ...headers }, body: OFFER }),
    playlist: (headers, prefix) => fetch(`${server.url}${prefix}/live/x/index.m3u8`, { headers }),
    media: (headers, prefix) => fetch(`${server.url}${prefix}/live/x/hls/video.m3u8`, { headers }),
    feed: (headers, prefix) => fetch(`${server.url}${prefix}/api/v1/rooms/live:x/events`, { headers: { accept: 'text/event-stream', ...headers } }),
  };

  /** What header, path and cookie were answered. */
  const answers = async (door, presented) => {
    const carriages = { bearer: [{ authorization: `Bearer ${presented}` }, ''], path: [{}, `/t/${presented}`], cookie: [{ cookie: `unisono_token=${presented}` }, ''] };
    const seen = new Set();
    for (const [headers, prefix] of presented === null ? [[{}, '']] : Object.values(carriages)) {
      const response = await doors[door](headers, prefix);
      const words = response.ok ? '' : (await response.json()).detail;
      await response.body?.cancel().catch(() => {});
      seen.add(`${response.ok ? 'in' : response.status === 422 ? 'in' : response.status} ${response.ok || response.status === 422 ? '' : words}`.trim());
    }
    return [...seen];
  };

  const ask = async (door, presented) => {
    const seen = await answers(door, presented);
    assert.equal(seen.length, 1, `${door}: header, path and cookie agree: ${seen}`);
    return seen[0];
  };

  /** It may become true between one request and the next: then they differ once. */
  const becomes = (what, door, presented, words) => until(`${door}: ${what}`, async () => (await answers(door, presented)).every((answer) => words.test(answer)), 60);

  it('each door asks, in words, whatever carries the token', async () => {
    const good = await token('--stream', 'live/x');
    const revoked = await token('--stream', 'live/x');
    await unisono('token', 'revoke', revoked);
    const short = await token('--stream', 'live/x', '--for', '1s');
    const [head, body, signature] = good.split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url'));
    const wider = Buffer.from(JSON.stringify({ ...claims, grants: [{ stream: '*/*', actions: ['admin'] }] })).toString('base64url');
    const expected = [
      [null, /^401 watching needs a token/],
      [good, /^in$/],
      [await token('--stream', 'live/*', '--allow', 'view,send'), /^in$/],
      [server.key, /^in$/],
      [await token('--stream', 'live/y'), /^403 this token does not grant "view" on live\/x/],
      [await token('--stream', 'live/x', '--allow', 'publish'), /^403 this token does not grant "view"/],
      [`${head}.${wider}.${signature}`, /^401 the token is not signed/],
      [`${head}.${body}.${signature.slice(0, -4)}AAAA`, /^401 the token is not signed/],
      ['nonsense', /^401 this is not a key/],
    ];
    for (const door of Object.keys(doors)) {
      for (const [presented, words] of expected) assert.match(await ask(door, presented), words, `${door} with ${presented?.slice(0, 12)}`);
      await becomes('revocation arrives', door, revoked, /^401 this token was revoked/);
      await becomes('expiry counts', door, short, /^401 the token has expired/);
    }
  });

  it('the API makes and takes back keys and tokens, for admins', async () => {
    const call = async (method, path, body, headers = {}) => {
      const response = await fetch(`${server.url}/api/v1/${path}`, { method, headers: { 'content-type': 'application/json', ...headers }, ...(body ? { body: JSON.stringify(body) } : {}) });
      return { status: response.status, body: response.status === 204 ? null : await response.json() };
    };
    const grants = [{ stream: 'live/x', actions: ['view'] }];
    for (const key of [server.key, 'nonsense', await token('--stream', '*/*', '--allow', 'admin')]) {
      const refused = await call('POST', 'tokens', { grants, lifetime_seconds: 60 }, { authorization: `Bearer ${key}` });
      assert.equal(refused.status, 401, refused.body.detail);
    }
    const foreign = await call('POST', 'keys', { role: 'admin' }, { origin: 'https://evil.example' });
    assert.equal(foreign.status, 401, 'a page of another origin, in a browser on this machine');
    assert.equal((await call('POST', 'keys', { role: 'emperor' })).status, 422);
    assert.equal((await call('POST', 'tokens', { grants, lifetime_seconds: 1e12 })).status, 400);
    assert.equal((await call('POST', 'tokens', { grants: [{ stream: 'live', actions: ['view'] }], lifetime_seconds: 60 })).status, 422);

    const signed = await call('POST', 'tokens', { grants, lifetime_seconds: 60, subject: 'bob' });
    assert.equal(signed.status, 201);
    assert.match(await ask('playlist', signed.body.token), /^in$/);
    assert.equal((await call('POST', 'tokens/revoke', { token: signed.body.token })).status, 204);
    assert.match(await ask('playlist', signed.body.token), /^401 this token was revoked/);

    const made = await call('POST', 'keys', { role: 'publish', name: 'studio' });
    assert.equal(made.status, 201);
    assert.deepEqual((await call('GET', 'keys')).body.keys.find((key) => key.id === made.body.id), { id: made.body.id, role: 'publish', name: 'studio' });
    const studio = ffmpegRtmp(server.rtmpUrl('live/studio', made.body.key));
    await server.live('live/studio');
    assert.equal((await call('DELETE', `keys/${made.body.id}`)).status, 204);
    await until('its publisher is sent away', async () => (await server.stream('live/studio'))?.state !== 'live');
    assert.equal((await call('DELETE', `keys/${made.body.id}`)).status, 404);
    await studio.stop();
  });

  it('a publish token publishes its stream and no other', async () => {
    const mine = await token('--stream', 'live/mine', '--allow', 'publish', '--subject', 'alice');
    const other = ffmpegRtmp(server.rtmpUrl('live/mine', mine));
    await server.live('live/mine');
    await other.stop();
    const response = await fetch(`${server.url}/live/x/whip`, { method: 'POST', headers: { 'content-type': 'application/sdp', authorization: `Bearer ${mine}` }, body: OFFER });
    assert.equal(response.status, 403);
    assert.match((await response.json()).detail, /does not grant "publish" on live\/x/);
  });

  for (const mode of ['webrtc', 'hls']) {
    it(`${mode}: plays with the token behind #, and ends when it is revoked`, async () => {
      const mine = await token('--stream', 'live/x');
      const page = await watch(browser, server, 'live/x', mode, `#token=${mine}`);
      await frames(page, 30);
      const says = () => page.evaluate(() => /revoked|expired/i.test(document.querySelector('unisono-player').shadowRoot?.textContent + document.body.innerText));
      assert.equal(await says(), false);
      await unisono('token', 'revoke', mine);
      await until('the player says why', says);
      if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/revoked-${mode}.png` });
      // LL-HLS has some seconds in its buffer.
      const count = () => page.evaluate(() => window.seen.frames.length);
      await until('no frame comes any more', async () => {
        const before = await count();
        await pause(1000);
        return before === (await count());
      });
      await page.close();
    });
  }
});
