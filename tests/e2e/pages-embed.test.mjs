// The player in somebody else's page: another origin, another port of this machine.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { phase } from '../lib/pages.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

describe('embedding', () => {
  let server, browser, encoder, shop, origin;
  let body = '';
  let head = {};

  before(async () => {
    server = await Server.start();
    browser = await Browser.launch();
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
    shop = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...head }).end(`<!doctype html><title>Shop</title>${body}`));
    await once(shop.listen(0, '127.0.0.1'), 'listening');
    origin = `http://127.0.0.1:${shop.address().port}`;
  });

  after(async () => {
    await encoder?.stop();
    await browser?.close();
    shop?.close();
    shop?.closeAllConnections();
    await server?.stop();
  });

  /** The snippet, as the watch page gives it. */
  const snippet = async (way) => {
    const page = await browser.open(`${server.url}/live/x`);
    await page.locator('summary', { hasText: 'Share and embed' }).click();
    await page.locator('.share').getByRole('button', { name: way, exact: true }).click();
    const text = await page.locator('.share code', { hasText: way === 'iframe' ? '<iframe' : '<script' }).innerText();
    await page.close();
    return text;
  };

  for (const mode of ['webrtc', 'hls']) {
    it(`the element plays by ${mode} in a page of another origin, with its clock and its events`, async () => {
      body = (await snippet('Player element')).replace('<unisono-player ', `<unisono-player mode="${mode}" `);
      const page = await browser.open(origin);
      await phase(page, 'playing');
      await until('frames have their T, and the server its clock', () => page.evaluate(() => document.querySelector('unisono-player').stats()?.latencyMs != null));
      await page.evaluate(() => addEventListener('unisono-event', ({ detail }) => (window.got = detail.event.id)));
      const event = await server.post('live/x', { type: 'goal', at: 'now' });
      await until('the event comes on its frame', () => page.evaluate((id) => window.got === id, event.id));
      assert.equal(await page.evaluate(() => document.querySelector('unisono-player').line), mode);
      await page.close();
    });
  }

  it('works in an isolated page (Cross-Origin-Embedder-Policy) with a content policy of its own', async () => {
    body = `<script type="module" src="${server.url}/player.js"></script><unisono-player src="${server.url}/live/x" mode="hls"></unisono-player>`;
    const policy = `default-src 'none'; script-src ${server.url}; connect-src ${server.url} ${server.url.replace('http', 'ws')}; media-src blob:; worker-src blob:; style-src 'unsafe-inline'`;
    head = { 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-opener-policy': 'same-origin', 'content-security-policy': policy };
    const page = await browser.open(origin);
    await phase(page, 'playing');
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    head = {};
    await page.close();
  });

  it('the iframe shows the player and nothing else', async () => {
    body = await snippet('iframe');
    const page = await browser.open(origin);
    const frame = await until('the frame is there', () => page.frames().find((frame) => frame.url().includes('/live/x?embed')));
    await until('it plays', () => frame.evaluate(() => document.querySelector('unisono-player')?.dataset.phase === 'playing'));
    assert.equal(await frame.evaluate(() => document.querySelectorAll('header, aside, form').length), 0);
    const [box, view] = await frame.evaluate(() => [document.querySelector('unisono-player').getBoundingClientRect().toJSON(), [innerWidth, innerHeight]]);
    assert.deepEqual([box.width, box.height], view);
    await page.close();
  });

  it('nothing that a key or this machine opens may be read or done from there, and the publish page not be framed', async () => {
    body = '';
    const page = await browser.open(origin);
    const ask = (path, init = {}) => page.evaluate(async ([url, init]) => fetch(url, init).then(({ status }) => status, () => 'refused'), [server.url + path, init]);
    assert.equal(await ask('/api/v1/server'), 200);
    assert.equal(await ask('/api/v1/streams/live/x'), 200);
    for (const path of ['/api/v1/streams', '/api/v1/keys', '/metrics', '/live/x/publish']) assert.equal(await ask(path), 'refused', path);
    assert.equal(await ask('/api/v1/streams/live/x', { credentials: 'include' }), 'refused', 'never together with cookies');
    const event = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"type":"forged"}' };
    assert.equal(await ask('/api/v1/rooms/live:x/events', event), 'refused');
    const response = await fetch(`${server.url}/live/x/publish`);
    assert.match(response.headers.get('content-security-policy'), /frame-ancestors 'none'/);
    const script = await fetch(`${server.url}/player.js`);
    assert.equal(script.headers.get('access-control-allow-origin'), '*');
    assert.equal(script.headers.get('cross-origin-resource-policy'), 'cross-origin');
    assert.match(script.headers.get('content-type'), /javascript/);
    await page.close();
  });
});
