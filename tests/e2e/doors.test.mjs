// Every door against every kind of bad token, signed by somebody else whose keys the server fetches as a key set.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { Browser } from '../lib/chromium.mjs';
import { Issuer } from '../lib/issuer.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { askToPublish } from '../lib/rtmp.mjs';
import { Server } from '../lib/server.mjs';
import { pause, until } from '../lib/until.mjs';
import { frames, watch } from '../lib/watch.mjs';

const run = promisify(execFile);
/** No media: gets as far as 422 once its token is taken. */
const EMPTY_OFFER = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', ''].join('\r\n');
const EVENT = JSON.stringify({ type: 'poll.open', data: {} });

describe('every door and every bad token', () => {
  let server, issuer, encoder, folder, part;
  const grant = (stream, ...actions) => ({ stream, actions });
  const good = (action, more = {}) => issuer.sign({ sub: 'alice', grants: [grant('live/x', action)], ...more });

  before(async () => {
    issuer = await Issuer.start();
    folder = await mkdtemp(join(tmpdir(), 'unisono-doors-'));
    const config = join(folder, 'unisono.toml');
    await writeFile(config, `[access]\nview = "token"\ntoken_keys = [{ jwks = "${issuer.url}" }]\n`);
    server = await Server.start({ args: ['--config', config] });
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
    part = await until('a part is listed', async () => {
      const token = good('view');
      const playlist = await (await fetch(`${server.url}/t/${token}/live/x/hls/video.m3u8`)).text();
      return /#EXT-X-PART:[^\n]*URI="([^"]+)"/.exec(playlist)?.[1];
    });
  });

  after(async () => {
    await encoder?.stop();
    await server?.stop();
    await issuer?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Status and words of a response. */
  const read = async (response) => {
    const words = response.ok ? '' : (await response.json().catch(() => ({}))).detail;
    await response.body?.cancel().catch(() => {});
    return { status: response.status, words };
  };
  // This machine may do what an admin may; a request that was forwarded comes from elsewhere.
  const call = (method, path, headers = {}, body) => async (token) => {
    const bearer = token ? { authorization: `Bearer ${token}` } : {};
    return read(await fetch(`${server.url}${path}`, { method, headers: { 'x-forwarded-for': '192.0.2.1', ...headers, ...bearer }, body }));
  };
  const upgrade = (token) =>
    new Promise((resolve, reject) => {
      const headers = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': Buffer.alloc(16).toString('base64') };
      const asked = request(`${server.url}${token ? `/t/${token}` : ''}/api/v1/rooms/live:x/events`, { headers });
      asked.on('upgrade', (response, socket) => {
        socket.destroy();
        resolve({ status: response.statusCode, words: '' });
      });
      asked.on('response', async (response) => {
        let body = '';
        for await (const chunk of response) body += chunk;
        resolve({ status: response.statusCode, words: JSON.parse(body).detail });
      });
      asked.on('error', reject).end();
    });
  const publish = async (token) => {
    const answer = await askToPublish(server.rtmp, 'live', 'x', token);
    // RTMP has no statuses: the words alone tell.
    return answer?.code === 'NetStream.Publish.Start' ? { status: 200, words: '' } : { status: null, words: answer?.words ?? 'nothing was said' };
  };

  const sdp = { 'content-type': 'application/sdp' };
  const json = { 'content-type': 'application/json' };
  /** Way in, the action it needs, and the status of success. WHIP and WHEP are entered only by an offer that can be answered; 422 is as far as ours gets. */
  const doors = () => ({
    'RTMP publish': { ask: publish, action: 'publish' },
    WHIP: { ask: call('POST', '/live/x/whip', sdp, EMPTY_OFFER), action: 'publish', in: [422] },
    WHEP: { ask: call('POST', '/live/x/whep', sdp, EMPTY_OFFER), action: 'view', in: [422] },
    'HLS playlist': { ask: call('GET', '/live/x/index.m3u8'), action: 'view', polls: true },
    'HLS media playlist': { ask: call('GET', '/live/x/hls/video.m3u8'), action: 'view', polls: true },
    'HLS part': { ask: call('GET', part.startsWith('/') ? part : `/live/x/hls/${part}`), action: 'view', in: [200, 404], polls: true },
    'feed by WebSocket': { ask: upgrade, action: 'view', in: [101] },
    'feed by SSE': { ask: call('GET', '/api/v1/rooms/live:x/events', { accept: 'text/event-stream' }), action: 'view' },
    room: { ask: call('GET', '/api/v1/rooms/live:x'), action: 'view', uncounted: true },
    'POST event': { ask: call('POST', '/api/v1/rooms/live:x/events', json, EVENT), action: 'host', in: [201] },
  });

  it('each refuses each kind of bad token with its status and words', async () => {
    for (const [name, door] of Object.entries(doors())) {
      const { ask, action } = door;
      const status = (code) => (name === 'RTMP publish' ? null : code);
      const check = async (kind, token, code, words) => {
        const answer = await ask(token);
        assert.equal(answer.status, status(code), `${name}, ${kind}: ${answer.words}`);
        assert.match(answer.words, words, `${name}, ${kind}`);
      };
      await check('no token', null, 401, /key|token/);
      await check('wrong tenant', good(action, { tenant: 'other' }), 403, /does not grant/);
      await check('wrong stream', issuer.sign({ grants: [grant('live/y', action)] }), 403, /does not grant "\w+" on live\/x/);
      const others = ['view', 'publish', 'host', 'send', 'moderate', 'bid'].filter((other) => other !== action);
      await check('wrong action', issuer.sign({ grants: [grant('live/x', ...others)] }), 403, /does not grant/);
      const now = Math.floor(Date.now() / 1000);
      await check('expired', good(action, { exp: now - 60 }), 401, /expired \d+ s ago/);
      await check('not begun', good(action, { nbf: now + 600 }), 401, /begins in/);
      await check('signed by nobody', `${good(action).slice(0, -8)}AAAAAAAA`, 401, /not signed by a key/);
      const jti = randomUUID();
      await run(process.env.UNISONO_BIN, ['token', 'revoke', jti, '--data-dir', server.dataDir]);
      await until(`${name}: the revocation by id arrives`, async () => /revoked/.test((await ask(good(action, { jti }))).words));
    }
  });

  it('each lets in once who may come in once, and refuses the replay', async () => {
    for (const [name, door] of Object.entries(doors())) {
      if (door.uncounted) continue;
      const once = good(door.action, { uses: 1 });
      if (door.in?.includes(422)) {
        // Nothing but a real offer enters, which playback tests do; a malformed one is answered, and is a use.
        assert.equal((await door.ask(once)).status, 422, name);
      } else {
        const first = await door.ask(once);
        // RTMP: somebody else publishes live/x. The token was taken, which is what counts here.
        if (name === 'RTMP publish') assert.match(first.words, /publish/);
        else assert.ok((door.in ?? [200]).includes(first.status), `${name}: ${first.status} ${first.words}`);
      }
      if (door.polls) {
        assert.ok((door.in ?? [200]).includes((await door.ask(once)).status), `${name}: a player asks again and again`);
        const elsewhere = await call('GET', '/live/x/index.m3u8', { 'user-agent': 'another player' })(once);
        assert.deepEqual([elsewhere.status, /used 1 times/.test(elsewhere.words)], [401, true], name);
        continue;
      }
      const replayed = await door.ask(once);
      assert.match(replayed.words, /used 1 times/, name);
      if (name !== 'RTMP publish') assert.equal(replayed.status, 401, name);
    }
  });

  it('a use stays used over a restart', async () => {
    const once = good('host', { uses: 1 });
    const post = call('POST', '/api/v1/rooms/live:x/events', json, EVENT);
    assert.equal((await post(once)).status, 201);
    // The server writes it down within a few seconds; what it has written, another process reads. A copy of a store at work may be torn: then another one.
    let torn = null;
    const isWritten = async () => {
      let [dataDir, restarted] = [null, null];
      try {
        dataDir = await copyOf(server.dataDir);
        restarted = await Server.start({ args: ['--config', join(folder, 'unisono.toml')], dataDir });
        return await until('the key set is there', async () => {
          const response = await fetch(`${restarted.url}/api/v1/rooms/live:x/events`, { method: 'POST', headers: { ...json, authorization: `Bearer ${once}` }, body: EVENT });
          if (/used 1 times/.test((await response.json()).detail ?? '')) return 'used';
          return response.ok && 'not yet';
        });
      } catch (error) {
        torn = error;
        return null;
      } finally {
        await restarted?.stop();
        if (dataDir) await rm(dataDir, { recursive: true, force: true });
      }
    };
    await until('the use is written down', async () => (await isWritten()) === 'used', 180).catch((error) => {
      throw new Error(`${error.message}; ${torn}`);
    });
  });

  it('so many at once as the token says, and a place comes back', async () => {
    const pair = good('view', { sessions: 2 });
    const open = async () => {
      const stop = new AbortController();
      const response = await fetch(`${server.url}/api/v1/rooms/live:x/events`, { headers: { accept: 'text/event-stream', authorization: `Bearer ${pair}` }, signal: stop.signal });
      return { status: response.status, words: response.ok ? '' : (await response.json()).detail, end: () => stop.abort() };
    };
    const [first, second] = [await open(), await open()];
    assert.deepEqual([first.status, second.status], [200, 200]);
    const third = await open();
    assert.equal(third.status, 403);
    assert.match(third.words, /lets 2 in at once/);
    first.end();
    await until('a place is free', async () => {
      const again = await open();
      again.end();
      return again.status === 200;
    });
    second.end();
  });

  it('no token opens the API', async () => {
    const all = issuer.sign({ grants: [grant('*/*', 'admin')] });
    for (const [method, path] of [['GET', '/api/v1/keys'], ['POST', '/api/v1/keys'], ['POST', '/api/v1/tokens'], ['GET', '/metrics']]) {
      for (const token of [null, all, server.key]) {
        const { status, words } = await call(method, path, json, method === 'POST' ? '{}' : undefined)(token);
        assert.equal(status, 401, `${method} ${path}: ${words}`);
      }
    }
  });

  it('a new key of the issuer is fetched when its first token comes, and not more often than every 30 s', async () => {
    const before = issuer.fetched;
    issuer.rotate();
    const view = call('GET', '/live/x/index.m3u8');
    const first = await view(good('view'));
    assert.equal(first.status, 401, 'nobody waits for a fetch');
    await until('the key is known', async () => (await view(good('view'))).status === 200, 90);
    assert.ok(issuer.fetched - before <= 3, `${issuer.fetched - before} fetches`);
  });

  describe('in the middle of playback', { concurrency: 2 }, () => {
    let browser;
    before(async () => (browser = await Browser.launch()));
    after(() => browser?.close());
    for (const mode of ['webrtc', 'hls']) {
      it(`${mode}: a token that expires ends it, in words`, async () => {
        const page = await watch(browser, server, 'live/x', mode, `#token=${good('view', { exp: Math.floor(Date.now() / 1000) + 150 })}`);
        await frames(page, 30);
        const says = () => page.evaluate(() => /revoked|expired/i.test(document.querySelector('unisono-player').shadowRoot?.textContent + document.body.innerText));
        assert.equal(await says(), false);
        await until('the player says that it has expired', says, 300);
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
});

/** The data directory of a running server, as a restart would find it. */
async function copyOf(directory) {
  const copy = await mkdtemp(join(tmpdir(), 'unisono-copy-'));
  await run('cp', ['-r', `${directory}/.`, copy]);
  return copy;
}
