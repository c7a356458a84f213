// `unisono demo auction` as somebody at its page sees it: four screens, a hammer, a killed server, a proof that turns red.
// E2E_STRICT=1 also wants the hammer at most one frame after its own on every screen.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { until } from '../lib/until.mjs';

const strict = process.env.E2E_STRICT === '1';
const PANES = ['webrtc', 'hls', 'slow', 'phone'];

describe('the auction demo', () => {
  let demo, browser, page, words = '';

  before(async () => {
    demo = spawn(process.env.UNISONO_BIN, ['demo', 'auction', '--listen', '127.0.0.1:0', '--no-open', '--bots', process.env.BOTS ?? '60'], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (chunk) => (words += chunk));
    const url = await until('the demo says where its page is', () => {
      assert.equal(demo.exitCode, null, words);
      return /auction +(http:\S+)/.exec(words)?.[1];
    }, 120);
    browser = await Browser.launch();
    page = await browser.open(url);
    await page.setViewportSize({ width: 1720, height: 1200 });
  });

  after(async () => {
    await browser?.close();
    if (demo && demo.exitCode === null) {
      demo.kill('SIGTERM');
      await once(demo, 'exit');
    }
  });

  const attribute = (selector, name) => page.evaluate(([s, n]) => document.querySelector(s)?.getAttribute(n) ?? null, [selector, name]);
  const phase = () => attribute('main.auction', 'data-phase');
  const wait = (what, look, seconds) =>
    until(what, look, seconds).catch(async (error) => {
      throw new Error(`${error.message}\n${await page.evaluate(() => document.body.innerText.slice(0, 2000))}\n${page.words.slice(-10).join('\n')}\n${words}`);
    });

  it('shows one sale on four screens', async () => {
    for (const pane of PANES) await wait(`${pane} plays`, async () => (await attribute(`[data-pane=${pane}]`, 'data-pane-phase')) === 'playing', 120);
    await wait('bidding has begun', async () => (await phase()) === 'bidding', 120);
    await wait('bots bid', () => page.evaluate(() => /€\d+\.\d\d/.test(document.querySelector('.side')?.textContent ?? '')), 60);
  });

  it('loses no acknowledged bid when its server is killed in the middle of it', async () => {
    await page.getByRole('button', { name: /Kill the server/ }).click();
    await wait('the server was killed and is back', async () => (await attribute('[data-kills]', 'data-kills')) === '1', 120);
    assert.equal(await attribute('[data-kills]', 'data-lost'), '0');
    const crash = await page.evaluate(() => document.querySelector('[data-kills]').textContent);
    assert.match(crash, /Bids lost: 0/);
    assert.match(crash, /doubled: 0; out of place: 0/);
    assert.ok(Number(/Acknowledged before: (\d+)/.exec(crash)[1]) > 0, crash);
  });

  it('drops the hammer on the same frame of every screen', async (test) => {
    await wait('the lot is sold', async () => ['sold', 'proof', 'over'].includes(await phase()), 400);
    const errors = {};
    for (const pane of PANES) {
      const hammer = await wait(`${pane} shows the hammer`, async () => (await attribute(`[data-pane=${pane}]`, 'data-hammer')) || null, 60);
      errors[pane] = Number(hammer);
    }
    test.diagnostic(`frames after the hammer's own: ${JSON.stringify(errors)}`);
    if (strict) assert.ok(Object.values(errors).every((error) => error <= 1), JSON.stringify(errors));
  });

  it('proves its log, and names the entry of which one byte was changed', async (test) => {
    await wait('both verdicts', async () => (await attribute('[data-verdict=tampered]', 'data-good')) !== null, 120);
    const said = (name) => page.evaluate((n) => document.querySelector(`[data-verdict=${n}]`).textContent, name);
    assert.equal(await attribute('[data-verdict=genuine]', 'data-good'), 'true', await said('genuine'));
    assert.equal(await attribute('[data-verdict=tampered]', 'data-good'), 'false', await said('tampered'));
    const entry = /the winning bid, entry (\d+)/.exec(await said('tampered'))[1];
    const report = await page.evaluate(() => document.querySelector('[data-verdict=tampered] pre').textContent);
    assert.match(report, new RegExp(`\\b${entry}\\b`), 'the verifier names the entry');
    test.diagnostic(report.split('\n')[0]);
  });
});
