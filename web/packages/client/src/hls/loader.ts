/**
 * hls.js's loader over several nodes: the same path gives the same bytes at each of them, so a request that fails at one is made at the next, and
 * hls.js, its buffer and its playlists know nothing of it.
 */

import type { HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats } from 'hls.js';
import { delay } from '../net/backoff';
import type { Endpoints } from '../net/endpoints';
import { isThere } from '../net/liveness';
import type { MoveNotice } from '../net/moving';
import { anySignal } from '../net/signals';
import { Progress } from './progress';

type LoaderClass = HlsConfig['loader'];
/** XHR, as the default loader gives it beside an answer. */
type Details = { getAllResponseHeaders?(): string } | null | undefined;

/** A request without an answer for this long is worth the question whether its node is there. A held playlist request is longer than that. */
const SILENT_MS = 700;
/** Between two such questions. */
const AGAIN_MS = 2000;
/** Nodes that one request is made at. */
const TRIES = 4;
/** How often, and how long apart, the next node is asked for what it does not have yet. */
const PULL_TRIES = 10;
const PULL_PAUSE_MS = 250;

/** The number of the node that is tried, and how often it was asked again. */
interface Tries {
  readonly node: number;
  readonly again: number;
}

/** `onNotice`: a node asks its viewers to move. */
export function failoverLoader(Base: LoaderClass, endpoints: Endpoints, onNotice: (notice: MoveNotice, from: string) => void): LoaderClass {
  const progress = new Progress();
  return class FailoverLoader implements Loader<LoaderContext> {
    context: LoaderContext | null = null;
    #config: HlsConfig;
    #inner: Loader<LoaderContext>;
    #over = new AbortController();

    constructor(config: HlsConfig) {
      this.#config = config;
      this.#inner = new Base(config);
    }

    get stats(): LoaderStats {
      return this.#inner.stats;
    }

    load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>): void {
      this.context = context;
      this.#load(context, config, callbacks, { node: 1, again: 0 });
    }

    abort(): void {
      this.#over.abort();
      this.#inner.abort();
    }

    destroy(): void {
      this.#over.abort();
      this.#inner.destroy();
    }

    getCacheAge(): number | null {
      return this.#inner.getCacheAge?.() ?? null;
    }

    getResponseHeader(name: string): string | null {
      return this.#inner.getResponseHeader?.(name) ?? null;
    }

    #load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>, at: Tries): void {
      const node = endpoints.current;
      const answered = new AbortController();
      const signal = anySignal(this.#over.signal, answered.signal);
      /** False where this request has to be given up. */
      const goOn = (): boolean => {
        answered.abort();
        if (this.#over.signal.aborted || at.node >= TRIES || !next(endpoints, node)) return false;
        this.#renew();
        this.#load(context, config, callbacks, { node: at.node + 1, again: 0 });
        return true;
      };
      const { onProgress, onAbort } = callbacks;
      // The node in use stands in for the one that hls.js knows.
      const there = { ...context, url: whole(endpoints.on(node, context.url), context.url) };
      this.#inner.load(there, once(config, endpoints), {
        ...(onProgress && { onProgress: (stats, _, data, details) => onProgress(stats, context, data, details) }),
        ...(onAbort && { onAbort: (stats, _, details) => onAbort(stats, context, details) }),
        onSuccess: (response, stats, _, details) => {
          answered.abort();
          endpoints.worked(node);
          const [path, text] = [pathOf(context.url), typeof response.data === 'string' ? response.data : ''];
          if (at.again < PULL_TRIES && progress.isBehind(node, path, text)) {
            void this.#again(context, config, callbacks, { ...at, again: at.again + 1 });
            return;
          }
          const data = text === '' ? response.data : progress.give(node, path, text);
          // All of them: a browser complains aloud when it is asked for one that is not there.
          const within = /^unisono-move: *(\d+)/im.exec((details as Details)?.getAllResponseHeaders?.() ?? '')?.[1];
          if (within !== undefined) onNotice({ type: 'move', withinMs: Number(within), endpoints: [] }, node);
          callbacks.onSuccess({ ...response, ...(data !== undefined && { data }), url: context.url }, stats, context, details);
        },
        onError: (error, _, details, stats) => {
          answered.abort();
          const isNode = error.code === 0 || error.code >= 500;
          // It pulls the stream for its first viewer, and packages it, which takes a moment: until then it knows neither the playlist nor the
          // segment in it that is waited for. Parts from before that it will never have: hls.js goes on without.
          const path = pathOf(context.url);
          const isNew = at.node > 1 || progress.isNewAt(node, path);
          const isPulling = (error.code === 404 || error.code === 400) && isNew && at.again < PULL_TRIES && path.endsWith('.m3u8');
          if (isPulling) void this.#again(context, config, callbacks, { ...at, again: at.again + 1 });
          else if (!isNode || !goOn()) callbacks.onError(error, context, details, stats);
        },
        onTimeout: (stats, _, details) => {
          answered.abort();
          if (!goOn()) callbacks.onTimeout(stats, context, details);
        },
      });
      void this.#lookAfter(node, signal, goOn);
    }

    async #again(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>, at: Tries): Promise<void> {
      if (!(await delay(PULL_PAUSE_MS, this.#over.signal))) return;
      this.#renew();
      this.#load(context, config, callbacks, at);
    }

    /** A loader of hls.js makes one request. */
    #renew(): void {
      this.#inner.destroy();
      this.#inner = new Base(this.#config);
    }

    /** A machine that is gone refuses nothing: its requests just hang. Where bytes come somebody lives, however slowly and wherever others are by now. */
    async #lookAfter(node: string, signal: AbortSignal, goOn: () => boolean): Promise<void> {
      let heard = 0;
      for (let pause = SILENT_MS; await delay(pause, signal); pause = AGAIN_MS) {
        const { loaded, loading } = this.#inner.stats;
        // The head of an answer is one sign of life, each byte behind it another.
        const signs = loading.first > 0 ? 1 + loaded : 0;
        if (signs > heard) {
          heard = signs;
          continue;
        }
        if (endpoints.alternative() === null && endpoints.current === node) continue;
        const isAlive = endpoints.current === node && (await isThere(node, signal));
        if (!isAlive && !signal.aborted) {
          goOn();
          return;
        }
      }
    }
  };
}

/** At another node than the first no delta updates: their count of what is left out is of that node's own list (RFC 8216bis §6.2.5.1). */
function whole(url: string, asked: string): string {
  if (url === asked) return url;
  const there = new URL(url);
  there.searchParams.delete('_HLS_skip');
  return there.href;
}

const pathOf = (url: string): string => new URL(url).pathname;

/** True if there is another node to ask now. Whoever was slower than another request finds it moved already. */
function next(endpoints: Endpoints, node: string): boolean {
  if (endpoints.current !== node) return true;
  const to = endpoints.alternative();
  if (to === null) return false;
  endpoints.failed(node);
  endpoints.moveTo(to, 'lost');
  return true;
}

/** With other nodes at hand the next try is made there, not here. */
function once(config: LoaderConfiguration, endpoints: Endpoints): LoaderConfiguration {
  if (endpoints.all.length < 2) return config;
  const { loadPolicy } = config;
  return { ...config, maxRetry: 0, loadPolicy: { ...loadPolicy, errorRetry: null, timeoutRetry: null } };
}
