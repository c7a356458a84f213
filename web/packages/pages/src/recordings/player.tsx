/** Plays a recording and cuts a clip of it between two marks. */

import { useRef, useState } from 'preact/hooks';
import { base, clock, span, when, type RecordingView } from './recording';

export function Player({ recording, token }: { recording: RecordingView; token: string | null }) {
  const video = useRef<HTMLVideoElement>(null);
  // What runs grows: it is played as far as it was when it was opened.
  const [source] = useState(() => `${base(recording, token)}/recording.mp4${recording.state === 'recording' && recording.to ? `?to=${recording.to}` : ''}`);
  const [marks, setMarks] = useState<{ from: number | null; to: number | null }>({ from: null, to: null });
  const now = () => video.current?.currentTime ?? 0;
  const { from, to } = marks;
  const isClip = from !== null && to !== null && from < to;
  return (
    <section class="panel" aria-label="Player">
      <h2>{when(recording)}</h2>
      <video ref={video} src={source} controls autoplay playsinline aria-label={`Recording of ${when(recording)}`} />
      <div class="row" role="group" aria-label="Clip">
        <button type="button" onClick={() => setMarks({ ...marks, from: now() })}>
          Clip begins here
        </button>
        <button type="button" onClick={() => setMarks({ ...marks, to: now() })}>
          Clip ends here
        </button>
        <span class="quiet" aria-live="polite">
          {from === null ? 'no beginning' : clock(from, true)} – {to === null ? 'no end' : clock(to, true)}
        </span>
        {isClip && (
          <a href={`${base(recording, token)}/recording.mp4${span(recording, from, to)}`} download>
            Load the clip
          </a>
        )}
      </div>
      {from !== null && to !== null && !isClip && <p class="quiet">The clip has to begin before it ends.</p>}
    </section>
  );
}
