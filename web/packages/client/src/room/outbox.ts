/** Commands that wait for their answer. They outlive a connection: what has none is sent again, under the same `cmd_id`. */

import { UnisonoError } from '../errors';
import { MESSAGE_MAX, mistake, type Ack, type Command } from './command';

interface Pending {
  readonly message: string;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly resolve: (ack: Ack) => void;
  readonly reject: (error: UnisonoError) => void;
}

export class Outbox {
  /** Commands without an answer at most; beyond it they are refused in words. */
  static readonly MOST = 64;

  #pending = new Map<string, Pending>();
  #closed: UnisonoError | null = null;

  /** `send` puts a message on the wire, and returns false where there is none now. */
  constructor(private readonly send: (message: string) => boolean) {}

  get size(): number {
    return this.#pending.size;
  }

  /** Sends `command`, now or once there is a connection. Rejects if the room is closed, or nobody answers for `patienceMs`. */
  put(command: Command, patienceMs: number): Promise<Ack> {
    if (this.#closed) return Promise.reject(this.#closed);
    const unsent = (words: string): Promise<Ack> => Promise.resolve({ cmd_id: command.cmd_id, status: 'unsent', words });
    const wrong = mistake(command);
    if (wrong !== null) return unsent(wrong);
    if (this.#pending.size >= Outbox.MOST) return unsent(`${Outbox.MOST} commands wait for an answer already, the limit; wait for one of them`);
    const message = JSON.stringify({ type: 'command', command });
    const bytes = new TextEncoder().encode(message).length;
    if (bytes > MESSAGE_MAX) return unsent(`The command is ${bytes} bytes of JSON; the limit is ${MESSAGE_MAX}`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#giveUp(command.cmd_id, patienceMs), patienceMs);
      this.#pending.set(command.cmd_id, { message, timer, resolve, reject });
      this.send(message);
    });
  }

  /** A connection is up: whatever has no answer yet goes out again, in the order it was given. */
  resend(): void {
    for (const { message } of this.#pending.values()) if (!this.send(message)) return;
  }

  /** An answer came. False if nobody waits for it. */
  settle(ack: Ack): boolean {
    const pending = this.#take(ack.cmd_id);
    pending?.resolve(ack);
    return pending !== undefined;
  }

  /** There will be no more answers. */
  close(why: UnisonoError): void {
    this.#closed ??= why;
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(why);
  }

  #giveUp(id: string, patienceMs: number): void {
    const words = `No answer for ${Math.round(patienceMs / 1000)} s. The command may have been carried out all the same`;
    this.#take(id)?.reject(new UnisonoError('network', words));
  }

  #take(id: string): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (pending) clearTimeout(pending.timer);
    return pending;
  }
}
