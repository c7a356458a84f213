import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { joinRoom, type EndpointChange, type Room } from '../../src/index';
import { Sequence } from '../../src/room/sequence';
import { event, FakeServer } from './fake-server';

let one: FakeServer;
let two: FakeServer;
let room: Room;
let moves: EndpointChange[];

beforeEach(async () => {
  [one, two] = [await FakeServer.start(), await FakeServer.start()];
  room = joinRoom({ url: one.origin, endpoints: [one.origin, two.origin], room: 'live/alice', WebSocket });
  moves = [];
  room.onNotice('endpoint', (change) => moves.push(change));
});
afterEach(() => {
  room.leave();
  one.stop();
  two.stop();
});

/** Joined at the first node, with four events told. */
async function joined() {
  const peer = await one.peer();
  peer.hello(3);
  peer.snapshot(3);
  peer.events(event(4, 'chat', { text: 'first' }));
  await new Promise<void>((resolve) => {
    const look = () => room.state.seq === 4 && resolve();
    room.subscribe(look);
    look();
  });
  return peer;
}

test('a node that asks to be left is left: the next one is asked for what follows, and for the answer that has not come', async () => {
  const first = await joined();
  const answer = room.send('chat', { text: 'mine' });
  const sent = await first.command();
  first.say({ type: 'move', within_ms: 0, endpoints: [two.origin] });
  const second = await two.peer();
  expect(second.url.searchParams.get('from_seq')).toBe('5');
  second.hello(5);
  second.events(event(5, 'chat', { text: 'meanwhile' }));
  const again = await second.command();
  expect(again.cmd_id).toBe(sent.cmd_id);
  second.ack(again, { status: 'duplicate' });
  expect(await answer).toMatchObject({ status: 'duplicate' });
  expect(moves.map(({ to, why }) => [to, why])).toEqual([[two.origin, 'draining']]);
});

test('a node that dies is left for the next one', async () => {
  const first = await joined();
  one.stop();
  first.drop();
  const second = await two.peer();
  expect(second.url.searchParams.get('from_seq')).toBe('5');
  second.hello(4);
  expect(moves.map(({ to, why }) => [to, why])).toEqual([[two.origin, 'lost']]);
});

test('who joins anew after a move begins at the node that the room before had moved to', async () => {
  const first = await joined();
  one.stop();
  first.drop();
  (await two.peer()).hello(4);
  expect(room.endpoint).toBe(two.origin);
  const again = joinRoom({ url: one.origin, beginAt: room.endpoint, room: 'live/alice', WebSocket });
  await two.peer();
  again.leave();
});

test('a node that lets nobody in is left for the first one, and the room does not end', async () => {
  two.refuse = { status: 403, words: 'Another key' };
  const errors: unknown[] = [];
  room.onNotice('error', (error) => errors.push(error));
  const first = await joined();
  const back = one.peer();
  first.say({ type: 'move', within_ms: 0, endpoints: [two.origin] });
  expect((await back).url.searchParams.get('from_seq')).toBe('5');
  expect([errors, moves.map(({ to, why }) => [to, why])]).toEqual([[], [[two.origin, 'draining'], [one.origin, 'refused']]]);
});

test('a node that is a moment behind the one before is asked again, and the room stays as it is', async () => {
  const resets: unknown[] = [];
  room.onNotice('reset', (reset) => resets.push(reset));
  const first = await joined();
  first.say({ type: 'move', within_ms: 0, endpoints: [] });
  (await two.peer()).hello(2);
  const second = await two.peer();
  expect(second.url.searchParams.get('from_seq')).toBe('5');
  second.hello(4);
  second.events(event(5, 'chat', { text: 'next' }));
  await new Promise<void>((resolve) => room.subscribe(({ seq }) => seq === 5 && resolve()));
  expect(resets).toEqual([]);
});

test('a room that stays behind at another node began anew; at the same node it is known at once', () => {
  const sequence = new Sequence(9);
  const answers = Array.from({ length: 13 }, () => sequence.greet(2, true));
  expect([answers.slice(0, -1).every((answer) => answer === 'later'), answers.at(-1)]).toEqual([true, 'anew']);
  expect(new Sequence(9).greet(2)).toBe('anew');
  expect(new Sequence(9).greet(8)).toBe('welcome');
});
