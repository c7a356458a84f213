/** What a room is joined with. */

import type { SocketConstructor } from './connection';
import type { TokenSource } from './doors';
import type { FrameSource } from './stage';

export interface JoinOptions {
  /** A server, `https://host[:port]`, which is asked for others that have the room; see [`endpoints`]. */
  readonly url?: string;
  /** All servers of the room: tried in turn, from the one that worked last. Where they are given, none is asked for others. */
  readonly endpoints?: readonly string[];
  /** The server to begin at, where that is not the first one: the one that a room before this one had moved to ([`Room.endpoint`]). */
  readonly beginAt?: string;
  /** `app:name`, or the stream's `app/name`. */
  readonly room: string;
  /** A viewer's token or a key, or whoever gives a fresh one: asked before each connection. */
  readonly token?: TokenSource;
  /** How a guest wants to be called. A token's own name stands over it. */
  readonly name?: string;
  /**
   * A guest's own secret, 16 to 128 characters: the same one is the same person. By default one is made and kept in this browser. `false` sends
   * none: for the machine that the server itself runs on, whose user is host there.
   */
  readonly guest?: string | false;
  /** Whose frames tell the time; see [`Room.attach`]. */
  readonly player?: FrameSource;
  /** Begin with this event, 1 for all that is kept; by default with the room as it stands. */
  readonly fromSeq?: number;
  /** So many of the last events as history, 0 to 512; 50 by default. */
  readonly tail?: number;
  /** Types of class `latest`, with the JSON Pointer to their key (empty: one value). `score` is known. */
  readonly latest?: Readonly<Record<string, string>>;
  /** Messages kept in the state; 200 by default. */
  readonly messagesMax?: number;
  /** Follow the room's common latency (timeline spec 12), with an attached player. Off by default. */
  readonly lockstep?: boolean;
  /** For Node before 22: the `WebSocket` of the package `ws`. */
  readonly WebSocket?: SocketConstructor;
}
