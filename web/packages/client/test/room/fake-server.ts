/** A room's wire in this process: real sockets, and the answers in the hands of the test. */

import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket as Socket } from 'ws';

export type Json = Record<string, any>;

/** One connection, as the server sees it. */
export class Peer {
  readonly received: Json[] = [];
  #waiting: { want: (message: Json) => boolean; resolve: (message: Json) => void }[] = [];
  readonly closed: Promise<void>;

  constructor(
    readonly url: URL,
    private readonly socket: Socket,
  ) {
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as Json;
      if (message.type === 'clock') return this.say({ type: 'clock', t0: message.t0, t1: 5_000_000, t2: 5_000_010 });
      this.received.push(message);
      const index = this.#waiting.findIndex(({ want }) => want(message));
      if (index >= 0) this.#waiting.splice(index, 1)[0]!.resolve(message);
    });
  }

  say(message: Json): void {
    this.socket.send(JSON.stringify(message));
  }

  hello(seq: number, more: Json = {}): void {
    this.say({ type: 'hello', room: 'live:alice', seq, t: 5_000_000, person: { id: 'g1', name: 'Ann' }, role: 'member', session: 7, ...more });
  }

  snapshot(seq: number, more: Json = {}): void {
    this.say({ type: 'snapshot', seq, windows: [], results: [], latest: [], offers: [], queues: [], cancelled: [], ...more });
  }

  events(...events: Json[]): void {
    this.say({ type: 'events', events });
  }

  /** The command with this data, whether it has come or is still to come. */
  command(data?: unknown): Promise<Json> {
    const want = (message: Json) => message.type === 'command' && (data === undefined || JSON.stringify(message.command.data) === JSON.stringify(data));
    const come = this.received.find(want);
    return (come ? Promise.resolve(come) : new Promise<Json>((resolve) => this.#waiting.push({ want, resolve }))).then(({ command }) => command as Json);
  }

  ack(command: Json, more: Json = {}): void {
    this.say({ type: 'ack', cmd_id: command.cmd_id, status: 'accepted', n: 1, ...more });
  }

  /** In words, as the server ends what may not stay. */
  end(words: string): void {
    this.socket.close(1008, words);
  }

  /** Without a word, as a lost link. */
  drop(): void {
    this.socket.terminate();
  }
}

/** A server on a free port of the loopback address. */
export class FakeServer {
  #http: Server;
  #peers: Peer[] = [];
  #waiting: ((peer: Peer) => void)[] = [];
  /** What plain HTTP is answered, and what an upgrade is refused with; 200 lets it in. */
  refuse: { status: number; words: string } | null = null;
  readonly asked: string[] = [];
  origin = '';

  private constructor() {
    this.#http = createServer((request, response) => {
      this.asked.push(request.url ?? '');
      const { status, words } = this.refuse ?? { status: 200, words: '' };
      response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify({ status, detail: words }));
    });
    const sockets = new WebSocketServer({ noServer: true });
    this.#http.on('upgrade', (request: IncomingMessage, socket, head) => {
      if (this.refuse) return void socket.end(`HTTP/1.1 ${this.refuse.status} No\r\n\r\n`);
      sockets.handleUpgrade(request, socket, head, (ws) => {
        const peer = new Peer(new URL(request.url ?? '/', 'http://fake'), ws);
        const next = this.#waiting.shift();
        if (next) next(peer);
        else this.#peers.push(peer);
      });
    });
  }

  static async start(): Promise<FakeServer> {
    const server = new FakeServer();
    await new Promise<void>((resolve) => server.#http.listen(0, '127.0.0.1', resolve));
    server.origin = `http://127.0.0.1:${(server.#http.address() as AddressInfo).port}`;
    return server;
  }

  /** The next connection, whether it has come or is still to come. */
  peer(): Promise<Peer> {
    const come = this.#peers.shift();
    return come ? Promise.resolve(come) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  stop(): void {
    this.#http.closeAllConnections();
    this.#http.close();
  }
}

let ids = 0;

/** An event as the room tells it. */
export function event(seq: number, type: string, data: unknown, more: Json = {}): Json {
  ids += 1;
  return { room: 'live:alice', epoch: 1, seq, id: `e${ids}-${seq}`, lane: 'chat', type, at: 1_000_000 + seq, late: 'show', actor: { id: 'g2', name: 'Bob' }, data, ...more };
}
