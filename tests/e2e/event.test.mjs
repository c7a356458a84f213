// One event, one frame: bound to a T in the future, it appears in WebRTC and in LL-HLS on the first displayed frame with T >= at.
// EVENTS sets how many (`./dev soak events` takes 200), E2E_STRICT=1 also wants each within one frame of the first with T >= at, in both, and the pictures
// that the page read to agree: on a busy machine a canvas reads a later one. Prints how late each was as one line of JSON, which EVENTS_JSON names a file for.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { pause, quantile, until } from '../lib/until.mjs';
import { byCounter, seen, watch } from '../lib/watch.mjs';

const count = Number(process.env.EVENTS ?? 10);
const strict = process.env.E2E_STRICT === '1';
/** One tick of a 90 kHz clock, and the microsecond that rounding adds. */
const TICK_US = 12 + 1;
const FRAME_US = 1e6 / 30;
/** Beyond what HLS has already shown and packaged, and what a busy machine takes to post an event. */
const LEAD_US = 15_000_000;
/** From when on an event may be bound: of what is shown and what the server has, the later one. */
const lead = (page) => page.evaluate(() => Math.max(window.unisono.player.currentT().t, window.unisono.player.serverNow() ?? 0)).then((t) => t + LEAD_US);

/** How often each number occurs, in rising order. */
const histogram = (values) => Object.fromEntries([...new Set(values)].sort((a, b) => a - b).map((value) => [value, values.filter((other) => other === value).length]));

/** How long after its `at` an event's frame is, in microseconds of the timeline, in words of a report. 0 frames: no frame with T >= at was left out. */
const latenessOf = (values) => ({
  frames_after_the_first: histogram(values.map((us) => Math.floor(us / FRAME_US))),
  ms: { p50: quantile(values, 0.5) / 1000, p95: quantile(values, 0.95) / 1000, max: Math.max(...values) / 1000 },
});

describe('an event on a frame', () => {
  let server, browser, encoder, webrtc, hls;

  before(async () => {
    server = await Server.start();
    browser = await Browser.launch();
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
    [webrtc, hls] = [await watch(browser, server, 'live/x', 'webrtc'), await watch(browser, server, 'live/x', 'hls')];
  });

  after(async () => {
    await encoder?.stop();
    await browser?.close();
    await server?.stop();
  });

  it(`${count} events at random T are shown on the same frame by both`, async (test) => {
    const posted = [];
    let at = 0;
    for (let index = 0; index < count; index += 1) {
      // At any point between two frames, never before the one posted last.
      at = Math.max(at + 1_000_000, await lead(webrtc)) + Math.floor(Math.random() * 900_000);
      posted.push(await server.post('live/x', { type: 'test.mark', at, data: { index } }));
      await pause(300);
    }
    await until('both have shown every event', async () => {
      // Only the numbers: carrying every frame out of a page holds up its next ones.
      const shown = await Promise.all([webrtc, hls].map((page) => page.evaluate(() => window.seen.events.length)));
      return shown.every((events) => events >= count);
    }, 75 + 2 * count);
    const [inWebRtc, inHls] = [await seen(webrtc), await seen(hls)];

    const lateness = { webrtc: [], hls: [] };
    const apart = [];
    for (const event of posted) {
      const shown = {};
      for (const [name, all] of [['webrtc', inWebRtc], ['hls', inHls]]) {
        const matches = all.events.filter((e) => e.id === event.id);
        assert.equal(matches.length, 1, `${name} shows event ${event.seq} once`);
        [shown[name]] = matches;
        assert.equal(shown[name].at, event.at);
        const { t, previousT } = shown[name];
        assert.ok(previousT < event.at && event.at <= t, `${name}: event ${event.seq} at ${event.at} is shown on the first frame at or after it: ${previousT}, then ${t}`);
        lateness[name].push(t - event.at);
        // Frames that a busy machine's browser left out just there.
        shown[name].skipped = Math.max(0, Math.round((t - previousT) / FRAME_US) - 1);
      }
      if (shown.webrtc.counter !== null && shown.hls.counter !== null) {
        const frames = Math.abs(shown.webrtc.counter - shown.hls.counter);
        const excused = Math.max(shown.webrtc.skipped, shown.hls.skipped);
        if (strict) assert.ok(frames <= 1 + excused, `event ${event.seq}: frame ${shown.webrtc.counter} in WebRTC, ${shown.hls.counter} in LL-HLS, ${excused} left out`);
        apart.push(frames);
      }
    }
    assert.ok(apart.length >= count / 2, `counters of ${apart.length} events could be read in both`);
    const report = JSON.stringify({
      test: 'event-on-frame',
      events: count,
      lateness: { webrtc: latenessOf(lateness.webrtc), 'll-hls': latenessOf(lateness.hls) },
      apart: { unit: 'frames by the burnt-in counter', compared: apart.length, histogram: histogram(apart) },
      load: loadavg()[0],
    });
    console.log(report);
    if (process.env.EVENTS_JSON) await writeFile(process.env.EVENTS_JSON, `${report}\n`);
    if (strict) assert.ok([...lateness.webrtc, ...lateness.hls].every((us) => us < 2 * FRAME_US), 'at most one frame left out before an event');
    assert.deepEqual(inWebRtc.events.map((e) => e.seq), inHls.events.map((e) => e.seq), 'same order');
    const via = [...new Set(inHls.events.map((e) => e.via))];
    test.diagnostic(`LL-HLS learned of them by ${via.join(', ')}`);
  });

  it('the same picture has the same T by RTP mapping and by prft', async (test) => {
    const isExact = (us) => us <= TICK_US;
    const differences = await until('enough pictures are seen by both', async () => {
      const [ours, theirs] = (await Promise.all([webrtc, hls].map(seen))).map(({ frames }) => byCounter(frames));
      const both = [...ours.keys()].filter((counter) => theirs.has(counter));
      const all = both.map((counter) => Math.abs(ours.get(counter).t - theirs.get(counter).t));
      return all.length >= 30 && all.filter(isExact).length >= 10 && all;
    }, 120);
    const within = differences.filter(isExact).length;
    const sorted = differences.sort((x, y) => x - y);
    test.diagnostic(`${differences.length} pictures: ${within} within one tick; median ${sorted[sorted.length >> 1]} us, largest ${sorted.at(-1)} us`);
    // A picture read one frame late shows up as a whole frame; T itself is never off by anything between.
    assert.ok(differences.every((us) => us <= TICK_US || us > FRAME_US / 2), `differences ${differences.filter((us) => us > TICK_US)}`);
    if (strict) assert.ok(within >= differences.length * 0.9);
  });

  it('without the feed, the data channel and emsg bring them alone', async () => {
    const deaf = await Browser.launch();
    try {
      await deaf.context.routeWebSocket(/\/events/, (socket) => socket.close());
      for (const [mode, via] of [['webrtc', 'datachannel'], ['hls', 'emsg']]) {
        const page = await watch(deaf, server, 'live/x', mode);
        const event = await server.post('live/x', { type: 'test.mark', at: await lead(webrtc), data: { mode } });
        const [shown] = await until(`${mode} shows the event`, async () => {
          const events = (await seen(page)).events.filter(({ id }) => id === event.id);
          return events.length ? events : null;
        }, 90);
        assert.equal(shown.via, via);
        assert.ok(shown.previousT < event.at && event.at <= shown.t, `${mode}: ${shown.previousT}, ${event.at}, ${shown.t}`);
        await page.close();
      }
    } finally {
      await deaf.close();
    }
  });
});
