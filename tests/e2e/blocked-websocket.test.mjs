// Something on the way lets no WebSocket through: rooms go on by server-sent events, and commands by POST, on the server's own pages and on those of
// other origins. Each thing once, in order, and still on its frame.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { chat, command, OPEN_ROOMS, say, visitor } from '../lib/rooms.mjs';
import { SdkPage } from '../lib/sdk.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const STREAM = 'live/room';

describe('where WebSockets are blocked', () => {
  let server, browsers, encoder, sdk, ann, bob;

  before(async () => {
    const config = join(await mkdtemp(join(tmpdir(), 'unisono-blocked-')), 'unisono.toml');
    await writeFile(config, OPEN_ROOMS);
    server = await Server.start({ args: ['--config', config] });
    sdk = await SdkPage.start();
    browsers = [await Browser.launch(), await Browser.launch()];
    await browsers[1].context.routeWebSocket(/\/events/, (socket) => socket.close());
    encoder = ffmpegRtmp(server.rtmpUrl(STREAM));
    await server.live(STREAM);
    ann = await visitor(browsers[0], server, STREAM, 'webrtc', 'Ann');
    bob = await visitor(browsers[1], server, STREAM, 'webrtc', 'Bob');
  });

  after(async () => {
    await encoder?.stop();
    await Promise.all((browsers ?? []).map((browser) => browser.close()));
    sdk?.stop();
    await server?.stop();
  });

  it('the server sees one feed of each kind', async () => {
    // One that was tried before the other is counted until the server has noticed its end.
    const count = (transport) => server.metric('unisono_events_feeds', `transport="${transport}"`);
    await until('it counts them', async () => (await count('Sse')) === 1 && (await count('WebSocket')) >= 1);
  });

  it('chat goes both ways, in order', async () => {
    await say(ann, 'Can you read me?');
    await until('Bob reads it', async () => (await chat(bob)).some((line) => /Ann\s+Can you read me/.test(line)));
    for (const words of ['one', 'two', 'three']) await say(bob, words);
    await until('Ann reads it all', async () => {
      const lines = (await chat(ann)).map((line) => /Bob\s+(one|two|three)/.exec(line)?.[1]).filter(Boolean);
      return lines.length === 3 && lines.join() === 'one,two,three';
    });
  });

  it('a vote by POST counts, is told on its frame, and is marked after a reload', async () => {
    const opened = await command(server, STREAM, { type: 'poll', do: 'open', dur: 120e6, data: { question: 'By wire or by air?', choices: ['Wire', 'Air'] } });
    const card = bob.locator('[data-window]', { hasText: 'By wire or by air?' });
    await card.getByRole('button', { name: 'Air' }).click();
    await card.getByText('Yours is in').waitFor();
    const pressed = () => card.getByRole('button', { name: 'Air' }).evaluate((button) => button.ariaPressed === 'true');
    assert.ok(await pressed());
    await bob.reload();
    await until('it is marked again', async () => (await card.count()) === 1 && (await pressed()));
    await card.getByText('Yours is in').waitFor();
    await command(server, STREAM, { type: 'poll', do: 'cancel', subject: opened.id });
    await until('the card goes', async () => (await card.count()) === 0);
  });

  it('a page of another origin, with the SDK alone, does the same', async () => {
    const page = await sdk.open(browsers[1]);
    await page.evaluate(([url, room]) => {
      const joined = window.sdk.joinRoom({ url, room, name: 'Cem', guest: 'cem-0123456789abcdef' });
      window.here = { room: joined, told: [] };
      joined.onEvent(({ event }) => window.here.told.push(event.data.text));
    }, [server.url, STREAM]);
    await until('it is in the room', () => page.evaluate(() => window.here.room.status === 'open'));
    const ack = await page.evaluate(() => window.here.room.send('chat', { text: 'from elsewhere' }));
    assert.equal(ack.status, 'accepted', ack.words);
    await until('it is told there, and to Ann under its name', async () => {
      const told = await page.evaluate(() => window.here.told);
      return told.filter((text) => text === 'from elsewhere').length === 1 && (await chat(ann)).some((line) => /Cem\s+from elsewhere/.test(line));
    });
    const refused = await page.evaluate(() => window.here.room.open('poll', { question: '?', choices: ['a', 'b'] }, { dur: 5_000_000 }));
    assert.equal(refused.status, 'forbidden', 'at the server’s own machine, and yet no host: the page is of another origin');
    await page.close();
  });
});
