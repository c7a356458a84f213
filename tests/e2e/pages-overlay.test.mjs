// The overlay in Chromium, as OBS shows it: real events, bound to T, on a transparent ground.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Browser } from '../lib/chromium.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const run = promisify(execFile);
/** Between the node's clock and this machine's: both follow the same one. */
const CLOCKS_APART_US = 1_000_000;

describe('the overlay', () => {
  let server, guarded, browser;

  before(async () => {
    [server, guarded, browser] = [await Server.start(), await Server.start({ args: ['--view', 'token'] }), await Browser.launch()];
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    await guarded?.stop();
  });

  /** Opens it and waits until its feed stands: events of before are not shown. */
  const open = async (on, address, room) => {
    const page = await browser.open(on.url + address);
    await until('its feed is open', async () => (await (await fetch(`${on.url}/api/v1/rooms/${room}`, { headers: { authorization: `Bearer ${on.key}` } })).json()).subscribers > 0);
    return page;
  };
  /** Notes what is shown from now on, each with when, however short: [id, Unix microseconds]. */
  const observe = (page) =>
    page.evaluate(() => {
      window.shown = [];
      const look = (records) => records.forEach(({ addedNodes }) => addedNodes.forEach((node) => window.shown.push([node.dataset.id, (performance.timeOrigin + performance.now()) * 1000])));
      new MutationObserver(look).observe(document.querySelector('.list'), { childList: true });
    });
  const messages = (page) => page.locator('.message').allInnerTexts();

  it('shows chat, questions, polls and alerts in order, only the lanes asked for, and no more than the limit', async () => {
    const page = await open(server, '/live/a/overlay?lanes=chat,questions,polls&limit=3&stay=0&scale=1.2', 'live:a');
    const say = (lane, data, type = 'message') => server.post('live/a', { type, lane, data });
    await say('chat', { name: 'Ada', text: 'first' });
    await say('chat', { name: 'Bob', text: 'second <b>not bold</b>' });
    await say('alert', { text: 'not asked for' }, 'goal');
    await say('question', { name: 'Cy', text: 'Why?' }, 'ask');
    await say('poll', { question: 'Tea?', options: [{ label: 'Yes', votes: 3 }, { label: 'No', votes: 1 }] }, 'open');
    await until('the last one is there', async () => (await messages(page)).at(-1)?.includes('Tea?'));
    const shown = await messages(page);
    assert.equal(shown.length, 3, shown.join(' | '));
    assert.match(shown[0], /Bob\s*second <b>not bold<\/b>/);
    assert.match(shown[1], /Cy\s*Why\?/);
    assert.match(shown[2], /Tea\?[^]*Yes[^]*75 %[^]*No[^]*25 %/);
    assert.equal(await page.locator('button, a, input').count(), 0, 'no controls');
    await page.close();
  });

  it('shows an event at its T and not before, in the order of T', async () => {
    const page = await open(server, '/live/b/overlay?stay=0', 'live:b');
    await observe(page);
    const { t } = await (await fetch(`${server.url}/api/v1/server`)).json();
    const later = await server.post('live/b', { type: 'later', lane: 'alert', at: t + 6_000_000 });
    const sooner = await server.post('live/b', { type: 'sooner', lane: 'chat', at: t + 4_000_000 });
    await until('both are shown', () => page.evaluate(() => window.shown.length === 2));
    const shown = await page.evaluate(() => window.shown);
    assert.deepEqual(shown.map(([id]) => id), [sooner.id, later.id]);
    for (const [event, [, at]] of [[sooner, shown[0]], [later, shown[1]]]) assert.ok(at >= event.at - CLOCKS_APART_US, `${event.type}: ${at - event.at} us`);
    await page.close();
  });

  it('is transparent, and goes from the page after its time', async () => {
    const page = await open(server, '/live/c/overlay?stay=1', 'live:c');
    const png = (await page.screenshot({ omitBackground: true })).toString('base64');
    const reader = await browser.open('about:blank');
    const alphas = await reader.evaluate(async (base64) => {
      const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
      const pen = new OffscreenCanvas(image.width, image.height).getContext('2d');
      pen.drawImage(image, 0, 0);
      return [...new Set(pen.getImageData(0, 0, image.width, image.height).data.filter((_, i) => i % 4 === 3))];
    }, png);
    assert.deepEqual(alphas, [0], 'every pixel lets the picture under it through');
    await reader.close();
    await observe(page);
    const { id } = await server.post('live/c', { type: 'message', lane: 'chat', data: { text: 'gone soon' } });
    await until('it was shown', () => page.evaluate((id) => window.shown.some(([other]) => other === id), id));
    await until('it has gone', async () => (await messages(page)).length === 0);
    await page.close();
  });

  it('works with a token in its path, and shows nothing without one', async () => {
    const token = (await run(process.env.UNISONO_BIN, ['token', 'new', '--stream', 'live/x', '--data-dir', guarded.dataDir])).stdout.trim();
    const page = await open(guarded, `/t/${token}/live/x/overlay`, 'live:x');
    const stranger = await browser.open(`${guarded.url}/live/x/overlay`);
    await guarded.post('live/x', { type: 'message', lane: 'chat', data: { text: 'for those with a token' } });
    await until('it is shown', async () => (await messages(page)).length === 1);
    assert.equal((await messages(stranger)).length, 0);
    await page.close();
    await stranger.close();
  });
});
