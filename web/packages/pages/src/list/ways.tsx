/** The ways to publish, with everything filled in that the page knows. */

import { useState } from 'preact/hooks';
import { Ffmpeg, Obs } from '../parts/encoders';
import { Segments } from '../parts/frame';

type Way = 'browser' | 'obs' | 'ffmpeg';

const WAYS = [
  { value: 'browser', label: 'Browser' },
  { value: 'obs', label: 'OBS Studio' },
  { value: 'ffmpeg', label: 'FFmpeg' },
] as const;

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

export function Ways({ folded }: { folded: boolean }) {
  const [way, setWay] = useState<Way>('browser');
  const [name, setName] = useState('alice');
  const stream = `live/${NAME.test(name) ? name : 'alice'}`;
  return (
    <details class="ways panel" open={!folded}>
      <summary>Publish a stream</summary>
      <div class="row wrap">
        <Segments label="How to publish" value={way} options={WAYS} onChange={setWay} />
        <label class="inline">
          Name
          <input size={12} value={name} spellcheck={false} onInput={(event) => setName(event.currentTarget.value.trim())} />
        </label>
      </div>
      {way === 'browser' && <Browser stream={stream} />}
      {way === 'obs' && <Obs stream={stream} />}
      {way === 'ffmpeg' && <Ffmpeg stream={stream} />}
      <p class="quiet">The server printed the publish key at its first start. It begins with pk_{way === 'browser' ? '.' : ' and takes the place of YOUR_KEY.'}</p>
    </details>
  );
}

function Browser({ stream }: { stream: string }) {
  return (
    <div class="way">
      <p>Camera, screen or a test pattern, straight from this browser.</p>
      <a class="button main" href={`/${stream}/publish`}>
        Open the publish page
      </a>
    </div>
  );
}
