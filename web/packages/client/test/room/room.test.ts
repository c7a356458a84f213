import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { joinRoom, type JoinOptions, type Room } from '../../src/index';
import { FakePlayer } from './fake-player';
import { event, FakeServer } from './fake-server';

type Words = { chat: { text: string } };

let server: FakeServer;
let rooms: Room<Words>[];

beforeEach(async () => {
  server = await FakeServer.start();
  rooms = [];
});
afterEach(() => {
  for (const room of rooms) room.leave();
  server.stop();
});

function join(more: Partial<JoinOptions> = {}): Room<Words> {
  const room = joinRoom<Words>({ url: server.origin, room: 'live/alice', WebSocket, ...more });
  rooms.push(room);
  return room;
}

/** Resolves once `check` holds for the room. */
function until(room: Room<Words>, check: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => check() && resolve();
    room.subscribe(look);
    room.onNotice('status', look);
    look();
  });
}

test('joins with the room as it stands and some history, and tells who one is', async () => {
  const room = join({ name: 'Ann', guest: 'a-secret-of-sixteen', tail: 20 });
  const peer = await server.peer();
  expect(peer.url.pathname).toBe('/api/v1/rooms/live:alice/events');
  expect(Object.fromEntries(peer.url.searchParams)).toEqual({ tail: '20', guest: 'a-secret-of-sixteen', name: 'Ann' });
  peer.hello(3);
  peer.snapshot(3, { cancelled: ['gone'] });
  peer.events(event(2, 'chat', { text: 'before' }), event(3, 'chat', { text: 'bad' }, { id: 'gone' }), event(4, 'chat', { text: 'after' }));
  await until(room, () => room.state.seq === 4);
  expect(room.state.messages.map(({ data }) => data)).toEqual([{ text: 'before' }, { text: 'after' }]);
  expect(room.me).toEqual({ person: { id: 'g1', name: 'Ann' }, role: 'member' });
});

test('a token travels in the path, and no guest secret beside it', async () => {
  join({ token: () => Promise.resolve('a.b_c') });
  const { url } = await server.peer();
  expect(url.pathname).toBe('/t/a.b_c/api/v1/rooms/live:alice/events');
  expect(url.searchParams.has('guest')).toBe(false);
});

test('listeners of a type get it with its data, and single events of an older server too', async () => {
  const room = join();
  const texts: string[] = [];
  room.on('chat', ({ event: { data }, bound }) => texts.push(`${data.text} ${bound}`));
  const peer = await server.peer();
  peer.hello(0);
  peer.say({ type: 'event', event: event(1, 'chat', { text: 'one' }) });
  peer.events(event(2, 'goal', null), event(3, 'chat', { text: 'two' }));
  await until(room, () => room.state.seq === 3);
  expect(texts).toEqual(['one false', 'two false']);
});

test('a command is answered; a refusal is an answer and not an error', async () => {
  const room = join();
  const peer = await server.peer();
  peer.hello(0);
  const sent = room.send('chat', { text: 'hi' });
  const command = await peer.command();
  expect(command).toMatchObject({ type: 'chat', do: 'send', data: { text: 'hi' } });
  expect(command.cmd_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  peer.ack(command, { status: 'forbidden', words: 'you are muted in this room for 51 s more' });
  expect(await sent).toMatchObject({ status: 'forbidden', words: expect.stringContaining('muted') });
  expect(room.unanswered).toBe(0);
});

test('after a lost link it resumes behind the last event and sends unanswered commands again, once each, in order', async () => {
  const room = join();
  const first = await server.peer();
  first.hello(0);
  first.events(event(1, 'chat', { text: 'one' }));
  const answered = room.send('chat', { text: 'a' });
  first.ack(await first.command({ text: 'a' }), { seq: 2 });
  await answered;
  const lost = [room.send('chat', { text: 'b' }), room.send('chat', { text: 'c' })];
  const ids = [(await first.command({ text: 'b' })).cmd_id, (await first.command({ text: 'c' })).cmd_id];
  first.drop();
  const meanwhile = room.send('chat', { text: 'd' });
  const second = await server.peer();
  expect(second.url.searchParams.get('from_seq')).toBe('2');
  second.hello(2);
  second.events(event(2, 'chat', { text: 'a' }));
  const commands = [await second.command({ text: 'b' }), await second.command({ text: 'c' }), await second.command({ text: 'd' })];
  expect(commands.slice(0, 2).map(({ cmd_id }) => cmd_id)).toEqual(ids);
  expect(second.received.map(({ command }) => command.data.text)).toEqual(['b', 'c', 'd']);
  second.ack(commands[0]!, { status: 'duplicate', seq: 3 });
  second.ack(commands[1]!);
  second.ack(commands[2]!);
  expect((await Promise.all([...lost, meanwhile])).map(({ status }) => status)).toEqual(['duplicate', 'accepted', 'accepted']);
});

test('the outbox is bounded, and says so', async () => {
  const room = join();
  const peer = await server.peer();
  const sent = Array.from({ length: 65 }, (_, n) => room.send('chat', { text: String(n) }));
  expect(await sent[64]).toMatchObject({ status: 'unsent', words: expect.stringContaining('64') });
  peer.hello(0);
  peer.ack(await peer.command({ text: '0' }));
  await sent[0];
  const again = room.send('chat', { text: 'again' });
  peer.ack(await peer.command({ text: 'again' }));
  expect(await again).toMatchObject({ status: 'accepted' });
  expect(await room.send('chat', { text: 'x'.repeat(9000) })).toMatchObject({ status: 'unsent', words: expect.stringContaining('8192') });
  const rest = Promise.allSettled(sent.slice(1, 64));
  room.leave();
  expect((await rest).every(({ status }) => status === 'rejected')).toBe(true);
  await expect(room.send('chat', { text: 'late' })).rejects.toMatchObject({ name: 'UnisonoError' });
});

test('what no server could read is said here, and a word of a newer server is an answer too', async () => {
  const room = join();
  const peer = await server.peer();
  peer.hello(0);
  for (const [type, options, words] of [['Chat', {}, 'name of a type'], ['chat', { dur: -1 }, 'dur'], ['chat', { at: 1.5 }, 'at must'], ['chat', { seen: { t: NaN } }, 'seen']] as const) {
    expect(await room.send(type, { text: 'x' }, options)).toMatchObject({ status: 'unsent', words: expect.stringContaining(words) });
  }
  const sent = room.send('chat', { text: 'y' });
  peer.ack(await peer.command(), { status: 'busy', words: 'this room takes 50 events a second; try again' });
  expect(await sent).toMatchObject({ status: 'busy' });
  expect(peer.received.length).toBe(1);
});

test('nobody answers for too long: the command is given up in words', async () => {
  const room = join();
  (await server.peer()).hello(0);
  await expect(room.send('chat', { text: 'a' }, { patienceMs: 20 })).rejects.toMatchObject({ kind: 'network', message: expect.stringContaining('may have been carried out') });
});

test('something missing in the order is asked for once; what stays missing is told', async () => {
  const room = join();
  const lost: number[] = [];
  room.onNotice('lagged', (one) => lost.push(one.lost));
  const first = await server.peer();
  first.hello(0);
  first.events(event(1, 'chat', { text: '1' }), event(4, 'chat', { text: '4' }));
  const second = await server.peer();
  expect(second.url.searchParams.get('from_seq')).toBe('2');
  second.hello(4);
  second.say({ type: 'lagged', from_seq: 3, lost: 1 });
  second.events(event(3, 'chat', { text: '3' }), event(4, 'chat', { text: '4' }));
  await until(room, () => room.state.seq === 4);
  expect(room.state.messages.map(({ seq }) => seq)).toEqual([1, 3, 4]);
  expect(lost).toEqual([1]);
});

test('a room that began anew is joined anew', async () => {
  const room = join();
  let resets = 0;
  room.onNotice('reset', () => (resets += 1));
  const first = await server.peer();
  first.hello(0);
  first.events(event(1, 'chat', { text: 'old' }), event(2, 'chat', { text: 'old' }));
  await until(room, () => room.state.seq === 2);
  first.drop();
  const second = await server.peer();
  second.hello(1);
  const third = await server.peer();
  expect(third.url.searchParams.has('from_seq')).toBe(false);
  third.hello(1);
  third.snapshot(1);
  third.events(event(2, 'chat', { text: 'new' }));
  await until(room, () => room.state.messages.length === 1);
  expect([resets, room.state.messages[0]!.data]).toEqual([1, { text: 'new' }]);
});

test('servers are tried in turn', async () => {
  const other = await FakeServer.start();
  server.stop();
  const room = join({ endpoints: [server.origin, other.origin] });
  const peer = await other.peer();
  peer.hello(0);
  await until(room, () => room.status === 'open');
  other.stop();
});

test('an expired token is replaced once; a refusal that stays ends it in words', async () => {
  server.refuse = { status: 401, words: 'the token has expired' };
  let asked = 0;
  const room = join({ token: () => `t${(asked += 1)}` });
  const error = await new Promise((resolve) => room.onNotice('error', resolve));
  expect(error).toMatchObject({ kind: 'unauthorized', message: 'the token has expired' });
  expect([asked, room.status]).toEqual([2, 'failed']);
  await expect(room.send('chat', { text: 'x' })).rejects.toMatchObject({ kind: 'unauthorized' });
});

test('who joins too often is told so in words, and comes again', async () => {
  server.refuse = { status: 429, words: 'your address may join rooms 50 times a second, 2000 at once; try again in 1 s' };
  const room = join();
  const words: string[] = [];
  room.onNotice('status', (status) => words.push(status.words));
  await until(room, () => words.some((said) => said.includes('join rooms 50 times')));
  server.refuse = null;
  (await server.peer()).hello(0);
  await until(room, () => room.status === 'open');
});

test('who is banned is told so, and does not come again', async () => {
  const room = join();
  const words: string[] = [];
  room.onNotice('status', (status) => words.push(status.words));
  const peer = await server.peer();
  peer.hello(0);
  await until(room, () => room.status === 'open');
  server.refuse = { status: 403, words: 'you are banned from this room for 51 s more' };
  peer.end('you are banned from this room');
  await until(room, () => room.status === 'failed');
  expect(words).toContain('you are banned from this room');
  expect(words.at(-1)).toBe('you are banned from this room for 51 s more');
});

test('a fresh token opens the door again', async () => {
  server.refuse = { status: 401, words: 'the token has expired' };
  let asked = 0;
  join({
    token: () => {
      if ((asked += 1) === 2) server.refuse = null;
      return `t${asked}`;
    },
  });
  expect((await server.peer()).url.pathname).toMatch(/^\/t\/t2\//);
});

test('no connection and nonsense are not the end', async () => {
  const room = join();
  const peer = await server.peer();
  peer.hello(0);
  for (const nonsense of [{ type: 'events', events: 5 }, { type: 'later' }, { type: 'events', events: [null, { seq: 1 }, 7] }, { type: 'snapshot' }, { type: 'counts' }, { type: 'ack', status: 'x' }, { type: 'ack', cmd_id: 'y', status: 'new' }]) peer.say(nonsense);
  peer.say({ type: 'presence', members: 3, viewers: 5 });
  await until(room, () => room.state.presence !== null);
  expect(room.state.presence).toEqual({ members: 3, viewers: 5 });
  expect(() => joinRoom({ url: 'nowhere', room: 'live:a' })).toThrow(/address of a server/);
  expect(() => joinRoom({ url: server.origin, room: 'a b' })).toThrow(/name of a room/);
});

test('with a player: on its frame, and what one does carries what one saw', async () => {
  const player = new FakePlayer();
  const room = join({ player });
  const told: unknown[] = [];
  room.on('chat', ({ event: { seq }, bound, t }) => told.push([seq, bound, t]));
  room.onNotice('counts', ({ counts }) => told.push(counts));
  room.onNotice('cancelled', ({ id }) => told.push(id));
  const peer = await server.peer();
  peer.hello(0);
  player.show(1_000);
  peer.events(event(1, 'chat', { text: 'a' }, { at: 2_000, id: 'a' }), event(2, 'chat.cancelled', null, { at: 4_000, cancels: 'a' }));
  peer.say({ type: 'counts', name: 'reaction', counts: { heart: 2 }, at: 2_500 });
  const unseen = room.send('chat', { text: 'x' });
  expect((await peer.command()).seen).toEqual({ t: 1_000 });
  peer.ack(await peer.command());
  await unseen;
  expect(told).toEqual([]);
  peer.events(event(3, 'chat', { text: 'b' }, { at: 2_000, id: 'b' }));
  const asked = room.send('chat', { text: 'y' });
  peer.ack(await peer.command({ text: 'y' }));
  await asked;
  player.show(2_500);
  expect(told).toEqual([[3, true, 2_500], { heart: 2 }]);
  void room.send('chat', { text: 'z' }).catch(() => undefined);
  expect((await peer.command({ text: 'z' })).seen).toEqual({ t: 2_500, seq: 3 });
  peer.events(event(4, 'chat.cancelled', null, { at: 3_000, cancels: 'b' }));
  peer.ack(await peer.command({ text: 'z' }));
  await new Promise<void>((resolve) => {
    const off = setInterval(() => {
      player.show(6_000);
      if (told.includes('b')) resolve(clearInterval(off));
    }, 5);
  });
  expect(told).toContain('b');
  expect(room.state).toMatchObject({ messages: [], counts: { reaction: { heart: 2 } } });
});

test('a window: entered, remembered as mine, and over by the picture', async () => {
  const player = new FakePlayer();
  const room = join({ player });
  const peer = await server.peer();
  player.show(1_000);
  const rule = { is: 'opened', window: 'w', opens: 1_000, closes: 5_000, reveal: 6_000, decide: { by: 'tally', choices: 2 }, is_sealed: true, entries_per_person: 1, changes: true };
  peer.hello(1);
  peer.snapshot(1, { windows: [{ event: event(1, 'poll.opened', { question: '?' }, { id: 'w', at: 1_000, rule }), closes: 5_000, reveal: 6_000, extensions: 0, standing: { entries: 0 } }] });
  await until(room, () => room.state.windows.has('w'));
  expect(room.countdown('w')).toMatchObject({ leftUs: 4_000, isOpen: true });
  const entered = room.enter('poll', 'w', { choice: 1 });
  const command = await peer.command();
  expect(command).toMatchObject({ do: 'enter', subject: 'w', seen: { t: 1_000 } });
  peer.ack(command, { n: 9 });
  expect(await entered).toMatchObject({ status: 'accepted', n: 9 });
  expect(room.state.windows.get('w')!.mine).toEqual({ choice: 1 });
  player.show(5_000);
  expect([room.state.windows.get('w')!.phase, room.countdown('w')!.isOpen]).toEqual(['closed', false]);
});

test('after a reload one’s own vote is marked once its window is on screen, and a held unit is known', async () => {
  const player = new FakePlayer();
  const room = join({ player });
  const peer = await server.peer();
  player.show(1_000);
  peer.hello(2);
  const terms = { is: 'opened', window: 'w1', opens: 2_000, closes: 90_000, reveal: 95_000, l_max: 1, l_min: 0, uplink: 0, decide: { by: 'tally', choices: 2 }, is_sealed: true, entries_per_person: 1, changes: true, seed_digest: '' };
  const opened = event(1, 'poll.opened', { question: '?' }, { id: 'w1', at: 2_000, rule: terms });
  const offer = event(2, 'drop.offered', {}, { id: 'o1', at: 500, rule: { is: 'offered', offer: 'o1', quantity: 3, per_person: 1, hold: 1_000 } });
  peer.snapshot(2, { windows: [{ event: opened, closes: 90_000, reveal: 95_000, extensions: 0, standing: { entries: 1 } }], offers: [{ event: offer, left: 2 }] });
  peer.say({ type: 'mine', windows: [{ window: 'w1', data: { choice: 1 } }, { window: 'gone', data: 1 }], units: [{ offer: 'o1', event: 'e9', reserved_n: 9, until: 7_000 }], bought: [] });
  await until(room, () => room.state.offers.get('o1')?.mine !== null && room.state.offers.size === 1);
  expect(room.state.offers.get('o1')?.mine).toEqual({ offer: 'o1', id: 'e9', n: 9, until: 7_000, isConfirmed: false });
  expect(room.state.windows.size).toBe(0);
  player.show(2_500);
  expect(room.state.windows.get('w1')?.mine).toEqual({ choice: 1 });
});
