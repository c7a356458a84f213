// Accessibility: axe-core over every page in both colour schemes and both widths, and a walk by keyboard alone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { findings, phase } from '../lib/pages.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

describe('accessibility', () => {
  let server, browser;

  before(async () => {
    [server, browser] = [await Server.start({ command: 'demo' }), await Browser.launch()];
    await server.live('live/demo');
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** Every page in every state that has parts of its own. */
  const pages = {
    list: ['/', async () => {}],
    watching: ['/live/demo', async (page) => {
      await phase(page, 'playing');
      await server.post('live/demo', { type: 'goal', data: { text: 'Goal!' } });
      await page.locator('.share summary').click();
      await page.keyboard.press('Tab');
      await page.evaluate(() => window.unisono.player.pressKey('s'));
      await page.hover('unisono-player');
      await page.locator('unisono-player').getByRole('button', { name: 'Settings' }).click();
    }],
    waiting: ['/live/nobody', (page) => phase(page, 'waiting')],
    publish: ['/live/me/publish?source=pattern', async (page) => {
      await until('the preview is there', () => page.evaluate(() => document.querySelector('[role=meter]') !== null));
      await page.locator('summary').click();
    }],
    embedded: ['/live/demo?embed', (page) => phase(page, 'playing')],
    overlay: ['/live/demo/overlay?stay=0', async (page) => {
      await until('an event is shown', async () => {
        await server.post('live/demo', { type: 'message', lane: 'chat', data: { name: 'Ada', text: 'hello' } });
        return (await page.locator('.message').count()) > 0;
      });
    }],
  };

  for (const [name, [address, prepare]] of Object.entries(pages)) {
    it(`${name}: axe finds nothing serious, light and dark, wide and narrow`, async () => {
      const page = await browser.open(server.url + address);
      await prepare(page);
      for (const [width, size] of Object.entries(SIZES)) {
        for (const colorScheme of ['light', 'dark']) {
          await page.setViewportSize(size);
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          assert.deepEqual(await findings(page), [], `${name}, ${width}, ${colorScheme}`);
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(overflow <= 0, `${name}, ${width}: ${overflow} pixels too wide`);
        }
      }
      await page.close();
    });
  }

  it('the watch page by keyboard alone: every control is reached, named, and seen to have the focus', async () => {
    const page = await browser.open(`${server.url}/live/demo`);
    await phase(page, 'playing');
    const stops = [];
    for (let step = 0; step < 60; step += 1) {
      await page.keyboard.press('Tab');
      const stop = await page.evaluate(() => {
        let element = document.activeElement;
        while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
        if (!element || element === document.body) return null;
        const style = getComputedStyle(element);
        const name = element.getAttribute('aria-label') ?? element.labels?.[0]?.innerText ?? element.innerText;
        return { name: name.trim(), outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 };
      });
      if (!stop) break;
      stops.push(stop);
    }
    const names = stops.map(({ name }) => name);
    for (const wanted of ['Unisono', 'Publish', 'Tap for sound', 'Pause', 'Sound on', 'Volume', 'Settings', 'Full screen', 'WebRTC', 'LL-HLS', 'Share and embed', 'Chat', 'heart', 'For the host']) {
      assert.ok(names.some((name) => name === wanted || name.startsWith(wanted)), `${wanted} in ${names.join(', ')}`);
    }
    assert.deepEqual(stops.filter(({ name }) => name === ''), [], 'each has a name');
    assert.deepEqual(stops.filter(({ outline }) => !outline).map(({ name }) => name), [], 'each shows its focus');
    await page.close();
  });

  it('the settings by keyboard: opened, changed, closed with Escape, and the focus returns', async () => {
    const page = await browser.open(`${server.url}/live/demo`);
    await phase(page, 'playing');
    const player = page.locator('unisono-player');
    await player.getByRole('button', { name: 'Settings' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowRight');
    await until('the dial has moved', () => page.evaluate(() => window.unisono.player.dial === 'balanced'));
    await page.keyboard.press('Escape');
    assert.equal(await player.locator('.menu').isVisible(), false);
    assert.equal(await page.evaluate(() => window.unisono.player.shadowRoot.activeElement?.className), 'dial');
    await page.close();
  });
});
