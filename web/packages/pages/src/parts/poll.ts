/** A JSON document asked for again and again while the page is visible. */

import { UnisonoError } from '@unisono/client';
import { useEffect, useState } from 'preact/hooks';
import { getJson } from '../api';

export interface Polled<T> {
  readonly data: T | null;
  readonly error: UnisonoError | null;
  /** Ask now. */
  readonly refresh: () => void;
}

export function usePolled<T>(path: string, everyMs: number): Polled<T> {
  const [state, setState] = useState<{ data: T | null; error: UnisonoError | null }>({ data: null, error: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const closing = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      try {
        const data = document.hidden ? null : await getJson<T>(path, closing.signal);
        if (data && !closing.signal.aborted) setState({ data, error: null });
      } catch (error) {
        // What was there stays on the page while the server is away.
        if (!closing.signal.aborted) setState((old) => ({ data: keepsData(error) ? old.data : null, error: error as UnisonoError }));
      }
      if (!closing.signal.aborted) timer = setTimeout(ask, everyMs);
    };
    void ask();
    return () => {
      closing.abort();
      clearTimeout(timer);
    };
  }, [path, everyMs, round]);
  return { ...state, refresh: () => setRound((n) => n + 1) };
}

function keepsData(error: unknown): boolean {
  return error instanceof UnisonoError && error.kind === 'network';
}
