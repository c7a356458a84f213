/** A room, from inside: what happens in it, at the right frame; what one does in it; how it stands. */

import { Emitter } from '../emitter';
import { UnisonoError } from '../errors';
import type { Person, RoomEvent } from '../events';
import { Lockstep } from '../lockstep/lockstep';
import { uuidV7 } from '../uuid';
import type { Ack, Command, CommandOptions, Verb } from './command';
import { Connection, type Hello, type SocketConstructor } from './connection';
import type { EndpointChange } from '../net/endpoints';
import { Doors, roomName } from './doors';
import { guestSecret } from './guest';
import { remaining, type Countdown } from './countdown';
import type { Message } from './messages';
import { Claims } from './mine';
import type { JoinOptions } from './options';
import { reduceCounts, reduceMine, reduceSnapshot, reduceTold, type Rules } from './reduce';
import { Outbox } from './outbox';
import { Sequence } from './sequence';
import { parseSnapshot } from './snapshot';
import { Stage, type FrameSource, type Told } from './stage';
import { EMPTY, type RoomState } from './state';
import { Verbs, type DataOf, type EventTypes, type NameOf } from './verbs';
import { passTime } from './windows';

/** A told event whose data is what its type says. What comes off the wire is as good as the type's schema on the server. */
export type TypedTold<Data> = Told & { readonly event: RoomEvent & { readonly data: Data } };

export type RoomStatus = 'connecting' | 'open' | 'reconnecting' | 'closed' | 'failed';

export interface RoomNotices {
  status: { readonly status: RoomStatus; readonly words: string };
  /** Who this client is in the room, at each connection. */
  joined: { readonly person: Person | null; readonly role: string | null };
  presence: { readonly members: number; readonly viewers: number | null };
  /** What was counted since it was told last, on its frame. */
  counts: { readonly name: string; readonly counts: Readonly<Record<string, number>>; readonly at: number };
  /** An event that was shown is taken back. */
  cancelled: { readonly id: string; readonly by: RoomEvent };
  /** An answer to a command of this client, also one nobody waits for any more. */
  ack: Ack;
  /** Events that the room does not keep any more, or could not give in time. */
  lagged: { readonly lost: number };
  /** The room began anew, without what it held before. */
  reset: Record<string, never>;
  lockstep: { readonly targetUs: number | null };
  /** The room goes on at another node. */
  endpoint: EndpointChange;
  /** The server did not understand something, or this room was given up. */
  error: UnisonoError;
}

const PATIENCE_MS = 30_000;
const TAIL = 50;

/** Joins a room. The room works until it is left; whatever is lost meanwhile comes back by itself. Throws [`UnisonoError`] on addresses that are none. */
export function joinRoom<Types extends EventTypes = Record<string, unknown>>(options: JoinOptions): Room<Types> {
  return new Room<Types>(options);
}

export class Room<Types extends EventTypes = Record<string, unknown>> extends Verbs<Types> {
  /** `app:name`. */
  readonly name: string;

  #options: JoinOptions;
  #guest: string | null;
  #rules: Rules;
  #told = new Emitter<Record<string, Told>>();
  #notices = new Emitter<RoomNotices>();
  #changes = new Emitter<{ change: RoomState }>();
  #doors: Doors;
  #connection: Connection;
  #sequence: Sequence;
  #outbox: Outbox;
  #stage: Stage;
  #lockstep: Lockstep;
  #claims = new Claims();
  #state: RoomState = EMPTY;
  #status: RoomStatus = 'connecting';
  #me: RoomNotices['joined'] = { person: null, role: null };
  #tick: ReturnType<typeof setTimeout> | undefined;
  /** The node that greeted last. */
  #origin: string | null = null;

  constructor(options: JoinOptions) {
    super();
    this.#options = options;
    this.name = roomName(options.room);
    this.#guest = guestOf(options);
    this.#rules = { latest: { score: '', ...options.latest }, messagesMax: Math.max(options.messagesMax ?? 200, 1) };
    this.#sequence = new Sequence(options.fromSeq);
    this.#doors = new Doors(options, this.name);
    this.#doors.onChange((change) => this.#notices.emit('endpoint', change));
    this.#connection = new Connection({ doors: this.#doors, token: options.token, Socket: socketOf(options.WebSocket) }, this.#listener());
    const send = (message: string) => this.#connection.takesCommands && this.#connection.send(message);
    this.#outbox = new Outbox(send);
    this.#stage = new Stage({ onTold: (told) => this.#tell(told), onFrame: ({ t }) => this.#pass(t) });
    this.#lockstep = new Lockstep({ send: (message) => send(JSON.stringify(message)), isOn: options.lockstep ?? false });
    if (options.player) this.attach(options.player);
    void this.#connection.run().catch((error: Error) => this.#end('failed', error.message, new UnisonoError('unsupported', error.message)));
  }

  /** The server in use, `https://host[:port]`. */
  get endpoint(): string {
    return this.#doors.origin;
  }

  get status(): RoomStatus {
    return this.#status;
  }

  /** Who this client is here; `null`s before the first greeting. */
  get me(): RoomNotices['joined'] {
    return this.#me;
  }

  /** The room at the frame on screen. Another object after each change. */
  get state(): RoomState {
    return this.#state;
  }

  /** Commands without an answer. */
  get unanswered(): number {
    return this.#outbox.size;
  }

  /** The room's clock now, microseconds; `null` before the first greeting. */
  now(): number | null {
    return this.#lockstep.clock.now();
  }

  /** Half-width of what is known of the room's clock, microseconds. */
  get clockError(): number {
    return this.#lockstep.clock.error;
  }

  /**
   * From now on events are told on the frames of `player`, which may be the `<unisono-player>` element. What its own wires bring is merged. While
   * it has no picture, events are told as they come. Leave out the player's `feedUrl`: this room's feed is enough.
   */
  attach(player: FrameSource): void {
    this.#stage.attach(player);
    this.#lockstep.attach(player);
  }

  detach(): void {
    this.#lockstep.detach();
    this.#stage.detach();
  }

  /** Calls `listener` with each event of `type` that is to be shown, on its frame, until the returned function is called. */
  on<Name extends NameOf<Types>>(type: Name, listener: (told: TypedTold<DataOf<Types, Name>>) => void): () => void {
    return this.#told.on(`shown ${type}`, listener as (told: Told) => void);
  }

  /** Calls `listener` with every event, also those that come too late to be shown. */
  onEvent(listener: (told: Told) => void): () => void {
    return this.#told.on('every', listener);
  }

  /** Listens to what is not an event of the room: its state of connection, who is there, what was counted. */
  onNotice<Name extends keyof RoomNotices>(name: Name, listener: (value: RoomNotices[Name]) => void): () => void {
    return this.#notices.on(name, listener);
  }

  /** Calls `listener` after each change of [`state`]. */
  subscribe(listener: (state: RoomState) => void): () => void {
    return this.#changes.on('change', listener);
  }

  /** How long the window is still open for this viewer, in media time; `null` for one that is not known, or without any clock. */
  countdown(windowId: string): Countdown | null {
    const window = this.#state.windows.get(windowId);
    const t = this.#stage.shown?.t ?? this.now();
    return window && t !== null ? remaining(window, t) : null;
  }

  /** Leaves the room. Commands without an answer are rejected. */
  leave(): void {
    if (this.#status === 'closed') return;
    this.#end('closed', 'Closed', new UnisonoError('network', 'The room was left before an answer came; the command may have been carried out'));
  }

  protected override command(verb: Verb, type: string, data: unknown, options: CommandOptions = {}): Promise<Ack> {
    const { patienceMs = PATIENCE_MS, seen = this.#seen(), ...rest } = options;
    const command: Command = {
      cmd_id: uuidV7(),
      type,
      do: verb,
      ...rest,
      ...(seen && { seen }),
      ...(data !== undefined && { data }),
    };
    return this.#outbox.put(command, patienceMs);
  }

  protected override entered(window: string, data: unknown): void {
    this.#move((state) => reduceMine(state, window, data));
  }

  /** What is on screen when somebody acts. Without a picture nothing is claimed. */
  #seen(): Command['seen'] {
    const shown = this.#stage.shown;
    return shown ? { t: shown.t, ...(this.#state.seq > 0 && { seq: this.#state.seq }) } : undefined;
  }

  #listener(): ConstructorParameters<typeof Connection>[1] {
    return {
      query: () => ({ ...this.#position(), guest: this.#guest, name: this.#options.name }),
      onHello: (hello, startedAt, origin) => this.#greet(hello, startedAt, origin),
      onMessage: (message) => this.#take(message),
      onLost: (words) => this.#lost(words),
      onRefused: (error) => this.#end('failed', error.message, error),
    };
  }

  #position(): { from_seq: number } | { tail: number } {
    const from = this.#sequence.from;
    return from === null ? { tail: Math.min(Math.max(this.#options.tail ?? TAIL, 0), 512) } : { from_seq: from };
  }

  #greet(hello: Hello, startedAt: number, origin: string): 'welcome' | 'anew' | 'later' {
    const greeting = this.#sequence.greet(hello.seq, this.#origin !== null && this.#origin !== origin);
    if (greeting === 'later') return greeting;
    this.#origin = origin;
    if (greeting === 'anew') {
      this.#move((state) => ({ ...EMPTY, presence: state.presence }));
      this.#notices.emit('reset', {});
      return greeting;
    }
    if (hello.t !== null) this.#lockstep.greet(hello.t, startedAt);
    this.#me = { person: hello.person, role: hello.role };
    this.#become('open', 'Connected');
    this.#notices.emit('joined', this.#me);
    this.#outbox.resend();
    return greeting;
  }

  #lost(words: string): void {
    this.#lockstep.lost();
    this.#become('reconnecting', words);
  }

  /** One case per message. */
  #take(message: Message): void {
    switch (message.type) {
      case 'hello':
      case 'move':
      case 'stay':
        return;
      case 'events':
        return this.#events(message.events);
      case 'snapshot':
        return this.#snapshot(message.seq, message.body);
      case 'mine':
        this.#claims.take(message.mine);
        return this.#move((state) => state);
      case 'counts':
        return this.#counts(message);
      case 'presence': {
        const { members, viewers } = message;
        this.#move((state) => ({ ...state, presence: { members, viewers } }));
        return this.#notices.emit('presence', { members, viewers });
      }
      case 'ack':
        this.#outbox.settle(message.ack);
        return this.#notices.emit('ack', message.ack);
      case 'lagged':
        this.#sequence.lag(message.fromSeq);
        return message.lost > 0 ? this.#notices.emit('lagged', { lost: message.lost }) : undefined;
      case 'clock':
        return this.#lockstep.answer(message);
      case 'lockstep':
        this.#lockstep.target(message.targetUs);
        return this.#notices.emit('lockstep', { targetUs: message.targetUs });
      case 'error':
        return this.#notices.emit('error', new UnisonoError('refused', message.words));
    }
  }

  #events(values: readonly unknown[]): void {
    const { events, lost, hasGap } = this.#sequence.take(values);
    for (const event of events) this.#stage.push(event, 'feed');
    if (lost > 0) this.#notices.emit('lagged', { lost });
    if (hasGap) this.#connection.again();
  }

  #snapshot(seq: number, body: Readonly<Record<string, unknown>>): void {
    const snapshot = parseSnapshot(seq, body);
    this.#sequence.jump(seq);
    this.#stage.takeBack(snapshot.cancelled);
    const { state, later } = reduceSnapshot(this.#state, snapshot, this.#rules, this.#stage.shown?.t ?? null);
    this.#move(() => state);
    for (const { at, apply } of later) this.#stage.at(at, () => this.#move(apply));
  }

  #counts({ name, counts, at }: Extract<Message, { type: 'counts' }>): void {
    const tell = () => {
      this.#move((state) => reduceCounts(state, name, counts));
      this.#notices.emit('counts', { name, counts, at });
    };
    // A reaction answers something: never before it, on the same frame neither.
    this.#stage.at(at, tell, 'after');
  }

  /** An event is shown: first the state, then those who listen, so that they find it as it is now. */
  #tell(told: Told): void {
    const { event, shown, takesBack } = told;
    this.#move((state) => reduceTold(state, told, this.#rules));
    this.#told.emit('every', told);
    if (shown) this.#told.emit(`shown ${event.type}`, told);
    if (takesBack !== undefined && event.cancels === takesBack) this.#notices.emit('cancelled', { id: takesBack, by: event });
  }

  #pass(t: number): void {
    this.#move((state) => passTime(state, t));
  }

  #move(how: (state: RoomState) => RoomState): void {
    const next = this.#claims.apply(how(this.#state));
    if (next === this.#state) return;
    this.#state = next;
    this.#changes.emit('change', next);
    this.#tickLater();
  }

  /** Without a picture the room's clock ends what is over. */
  #tickLater(): void {
    clearTimeout(this.#tick);
    if (this.#stage.isBound || this.#status === 'closed' || this.#status === 'failed') return;
    const ends = [...this.#state.windows.values()].filter(({ phase }) => phase === 'open').map(({ closes }) => closes);
    const next = Math.min(...ends, ...[...this.#state.showing.values()].map(({ until }) => until));
    const now = this.now();
    if (!Number.isFinite(next) || now === null) return;
    this.#tick = setTimeout(() => this.#ticked(), Math.min(Math.max((next - now) / 1000, 10), 60_000));
  }

  #ticked(): void {
    const now = this.now();
    if (now !== null && !this.#stage.isBound) this.#pass(now);
    this.#tickLater();
  }

  #become(status: RoomStatus, words: string): void {
    if (this.#status === 'closed' || this.#status === 'failed') return;
    this.#status = status;
    this.#notices.emit('status', { status, words });
  }

  #end(status: 'closed' | 'failed', words: string, why: UnisonoError): void {
    this.#connection.close();
    this.#lockstep.close();
    this.#stage.detach();
    this.#outbox.close(why);
    this.#become(status, words);
    clearTimeout(this.#tick);
    if (status === 'failed') this.#notices.emit('error', why);
  }
}

function guestOf({ guest, token }: JoinOptions): string | null {
  if (guest === false || (guest === undefined && token !== undefined)) return null;
  return guest ?? guestSecret();
}

/** `null` where there is none (Node before 22 without the package `ws`): server-sent events do. */
function socketOf(given: SocketConstructor | undefined): SocketConstructor | null {
  return given ?? (globalThis.WebSocket as SocketConstructor | undefined) ?? null;
}
