/**
 * The nodes that have the same streams, the one in use among them, and which one is next when that dies or sends its viewers away.
 *
 * A node that failed rests, longer each time; when all of them rest there is no other node, and whoever asks comes back to the one in use at the
 * pace of their own backoff. So a player tries each node once in a round and never storms any.
 */

import { Emitter } from '../emitter';
import { delay } from './backoff';
import { within } from './signals';

/** Why a node was left. `lost`: it does not answer. `draining`: it sends its viewers away. `refused`: it lets us not in, which the first one did or may do. */
export type MoveReason = 'lost' | 'draining' | 'refused';

export interface EndpointChange {
  /** `https://host[:port]`. */
  readonly from: string;
  readonly to: string;
  readonly why: MoveReason;
  /** For a person. */
  readonly words: string;
}

export interface EndpointsOptions {
  /** An address of the first node; where it is relative, the page's own. */
  readonly home: string;
  /** All nodes, where somebody knows them; else the node in use is asked. */
  readonly given?: readonly string[] | undefined;
  /** An address of the node in use at first, the first one by default: for who begins anew after a move. */
  readonly beginAt?: string | undefined;
  /** 0 to 1. */
  readonly random?: () => number;
}

const WORDS: Record<MoveReason, string> = { lost: 'does not answer', draining: 'is going away', refused: 'refused' };

/** Nodes kept. */
const MOST = 32;
/** A node that failed is left alone for so long, doubled with each failure up to the last. */
const REST_MS = 5000;
const REST_MOST_MS = 60_000;
/** One that is drained takes nobody, and is restarted soon. */
const DRAINED_MS = 60_000;
/** How often the list is asked for. */
const ASK_MS = 30_000;
const ASK_PATIENCE_MS = 5000;

interface Rest {
  readonly until: number;
  readonly failures: number;
}

export class Endpoints {
  #list: readonly string[];
  #current: string;
  readonly #home: string;
  readonly #isGiven: boolean;
  readonly #random: () => number;
  #resting = new Map<string, Rest>();
  /** Who let us in last. */
  #host: string | null = null;
  #emitter = new Emitter<{ change: EndpointChange }>();

  constructor({ home, given, beginAt, random = Math.random }: EndpointsOptions) {
    this.#home = originOf(home) ?? home;
    this.#isGiven = given !== undefined;
    this.#random = random;
    this.#list = this.#usable([this.#home, ...(beginAt === undefined ? [] : [beginAt]), ...(given ?? [])]);
    const begin = originOf(beginAt ?? home);
    this.#current = begin !== null && this.#list.includes(begin) ? begin : this.#home;
  }

  /** The node in use. */
  get current(): string {
    return this.#current;
  }

  /** All of them, in the order in which they are tried from the one in use on. */
  get all(): readonly string[] {
    return this.#list;
  }

  /** The same path at the node in use; an address elsewhere is left alone. */
  at(url: string): string {
    return this.on(this.#current, url);
  }

  /** The same path at that node. */
  on(node: string, url: string): string {
    const parsed = parse(url);
    if (!parsed) return url;
    const isSocket = parsed.protocol.startsWith('ws');
    const origin = `${parsed.protocol.replace(/^ws/, 'http')}//${parsed.host}`;
    if (!this.#list.includes(origin) && origin !== this.#home) return url;
    const base = isSocket ? node.replace(/^http/, 'ws') : node;
    return `${base}${parsed.pathname}${parsed.search}`;
  }

  /** The next node worth a try now, or `null` where there is none. */
  alternative(now = performance.now()): string | null {
    const at = this.#list.indexOf(this.#current);
    const order = [...this.#list.slice(at + 1), ...this.#list.slice(0, Math.max(at, 0))];
    return order.find((node) => (this.#resting.get(node)?.until ?? 0) <= now) ?? null;
  }

  /** The one that has rested most of its time, where all others rest: the next of the next round. */
  soonest(): string | null {
    const others = this.#list.filter((node) => node !== this.#current);
    const until = (node: string) => this.#resting.get(node)?.until ?? 0;
    return others.toSorted((a, b) => until(a) - until(b))[0] ?? null;
  }

  /** That node did not work. */
  failed(node: string, now = performance.now()): void {
    const failures = (this.#resting.get(node)?.failures ?? 0) + 1;
    const rest = Math.min(REST_MS * 2 ** (failures - 1), REST_MOST_MS) * (1 + this.#random() / 4);
    this.#resting.set(node, { until: now + rest, failures });
  }

  /** That node works, and let us in. */
  worked(node: string): void {
    this.#resting.delete(node);
    this.#host = node;
  }

  /**
   * That node refused us. True if its word is final: the first node's, or that of whoever let us in last. Another one may know other keys than they do:
   * then the first one is in use again.
   */
  refused(node: string): boolean {
    if (node === this.#home || node === this.#host) return true;
    this.failed(node);
    if (node === this.#current) this.moveTo(this.#home, 'refused');
    return false;
  }

  /** That node takes nobody for a while. */
  drained(node: string, now = performance.now()): void {
    this.#resting.set(node, { until: now + DRAINED_MS, failures: 0 });
  }

  /** `to` is the node in use from now on. */
  moveTo(to: string, why: MoveReason): void {
    const from = this.#current;
    if (from === to) return;
    this.#current = to;
    this.#emitter.emit('change', { from, to, why, words: `Moved to ${hostOf(to)}: ${hostOf(from)} ${WORDS[why]}` });
  }

  onChange(listener: (change: EndpointChange) => void): () => void {
    return this.#emitter.on('change', listener);
  }

  /** Nodes that somebody told of. Those in use and the first one stay; one that was drained, and is named again, takes viewers again. */
  learn(nodes: readonly unknown[]): void {
    for (const [node, { failures }] of this.#resting) if (failures === 0 && nodes.includes(node)) this.#resting.delete(node);
    if (this.#isGiven) return;
    // In their order, which has edges before the nodes with publishers.
    const told = this.#usable(nodes.filter((node) => typeof node === 'string')).slice(0, MOST - 2);
    this.#list = this.#usable([...told, this.#current, this.#home]);
    for (const node of this.#resting.keys()) if (!this.#list.includes(node)) this.#resting.delete(node);
  }

  /** Asks for the list now, and then now and then, until `signal` aborts. `stream`: `app/name`. Servers that have none are asked no more. */
  async keep(stream: string | null, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#isGiven) {
      if ((await this.ask(stream, signal)) === 'none') return;
      await delay(ASK_MS * (1 + this.#random() / 4), signal);
    }
  }

  /** `none` where the server has no such list. */
  async ask(stream: string | null, signal: AbortSignal): Promise<'known' | 'none' | 'silent'> {
    const asked = this.#current;
    try {
      const query = stream === null ? '' : `?stream=${encodeURIComponent(stream)}`;
      const response = await fetch(`${asked}/api/v1/endpoints${query}`, { signal: within(ASK_PATIENCE_MS, signal), cache: 'no-store' });
      if (response.status === 404 || response.status === 405) return 'none';
      if (!response.ok) return 'silent';
      this.#take(asked, await response.json());
      return 'known';
    } catch {
      return 'silent';
    }
  }

  /** Each once, as origins. A page that came by https cannot use what did not, and what began by https does not go on without, token and all. */
  #usable(nodes: readonly string[]): readonly string[] {
    const isSecure = this.#home.startsWith('https:') || (globalThis as { location?: Location }).location?.protocol === 'https:';
    const origins = nodes.map(originOf).filter((node) => node !== null && !(isSecure && node.startsWith('http:')));
    return [...new Set(origins as string[])].slice(0, MOST);
  }

  /** A node's own address in its list may be another than the one it was reached by: that one stays. */
  #take(asked: string, answer: unknown): void {
    const { endpoints } = (answer ?? {}) as { endpoints?: unknown };
    if (!Array.isArray(endpoints)) return;
    const nodes = endpoints.filter((one: unknown): one is Listed => typeof (one as Listed | null)?.url === 'string');
    this.learn(nodes.map(({ url, is_self }) => (is_self === true ? asked : url)));
    for (const { url, is_draining, is_self } of nodes) if (is_draining === true && is_self !== true) this.drained(originOf(url) ?? url);
  }
}

interface Listed {
  readonly url: string;
  readonly is_self?: unknown;
  readonly is_draining?: unknown;
}

/** `https://host[:port]` of an address; `null` for what has none. */
export function originOf(url: string): string | null {
  const parsed = parse(url);
  if (!parsed || !/^(https?|wss?):$/.test(parsed.protocol)) return null;
  return `${parsed.protocol.replace(/^ws/, 'http')}//${parsed.host}`;
}

/** What a person calls a node. */
export function hostOf(node: string): string {
  return parse(node)?.host ?? node;
}

function parse(url: string): URL | null {
  const base = (globalThis as { location?: Location }).location?.href;
  try {
    return base === undefined || base === 'about:blank' ? new URL(url) : new URL(url, base);
  } catch {
    return null;
  }
}

