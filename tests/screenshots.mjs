// Pictures of the pages for a person to look at: node tests/screenshots.mjs FOLDER. Desktop and phone width, light and dark.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Browser } from './lib/chromium.mjs';
import { ffmpegRtmp } from './lib/publishers.mjs';
import { Server } from './lib/server.mjs';
import { frames, watch } from './lib/watch.mjs';

const folder = process.argv[2];
if (!folder) throw new Error('usage: node tests/screenshots.mjs FOLDER');
await mkdir(folder, { recursive: true });

const SCREENS = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const server = await Server.start();
const [browser, other] = [await Browser.launch(), await Browser.launch()];
const encoders = [];

async function shoot(page, name) {
  for (const [screen, size] of Object.entries(SCREENS)) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      const path = join(folder, `${name}-${screen}-${colorScheme}.png`);
      await page.screenshot({ path, fullPage: screen === 'phone' });
      console.log(path + (overflow > 0 ? `  (${overflow} px wider than the screen)` : ''));
    }
  }
  await page.close();
}

try {
  encoders.push(ffmpegRtmp(server.rtmpUrl('live/alice')), ffmpegRtmp(server.rtmpUrl('live/obs'), { encoder: 'obs' }));
  await server.live('live/alice');
  await server.live('live/obs');
  for (const mode of ['webrtc', 'hls']) {
    const page = await watch(browser, server, 'live/alice', mode);
    for (const data of [{ sku: 'A1', title: 'Blue jacket' }, { sku: 'B2', title: 'Red scarf' }]) await server.post('live/alice', { type: 'product.drop', at: 'now', data });
    await frames(page, 90);
    await shoot(page, `watch-${mode}`);
  }
  const banner = await watch(browser, server, 'live/obs', 'auto');
  await frames(banner, 90);
  await shoot(banner, 'watch-b-frames');
  await shoot(await browser.open(`${server.url}/live/nobody`), 'watch-nobody');
  await shoot(await browser.open(`${server.url}/live/bob/publish?source=pattern&height=360`), 'publish');
  const live = await other.publish(server, 'live/bob');
  await frames(await watch(browser, server, 'live/bob', 'webrtc'), 60);
  await shoot(live, 'publish-live');
  await shoot(await browser.open(`${server.url}/`), 'list');
} finally {
  for (const encoder of encoders) await encoder.stop();
  await browser.close();
  await other.close();
  await server.stop();
}
