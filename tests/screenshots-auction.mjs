// Pictures of `unisono demo auction`: while people bid, at the hammer, after the proof, and on a phone. node screenshots-auction.mjs FOLDER (UNISONO_BIN, BOTS).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Browser } from './lib/chromium.mjs';
import { until, pause } from './lib/until.mjs';

const [folder = 'screenshots'] = process.argv.slice(2);
let words = '';
const demo = spawn(process.env.UNISONO_BIN, ['demo', 'auction', '--listen', '127.0.0.1:0', '--no-open', '--bots', process.env.BOTS ?? '200'], { stdio: ['ignore', 'pipe', 'pipe'] });
for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (chunk) => (words += chunk));
const url = await until('the demo says where its page is', () => /auction +(http:\S+)/.exec(words)?.[1], 120);
const browser = await Browser.launch();
try {
  const page = await browser.open(url);
  await page.setViewportSize({ width: 1720, height: 1200 });
  await page.emulateMedia({ colorScheme: 'light' });
  const phase = () => page.evaluate(() => document.querySelector('main.auction')?.dataset.phase);
  const shoot = async (name) => {
    await page.screenshot({ path: join(folder, `auction-${name}.png`), fullPage: true });
    console.log(name, await phase());
  };
  await until('bidding', async () => (await phase()) === 'bidding', 300);
  await pause(8000);
  await shoot('bidding-light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await shoot('bidding-dark');
  await until('sold', async () => ['sold', 'proof', 'over'].includes(await phase()), 400);
  await until('all panes show the hammer', () => page.evaluate(() => [...document.querySelectorAll('[data-pane]')].every((pane) => pane.dataset.hammer !== '')), 60).catch((error) => console.log(String(error)));
  await pause(700);
  await shoot('hammer-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await pause(300);
  await shoot('hammer-light');
  await until('proof', () => page.evaluate(() => document.querySelector('[data-verdict=tampered]') !== null), 120);
  await pause(500);
  await shoot('proof-light');
  await page.setViewportSize({ width: 390, height: 844 });
  await pause(1500);
  await shoot('phone-light');
} finally {
  await browser.close();
  demo.kill('SIGTERM');
  await once(demo, 'exit');
}
