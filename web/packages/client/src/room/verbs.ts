/** What one can do in a room. Each resolves with the room's answer, refusals included. */

import { isDone, type Ack, type CommandOptions, type Verb } from './command';

/** Data of the application's own types, by name: `{ chat: { text: string } }`. */
export type EventTypes = object;

export type DataOf<Types, Name> = Name extends keyof Types ? Types[Name] : unknown;

/** The name of a type, known to the map or not. */
export type NameOf<Types> = (keyof Types & string) | (string & {});

export abstract class Verbs<Types extends EventTypes> {
  /** Rejects with `UnisonoError` where nobody answers in time, or the room is left. */
  protected abstract command(verb: Verb, type: string, data: unknown, options?: CommandOptions): Promise<Ack>;

  /** The room took an entry of this client. */
  protected abstract entered(window: string, data: unknown): void;

  /** Says it: appends, sets the latest value, counts, or puts it into the queue. */
  send<Name extends NameOf<Types>>(type: Name, data: DataOf<Types, Name>, options?: CommandOptions): Promise<Ack> {
    return this.command('send', type, data, options);
  }

  /** Replaces the event `subject`. */
  amend<Name extends NameOf<Types>>(type: Name, subject: string, data: DataOf<Types, Name>, options?: CommandOptions): Promise<Ack> {
    return this.command('amend', type, data, { ...options, subject });
  }

  /** Opens a window, or offers a stock. */
  open(type: string, data: unknown, options?: CommandOptions): Promise<Ack> {
    return this.command('open', type, data, options);
  }

  /** Votes, answers, bids; takes a unit of an offer. `subject` is the window's or offer's id. */
  async enter(type: string, subject: string, data: unknown, options?: CommandOptions): Promise<Ack> {
    const ack = await this.command('enter', type, data, { ...options, subject });
    if (isDone(ack)) this.entered(subject, data);
    return ack;
  }

  /** Confirms a reserved unit of the offer `subject`. `data` as the offer's rule asks. */
  confirm(type: string, subject: string, data?: unknown, options?: CommandOptions): Promise<Ack> {
    return this.command('confirm', type, data, { ...options, subject });
  }

  /** Gives a reserved unit back. */
  release(type: string, subject: string, data?: unknown, options?: CommandOptions): Promise<Ack> {
    return this.command('release', type, data, { ...options, subject });
  }

  /** Ends a window or an offer now, with its outcome where the rule needs one. */
  close(type: string, subject: string, data?: unknown, options?: CommandOptions): Promise<Ack> {
    return this.command('close', type, data, { ...options, subject });
  }

  /** Takes an event, a window or an offer back. */
  cancel(type: string, subject: string, options?: CommandOptions): Promise<Ack> {
    return this.command('cancel', type, undefined, { ...options, subject });
  }
}
