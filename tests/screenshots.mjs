// Pictures of the pages as people see them: node screenshots.mjs FOLDER [NAME…] (UNISONO_BIN names the binary). Every page in every state that
// looks different, at desktop and phone width, light and dark; NAMEs choose among them.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Browser } from './lib/chromium.mjs';
import { phase } from './lib/pages.mjs';
import { ffmpegPart, ffmpegRtmp } from './lib/publishers.mjs';
import { Server } from './lib/server.mjs';
import { pause, until } from './lib/until.mjs';

const [folder = 'screenshots', ...names] = process.argv.slice(2);
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
mkdirSync(folder, { recursive: true });

const server = await Server.start({ command: 'demo' });
const empty = await Server.start();
const guarded = await Server.start({ args: ['--view', 'token'] });
const browser = await Browser.launch();
const encoders = [];

const playing = async (page) => {
  await phase(page, 'playing');
  for (const [lane, type, data] of [['alert', 'goal', { text: 'Goal! 2 : 1' }], ['chat', 'message', { name: 'Ada', text: 'What a strike' }]]) {
    await server.post('live/demo', { type, lane, data });
  }
  await pause(1200);
};
const press = (selector) => async (page) => {
  await playing(page);
  await page.hover('unisono-player');
  await page.locator('unisono-player').getByRole('button', { name: selector }).click();
};

/** Name: where, on which server, and what happens before the picture is taken. */
const STATES = {
  'list': [server, '/'],
  'list-empty': [empty, '/'],
  'list-refused': [guarded, '/', async (page) => {
    // As from elsewhere: with a key that is none.
    await page.evaluate(() => sessionStorage.setItem('unisono-admin-key', 'ak_wrong'));
    await page.reload();
  }],
  'watch': [server, '/live/demo', playing],
  'watch-hls': [server, '/live/demo?mode=hls', playing],
  'watch-figures': [server, '/live/demo', async (page) => {
    await playing(page);
    await page.evaluate(() => window.unisono.player.pressKey('s'));
    await pause(2500);
  }],
  'watch-settings': [server, '/live/demo', press('Settings')],
  'watch-share': [server, '/live/demo', async (page) => {
    await playing(page);
    await page.locator('summary').click();
  }],
  'watch-paused': [server, '/live/demo', async (page) => {
    await playing(page);
    await page.evaluate(() => window.unisono.player.pressKey('k'));
  }],
  'watch-reordered': [server, '/live/obs', (page) => phase(page, 'playing')],
  'watch-sound': [server, '/live/radio', async (page) => {
    await phase(page, 'playing');
    await pause(3000);
  }],
  'watch-mute': [server, '/live/mute', async (page) => {
    await phase(page, 'playing');
    await pause(2500);
    await page.hover('unisono-player');
  }],
  'watch-waiting': [server, '/live/nobody', (page) => phase(page, 'waiting')],
  'watch-refused': [guarded, '/live/x', (page) => phase(page, 'refused')],
  'watch-offline': [server, '/live/nobody', async (page) => {
    await phase(page, 'waiting');
    await page.evaluate(() => {
      Object.defineProperty(navigator, 'onLine', { get: () => false, configurable: true });
      dispatchEvent(new Event('offline'));
    });
  }],
  'embedded': [server, '/live/demo?embed', (page) => phase(page, 'playing')],
  'overlay': [server, '/live/demo/overlay?stay=0', async (page) => {
    await page.addStyleTag({ content: 'html { background: linear-gradient(120deg, #35506b, #7a8f4f) !important }' }).catch(() => {});
    await until('an event is shown', async () => {
      await server.post('live/demo', { type: 'message', lane: 'chat', data: { name: 'Ada', text: 'Hello from the chat' } });
      await pause(300);
      return (await page.locator('.message').count()) > 0;
    });
    await server.post('live/demo', { type: 'ask', lane: 'question', data: { name: 'Cy', text: 'Will there be a second half?' } });
    await server.post('live/demo', { type: 'poll', lane: 'poll', data: { question: 'Who wins?', options: [{ label: 'Reds', votes: 31 }, { label: 'Blues', votes: 12 }] } });
    await server.post('live/demo', { type: 'goal', lane: 'alert', data: { text: 'Goal! 2 : 1' } });
    await pause(800);
  }],
  'publish': [server, '/live/me/publish'],
  'publish-preview': [server, '/live/me/publish?source=pattern'],
  'publish-live': [server, '/live/me/publish?source=pattern&height=360&start', async (page) => {
    await until('health is told', async () => /The server receives/.test(await page.innerText('main')));
    await pause(1500);
  }],
  'publish-refused': [server, '/live/other/publish?source=pattern&height=360', async (page) => {
    await page.getByLabel('Publish key').fill('pk_00000000_00000000000000000000000000000000');
    await page.getByRole('button', { name: 'Go live' }).click();
    await page.locator('.banner.bad').waitFor();
  }],
};

async function shoot(name, size, colorScheme) {
  const [on, address, prepare = () => {}] = STATES[name];
  const key = name === 'publish-live' ? `#key=${server.key}` : '';
  const page = await browser.open('about:blank');
  await page.setViewportSize(SIZES[size]);
  await page.emulateMedia({ colorScheme });
  await page.goto(on.url + address + key);
  await prepare(page);
  await pause(600);
  const isWhole = size === 'phone' || name.endsWith('share');
  await page.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`), fullPage: isWhole });
  await page.close();
}

try {
  await server.live('live/demo');
  const wanted = names.length > 0 ? names : Object.keys(STATES);
  const needs = (name) => wanted.includes(name);
  if (needs('watch-reordered')) encoders.push(ffmpegRtmp(server.rtmpUrl('live/obs'), { encoder: 'obs' }));
  if (needs('watch-sound')) encoders.push(ffmpegPart(server.rtmpUrl('live/radio'), { video: false }));
  if (needs('watch-mute')) encoders.push(ffmpegPart(server.rtmpUrl('live/mute'), { audio: false }));
  for (const name of wanted) {
    for (const size of Object.keys(SIZES)) for (const scheme of ['light', 'dark']) await shoot(name, size, scheme);
    console.log(name);
  }
} finally {
  await Promise.all(encoders.map((encoder) => encoder.stop()));
  await browser.close();
  await Promise.all([server, empty, guarded].map((one) => one.stop()));
}
