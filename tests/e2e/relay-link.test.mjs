// The link between two nodes is down for 20 seconds. Runs in a namespace of its own, where nothing but the relay's port is dropped.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { isInside, missing, runInside } from '../lib/netns.mjs';
import { freePort } from '../lib/port.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { SdkPage } from '../lib/sdk.mjs';
import { Server } from '../lib/server.mjs';
import { withSecret } from '../lib/two-nodes.mjs';
import { pause, until } from '../lib/until.mjs';
import { forget, noticed, open, play, told } from '../lib/viewers.mjs';

const STREAM = 'live/x';
/** As long as the link is down. A waiting viewer is kept for 30 s. */
const DOWN_MS = 20_000;
const EVENTS = 5;

/** It stood still and played, as often as a busy machine likes, nothing else, and `last` in the end. */
function assertStates(mode, states, last) {
  const names = states.map((state) => state.split(':')[0]);
  assert.ok(names.at(-1) === last && names.every((name) => name === 'stalled' || name === 'playing'), `${mode} is ${last}: ${states}`);
}

if (!isInside()) {
  it('a link that is down for a while', { skip: missing() ?? false }, async () => {
    assert.equal(await runInside(new URL(import.meta.url).pathname), 0, 'the tests in the namespace passed');
  });
} else {
  describe('a link that is down for 20 s', down);
}

function nft(rules) {
  const done = spawnSync('nft', ['-f', '-'], { input: rules, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
}

function down() {
  let port, origin, edge, encoder, sdk, browser, page;
  const posted = [];

  before(async () => {
    // Built before anything runs: that blocks the process which hands the pictures on.
    sdk = await SdkPage.start();
    port = await freePort();
    origin = await withSecret(() => Server.one({ listen: { relay: `127.0.0.1:${port}` } }));
    edge = await withSecret(() => Server.one({ args: ['--upstream', `relay://127.0.0.1:${port}`] }));
    encoder = ffmpegRtmp(origin.rtmpUrl(STREAM));
    await origin.live(STREAM);
    // There is no other interface here.
    browser = await Browser.launch({ extra: ['--allow-loopback-in-peer-connection'] });
    page = await sdk.open(browser);
  });

  after(async () => {
    await browser?.close();
    sdk?.stop();
    await encoder?.stop();
    await edge?.stop();
    await origin?.stop();
  });

  it('pictures stand still, and nobody begins anew', async () => {
    await open(page, edge.url, STREAM, ['webrtc', 'hls']);
    await play(page, 90);
    await forget(page);
    nft(`table inet down {
      chain out { type filter hook output priority 0; udp dport ${port} drop; udp sport ${port} drop; }
    }`);
    const end = Date.now() + DOWN_MS;
    await until('the edge knows', async () => (await edge.stream(STREAM))?.state === 'lost');
    for (let n = 0; n < EVENTS; n += 1) posted.push(await origin.post(STREAM, { type: 'test.mark', at: 'now', late: 'show', data: { n } }));
    await pause(end - Date.now());
    for (const { mode, states } of await noticed(page)) assertStates(mode, states, 'stalled');
    assert.equal((await edge.stream(STREAM)).viewers.webrtc, 1, 'the viewer is kept');
  });

  it('the link is back: both play on, T never goes back, and every event is told once and in order', async () => {
    nft('delete table inet down');
    await play(page, 120);
    await told(page, posted.map(({ id }) => id));
    for (const { mode, back, states, events, gap } of await noticed(page)) {
      console.log(`${mode}: ${gap} ms without a picture, then ${states.at(-1)}`);
      assert.deepEqual(back, [], `${mode}: T goes on`);
      assertStates(mode, states, 'playing');
      assert.deepEqual(events.map(({ id, shown }) => [id, shown]), posted.map(({ id }) => [id, true]), mode);
    }
  });
}
