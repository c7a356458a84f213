// A room at two nodes: chat, a poll and an auction by people at both, one order, and an origin that is killed and comes back.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { createRequire } from 'node:module';
import { freePort } from '../lib/port.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { OPEN_ROOMS, command } from '../lib/rooms.mjs';
import { Server } from '../lib/server.mjs';
import { withSecret } from '../lib/two-nodes.mjs';
import { pause, until } from '../lib/until.mjs';

const STREAM = 'live/both';
const ROOM = '/api/v1/rooms/live:both';
const run = promisify(execFile);
const { WebSocket } = createRequire(new URL('../../web/package.json', import.meta.url))('ws');

/** A feed as any client has it: it opens itself again where it was, as the SDK does, and remembers every event once told. */
class Feed {
  constructor(server, { who = null, from = 1 } = {}) {
    Object.assign(this, { server, who, next: from, events: [], doubled: 0, gaps: 0, opened: 0, acks: new Map(), notices: [] });
    this.open();
  }

  open() {
    const query = new URLSearchParams({ from_seq: this.next });
    if (this.who) for (const [key, value] of [['guest', `${this.who}-0123456789abcdef`], ['name', this.who]]) query.set(key, value);
    this.socket = new WebSocket(`${this.server.url.replace('http', 'ws')}${ROOM}/events?${query}`);
    this.socket.onopen = () => (this.opened += 1);
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onerror = () => {};
    this.socket.onclose = () => this.isClosed || setTimeout(() => this.open(), 100);
  }

  hear(message) {
    if (message.type === 'ack') this.acks.get(message.cmd_id)?.(message);
    if (message.type === 'presence' || message.type === 'mine') this.notices.push(message);
    if (message.type !== 'events') return;
    for (const event of message.events) {
      if (event.seq < this.next) this.doubled += 1;
      if (event.seq > this.next) this.gaps += 1;
      this.next = event.seq + 1;
      this.events.push(event);
    }
  }

  /** Says it under one `cmd_id` until it is answered by something else than "try again". */
  async say(body, cmd_id = uuidV7()) {
    for (;;) {
      const ack = await new Promise((resolve) => {
        this.acks.set(cmd_id, resolve);
        if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: 'command', command: { cmd_id, ...body } }));
        setTimeout(() => resolve(null), 8_000);
      });
      if (ack && ack.status !== 'busy') return ack;
      await pause(200);
    }
  }

  has(seq) {
    return until(`event ${seq}`, () => this.next > seq, 120);
  }

  close() {
    this.isClosed = true;
    this.socket.close();
  }
}

function uuidV7() {
  const hex = Date.now().toString(16).padStart(12, '0');
  const [, , a, b, c] = crypto.randomUUID().split('-');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${a.slice(1)}-${b}-${c}`;
}

describe('a room at two nodes', () => {
  let folder, origin, edge, encoder, port, config;
  const feeds = [];
  const feed = (...args) => feeds[feeds.push(new Feed(...args)) - 1];

  const node = (args, { dataDir, listen = {} } = {}) => withSecret(() => Server.one({ args: ['--config', config, ...args], dataDir, listen }));

  const startOrigin = (dataDir) => node([], { dataDir, listen: { relay: `127.0.0.1:${port}` } });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unisono-both-'));
    config = join(folder, 'unisono.toml');
    await writeFile(config, OPEN_ROOMS);
    port = await freePort();
    origin = await startOrigin(join(folder, 'origin'));
    edge = await node(['--upstream', `relay://127.0.0.1:${port}`]);
    encoder = ffmpegRtmp(origin.rtmpUrl(STREAM));
    await origin.live(STREAM);
  });

  after(async () => {
    feeds.forEach((one) => one.close());
    await encoder?.stop();
    await edge?.stop();
    await origin?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const same = (a, b, what) => assert.deepEqual(a.events.slice(-b.events.length), b.events.slice(-a.events.length), what);

  it('chat of both nodes has one order, and the edge has one feed from the origin however many it gives', async () => {
    const there = feed(origin, { who: 'Ann' });
    const here = [feed(edge, { who: 'Bob' }), feed(edge, { who: 'Cid' }), feed(edge, { who: 'Dan' })];
    await until('all are in', () => [there, ...here].every((one) => one.opened > 0));
    const acks = await Promise.all([there, ...here].flatMap((one) => [1, 2, 3].map((n) => one.say({ type: 'chat', do: 'send', data: { text: `${one.who} ${n}` } }))));
    assert.deepEqual([...new Set(acks.map((ack) => ack.status))], ['accepted']);
    assert.deepEqual(acks.map((ack) => ack.seq).sort((a, b) => a - b), Array.from({ length: 12 }, (_, i) => i + 1));
    for (const one of [there, ...here]) await one.has(12);
    for (const one of here) assert.deepEqual(one.events, there.events);
    assert.equal(await edge.metric('unisono_relay_rooms_mirrored'), 1);
    assert.equal(await origin.metric('unisono_relay_rooms_given'), 1);
    await until('people of both nodes are counted', () => [there, ...here].every((one) => one.notices.some((told) => told.type === 'presence' && told.members === 4)));
  });

  it('a poll: votes of both nodes count, and the host may be at either', async () => {
    const { id, seq } = await command(edge, STREAM, { type: 'poll', do: 'open', dur: 60_000_000, data: { question: 'Which?', choices: ['a', 'b'] } });
    for (const one of feeds) await one.has(seq);
    for (const [one, choice] of feeds.map((one, index) => [one, index === 0 ? 0 : 1])) {
      const ack = await one.say({ type: 'poll', do: 'enter', subject: id, data: { choice } });
      assert.equal(ack.status, 'accepted', JSON.stringify(ack));
    }
    await command(origin, STREAM, { type: 'poll', do: 'close', subject: id });
    const decided = await until('it is decided at the edge', () => feeds[1].events.find((event) => event.type === 'poll.decided'), 60);
    await feeds[0].has(decided.seq);
    assert.deepEqual(decided.rule, feeds[0].events.find((event) => event.seq === decided.seq).rule);
    assert.match(JSON.stringify(decided.rule), /\[1,3\]/);
    const windows = async (server) => (await (await fetch(`${server.url}${ROOM}/windows`)).json()).windows;
    assert.deepEqual(await windows(edge), await windows(origin));
  });

  it('somebody who changes the node goes on by seq', async () => {
    const moved = feed(edge, { from: 5 });
    const last = feeds[0].next - 1;
    await moved.has(last);
    assert.equal(moved.events[0].seq, 5);
    same(moved, feeds[0]);
    const sse = await fetch(`${edge.url}${ROOM}/events?from_seq=${last}`, { headers: { accept: 'text/event-stream' } });
    let text = '';
    for await (const chunk of sse.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes(`id: ${last}`)) break;
    }
  });

  it('who runs the room does so at the edge as well', async () => {
    // Its colon escaped, as clients may: the node that has the room is asked all the same.
    const send = (path, method, body) => fetch(`${edge.url}${ROOM.replace(':', '%3A')}/${path}`, { method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
    const person = feeds[3].events.find((event) => event.actor?.name === 'Dan').actor.id;
    const muted = await send('moderation', 'POST', { action: 'mute', person, dur: 60_000_000 });
    assert.equal(muted.status, 200, await muted.clone().text());
    const refused = await feeds[3].say({ type: 'chat', do: 'send', data: { text: 'hm' } });
    assert.equal(refused.status, 'forbidden');
    assert.match(refused.words, /muted/);
    const stands = async (server) => (await (await fetch(`${server.url}${ROOM}/moderation`)).json()).muted;
    assert.deepEqual(await stands(edge), await stands(origin));
    assert.equal((await send('moderation', 'POST', { action: 'unmute', person })).status, 200);
    assert.equal((await send('lockstep', 'PUT', { on: false })).status, 204);
    const log = async (server) => (await (await fetch(`${server.url}${ROOM}/log`)).text()).trim().split('\n').filter((line) => line.includes('"entry"'));
    assert.deepEqual(await log(edge), await log(origin));
    // Whoever is no host at the edge is none by its word.
    const guest = await fetch(`${edge.url}${ROOM}/log`, { headers: { 'x-forwarded-for': '192.0.2.1' } });
    assert.ok([401, 403].includes(guest.status), `${guest.status}`);
  });

  it('an auction goes on over the death of the origin: no bid is lost, none is doubled', async () => {
    const { id, seq } = await command(origin, STREAM, { type: 'auction', do: 'open', dur: 600_000_000, data: { title: 'A clock', start: 100, step: 1 } });
    for (const one of feeds) await one.has(seq);
    let price = 100;
    const taken = new Map();
    const bid = async (one) => {
      for (;;) {
        const amount = price++;
        const cmd_id = uuidV7();
        const ack = await one.say({ type: 'auction', do: 'enter', subject: id, data: { amount } }, cmd_id);
        if (ack.status === 'outbid') continue;
        assert.ok(['accepted', 'duplicate'].includes(ack.status), JSON.stringify(ack));
        return taken.set(ack.seq, amount);
      }
    };
    for (let i = 0; i < 12; i += 1) await bid(feeds[i % 4]);
    const opened = feeds.slice(1, 4).map((one) => one.opened);
    const under = [1, 2, 3, 0].map((who) => bid(feeds[who]));
    origin.child.kill('SIGKILL');
    await once(origin.child, 'exit');
    await encoder.stop();
    const { key } = origin;
    origin = Object.assign(await startOrigin(join(folder, 'origin')), { key });
    // Its people find it again where it is now, as they would at a name that stays.
    feeds[0].server = origin;
    await Promise.all(under);
    for (let i = 0; i < 8; i += 1) await bid(feeds[i % 4]);
    encoder = ffmpegRtmp(origin.rtmpUrl(STREAM));
    await origin.live(STREAM);
    await bid(feeds[1]);
    const closed = await command(edge, STREAM, { type: 'auction', do: 'close', subject: id });
    await until('the hammer falls', () => feeds.every((one) => one.events.some((event) => event.type === 'auction.decided')), 60);
    assert.ok(closed);

    const log = await (await fetch(`${edge.url}${ROOM}/log`)).text();
    const file = join(folder, 'room.log');
    await writeFile(file, log);
    const { stdout } = await run(process.env.UNISONO_BIN, ['verify', file]);
    // By its first word: the hex digits of a key may spell anything.
    assert.match(stdout, /^GREEN /, stdout);
    for (const one of feeds) {
      assert.deepEqual([one.gaps, one.doubled], [0, 0], `the feed of ${one.who}`);
      const bids = one.events.filter((event) => event.type === 'auction.bid' || (event.subject === id && event.data?.amount !== undefined));
      for (const [seq, amount] of taken) {
        const found = bids.filter((event) => event.data?.amount === amount || JSON.stringify(event.rule ?? {}).includes(`"amount":${amount}`));
        assert.deepEqual(found.map((event) => event.seq), [seq], `bid ${amount}`);
      }
    }
    same(feeds[1], feeds[0]);
    assert.deepEqual(feeds.slice(1, 4).map((one) => one.opened), opened, 'nobody at the edge had to connect again');
  });
});
