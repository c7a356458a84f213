/** The publish page of one stream. */

import type { StreamName, StreamUrls } from '@unisono/client';
import { useEffect, useState } from 'preact/hooks';
import { Copy } from '../parts/copy';
import { Banner, Head, Pill, Segments, type Tone } from '../parts/frame';
import { Ffmpeg, Obs } from '../parts/encoders';
import { capital } from '../parts/words';
import { DevicePickers } from './devices';
import { Health } from './health';
import { Insecure } from './insecure';
import { Preview } from './preview';
import { Quality } from './quality';
import { settingsOfAddress, startsByItself, type Kind, type Settings } from './settings';
import { useStudio, type Studio } from './studio';

const KINDS = [
  { value: 'camera', label: 'Camera' },
  { value: 'screen', label: 'Screen' },
  { value: 'pattern', label: 'Test pattern' },
] as const;

const TONES: Record<Studio['state'], Tone> = { idle: 'idle', connecting: 'wait', live: 'live', reconnecting: 'wait', failed: 'bad', closed: 'idle' };
const HEADLINES: Record<Studio['state'], string> = {
  idle: 'Not publishing',
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  failed: 'Not publishing',
  closed: 'Not publishing',
};

export function Publish({ stream, urls }: { stream: StreamName; urls: StreamUrls }) {
  const [settings, setSettings] = useState<Settings>(settingsOfAddress);
  const studio = useStudio(urls);
  const isOn = studio.state === 'connecting' || studio.state === 'live' || studio.state === 'reconnecting';

  const change = (part: Partial<Settings>) => {
    const next = { ...settings, ...part };
    setSettings(next);
    const isOther = next.kind !== settings.kind;
    // Asking for a screen needs a click of its own; devices and pattern show at once.
    if (isOther && next.kind !== 'pattern' && !isOn) return;
    if (studio.source || next.kind === 'pattern') void studio.preview(next);
  };
  useEffect(() => {
    if (startsByItself()) void studio.start(settings);
    else if (settings.kind === 'pattern') void studio.preview(settings);
  }, []);

  return (
    <>
      <Head>
        <a href={urls.watch}>Watch page</a>
      </Head>
      <main class="publish">
        <section class="stage" aria-label="Preview">
          <Preview studio={studio} kind={settings.kind} onOpen={() => void studio.preview(settings)} />
          <div class="caption">
            <div class="title">
              <h1>
                <span class="quiet">{stream.app}/</span>
                {stream.name}
              </h1>
            </div>
            <span role="status">
              <Pill tone={TONES[studio.state]}>{HEADLINES[studio.state]}</Pill>
            </span>
          </div>
          {studio.state === 'failed' && <Banner tone="bad">{capital(studio.words)}</Banner>}
          {studio.problem && <Banner tone="bad">{studio.problem}</Banner>}
          {studio.state === 'reconnecting' && <Banner>{capital(studio.words)}</Banner>}
          <Insecure />
          <Health studio={studio} urls={urls} />
        </section>
        <aside aria-label="Settings">
          <form
            class="panel setup"
            onSubmit={(event) => {
              event.preventDefault();
              if (isOn) studio.stop();
              else void studio.start(settings);
            }}
          >
            <h2>Source</h2>
            <Segments label="Source" value={settings.kind} options={KINDS} onChange={(kind: Kind) => change({ kind })} />
            {settings.kind === 'camera' && <DevicePickers settings={settings} isOpen={studio.source?.kind === 'camera'} onChange={change} />}
            <Quality settings={settings} disabled={isOn} onChange={change} />
            <label>
              Publish key
              <input
                name="key"
                type="password"
                autocomplete="off"
                placeholder="pk_…"
                disabled={isOn}
                value={settings.key}
                onInput={(event) => setSettings({ ...settings, key: event.currentTarget.value.trim() })}
              />
            </label>
            <button class={isOn ? 'stop' : 'main'}>{isOn ? 'Stop' : 'Go live'}</button>
            <p class="quiet">The server printed the key at its first start.</p>
          </form>
          <section class="panel">
            <h2>Viewers go to</h2>
            <Copy text={urls.watch} />
          </section>
          <details class="panel ways">
            <summary>Publish with OBS or FFmpeg</summary>
            <Obs stream={`${stream.app}/${stream.name}`} />
            <Ffmpeg stream={`${stream.app}/${stream.name}`} />
          </details>
        </aside>
      </main>
    </>
  );
}
