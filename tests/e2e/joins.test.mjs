// A storm of joins at a room's feed from one address: refused in words beyond its limit, while those who are in go on, in order, and nothing is left
// of it afterwards. JOINS sets how many (`./dev soak joins` takes 100,000); prints how fast they came as one line of JSON.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const { WebSocket } = createRequire(new URL('../../web/package.json', import.meta.url))('ws');
const JOINS = Number(process.env.JOINS ?? 3000);
const [RATE, BURST] = [50, 200];
const LINES = 64;
/** What an allocator keeps on a busy machine, where more of the storm is in at once, is not lost; E2E_STRICT=1 wants less. */
const GROWTH_MAX = (process.env.E2E_STRICT === '1' ? 8 : 24) * 1024 * 1024;
/** Of loopback's many addresses: who storms is not who is in. */
const [MEMBERS, STORM] = ['127.0.0.2', '127.0.0.3'];

/** Somebody in the room: what they read, and what they say, one thing after the other's answer. */
class Member {
  constructor(server, name) {
    this.read = [];
    this.said = 0;
    this.socket = new WebSocket(`ws://127.0.0.1:${server.http}/api/v1/rooms/live:x/events?guest=${name}-0123456789abcdef&name=${name}`, { localAddress: MEMBERS });
    this.acks = new Map();
    this.socket.on('message', (text) => this.#take(JSON.parse(text)));
  }

  #take(message) {
    if (message.type === 'hello') this.isIn = true;
    if (message.type === 'events') this.read.push(...message.events.map(({ seq, data }) => [seq, data.text]));
    if (message.type === 'ack') this.acks.get(message.cmd_id)?.(message);
  }

  async say(text) {
    const cmd_id = uuidV7();
    const answered = new Promise((resolve) => this.acks.set(cmd_id, resolve));
    this.socket.send(JSON.stringify({ type: 'command', command: { cmd_id, type: 'chat', do: 'send', data: { text } } }));
    const ack = await answered;
    this.acks.delete(cmd_id);
    return ack;
  }
}

function uuidV7() {
  const hex = Date.now().toString(16).padStart(12, '0');
  const [, , a, b, c] = crypto.randomUUID().split('-');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${a.slice(1)}-${b}-${c}`;
}

/** `count` handshakes over a few connections, each used again for as long as it is refused. What came of them, by status. */
async function storm(server, count) {
  const statuses = {};
  let words = '';
  let left = count;
  const line = async () => {
    let socket = null;
    while (left > 0) {
      left -= 1;
      socket ??= await open(server);
      const answer = await ask(socket, server);
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      if (answer.status === 429) words = answer.text;
      if (answer.status !== 429) socket = void socket.destroy() ?? null;
    }
    socket?.destroy();
  };
  const beganAt = Date.now();
  await Promise.all(Array.from({ length: LINES }, line));
  return { statuses, words, seconds: (Date.now() - beganAt) / 1000 };
}

function open(server) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: server.http, host: '127.0.0.1', localAddress: STORM }, () => resolve(socket));
    socket.on('error', reject);
  });
}

let guests = 0;

/** One handshake. The answer's head and, where it is a refusal, its body. */
function ask(socket, server) {
  guests += 1;
  socket.write(
    `GET /api/v1/rooms/live:x/events?guest=storm-${String(guests).padStart(16, '0')} HTTP/1.1\r\nHost: 127.0.0.1:${server.http}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  );
  return new Promise((resolve) => {
    let text = '';
    const end = (status) => {
      socket.removeAllListeners('data').removeAllListeners('close');
      resolve({ status, text });
    };
    socket.on('close', () => end(0));
    socket.on('data', (chunk) => {
      text += chunk;
      const head = text.indexOf('\r\n\r\n');
      if (head < 0) return;
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
      const length = status === 101 ? 0 : Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (text.length >= head + 4 + length) end(status);
    });
  });
}

describe(`${JOINS} joins at once from one address`, () => {
  let server, ann, bob;

  before(async () => {
    const config = join(await mkdtemp(join(tmpdir(), 'unisono-joins-')), 'unisono.toml');
    await writeFile(config, `[limits]\nexempt = []\njoins_per_second = ${RATE}\njoins_burst = ${BURST}\n[rooms]\nguests = "bid"\n`);
    server = await Server.start({ args: ['--config', config] });
    [ann, bob] = [new Member(server, 'ann'), new Member(server, 'bob')];
    await until('both are in', () => ann.isIn && bob.isIn);
  });

  after(async () => {
    ann?.socket.terminate();
    bob?.socket.terminate();
    await server?.stop();
  });

  /** Ann talks for as long as `busy` lasts; slow enough for one person's own limit. */
  async function talkDuring(busy) {
    let isOver = false;
    const done = busy.finally(() => (isOver = true));
    do {
      const ack = await ann.say(`line ${(ann.said += 1)}`);
      assert.equal(ack.status, 'accepted', ack.words);
      await new Promise((resolve) => setTimeout(resolve, 250));
    } while (!isOver);
    return done;
  }

  /** Nobody of the storm is left in the room. */
  const calm = () => until('the storm is gone', async () => (await server.metric('unisono_events_feeds')) === 2, 120);

  it('is refused in words beyond the limit, and those who are in go on in order', async () => {
    const { statuses, words, seconds } = await talkDuring(storm(server, JOINS));
    console.log(JSON.stringify({ test: 'joins', joins: JOINS, per_second: Math.round(JOINS / seconds), statuses, said_meanwhile: ann.said }));
    assert.deepEqual(Object.keys(statuses).sort(), ['101', '429'], 'let in or refused, and nothing else');
    assert.ok(statuses[101] >= BURST && statuses[101] <= BURST + RATE * (seconds + 2), `${statuses[101]} were let in in ${seconds} s`);
    assert.match(words, /application\/problem\+json/);
    assert.match(words, /retry-after: \d+/i);
    assert.match(words, /your address may join rooms 50 times a second, 200 at once; try again in \d+ s/);
    await until('Bob has read it all', () => bob.read.length >= ann.said);
    assert.deepEqual(bob.read, Array.from({ length: ann.said }, (_, index) => [index + 1, `line ${index + 1}`]));
    await calm();
  });

  it('memory is given back', async () => {
    const early = await server.rss();
    await talkDuring(storm(server, JOINS));
    await calm();
    const growth = (await server.rss()) - early;
    assert.ok(growth <= GROWTH_MAX, `${Math.round(growth / 1024)} KiB more after the second storm than after the first`);
  });

  it('a newcomer from another address is let in', async () => {
    const cem = new Member(server, 'cem');
    await until('Cem is in', () => cem.isIn);
    cem.socket.terminate();
  });
});
