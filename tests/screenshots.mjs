// Pictures of the pages as people see them: node screenshots.mjs FOLDER (UNISONO_BIN names the binary). Watch, publish and list page at
// desktop and phone width, light and dark, with the demo stream playing and an event shown.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Browser } from './lib/chromium.mjs';
import { Server } from './lib/server.mjs';
import { pause, until } from './lib/until.mjs';

const folder = process.argv[2] ?? 'screenshots';
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
mkdirSync(folder, { recursive: true });

const server = await Server.start({ command: 'demo' });
const browser = await Browser.launch();
try {
  await server.live('live/demo');
  for (const [name, size] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark']) {
      const shoot = async (page, what) => {
        await page.setViewportSize(size);
        await page.emulateMedia({ colorScheme });
        await pause(500);
        await page.screenshot({ path: join(folder, `${what}-${name}-${colorScheme}.png`), fullPage: name === 'phone' });
      };
      const watch = await browser.open(`${server.url}/live/demo`);
      await until('the picture moves', () => watch.evaluate(() => window.unisono?.player?.currentT() !== null));
      await server.post('live/demo', { type: 'goal', at: 'now', data: { text: 'Goal!', minute: 54 } });
      await pause(1500);
      await shoot(watch, 'watch');
      await watch.close();
      const publish = await browser.open(`${server.url}/live/me/publish?source=pattern#key=${server.key}`);
      await pause(1500);
      await shoot(publish, 'publish');
      await publish.close();
      const list = await browser.open(`${server.url}/`);
      await pause(1000);
      await shoot(list, 'list');
      await list.close();
    }
  }
} finally {
  await browser.close();
  await server.stop();
}
