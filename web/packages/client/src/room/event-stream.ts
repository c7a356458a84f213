/**
 * A room's line where WebSockets are blocked: server-sent events one way, commands by POST the other. It speaks as a WebSocket does, so that
 * nothing above knows the difference. What it cannot carry is dropped: reports of latency (this viewer follows the room's common latency, and has no say in it).
 */

import { Backoff, delay } from '../net/backoff';
import { within } from '../net/signals';
import { parseAck, type Ack, type Command } from './command';
import type { SocketLike } from './connection';
import { SseParser } from './sse';

export interface EventStreamOptions {
  /** The feed, `http(s)://`. */
  readonly events: string;
  /** Where commands are posted. */
  readonly commands: string;
  /** Asked for the server's time. */
  readonly server: string;
  readonly token: string | null;
}

/** The server says something every 15 s, if only that it is there; silence for so long is a dead link. */
const SILENCE_MS = 40_000;
/** A POST without an answer for this long is tried again, under the same `cmd_id`. */
const POST_MS = 10_000;
const [OPEN, CLOSED] = [1, 3];

export class EventStream implements SocketLike {
  readyState = 0;
  readonly takesCommands = true;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;

  #options: EventStreamOptions;
  #closed = new AbortController();
  /** Commands are posted one after the other: their order is the sender's. */
  #posts: Promise<void> = Promise.resolve();
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    void this.#read();
  }

  send(text: string): void {
    const message = JSON.parse(text) as { type: string; t0?: number; command?: Command };
    const { command, t0 } = message;
    if (message.type === 'command' && command) this.#posts = this.#posts.then(() => this.#post(command));
    else if (message.type === 'clock' && t0 !== undefined) void this.#time(t0);
  }

  close(): void {
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    clearTimeout(this.#silence);
    this.#closed.abort();
    this.onclose?.({ reason: '' });
  }

  async #read(): Promise<void> {
    try {
      const response = await fetch(this.#options.events, { signal: this.#closed.signal, cache: 'no-store', headers: { accept: 'text/event-stream' } });
      const isStream = response.ok && response.headers.get('content-type')?.startsWith('text/event-stream');
      if (!isStream || !response.body) return;
      this.readyState = OPEN;
      await this.#take(response.body.getReader());
    } catch {
      // The line is lost, or was closed here; either is told below.
    } finally {
      this.close();
    }
  }

  async #take(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    const parser = new SseParser(({ kind, data }) => this.onmessage?.({ data: kind === 'event' ? `{"type":"event","event":${data}}` : data }));
    for (;;) {
      clearTimeout(this.#silence);
      this.#silence = setTimeout(() => this.close(), SILENCE_MS);
      const { done, value } = await reader.read();
      if (done || !parser.push(decoder.decode(value, { stream: true }))) return;
    }
  }

  /** Until somebody answers: the room carries a `cmd_id` out once, however often it comes. */
  async #post(command: Command): Promise<void> {
    const { signal } = this.#closed;
    const { commands, token } = this.#options;
    const backoff = new Backoff(500, 5000);
    while (!signal.aborted) {
      const response = await fetch(commands, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token !== null && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify(command),
        signal: within(POST_MS, signal),
      }).catch(() => null);
      if (response) {
        const ack = await ackOf(response, command.cmd_id);
        if (!signal.aborted) this.onmessage?.({ data: JSON.stringify({ ...ack, type: 'ack' }) });
        return;
      }
      await delay(backoff.next(), signal);
    }
  }

  async #time(t0: number): Promise<void> {
    const response = await fetch(this.#options.server, { signal: this.#closed.signal, cache: 'no-store' }).catch(() => null);
    const said = (await response?.json().catch(() => null)) as { t?: unknown } | null | undefined;
    if (!Number.isSafeInteger(said?.t) || this.#closed.signal.aborted) return;
    this.onmessage?.({ data: JSON.stringify({ type: 'clock', t0, t1: said!.t, t2: said!.t }) });
  }
}

/** The room's answer; where the door refused it before the room heard of it, the same in words. */
async function ackOf(response: Response, id: string): Promise<Ack> {
  const body: unknown = await response.json().catch(() => null);
  const ack = parseAck(body);
  if (ack) return ack;
  const { detail } = (body ?? {}) as { detail?: unknown };
  const words = typeof detail === 'string' ? detail : `The server answered ${response.status}`;
  const isBusy = response.status === 429 || response.status >= 500;
  const isForbidden = response.status === 401 || response.status === 403;
  return { cmd_id: id, status: isBusy ? 'busy' : isForbidden ? 'forbidden' : 'invalid', words };
}
