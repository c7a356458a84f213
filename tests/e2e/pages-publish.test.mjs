// The publish page: devices, mutes, meter, quality, health, and words for everything that can be in the way.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const DEVICES = '--use-fake-device-for-media-stream';
const CONSENT = '--use-fake-ui-for-media-stream';

describe('the publish page', () => {
  let server, browser;

  before(async () => {
    [server, browser] = [await Server.start(), await Browser.launch()];
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const text = (page) => page.innerText('main');
  const sent = (page) =>
    page.evaluate(() => {
      const { track } = window.unisono.publisher.peerConnection.getSenders().find(({ track }) => track?.kind === 'video');
      return { ...track.getSettings(), readyState: track.readyState };
    });
  const go = (page) => page.getByRole('button', { name: 'Go live' }).click();

  it('publishes the camera in the chosen quality, and tells how it goes', async () => {
    const page = await browser.open(`${server.url}/live/cam/publish#key=${server.key}`);
    assert.ok(!page.url().includes('pk_'), 'the key left the address bar');
    await page.getByRole('button', { name: 'Show the camera' }).click();
    await until('the devices have names', () => page.evaluate(() => document.querySelectorAll('select[disabled]').length === 0 && document.querySelectorAll('option').length > 12));
    await page.getByLabel('Size').selectOption('360');
    await page.getByLabel('Frame rate').selectOption('15');
    await page.getByLabel('Bitrate').selectOption('500');
    await until('the meter moves', () => page.evaluate(() => Number(document.querySelector('[role=meter]')?.getAttribute('aria-valuenow')) > 0));
    await go(page);
    await server.live('live/cam');
    // The camera gives what was chosen; a busy machine's browser may send less of it.
    await until('health and the server\'s words', async () => {
      const [, width, height] = /Round trip[^]*The server receives H\.264 (\d+)×(\d+)/.exec(await text(page)) ?? [];
      return Math.abs(width / height - 16 / 9) < 0.03;
    });
    const { width, height, frameRate, readyState } = await sent(page);
    assert.deepEqual([width, height, frameRate, readyState], [640, 360, 15, 'live']);
    const limits = await page.evaluate(() => window.unisono.publisher.peerConnection.getSenders().filter(({ track }) => track.kind === 'video').map((sender) => sender.getParameters().encodings[0]));
    assert.deepEqual(limits.map(({ maxBitrate, maxFramerate }) => [maxBitrate, maxFramerate]), [[500_000, 15]]);
    await page.getByRole('button', { name: 'Sound on' }).click();
    await page.getByRole('button', { name: 'Picture on' }).click();
    assert.deepEqual(await page.evaluate(() => window.unisono.source.stream.getTracks().map(({ enabled }) => enabled)), [false, false]);
    await page.getByRole('button', { name: 'Stop' }).click();
    await until('the publisher has left', async () => (await server.stream('live/cam'))?.state !== 'live');
    await page.close();
  });

  it('of settings that change faster than a camera opens, the last are sent', async () => {
    const page = await browser.open(`${server.url}/live/hasty/publish#key=${server.key}`);
    await page.getByRole('button', { name: 'Show the camera' }).click();
    await until('the devices have names', () => page.evaluate(() => document.querySelectorAll('select[disabled]').length === 0));
    // The camera opens when the test says so, the one asked for last before the others.
    await page.evaluate(() => {
      const media = navigator.mediaDevices;
      const open = media.getUserMedia.bind(media);
      window.asked = [];
      media.getUserMedia = (constraints) => new Promise((resolve, reject) => window.asked.push(() => open(constraints).then(resolve, reject)));
    });
    for (const [label, value] of [['Size', '360'], ['Frame rate', '15'], ['Bitrate', '500']]) await page.getByLabel(label).selectOption(value);
    await go(page);
    const opened = page.evaluate(async () => {
      for (let last = 0; last < 10; last += 1) {
        await window.asked.pop()?.();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    });
    await server.live('live/hasty');
    await opened;
    const { width, height, frameRate, readyState } = await sent(page);
    assert.deepEqual([width, height, frameRate, readyState], [640, 360, 15, 'live']);
    await page.close();
  });

  it('says so when another camera cannot be opened, and stays on the air', async () => {
    const page = await browser.open(`${server.url}/live/stays/publish#key=${server.key}`);
    await page.getByRole('button', { name: 'Show the camera' }).click();
    await until('the devices have names', () => page.evaluate(() => document.querySelectorAll('select[disabled]').length === 0));
    await go(page);
    await server.live('live/stays');
    await page.evaluate(() => (navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('busy', 'NotReadableError'))));
    await page.getByLabel('Camera').selectOption({ index: 1 });
    await until('it says so', async () => /stays on the air\. The camera or microphone is in use/.test(await text(page)));
    assert.equal((await sent(page)).readyState, 'live');
    assert.equal((await server.stream('live/stays')).state, 'live');
    await page.close();
  });

  it('offers the codecs of this browser, and no helpers', async () => {
    const page = await browser.open(`${server.url}/live/x/publish?source=pattern`);
    const offered = await page.getByLabel('Codec').locator('option').evaluateAll((options) => options.map(({ value }) => value).filter(Boolean));
    const sends = await page.evaluate(() => RTCRtpSender.getCapabilities('video').codecs.map(({ mimeType }) => mimeType.slice(6)));
    assert.ok(offered.length > 1 && offered[0] === 'H264', offered.join());
    assert.ok(offered.every((codec) => sends.includes(codec) && !/rtx|red|fec/i.test(codec)), offered.join());
    await page.close();
  });

  it('a wrong key is refused in the words of the server', async () => {
    const page = await browser.open(`${server.url}/live/x/publish?source=pattern&height=360#key=pk_00000000_00000000000000000000000000000000`);
    await go(page);
    const answer = await fetch(`${server.url}/live/x/whip`, { method: 'POST', headers: { 'content-type': 'application/sdp', authorization: 'Bearer pk_00000000_00000000000000000000000000000000' }, body: 'v=0' });
    const { detail } = await answer.json();
    await until('it says so', async () => (await text(page)).toLowerCase().includes(detail.toLowerCase())).catch(async (error) => assert.fail(`${error.message}: ${detail} in ${await text(page)}`));
    assert.equal(await page.locator('.banner.bad').getAttribute('role'), 'alert');
    await page.close();
  });

  it('says what helps when permission is refused, and when there is no device', async () => {
    for (const [without, words] of [[[CONSENT], /may not use camera and microphone here\. Allow both/], [[DEVICES], /No camera or microphone was found\. Connect one/]]) {
      const other = await Browser.launch({ without });
      const page = await other.open(`${server.url}/live/x/publish`);
      await page.getByRole('button', { name: 'Show the camera' }).click();
      await until(`it says ${words}`, async () => words.test(await text(page))).catch(async (error) => assert.fail(`${error.message}: ${await text(page)}`));
      await other.close();
    }
  });

  it('by plain http from elsewhere it names the https address', async () => {
    const other = await Browser.launch({ extra: ['--host-resolver-rules=MAP studio.example 127.0.0.1'] });
    const page = await other.open(`http://studio.example:${server.http}/live/x/publish`);
    assert.equal(await page.evaluate(() => isSecureContext), false);
    assert.match(await text(page), /https:\/\/studio\.example:8443\/live\/x\/publish/);
    await other.close();
  });
});
