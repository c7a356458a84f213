/** Reads what was decided in a room and its report, and goes on with what is decided while the page is open. */

import { delay, joinRoom, parseEvent, type Room, type RoomEvent } from '@unisono/client';
import { useEffect, useState } from 'preact/hooks';
import { hostKey } from '../api';
import { History, type DecidedView, type WindowRecord } from './history';
import { parseReport, type Report } from './report';

export interface Reading {
  readonly status: 'reading' | 'read' | 'failed';
  readonly words: string;
  /** The newest first. */
  readonly windows: readonly WindowRecord[];
  /** `null` where the server publishes none. */
  readonly report: Report | null;
}

/** The history is drawn again so often while it is read. */
const DRAW_MS = 300;

/** The feed gives the events of the last while from its log; for more a reader gets the room as it stands. */
const EVENTS_MAX = 2000;

export function useReading(room: string, token: string | null): Reading {
  const [reading, setReading] = useState<Reading>({ status: 'reading', words: '', windows: [], report: null });
  useEffect(() => {
    const history = new History();
    const gone = new AbortController();
    let joined: Room | null = null;
    let isQueued = false;
    const draw = () => {
      isQueued = false;
      setReading((old) => ({ ...old, windows: history.list() }));
    };
    const take = (event: RoomEvent) => {
      history.take(event);
      if (!isQueued && event.rule) isQueued = !!setTimeout(draw, DRAW_MS);
    };
    const read = async () => {
      history.begin(await decided(room, token));
      const last = await lastSeq(room, token);
      if (gone.signal.aborted) return;
      joined = joinRoom({ url: location.origin, room, ...(token && { token }), fromSeq: Math.max(last - EVENTS_MAX, 1), messagesMax: 1 });
      joined.onEvent(({ event }) => take(event));
      joined.onNotice('error', ({ message }) => joined?.status === 'failed' && setReading((old) => ({ ...old, status: 'failed', words: message })));
      while (joined.state.seq < last && !gone.signal.aborted) await delay(100, gone.signal);
      setReading((old) => (old.status === 'reading' ? { ...old, status: 'read', windows: history.list() } : old));
    };
    void read();
    void report(room, token).then((report) => setReading((old) => ({ ...old, report })));
    return () => {
      gone.abort();
      joined?.leave();
    };
  }, [room, token]);
  return reading;
}

async function decided(room: string, token: string | null): Promise<DecidedView[]> {
  const { windows } = ((await get(`/api/v1/rooms/${room}/windows`, token)) ?? {}) as { windows?: unknown };
  return (Array.isArray(windows) ? windows : []).flatMap((view: Record<string, unknown>) => {
    const [event, result] = [parseEvent(view.event), parseEvent(view.result)];
    const { closes, reveal, extensions } = view as unknown as DecidedView;
    return event && result && [closes, reveal, extensions].every(Number.isSafeInteger) ? [{ event, result, closes, reveal, extensions }] : [];
  });
}

async function lastSeq(room: string, token: string | null): Promise<number> {
  const { seq } = ((await get(`/api/v1/rooms/${room}`, token)) ?? {}) as { seq?: unknown };
  return Number.isSafeInteger(seq) ? (seq as number) : 0;
}

async function report(room: string, token: string | null): Promise<Report | null> {
  return parseReport(await get(`/api/v1/rooms/${room}/fairness`, token));
}

async function get(path: string, token: string | null): Promise<unknown> {
  const key = token ?? hostKey.get();
  const response = await fetch(path, { cache: 'no-store', headers: key ? { authorization: `Bearer ${key}` } : {} }).catch(() => null);
  return response?.ok ? await response.json().catch(() => null) : null;
}
