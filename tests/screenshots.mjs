// Pictures of the pages as people see them: node screenshots.mjs FOLDER [NAME…] (UNISONO_BIN names the binary). Every page in every state that
// looks different, at desktop and phone width, light and dark; NAMEs choose among them.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser } from './lib/chromium.mjs';
import { phase } from './lib/pages.mjs';
import { command, joined, OPEN_ROOMS } from './lib/rooms.mjs';
import { ffmpegPart, ffmpegRtmp } from './lib/publishers.mjs';
import { Server } from './lib/server.mjs';
import { pause, until } from './lib/until.mjs';

const [folder = 'screenshots', ...names] = process.argv.slice(2);
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
mkdirSync(folder, { recursive: true });

const config = join(mkdtempSync(join(tmpdir(), 'unisono-shots-')), 'unisono.toml');
writeFileSync(config, OPEN_ROOMS);
const server = await Server.start({ command: 'demo', args: ['--config', config] });
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

/** The examples, as any web server gives them. */
const EXAMPLES = new URL('../examples/', import.meta.url);
const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css' };
const files = createServer(async (request, response) => {
  const path = request.url.split('?')[0].replace(/\/$/, '/index.html');
  const file = await readFile(new URL(`.${path}`, EXAMPLES)).catch(() => null);
  response.writeHead(file ? 200 : 404, { 'content-type': TYPES[path.split('.').pop()] ?? 'text/plain' }).end(file ?? '');
});
await new Promise((resolve) => files.listen(0, '127.0.0.1', resolve));
const examples = { url: `http://127.0.0.1:${files.address().port}` };
const example = (name) => `/${name}/?server=${server.url}&stream=live/demo`;

const SAID = [['Ada', 'What a strike!'], ['Boris', 'The keeper had no chance at all'], ['Cy', 'Replay please'], ['Ada', '<script>alert("no")</script>'], ['Dora', 'Second half is going to be wild']];

/** People talk, and the host has opened something of each kind in `kinds`. */
const busy = (kinds) => async (page) => {
  const done = [];
  for (const [name, text] of SAID) await command(server, 'live/demo', { type: 'chat', do: 'send', data: { text } }, name);
  const open = async (type, data, dur) => {
    const { id } = await command(server, 'live/demo', { type, do: 'open', data, ...(dur && { dur }) });
    done.push(() => command(server, 'live/demo', { type, do: 'cancel', subject: id }).catch(() => {}));
    return id;
  };
  if (kinds.includes('poll')) await open('poll', { question: 'Who scores next?', choices: ['Reds', 'Blues', 'Nobody'] }, 90e6);
  if (kinds.includes('auction')) {
    const lot = await open('auction', { title: 'The signed ball', start: 1000, step: 100, currency: 'EUR' }, 60e6);
    for (const [name, amount] of [['Ada', 1000], ['Boris', 1200], ['Dora', 1500]]) await command(server, 'live/demo', { type: 'auction', do: 'enter', subject: lot, data: { amount } }, name);
  }
  if (kinds.includes('drop')) await open('drop', { title: 'Scarf, limited', quantity: 20, owner_confirms: true });
  await pause(3500);
  page.once('close', () => done.forEach((undo) => undo()));
};
/** A sale and a poll that have been decided; made once for all shots. */
const sale = () => (decided ??= (async () => {
  const terms = { l_max: 1e6, uplink: 100e3 };
  const open = (type, data) => command(server, 'live/demo', { type, do: 'open', data: { ...data, terms }, dur: 8e6 });
  const [lot, poll] = [await open('sealed-bid', { title: 'The keeper’s gloves', start: 1000, step: 100, currency: 'EUR' }), await open('poll', { question: 'Who was best?', choices: ['Ada', 'Boris'] })];
  const ball = await open('auction', { title: 'The signed ball', start: 1000, step: 100, currency: 'EUR' });
  await pause(1500);
  for (const [index, name] of ['Ada', 'Boris', 'Cy', 'Dora'].entries()) {
    await command(server, 'live/demo', { type: 'sealed-bid', do: 'enter', subject: lot.id, data: { amount: 1000 + 150 * index } }, name);
    await command(server, 'live/demo', { type: 'poll', do: 'enter', subject: poll.id, data: { choice: index % 3 ? 0 : 1 } }, name);
    await command(server, 'live/demo', { type: 'auction', do: 'enter', subject: ball.id, data: { amount: 1000 + 100 * index } }, name);
  }
  await until('all are decided', async () => (await (await fetch(`${server.url}/api/v1/rooms/live:demo/windows`)).json()).windows.length >= 3, 120);
})());
let decided = null;
const inRoom = (kinds) => async (page) => {
  await phase(page, 'playing');
  await joined(page);
  await busy(kinds)(page);
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
    await page.locator('.share summary').click();
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
  'room': [server, '/live/demo', inRoom(['poll'])],
  'room-auction': [server, '/live/demo', inRoom(['auction', 'drop'])],
  'host': [server, '/live/demo/host', inRoom(['poll', 'auction'])],
  'fairness': [server, '/live/demo/fairness', async (page) => {
    await sale();
    await page.reload();
    await page.locator('[data-window] .checks').first().waitFor();
    await pause(1500);
  }],
  'host-refused': [server, '/live/demo/host', async (page) => {
    await page.evaluate(() => sessionStorage.setItem('unisono-host-key', 'ak_wrong'));
    await page.reload();
    await page.getByLabel(/Admin key, or a token/).waitFor();
  }],
  'example-auction': [examples, example('auction'), busy(['auction'])],
  'example-classroom': [examples, example('classroom'), busy(['poll'])],
  'example-watch-party': [examples, example('watch-party'), busy([])],
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
    const poll = await command(server, 'live/demo', { type: 'poll', do: 'open', data: { question: 'Who wins?', choices: ['Reds', 'Blues'] }, dur: 60e6 });
    page.once('close', () => command(server, 'live/demo', { type: 'poll', do: 'cancel', subject: poll.id }).catch(() => {}));
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
  page.on('dialog', (dialog) => dialog.accept('Ann'));
  await page.goto(on.url + address + key);
  await prepare(page);
  await pause(600);
  const isWhole = size === 'phone' || /share$|^host|^room|^fairness/.test(name);
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
  files.close();
  await Promise.all([server, empty, guarded].map((one) => one.stop()));
}
