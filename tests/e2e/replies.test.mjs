// Order over mixed protocols: who watches by WebRTC asks, who watches by LL-HLS answers and reacts, and the other way round, with a bot among
// them that has no picture and answers at once. Nobody ever sees an answer or a reaction before what it is about. Order only, no times.
import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { OPEN_ROOMS } from '../lib/rooms.mjs';
import { SdkPage } from '../lib/sdk.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const { WebSocket } = createRequire(new URL('../../web/package.json', import.meta.url))('ws');
const ROUNDS = Number(process.env.ROUNDS ?? 8);
const MODES = ['webrtc', 'hls'];

/** Runs in the page: watches by `mode`, and answers and reacts as soon as a question of somebody else is on its screen. */
async function watchAndAnswer([server, mode]) {
  const { sdk } = window;
  const urls = sdk.streamUrls({ app: 'live', name: 'x' }, server);
  const common = { video: document.querySelector('video'), clockUrl: urls.server };
  const player = mode === 'hls' ? await sdk.watchHls({ ...common, url: urls.hls }) : sdk.watchWebRtc({ ...common, url: urls.whep });
  const room = sdk.joinRoom({ url: server, room: 'live/x', player, guest: `${mode}-${crypto.randomUUID()}`, name: mode });
  const told = [];
  const failures = [];
  const answer = (event) => {
    const sent = [
      room.send('chat', { text: `answer of ${mode}` }, { subject: event.id }),
      room.send('reaction', { emoji: `${mode}-${event.data.text}`.slice(0, 32) }),
    ];
    for (const one of sent) void one.then((ack) => ack.status === 'accepted' || failures.push(ack));
  };
  room.onEvent(({ event, t, bound, shown, via }) => {
    told.push({ id: event.id, subject: event.subject ?? null, at: event.at, by: event.actor?.name, text: event.data.text, t, bound, shown, via });
    if (/^q\d+$/.test(event.data.text) && event.actor?.name !== mode) answer(event);
  });
  room.onNotice('counts', ({ counts }) => told.push({ counts: Object.keys(counts) }));
  window.here = { player, room, told, failures };
}

/** In Node, without a picture: answers what comes, when it comes. */
function bot(sdk, server) {
  const room = sdk.joinRoom({ url: server.url, room: 'live/x', name: 'bot', guest: 'bot-0123456789abcdef', WebSocket });
  room.onEvent(({ event }) => {
    if (/^q\d+$/.test(event.data.text)) void room.send('chat', { text: 'answer of bot' }, { subject: event.id });
  });
  return room;
}

describe('answers and reactions over mixed protocols', () => {
  let server, sdk, browser, encoder, machine;
  const pages = {};

  before(async () => {
    const config = join(await mkdtemp(join(tmpdir(), 'unisono-replies-')), 'unisono.toml');
    await writeFile(config, OPEN_ROOMS);
    server = await Server.start({ args: ['--config', config] });
    sdk = await SdkPage.start();
    browser = await Browser.launch();
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
    for (const mode of MODES) {
      pages[mode] = await sdk.open(browser);
      await pages[mode].evaluate(watchAndAnswer, [server.url, mode]);
      await until(`${mode} plays and is in the room`, () => pages[mode].evaluate(() => window.here.player.currentT() !== null && window.here.room.status === 'open'));
    }
    machine = bot(await import(new URL('../../web/packages/client/dist/room.js', import.meta.url)), server);
    await until('the bot is in the room', () => machine.status === 'open');
  });

  after(async () => {
    machine?.leave();
    await encoder?.stop();
    await browser?.close();
    sdk?.stop();
    await server?.stop();
  });

  it(`${ROUNDS} questions from both sides: never an answer or a reaction before its question`, async (test) => {
    // A question travels by data channel and emsg too, a message of the chat on the feed alone; their answers on the feed.
    for (let round = 0; round < ROUNDS; round += 1) {
      const [asks, answers] = round % 2 ? ['hls', 'webrtc'] : ['webrtc', 'hls'];
      const type = round % 4 < 2 ? 'question' : 'chat';
      const ack = await pages[asks].evaluate(([type, text]) => window.here.room.send(type, { text }), [type, `q${round}`]);
      assert.equal(ack.status, 'accepted', ack.words);
      for (const mode of MODES) {
        await until(`${mode} has seen both answers and the reaction to q${round}`, () =>
          pages[mode].evaluate(([id, key]) => {
            const { told } = window.here;
            return told.filter(({ subject }) => subject === id).length >= 2 && told.some(({ counts }) => counts?.includes(key));
          }, [ack.id, `${answers}-q${round}`]), 90);
      }
    }
    const wires = new Set();
    for (const mode of MODES) {
      const { told, failures } = await pages[mode].evaluate(() => ({ told: window.here.told, failures: window.here.failures }));
      assert.deepEqual(failures, []);
      for (let round = 0; round < ROUNDS; round += 1) {
        const asked = told.findIndex(({ text }) => text === `q${round}`);
        const question = told[asked];
        assert.ok(question.shown, `${mode} shows q${round}`);
        const about = told.flatMap((one, index) => (one.subject === question.id ? [[one, index]] : []));
        assert.deepEqual(about.map(([{ by }]) => by).sort(), ['bot', round % 2 ? 'webrtc' : 'hls'], `${mode}: both answers to q${round}, once each`);
        for (const [answer, index] of about) {
          assert.ok(index > asked, `${mode}: the answer of ${answer.by} comes after q${round}`);
          assert.ok(answer.at >= question.at && answer.t >= question.t, `${mode}: and not on an earlier frame: ${JSON.stringify([question, answer])}`);
        }
        const reacted = told.findIndex(({ counts }) => counts?.some((key) => key.endsWith(`-q${round}`)));
        assert.ok(reacted > asked, `${mode}: the reaction to q${round} comes after it`);
        wires.add(`${mode} by ${question.via}`);
      }
    }
    test.diagnostic(`questions came to ${[...wires].sort().join(', ')}`);
  });
});
