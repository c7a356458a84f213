// The watch page through a stream's life: before, during and after it, without a network, without a token; and the player's controls.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Browser } from '../lib/chromium.mjs';
import { pictureFrom, record } from '../lib/flv.mjs';
import { inside, phase } from '../lib/pages.mjs';
import { ffmpegPart, ffmpegRtmp } from '../lib/publishers.mjs';
import { publishTags } from '../lib/rtmp.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const run = promisify(execFile);

describe('the watch page', () => {
  let server, guarded, browser;
  const encoders = [];
  const publish = (stream, start = ffmpegRtmp, options = {}) => {
    const encoder = start(server.rtmpUrl(stream), options);
    encoders.push(encoder);
    return encoder;
  };
  const token = async (...args) => (await run(process.env.UNISONO_BIN, ['token', ...args, '--data-dir', guarded.dataDir])).stdout.trim();
  const open = (stream, query = '') => browser.open(`${server.url}/${stream}${query}`);

  before(async () => {
    [server, guarded, browser] = [await Server.start(), await Server.start({ args: ['--view', 'token'] }), await Browser.launch()];
  });

  // No test watches what another one published: an encoder that goes on would only take time from the next.
  afterEach(() => Promise.all(encoders.splice(0).map((encoder) => encoder.stop())));

  after(async () => {
    await browser?.close();
    await server?.stop();
    await guarded?.stop();
  });

  for (const mode of ['webrtc', 'hls']) {
    it(`${mode}: waits for a stream, plays it, says that it has ended, plays it again`, async () => {
      const stream = `live/life-${mode}`;
      const page = await open(stream, `?mode=${mode}`);
      const before = await phase(page, 'waiting');
      assert.match(before.seen, /Not live yet[^]*starts here by itself/);
      assert.match(before.said, /Not live yet/, 'a screen reader is told as well');
      const encoder = publish(stream);
      const during = await phase(page, 'playing');
      assert.match(during.said, /^Live/);
      await until('nothing lies over the picture', async () => (await phase(page, 'playing')).seen === '');
      await encoder.kill();
      const after = await phase(page, 'ended', 120);
      assert.match(after.seen, /The stream has ended[^]*by itself/);
      publish(stream);
      await phase(page, 'playing');
      await page.close();
    });
  }

  it('without a token: refused, in the words of the server; with one in the path or behind #: played', async () => {
    const encoder = ffmpegRtmp(guarded.rtmpUrl('live/x'));
    encoders.push(encoder);
    await guarded.live('live/x');
    const page = await browser.open(`${guarded.url}/live/x`);
    const { seen, said } = await phase(page, 'refused');
    const whep = await fetch(`${guarded.url}/live/x/whep`, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: 'v=0' });
    const { detail } = await whep.json();
    assert.ok(seen.toLowerCase().includes(detail.toLowerCase()), `${seen} holds ${detail}`);
    assert.ok(said.toLowerCase().includes(detail.toLowerCase()));
    const good = await token('new', '--stream', 'live/x');
    await page.getByLabel('Your token for this stream').fill(good);
    await page.getByRole('button', { name: 'Watch', exact: true }).click();
    await phase(page, 'playing');
    await page.close();
    for (const address of [`/t/${good}/live/x`, `/live/x#token=${good}`]) {
      const viewer = await browser.open(guarded.url + address);
      await phase(viewer, 'playing');
      await viewer.close();
    }
  });

  it('says that this device is offline, and goes on when it is not', async () => {
    const page = await open('live/nobody');
    await phase(page, 'waiting');
    await page.context().setOffline(true);
    const { seen } = await phase(page, 'offline');
    assert.match(seen, /You are offline/);
    await page.context().setOffline(false);
    await phase(page, 'waiting');
    await page.close();
  });

  it('says that it reconnects when the server is gone', async () => {
    const short = await Server.start();
    const page = await browser.open(`${short.url}/live/nobody?mode=hls`);
    await phase(page, 'waiting');
    await short.stop();
    const { seen } = await phase(page, 'reconnecting');
    assert.match(seen, /Reconnecting[^]*could not be reached/);
    await page.close();
  });

  it('keys: sound, pause, statistics, full screen, picture in picture; the viewers are counted', async () => {
    publish('live/keys');
    const page = await open('live/keys', '?mode=webrtc');
    await phase(page, 'playing');
    await page.locator('h1').click();
    const muted = () => page.evaluate(() => window.unisono.player.video.muted);
    assert.equal(await muted(), true);
    await page.keyboard.press('m');
    assert.equal(await muted(), false);
    for (const [key, paused] of [[' ', true], ['k', false]]) {
      await page.keyboard.press(key);
      await until(`paused: ${paused}`, () => page.evaluate((want) => window.unisono.player.video.paused === want, paused));
    }
    await page.keyboard.press('s');
    const names = ['Protocol', 'Latency', 'Picture', 'Frame rate', 'Codecs', 'Bitrate', 'Jitter buffer', 'Loss', 'Round trip', 'Dropped frames', 'Stalls'];
    await until('all figures are there', async () => {
      const text = await inside(page, '.figures', 'element.innerText');
      return names.every((name) => text.includes(name));
    }).catch(async (error) => assert.fail(`${error.message}: ${await inside(page, '.figures', 'element.innerText')}`));
    assert.match(await inside(page, '.figures', 'element.innerText'), /640×360[^]*H264/);
    await page.keyboard.press('f');
    await until('full screen', () => page.evaluate(() => document.fullscreenElement?.localName === 'unisono-player'));
    await page.keyboard.press('f');
    await until('not full screen', () => page.evaluate(() => document.fullscreenElement === null));
    for (const isOut of [true, false]) {
      await page.keyboard.press('p');
      await until(`picture in picture: ${isOut}`, () => page.evaluate((want) => (document.pictureInPictureElement !== null) === want, isOut));
    }
    await until('the viewer is counted', async () => /Watching\s*1/.test(await page.innerText('main')));
    await page.locator('button', { hasText: 'LL-HLS' }).click();
    await until('the other protocol plays', () => page.evaluate(() => window.unisono.player.line === 'hls' && window.unisono.player.dataset.phase === 'playing'));
    await until('its figures', async () => /LL-HLS[^]*Loaded ahead/.test(await inside(page, '.figures', 'element.innerText')));
    await page.close();
  });

  it('what is wrong with a stream is said once each, by how grave it is', async () => {
    publish('live/ill');
    await server.live('live/ill');
    const page = await browser.open('about:blank');
    // The server's own answer, with findings added: a real stream has them one at a time.
    await page.route('**/api/v1/streams/live/ill', async (route) => {
      const response = await route.fetch();
      const found = [['no_keyframe', 'error', 'no keyframe came for 10 s'], ['clock', 'warning', 'the clock is unsynchronised'], ['gop', 'info', 'keyframes are rare']];
      const diagnosis = found.map(([code, severity, words]) => ({ code, severity, words }));
      await route.fulfill({ response, json: { ...(await response.json()), diagnosis, notes: ['keyframes are rare'] } });
    });
    await page.goto(`${server.url}/live/ill`);
    await until('all are said', async () => /No keyframe came for 10 s[^]*The clock is unsynchronised[^]*Keyframes are rare/.test(await page.innerText('main')));
    assert.deepEqual(await page.locator('.banner').evaluateAll((banners) => banners.map(({ className, role }) => [className, role])), [['banner bad', 'alert'], ['banner note', 'note']]);
    assert.equal((await page.innerText('main')).match(/keyframes are rare/gi).length, 1);
    await page.close();
  });

  it('the dial: WebRTC holds back a second, LL-HLS several, and both return', async () => {
    publish('live/dial');
    const page = await open('live/dial', '?mode=webrtc');
    await phase(page, 'playing');
    const targets = () => page.evaluate(() => window.unisono.player.session.peerConnection.getReceivers().map((receiver) => receiver.jitterBufferTarget));
    assert.deepEqual(await targets(), [null, null]);
    await page.hover('unisono-player');
    await page.locator('unisono-player').getByRole('button', { name: 'Settings' }).click();
    await page.locator('unisono-player').getByRole('radio', { name: 'Stable' }).check({ force: true });
    assert.deepEqual(await targets(), [1000, 1000]);
    await page.locator('unisono-player').getByRole('radio', { name: 'LL-HLS' }).check({ force: true });
    const latency = () => page.evaluate(() => (window.unisono.player.line === 'hls' ? window.unisono.player.stats()?.latencyMs : null));
    await until('LL-HLS plays seconds behind', async () => (await latency()) > 4500, 120);
    await page.locator('unisono-player').getByRole('radio', { name: 'Lowest' }).check({ force: true });
    await until('and close to live again', async () => (await latency()) < 4000, 120);
    await page.close();
  });

  for (const mode of ['webrtc', 'hls']) {
    it(`${mode}: sound alone has a face, and a picture that comes later is shown`, async () => {
      const stream = `live/sound-${mode}`;
      const first = publish(stream, ffmpegPart, { video: false });
      const page = await open(stream, `?mode=${mode}`);
      await phase(page, 'playing');
      await until('the face is shown', () => inside(page, '.face', '!element.hidden'));
      assert.match(await inside(page, '.face', 'element.innerText'), new RegExp(`${stream}\\s+Sound only`));
      await until('the meter hears it', () => inside(page, '.meter i:nth-child(5)', "Number(element.style.getPropertyValue('--level')) > 0.3"));
      if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/sound-only-${mode}.png` });
      await first.stop();
      publish(stream, ffmpegPart);
      await until('the picture comes by itself', () => page.evaluate(() => window.unisono.player.video.videoWidth === 320 && window.unisono.player.dataset.phase === 'playing'), 120);
      await until('the face is gone', () => inside(page, '.face', 'element.hidden'));
      await page.close();
    });
  }

  it('hls by the SDK alone: a picture that joins the sound in the same connection is shown', async () => {
    const page = await browser.open(`${server.url}/`);
    encoders.push(await publishTags(server.rtmp, 'live', 'joins', server.key, pictureFrom(await record('320x180', 90), 15_000)));
    await page.evaluate(async (url) => {
      const { watchHls } = await import('/client.js');
      const video = Object.assign(document.createElement('video'), { muted: true });
      document.body.replaceChildren(video);
      window.states = [];
      window.player = await watchHls({ video, url });
      window.player.on('state', ({ words }) => window.states.push(words));
    }, `${server.url}/live/joins/index.m3u8`);
    await until('the sound plays', () => page.evaluate(() => window.player.state === 'playing' && window.player.kinds()?.video === false));
    await until('the picture comes by itself', () => page.evaluate(() => window.player.state === 'playing' && document.querySelector('video').videoWidth === 320), 120);
    assert.deepEqual((await page.evaluate(() => window.states)).filter((words) => /now/.test(words)), ['The stream has a picture now; starting again']);
    await page.close();
  });

  it('picture alone: no button for the sound there is not, and words that say so', async () => {
    publish('live/mute', ffmpegPart, { audio: false });
    for (const mode of ['webrtc', 'hls']) {
      const page = await open('live/mute', `?mode=${mode}`);
      await phase(page, 'playing');
      await until(`${mode}: it is said`, () => inside(page, '.nosound', '!element.hidden'));
      assert.equal(await inside(page, '.sound', 'element.hidden'), true);
      assert.equal(await inside(page, '.unmute', 'element.hidden'), true);
      await page.close();
    }
  });
});
