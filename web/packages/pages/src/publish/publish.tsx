/** The publish page of one stream. */

import type { StreamName, StreamUrls } from '@unisono/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Copy } from '../parts/copy';
import { Banner, Figure, Head, Pill, Segments, type Tone } from '../parts/frame';
import { bitrate } from '../parts/words';
import { DevicePickers } from './devices';
import { HEIGHTS, settingsOfAddress, startsByItself, type Kind, type Settings } from './settings';
import { useStudio, type Studio } from './studio';

const KINDS = [
  { value: 'camera', label: 'Camera' },
  { value: 'screen', label: 'Screen' },
  { value: 'pattern', label: 'Test pattern' },
] as const;

const SIZES = HEIGHTS.map((height) => ({ value: String(height), label: `${height}p` }));

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
        <section class="stage">
          <Preview studio={studio} kind={settings.kind} onOpen={() => void studio.preview(settings)} />
          <div class="caption">
            <div class="title">
              <h1>
                <span class="quiet">{stream.app}/</span>
                {stream.name}
              </h1>
            </div>
            <Pill tone={TONES[studio.state]}>{HEADLINES[studio.state]}</Pill>
          </div>
          {studio.state === 'failed' && <Banner tone="bad">{studio.words}</Banner>}
          {studio.state === 'reconnecting' && <Banner>{studio.words}</Banner>}
          <HealthFigures studio={studio} />
        </section>
        <aside>
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
            {settings.kind !== 'screen' && (
              <Segments label="Size" value={String(settings.height)} options={SIZES} disabled={isOn} onChange={(height) => change({ height: Number(height) })} />
            )}
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
        </aside>
      </main>
    </>
  );
}

function Preview({ studio, kind, onOpen }: { studio: Studio; kind: Kind; onOpen: () => void }) {
  const video = useRef<HTMLVideoElement>(null);
  const stream = studio.source?.stream ?? null;
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
  }, [stream]);
  const words = { camera: 'Show the camera', screen: 'Choose a screen', pattern: 'Show the test pattern' }[kind];
  return (
    <div class="screen preview">
      <video ref={video} class={kind === 'camera' ? 'mirrored' : ''} autoplay muted playsinline />
      {(!stream || studio.source?.kind !== kind) && (
        <button type="button" class="veil" onClick={onOpen}>
          {words}
        </button>
      )}
    </div>
  );
}

function HealthFigures({ studio: { health, state } }: { studio: Studio }) {
  if (!health || state !== 'live') return null;
  const held = { cpu: 'held back by this computer', bandwidth: 'held back by the network' }[health.limitedBy];
  return (
    <dl class="figures">
      <Figure name="Video" value={bitrate(health.videoBitsPerSecond)} title={held ?? 'Sent in the last second'} />
      <Figure name="Audio" value={bitrate(health.audioBitsPerSecond)} />
      <Figure name="Rate" value={`${Math.round(health.framesPerSecond)} fps`} />
      <Figure name="Picture" value={health.width ? `${health.width}×${health.height}` : '–'} title={held ?? ''} />
      <Figure name="Round trip" value={health.roundTripMs === null ? '–' : `${Math.max(1, Math.round(health.roundTripMs))} ms`} />
      <Figure name="Loss" value={health.loss === null ? '–' : `${(health.loss * 100).toFixed(1)} %`} />
      <Figure name="Codec" value={health.codec ?? '–'} />
    </dl>
  );
}
