/** The source and the publisher behind the page, as one thing that starts and stops. */

import { publishWhip, sourceOf, type Health, type Publisher, type PublishState, type Source, type StreamUrls } from '@unisono/client';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { oneAtATime } from '../parts/turns';
import '../parts/window';
import { rememberKey, sourceOptions, videoBitrate, type Settings } from './settings';

export interface Studio {
  readonly source: Source | null;
  readonly state: PublishState | 'idle';
  readonly words: string;
  readonly health: Health | null;
  /** Why the source that was asked for last could not be opened while another is on the air; empty if it could. */
  readonly problem: string;
  /** Opens the source for a look, without publishing. */
  readonly preview: (settings: Settings) => Promise<Source | null>;
  readonly start: (settings: Settings) => Promise<void>;
  readonly stop: () => void;
  /** What is sent black or silent. */
  readonly muted: Muted;
  readonly mute: (part: Partial<Muted>) => void;
}

export interface Muted {
  readonly video: boolean;
  readonly audio: boolean;
}

/** An open source, and what it was opened by. */
interface Open {
  readonly source: Source;
  readonly asked: string;
}

export function useStudio(urls: StreamUrls): Studio {
  const [source, setSource] = useState<Source | null>(null);
  const [status, setStatus] = useState<{ state: Studio['state']; words: string }>({ state: 'idle', words: '' });
  const [health, setHealth] = useState<Health | null>(null);
  const [problem, setProblem] = useState('');
  const publisher = useRef<Publisher | null>(null);
  const open = useRef<Open | null>(null);
  const muted = useRef<Muted>({ video: false, audio: false });
  const [shownMuted, setMuted] = useState<Muted>(muted.current);
  /** Counts starts and stops: who waited for a source knows whether it is still wanted. */
  const turn = useRef(0);

  useEffect(
    () => () => {
      turn.current += 1;
      publisher.current?.close();
      open.current?.source.stop();
    },
    [],
  );

  /** Opens the source, unless it is open. */
  const openSource = async (settings: Settings): Promise<Source | null> => {
    const options = sourceOptions(settings);
    const asked = JSON.stringify(options);
    if (open.current?.asked === asked && isWhole(open.current.source)) return open.current.source;
    let source: Source | null = null;
    try {
      source = await sourceOf(options);
      silence(source, muted.current);
      await publisher.current?.replace(source.stream);
    } catch (error) {
      source?.stop();
      const words = (error as Error).message;
      if (publisher.current) setProblem(`What was on the air stays on the air. ${words}`);
      else setStatus({ state: 'failed', words });
      return null;
    }
    setProblem('');
    const next = { source, asked };
    open.current?.source.stop();
    open.current = next;
    // Muted while it was opened.
    silence(source, muted.current);
    setSource(source);
    window.unisono = { ...window.unisono, source };
    setStatus((old) => (old.state === 'failed' ? { state: 'idle', words: '' } : old));
    whenEnded(source, (kind) => {
      if (open.current !== next || !publisher.current) return;
      if (kind === 'video') stop();
      else setProblem(soundGone(source));
    });
    return source;
  };
  // Two at once would end in any order, and the one that is sent might be the one that was stopped.
  const preview = useMemo(() => oneAtATime(openSource), []);

  const stop = () => {
    turn.current += 1;
    publisher.current?.close();
    publisher.current = null;
    setHealth(null);
    setProblem('');
    setStatus({ state: 'idle', words: '' });
  };

  const start = async (settings: Settings) => {
    stop();
    const mine = turn.current;
    setStatus({ state: 'connecting', words: 'Opening the source' });
    const shown = await preview(settings);
    if (!shown || turn.current !== mine) return;
    rememberKey(settings.key);
    setStatus({ state: 'connecting', words: 'Connecting' });
    const next = publishWhip({
      url: urls.whip,
      key: settings.key,
      stream: shown.stream,
      videoBitsPerSecond: videoBitrate(settings),
      framesPerSecond: settings.fps,
      ...(settings.codec ? { videoCodec: settings.codec } : {}),
    });
    publisher.current = next;
    window.unisono = { ...window.unisono, publisher: next };
    next.on('state', (now) => {
      if (publisher.current === next && now.state !== 'closed') setStatus(now);
    });
    next.on('error', () => {
      if (publisher.current === next) publisher.current = null;
      setHealth(null);
    });
    next.on('health', setHealth);
  };

  const mute = (part: Partial<Muted>) => {
    const next = { ...muted.current, ...part };
    muted.current = next;
    if (open.current) silence(open.current.source, next);
    setMuted(next);
  };

  return { source, ...status, health, problem, preview, start, stop, muted: shownMuted, mute };
}

/** Calls `told` when a track ends by itself: the person ended the screen share, or pulled camera or microphone out. */
export function whenEnded({ stream }: Source, told: (kind: 'video' | 'audio') => void): void {
  for (const kind of ['video', 'audio'] as const) {
    const track = stream.getTracks().find((one) => one.kind === kind);
    track?.addEventListener('ended', () => told(kind));
  }
}

/** The picture, where there is one, goes on without it. */
export function soundGone({ kind }: Source): string {
  if (kind === 'screen') return 'The sound of what is shared has ended; viewers hear nothing. Share the screen again to bring it back.';
  return 'The microphone is gone; viewers hear nothing. Connect it again, or choose another one.';
}

function isWhole({ stream }: Source): boolean {
  return stream.getTracks().every(({ readyState }) => readyState === 'live');
}

function silence({ stream }: Source, muted: Muted): void {
  for (const track of stream.getTracks()) track.enabled = !(track.kind === 'video' ? muted.video : muted.audio);
}
