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
  /** `without`: flags of ours to leave out; `extra`: others. */
  static async launch({ without = [], extra = [] } = {}) {
    const browser = new Browser();
    browser.profile = await mkdtemp(join(tmpdir(), 'unisono-chromium-'));
    browser.context = await chromium.launchPersistentContext(browser.profile, {
      executablePath: '/usr/bin/chromium',
      headless: true,
      args: [...FLAGS.filter((flag) => !without.includes(flag)), ...extra],
      viewport: { width: 1280, height: 800 },
    });
    return browser;
  }

  async open(url) {
    const page = await this.context.newPage();
    page.words = [];
    page.on('console', (message) => page.words.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => page.words.push(`error: ${error}`));
    await page.goto(url);
    return page;
  }

  /** Publishes the page's own test pattern (clock counter, beep) by WHIP; returns its page. */
  async publish(server, stream) {
    const page = await this.open(`${server.url}/${stream}/publish?source=pattern&height=360&start#key=${server.key}`);
    await server.live(stream);
    return page;
  }

  async close() {
    await this.context.close();
    await rm(this.profile, { recursive: true, force: true });
  }
}
