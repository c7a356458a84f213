// A rolling restart as an operator does it: one edge after the other is drained, stopped, and started again, and nobody who watches notices. Two cores
// carry fifty players when nothing else wants them: `E2E_STRICT=1 ROLLING_VIEWERS=50` asks for that many, and that no picture stood still.
import assert from 'node:assert/strict';
import { loadavg } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { acquainted, addressOf, drain, node, nodes } from '../lib/nodes.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { SdkPage } from '../lib/sdk.mjs';
import { until } from '../lib/until.mjs';
import { forget, know, leave, noticed, open, play } from '../lib/viewers.mjs';

const STREAM = 'live/x';
/** Real players, all in one Chromium, ten to a page; ROLLING_VIEWERS for more. One in five watches by LL-HLS, the others by WebRTC. */
const VIEWERS = Number(process.env.ROLLING_VIEWERS ?? 20);
const isStrict = process.env.E2E_STRICT === '1';
const OF_PAGE = ['webrtc', 'webrtc', 'webrtc', 'webrtc', 'hls', 'hls', 'webrtc', 'webrtc', 'webrtc', 'webrtc'];
/** A player calls a node lost that leaves two probes unanswered, for 0.4 and 0.8 s; so may a few on a busy machine. */
const LOST_MAX = isStrict ? 0 : 2;
/** Viewers are given so long to move, as `unisono drain --within`. */
const WITHIN_S = 12;

describe('a rolling restart', () => {
  let cluster, encoder, sdk, browser;
  const pages = [];
  const every = (look, ...more) => Promise.all(pages.map((page) => look(page, ...more)));

  before(async () => {
    // Built before anything runs: that blocks the process which hands the pictures on.
    sdk = await SdkPage.start();
    // Over HTTP/2, as anybody would: by HTTP/1.1 a browser has six connections for all its players together.
    cluster = await nodes(2, [], { https: true });
    encoder = ffmpegRtmp(cluster.origin.rtmpUrl(STREAM), { size: '160x90', fps: 10, gop: 10, audio: false });
    await cluster.origin.live(STREAM, ['video']);
    browser = await Browser.launch();
    for (let n = 0; n < VIEWERS / OF_PAGE.length; n += 1) {
      const page = await sdk.open(browser, { inWindow: true });
      // Little to draw: that a picture comes counts here, not how large it is.
      await page.setViewportSize({ width: 480, height: 270 });
      pages.push(page);
    }
  });

  after(async () => {
    await browser?.close();
    sdk?.stop();
    await encoder?.stop();
    await cluster?.stop();
  });

  it(`${VIEWERS} viewers play, half of them at each edge`, async () => {
    const half = OF_PAGE.length / 2;
    for (const page of pages) {
      await open(page, addressOf(cluster.edges[0]), STREAM, OF_PAGE.slice(0, half));
      await open(page, addressOf(cluster.edges[1]), STREAM, OF_PAGE.slice(half));
    }
    await every(play, 15);
    await every(know, 3);
    await every(forget);
  });

  for (const which of [0, 1]) {
    it(`edge ${which + 1} is drained, stopped and started again, and is known again`, async () => {
      const edge = cluster.edges[which];
      await drain(edge, WITHIN_S);
      await every(leave, addressOf(edge));
      await until('nobody is left', async () => {
        const { viewers, readers } = await drain(edge, 0, 'GET');
        return viewers.webrtc + viewers.hls + readers === 0;
      });
      await edge.end();
      cluster.edges[which] = await node(cluster.upstream, { https: true, again: edge });
      await acquainted([cluster.origin, ...cluster.edges]);
    });
  }

  it('nobody noticed: every picture later than the one before it, no stall, and all play', async () => {
    await every(play, 30);
    let all = (await every(noticed)).flat();
    const gaps = (wanted) => all.filter(({ mode }) => mode === wanted).map(({ gap }) => gap).sort((a, b) => a - b);
    for (const mode of ['webrtc', 'hls']) console.log(`${mode}: longest gap of each, ms: ${gaps(mode).join(' ')}`);
    // A figure of a busy machine, and no assertion: half a second without a picture.
    console.log(`stalls: ${all.reduce((sum, { stalls }) => sum + stalls, 0)}; load ${loadavg()[0]}`);
    assert.equal(all.length, VIEWERS);
    const words = (wrong) => all.filter(wrong).map((one) => JSON.stringify({ ...one, events: undefined }));
    assert.deepEqual(words(({ back }) => back.length > 0), [], 'T goes on');
    // A player that gets no time to decode stands still as well, whoever is drained.
    if (isStrict) assert.deepEqual(words(({ states }) => states.length > 0), [], 'no state but playing');
    if (isStrict) assert.deepEqual(words(({ waits }) => waits > 0), [], 'no element had nothing to show');
    const isThere = ({ state, nodes }) => state === 'playing' && nodes.length > 0;
    // One that pauses just now counts as stalled, and plays a moment later.
    await until('all have moved, and play', async () => {
      all = (await every(noticed)).flat();
      return all.every(isThere);
    }).catch((error) => assert.fail(`${error.message}; not: ${words((one) => !isThere(one)).join('\n')}`));
    const hasLost = ({ nodes }) => nodes.some((move) => move.startsWith('lost '));
    assert.ok(all.filter(hasLost).length <= LOST_MAX, `at most ${LOST_MAX} lost a node: ${words(hasLost).join('\n')}`);
    assert.deepEqual(words(({ nodes }) => nodes.some((move) => !/^(draining|lost) /.test(move))), [], 'nobody was refused');
    assert.deepEqual(words((one) => !hasLost(one) && one.nodes.some((move) => move.endsWith(addressOf(cluster.origin)))), [], 'they moved between the edges; the origin was left alone');
  });
});
