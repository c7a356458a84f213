/** The source and the publisher behind the page, as one thing that starts and stops. */

import { publishWhip, sourceOf, UnisonoError, type Health, type Publisher, type PublishState, type Source, type StreamUrls } from '@unisono/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import '../parts/window';
import { rememberKey, sourceOptions, videoBitrate, type Settings } from './settings';

export interface Studio {
  readonly source: Source | null;
  readonly state: PublishState | 'idle';
  readonly words: string;
  readonly health: Health | null;
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

export function useStudio(urls: StreamUrls): Studio {
  const [source, setSource] = useState<Source | null>(null);
  const [status, setStatus] = useState<{ state: Studio['state']; words: string }>({ state: 'idle', words: '' });
  const [health, setHealth] = useState<Health | null>(null);
  const publisher = useRef<Publisher | null>(null);
  const open = useRef<Source | null>(null);
  const muted = useRef<Muted>({ video: false, audio: false });
  const [shownMuted, setMuted] = useState<Muted>(muted.current);

  useEffect(
    () => () => {
      publisher.current?.close();
      open.current?.stop();
    },
    [],
  );

  const preview = async (settings: Settings): Promise<Source | null> => {
    try {
      const next = await sourceOf(sourceOptions(settings));
      silence(next, muted.current);
      await publisher.current?.replace(next.stream);
      open.current?.stop();
      open.current = next;
      setSource(next);
      if (!publisher.current) setStatus({ state: 'idle', words: '' });
      return next;
    } catch (error) {
      setStatus((old) => (publisher.current ? old : { state: 'failed', words: (error as UnisonoError).message }));
      return null;
    }
  };

  const stop = () => {
    publisher.current?.close();
    publisher.current = null;
    setHealth(null);
    setStatus({ state: 'idle', words: '' });
  };

  const start = async (settings: Settings) => {
    stop();
    setStatus({ state: 'connecting', words: 'Opening the source' });
    const shown = open.current?.kind === settings.kind ? open.current : await preview(settings);
    if (!shown) return;
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
    window.unisono = { ...window.unisono, publisher: next, source: shown };
    next.on('state', (now) => {
      if (publisher.current === next && now.state !== 'closed') setStatus(now);
    });
    next.on('error', () => {
      if (publisher.current === next) publisher.current = null;
      setHealth(null);
    });
    next.on('health', setHealth);
    // The person ended the screen share, or pulled the camera out.
    shown.stream.getVideoTracks()[0]?.addEventListener('ended', () => publisher.current === next && open.current === shown && stop());
  };

  const mute = (part: Partial<Muted>) => {
    const next = { ...muted.current, ...part };
    muted.current = next;
    if (open.current) silence(open.current, next);
    setMuted(next);
  };

  return { source, ...status, health, preview, start, stop, muted: shownMuted, mute };
}

function silence({ stream }: Source, muted: Muted): void {
  for (const track of stream.getTracks()) track.enabled = !(track.kind === 'video' ? muted.video : muted.audio);
}
