import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { joinRoom, type JoinOptions, type Room } from '../../src/room/index';
import { SseParser } from '../../src/room/sse';
import { Ways } from '../../src/room/ways';
import { event, type Json } from './fake-server';

// Pauses between tries are real here, and a busy machine adds its own.
vi.setConfig({ testTimeout: 60_000 });

/** A server behind something that lets no WebSocket through. */
class BlockedServer {
  readonly upgrades: string[] = [];
  readonly reads: URL[] = [];
  readonly posts: { url: URL; authorization: string | undefined; command: Json }[] = [];
  /** What a POST is answered; `null` cuts the connection. */
  answer: (command: Json) => { status: number; body: Json } | null = (command) => ({ status: 200, body: { cmd_id: command.cmd_id, status: 'accepted', n: 1 } });
  origin = '';
  #http: Server;
  #streams: ServerResponse[] = [];

  private constructor() {
    this.#http = createServer((request, response) => void this.#serve(request, response));
    this.#http.on('upgrade', (request, socket) => {
      this.upgrades.push(request.url ?? '');
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
  }

  static async start(): Promise<BlockedServer> {
    const server = new BlockedServer();
    await new Promise<void>((resolve) => server.#http.listen(0, '127.0.0.1', resolve));
    server.origin = `http://127.0.0.1:${(server.#http.address() as AddressInfo).port}`;
    return server;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin);
    if (url.pathname === '/api/v1/server') return void response.end('{"t":5000000}');
    if (request.method === 'POST') {
      const command = JSON.parse(await text(request)) as Json;
      this.posts.push({ url, authorization: request.headers.authorization, command });
      const answer = this.answer(command);
      if (!answer) return void request.socket.destroy();
      return void response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    }
    this.reads.push(url);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    this.#streams.push(response);
    // As the room would: it knows everything up to what is asked for.
    const seq = Number(url.searchParams.get('from_seq') ?? 2) - 1;
    this.say('hello', { type: 'hello', room: 'live:alice', seq, t: 5_000_000, person: { id: 'g1' }, role: 'member' }, response);
  }

  say(kind: string, data: Json, to = this.#streams.at(-1)!): void {
    to.write(`event: ${kind}\r\nid: 7\r\ndata: ${JSON.stringify(data)}\r\n\r\n`);
  }

  cut(): void {
    this.#streams.at(-1)!.destroy();
  }

  stop(): void {
    this.#http.closeAllConnections();
    this.#http.close();
  }
}

async function text(request: IncomingMessage): Promise<string> {
  let all = '';
  for await (const chunk of request) all += String(chunk);
  return all;
}

let server: BlockedServer;
let room: Room;
const join = (more: Partial<JoinOptions> = {}) => (room = joinRoom({ url: server.origin, room: 'live/alice', guest: 'a-secret-of-sixteen', name: 'Ann', WebSocket, ...more }));

/** Asks again until it holds; the test's own limit ends it. */
async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 5));
}

beforeEach(async () => void (server = await BlockedServer.start()));
afterEach(() => {
  room?.leave();
  server.stop();
});

test('where WebSockets are blocked, events are streamed and commands posted as the same guest', async () => {
  join();
  await until(() => room.status === 'open');
  expect(server.upgrades).toHaveLength(2);
  expect(room.me).toEqual({ person: { id: 'g1' }, role: 'member' });
  server.say('event', event(2, 'chat', { text: 'hi' }));
  server.say('counts', { type: 'counts', name: 'reaction', counts: { heart: 3 }, at: 1 });
  await until(() => room.state.counts.reaction?.heart === 3);
  expect(room.state.messages.map(({ data }) => data)).toEqual([{ text: 'hi' }]);
  const acks = await Promise.all(['a', 'b', 'c'].map((words) => room.send('chat', { text: words })));
  expect(acks.map(({ status }) => status)).toEqual(['accepted', 'accepted', 'accepted']);
  expect(server.posts.map(({ command }) => command.data.text)).toEqual(['a', 'b', 'c']);
  expect(server.posts[0]!.url.pathname).toBe('/api/v1/rooms/live:alice/commands');
  expect(Object.fromEntries(server.posts[0]!.url.searchParams)).toEqual({ guest: 'a-secret-of-sixteen', name: 'Ann' });
});

test('after a lost line it resumes behind the last event; what had no answer is posted again under its id', async () => {
  join();
  await until(() => room.status === 'open');
  server.say('event', event(2, 'chat', { text: 'hi' }));
  await until(() => room.state.seq === 2);
  server.answer = () => null;
  const sent = room.send('chat', { text: 'once' });
  await until(() => server.posts.length === 1);
  server.cut();
  await until(() => server.reads.at(-1)!.searchParams.get('from_seq') === '3');
  server.answer = (command) => ({ status: 200, body: { cmd_id: command.cmd_id, status: 'duplicate', n: 1 } });
  expect((await sent).status).toBe('duplicate');
  expect(new Set(server.posts.map(({ command }) => command.cmd_id)).size).toBe(1);
  expect(server.upgrades).toHaveLength(2);
});

test('a token is presented as Bearer, and refusals of the door are answers in words', async () => {
  join({ token: 'a.b_c', guest: false });
  await until(() => room.status === 'open');
  expect(server.reads.at(-1)!.pathname).toBe('/t/a.b_c/api/v1/rooms/live:alice/events');
  server.answer = () => ({ status: 429, body: { status: 429, detail: 'your address may POST 20 times a second' } });
  expect(await room.send('chat', { text: 'x' })).toMatchObject({ status: 'busy', words: 'your address may POST 20 times a second' });
  expect(server.posts[0]!.authorization).toBe('Bearer a.b_c');
  server.answer = (command) => ({ status: 403, body: { cmd_id: command.cmd_id, status: 'forbidden', words: 'you are muted' } });
  expect(await room.send('chat', { text: 'y' })).toMatchObject({ status: 'forbidden', words: 'you are muted' });
});

test('an event comes whole however its bytes are cut, comments are nothing, and one without end is refused', () => {
  const told: string[] = [];
  const parser = new SseParser(({ kind, data }) => told.push(`${kind} ${data}`));
  const bytes = ': here\n\nevent: hello\ndata: {"a":1}\nid: 4\n\ndata:x\ndata: y\n\nevent: empty\n\n';
  for (const character of bytes) expect(parser.push(character)).toBe(true);
  expect(told).toEqual(['hello {"a":1}', 'message x\ny']);
  expect(parser.push('x'.repeat(17 * 1024 * 1024))).toBe(false);
});

test('one refusal may be a restart; two, or a long silence, are a block; and later a WebSocket is tried again', () => {
  const ways = new Ways(true);
  expect(ways.refused('a', false, 0)).toBe(false);
  ways.held('a', 1);
  expect([ways.refused('a', false, 2), ways.of('a')]).toEqual([false, 'socket']);
  expect([ways.refused('a', false, 3), ways.of('a'), ways.of('b')]).toEqual([true, 'stream', 'socket']);
  ways.held('a', 1000);
  expect(ways.of('a')).toBe('stream');
  ways.held('a', 400_000);
  expect(ways.of('a')).toBe('socket');
  expect([ways.refused('b', true, 0), ways.of('b')]).toEqual([true, 'stream']);
  ways.silent('b');
  expect(ways.of('b')).toBe('socket');
  expect(new Ways(false).of('a')).toBe('stream');
});
