// Debian's Chromium, headless, one fresh profile per launch.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required',
  '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding',
  // Loopback addresses as they are, not hidden behind mDNS names that nobody resolves here.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  // A server's own certificate; what a person clicks away once.
  '--ignore-certificate-errors',
];

export class Browser {
  /** `executablePath`: another way to start it, such as in a network namespace. `without`: flags of ours to leave out; `extra`: others. */
  static async launch({ executablePath = '/usr/bin/chromium', without = [], extra = [] } = {}) {
    const browser = new Browser();
    browser.profile = await mkdtemp(join(tmpdir(), 'unisono-chromium-'));
    browser.context = await chromium.launchPersistentContext(browser.profile, {
      executablePath,
      headless: true,
      args: [...FLAGS.filter((flag) => !without.includes(flag)), ...extra],
      viewport: { width: 1280, height: 800 },
    });
    // Playwright's 30 s are half of `until`'s patience.
    browser.context.setDefaultTimeout(120_000);
    browser.context.setDefaultNavigationTimeout(120_000);
    return browser;
  }

  /** `inWindow`: in a window of its own. Of the pages in one window only the newest is drawn; the others are told of a picture once a second. */
  async open(url, { inWindow = false } = {}) {
    const page = inWindow ? await this.#window() : await this.context.newPage();
    page.words = [];
    page.on('console', (message) => page.words.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => page.words.push(`error: ${error}`));
    await page.goto(url);
    return page;
  }

  async #window() {
    const cdp = await this.context.newCDPSession(this.context.pages()[0]);
    const [page] = await Promise.all([this.context.waitForEvent('page'), cdp.send('Target.createTarget', { url: 'about:blank', newWindow: true })]);
    await cdp.detach();
    return page;
  }

  /** Publishes the page's own test pattern (clock counter, beep) by WHIP; returns its page. */
  async publish(server, stream) {
    const page = await this.open(`${server.publishUrl ?? server.url}/${stream}/publish?source=pattern&height=360&start#key=${server.key}`);
    await server.live(stream);
    return page;
  }

  async close() {
    await this.context.close();
    // Its last processes may still be writing there.
    await rm(this.profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}
