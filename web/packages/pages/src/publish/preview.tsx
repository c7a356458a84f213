/** The picture as it is sent, how loud it is, and what is turned off. */

import { measureLevel } from '@unisono/client';
import { useEffect, useRef } from 'preact/hooks';
import type { Kind } from './settings';
import type { Studio } from './studio';

const OPENERS: Record<Kind, string> = { camera: 'Show the camera', screen: 'Choose a screen', pattern: 'Show the test pattern' };

export function Preview({ studio, kind, onOpen }: { studio: Studio; kind: Kind; onOpen: () => void }) {
  const video = useRef<HTMLVideoElement>(null);
  const stream = studio.source?.stream ?? null;
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
  }, [stream]);
  const isOther = !stream || studio.source?.kind !== kind;
  const has = (wanted: string) => stream?.getTracks().some((track) => track.kind === wanted) ?? false;
  return (
    <div class="screen preview">
      <video ref={video} class={kind === 'camera' ? 'mirrored' : ''} autoplay muted playsinline aria-label="Preview" />
      {isOther && (
        <button type="button" class="veil" onClick={onOpen}>
          <span>{OPENERS[kind]}</span>
        </button>
      )}
      {!isOther && !has('video') && <p class="soundonly">No camera: sound only</p>}
      {!isOther && (
        <div class="mutes" role="group" aria-label="Turn off">
          {has('video') && <Mute label="Picture" isOff={studio.muted.video} onChange={(video) => studio.mute({ video })} />}
          {has('audio') && <Mute label="Sound" isOff={studio.muted.audio} onChange={(audio) => studio.mute({ audio })} />}
          {has('audio') && <Level stream={stream!} />}
        </div>
      )}
    </div>
  );
}

function Mute({ label, isOff, onChange }: { label: string; isOff: boolean; onChange: (isOff: boolean) => void }) {
  return (
    <button type="button" class="mute" aria-pressed={isOff} onClick={() => onChange(!isOff)}>
      {label} {isOff ? 'off' : 'on'}
    </button>
  );
}

/** Written to the element directly: ten times a second is nothing to render a page for. */
function Level({ stream }: { stream: MediaStream }) {
  const meter = useRef<HTMLDivElement>(null);
  useEffect(
    () =>
      measureLevel(stream, (level) => {
        meter.current?.style.setProperty('--level', level.toFixed(3));
        meter.current?.setAttribute('aria-valuenow', String(Math.round(level * 100)));
      }),
    [stream],
  );
  return <div ref={meter} class="level" role="meter" aria-label="Loudness" aria-valuemin={0} aria-valuemax={100} aria-valuenow={0} />;
}
