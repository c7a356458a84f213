// The release gate (fairness 3): a span whose picture gives a result away. Nobody gets a frame, a part or an event of it before its time, whichever
// way they ask: WHEP, LL-HLS by playlist, by blocked request and by guessed name, WebSocket, server-sent events, history, snapshot. Then all is there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Peek } from '../lib/peek.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { pause, until } from '../lib/until.mjs';

const { WebSocket } = createRequire(new URL('../../web/package.json', import.meta.url))('ws');

const STREAM = 'live/gated';
const ROOM = 'live:gated';
const DELAY_US = 4_000_000;
/** The test's clock and the node's are one machine's; the node follows steps of it slowly. */
const CLOCK_US = 50_000;
const FRAME_US = 1e6 / 30;

describe('a span behind a release gate', () => {
  let server, encoder, gate, watching, peeks, feeds, inside, behind, early;

  before(async () => {
    server = await Server.start();
    encoder = ffmpegRtmp(server.rtmpUrl(STREAM), { counter: 'clock', size: '320x180' });
    await server.live(STREAM);
    peeks = [new Peek(server, STREAM, 'video'), new Peek(server, STREAM, 'audio')];
    await Promise.all(peeks.map((peek) => peek.start()));
    feeds = [listen(server), await listenSse(server)];
    await until('parts come', () => peeks.every((peek) => peek.files.size > 3));
    // Its seconds are counted from its first picture: the span lies among them however long the above took.
    watching = whep(`${server.url}/${STREAM}/whep`, 30);
    // One that ends before says why.
    await Promise.race([watching, until('it is connected', async () => (await server.metric('unisono_webrtc_connect_seconds_count')) >= 1, 120)]);
    const { t } = await (await fetch(`${server.url}/api/v1/server`)).json();
    gate = await put(server, { from: t + 8_000_000, until: t + 11_000_000, delay: DELAY_US });
    inside = await server.post(STREAM, { type: 'answer', at: t + 9_500_000, data: { secret: 'gated-inside' } });
    behind = await server.post(STREAM, { type: 'answer', at: t + 11_500_000, data: { secret: 'gated-behind' } });
    early = ask(server, inside.at + DELAY_US);
    await until('the span is out', () => Date.now() * 1000 > gate.until + DELAY_US + 4_000_000);
    await Promise.all(peeks.map((peek) => peek.stop()));
  });

  after(async () => {
    feeds?.forEach((feed) => feed.stop());
    await Promise.all((peeks ?? []).map((peek) => peek.stop()));
    await watching?.catch(() => {});
    await encoder?.stop();
    await server?.stop();
  });

  const isInside = (t) => t >= gate.from && t < gate.until;

  it('WHEP: none of its frames comes before its time, and all come', async (test) => {
    const { counters, arrived } = await watching;
    const frames = counters.map((shown, index) => ({ shown: shown === null ? null : clockOf(shown, arrived[index]), at: arrived[index] * 1000 }));
    const held = frames.filter(({ shown }) => shown !== null && isInside(shown));
    // What the picture shows is when it was drawn, and its T is later than that, but where a busy machine makes the encoder fall behind its own clock.
    const slack = process.env.E2E_STRICT === '1' ? CLOCK_US : 1_000_000;
    const ahead = held.filter(({ shown, at }) => at + slack < shown + DELAY_US);
    assert.deepEqual(ahead.map(({ shown, at }) => at - shown), []);
    assert.ok(held.length > 20, `${held.length} of about 90 frames of the span came`);
    const least = Math.min(...held.map(({ shown, at }) => at - shown));
    test.diagnostic(`${frames.length} frames, ${held.length} of the span, the first ${Math.round(least / 1000)} ms after it was drawn`);
    assert.ok(frames.some(({ shown, at }) => shown !== null && shown < gate.from && at - shown < DELAY_US), 'before the span nothing is held');
  });

  for (const [index, kind] of ['video', 'audio'].entries()) {
    it(`LL-HLS ${kind}: no part, segment or playlist has it before its time, and afterwards all is listed`, async (test) => {
      const { files, listed } = peeks[index];
      let [count, covered, least] = [0, 0, Infinity];
      for (const [uri, { seconds, at: listedAt }] of listed) {
        const file = files.get(uri);
        if (!file) continue;
        // The last moment of the span that the part shows: when that may be given, all of it may.
        const [first] = file.times;
        const last = Math.min(first + seconds * 1e6 - FRAME_US, gate.until - 1);
        if (last < gate.from || first >= gate.until) continue;
        count += 1;
        covered += Math.min(last + FRAME_US, gate.until) - Math.max(first, gate.from);
        least = Math.min(least, file.at * 1000 - last);
        assert.ok(file.at * 1000 + CLOCK_US >= last + DELAY_US, `${uri} came ${(last + DELAY_US) / 1000 - file.at} ms early`);
        assert.ok(listedAt * 1000 + CLOCK_US >= last + DELAY_US, `${uri} was listed ${(last + DELAY_US) / 1000 - listedAt} ms early`);
      }
      for (const [uri, { at, times }] of files) {
        for (const t of times.filter(isInside)) assert.ok(at * 1000 + CLOCK_US >= t + DELAY_US, `${uri} has ${t}, and came ${(t + DELAY_US) / 1000 - at} ms early`);
      }
      assert.ok(covered >= 0.8 * (gate.until - gate.from), `${Math.round(covered / 1000)} ms of the span are listed in the end`);
      assert.ok([...files.keys()].some((uri) => /\/\d+\.m4s$/.test(uri)), 'whole segments were among what was asked for');
      test.diagnostic(`${files.size} files, ${count} parts of the span, the first ${Math.round(least / 1000)} ms after its last frame's T`);
    });
  }

  it('LL-HLS: no byte speaks of its event before its time', () => {
    const speaking = [...peeks[0].files].filter(([, { text }]) => text.includes('gated-inside'));
    assert.ok(speaking.length > 0, 'it comes as emsg');
    for (const [uri, { at }] of speaking) assert.ok(at * 1000 + CLOCK_US >= inside.at + DELAY_US, `${uri} came at ${at}`);
  });

  it('feeds: neither WebSocket nor server-sent events tell it before its time, and nothing overtakes it', async () => {
    for (const feed of feeds) {
      await until('both are told', () => feed.told.length >= 2);
      assert.deepEqual(feed.told.map(({ id }) => id), [inside.id, behind.id]);
      assert.ok(feed.told[0].came * 1000 + CLOCK_US >= inside.at + DELAY_US);
    }
  });

  it('history: neither a feed from the first event nor a snapshot has it before its time', async (test) => {
    const answers = await early;
    assert.ok(answers.length >= 6, `asked ${answers.length} times`);
    for (const { what, text, came } of answers) {
      if (came * 1000 < inside.at + DELAY_US) assert.ok(!text.includes('gated-'), `${what} at ${came}: ${text}`);
    }
    const isWhole = (text) => text.includes('gated-inside') && text.includes('gated-behind');
    const now = await history(server, 'from_seq=1', 10_000, isWhole);
    assert.ok(isWhole(now), now);
    test.diagnostic(`asked ${answers.length} times while it was held`);
  });
});

/** A WHEP player for `seconds`; what it saw. */
function whep(url, seconds) {
  const venv = process.env.UNISONO_VENV ?? join(homedir(), '.cache/unisono/venv');
  const child = spawn(join(venv, 'bin/python'), [fileURLToPath(new URL('../python/whep_aiortc.py', import.meta.url)), url, `${seconds}s`]);
  let [out, words] = ['', ''];
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (words += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    // Not `exit`: what it said may still be on its way then.
    child.on('close', () => {
      try {
        resolve(JSON.parse(out.trim().split('\n').at(-1)));
      } catch {
        reject(new Error(`aiortc said ${out} ${words}`));
      }
    });
  });
}

/** Unix microseconds of the burnt-in clock: its lower 24 bits of milliseconds, shortly before `arrived`. */
function clockOf(shown, arrived) {
  return (arrived - ((((arrived - shown) % 2 ** 24) + 2 ** 24) % 2 ** 24)) * 1000;
}

async function put(server, gate) {
  const answer = await fetch(`${server.url}/api/v1/rooms/${ROOM}/gate`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(gate) });
  if (!answer.ok) throw new Error(`PUT gate: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

function listen(server) {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/rooms/${ROOM}/events`);
  const told = [];
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data);
    for (const event of message.events ?? []) told.push({ ...event, came: Date.now() });
  });
  return { told, stop: () => socket.close() };
}

async function listenSse(server) {
  const stop = new AbortController();
  const answer = await fetch(`${server.url}/api/v1/rooms/${ROOM}/events`, { headers: { accept: 'text/event-stream' }, signal: stop.signal });
  const told = [];
  const read = async () => {
    let text = '';
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const messages = text.split('\n\n');
      text = messages.pop();
      for (const message of messages.filter((message) => message.includes('event: event'))) told.push({ ...JSON.parse(/data: ?(.*)/.exec(message)[1]), came: Date.now() });
    }
  };
  read().catch(() => {});
  return { told, stop: () => stop.abort() };
}

/** What a newcomer's feed says within `ms`, by server-sent events; no more once that is enough. */
async function history(server, query, ms = 400, isEnough = () => false) {
  const stop = new AbortController();
  const answer = await fetch(`${server.url}/api/v1/rooms/${ROOM}/events?${query}`, { headers: { accept: 'text/event-stream' }, signal: stop.signal });
  setTimeout(() => stop.abort(), ms);
  let text = '';
  try {
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (isEnough(text)) break;
    }
  } catch {
    // Cut off by us.
  }
  return text;
}

/** Asks in every way for what was said, until `end` (Unix microseconds) is near. */
async function ask(server, end) {
  const answers = [];
  const keep = async (what, text) => answers.push({ what, text: await text, came: Date.now() });
  while (Date.now() * 1000 < end - 1_000_000) {
    await keep('a feed from the first', history(server, 'from_seq=1'));
    await keep('a feed with a tail', history(server, 'tail=100'));
    await keep('the snapshot', fetch(`${server.url}/api/v1/rooms/${ROOM}/snapshot`).then((answer) => answer.text()));
    await pause(100);
  }
  return answers;
}
