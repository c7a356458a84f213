/** One screen, and how exactly it showed the hammer. */

import { useEffect, useState } from 'preact/hooks';
import { frameError, paneWord, type PaneWord } from './words';

export interface ScreenOf {
  readonly name: string;
  readonly title: string;
  readonly words: string;
  readonly query: string;
}

type Told = Extract<PaneWord, { kind: 'told' }>;

export interface PaneState {
  readonly phase: string;
  readonly latencyMs: number | null;
  /** The hammers it showed, the newest last. */
  readonly hammers: readonly Told[];
}

const QUIET: PaneState = { phase: 'connecting', latencyMs: null, hammers: [] };
const HAMMERS_MAX = 16;

/** What the panes have said, by name. */
export function usePanes(): ReadonlyMap<string, PaneState> {
  const [panes, setPanes] = useState<ReadonlyMap<string, PaneState>>(new Map());
  useEffect(() => {
    const hear = ({ data, origin }: MessageEvent) => {
      const word = origin === location.origin ? paneWord(data) : null;
      if (word) setPanes((old) => new Map(old).set(word.pane, heard(old.get(word.pane) ?? QUIET, word)));
    };
    addEventListener('message', hear);
    return () => removeEventListener('message', hear);
  }, []);
  return panes;
}

function heard(pane: PaneState, word: PaneWord): PaneState {
  if (word.kind === 'state') return { ...pane, phase: word.phase, latencyMs: word.latencyMs };
  return word.type === 'auction.decided' ? { ...pane, hammers: [...pane.hammers, word].slice(-HAMMERS_MAX) } : pane;
}

/** The hammer at `at` as this pane showed it. */
export function hammerOf(pane: PaneState | undefined, at: number | null): Told | null {
  return pane?.hammers.find((told) => told.at === at) ?? null;
}

export function Screen({ screen, pane, hammerAt }: { screen: ScreenOf; pane: PaneState | undefined; hammerAt: number | null }) {
  const hammer = hammerOf(pane, hammerAt);
  return (
    <section class={`screen-of ${screen.name}`} data-pane={screen.name} data-pane-phase={pane?.phase} data-hammer={hammer ? String(frameError(hammer.latenessUs)) : ''} data-hammer-t={hammer?.t}>
      <header>
        <h2>{screen.title}</h2>
        <span class="quiet tiny">{screen.words}</span>
      </header>
      <iframe title={screen.title} src={`/pane?name=${screen.name}&${screen.query}`} allow="autoplay; fullscreen" />
      <footer class="tiny">
        <span class="quiet">{pane?.latencyMs == null ? (pane?.phase ?? 'connecting') : `${Math.round(pane.latencyMs)} ms behind`}</span>
        {hammer && <b class={hammer.isBound && frameError(hammer.latenessUs) <= 1 ? 'good' : 'off'}>{hammerWords(hammer)}</b>}
      </footer>
    </section>
  );
}

function hammerWords({ latenessUs, isBound }: Told): string {
  if (!isBound) return 'hammer without a picture';
  const error = frameError(latenessUs);
  return error === 0 ? 'hammer: the very frame' : `hammer: ${error} ${error === 1 ? 'frame' : 'frames'} after`;
}
