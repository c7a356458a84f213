/** What is wrong with a stream, in the server's words. */

import type { Diagnosis, StreamView } from '../api';
import { Banner } from './frame';
import { capital } from './words';

/** How the note begins that says, more shortly, what a diagnosis says. */
const NOTES: Record<string, string> = {
  b_frames: 'Plays by LL-HLS only',
  codec_browsers: 'The video is H.265',
  codec_hls: 'The video is VP8',
  keyframe_interval: 'Keyframes are more than 4 s apart',
};

/** Banners for what presses, small print for the rest. A note that a diagnosis says as well is said once. */
export function Troubles({ view }: { view: StreamView | null }) {
  if (!view) return null;
  const diagnosis = view.diagnosis ?? [];
  const isSaid = (note: string) => diagnosis.some(({ code, words }) => words === note || note.startsWith(NOTES[code] ?? '\0'));
  const isPressing = view.tracks.some(({ reordered }) => reordered);
  const notes = view.notes.filter((note) => !isSaid(note));
  return (
    <>
      {diagnosis.map((found) => (
        <Trouble key={`${found.code} ${found.words}`} found={found} />
      ))}
      {notes.map((note) => (isPressing ? <Banner key={note}>{note}</Banner> : <p key={note} class="quiet note">{note}</p>))}
    </>
  );
}

function Trouble({ found }: { found: Diagnosis }) {
  const words = capital(found.words);
  if (found.severity === 'info') return <p class="quiet note">{words}</p>;
  return <Banner tone={found.severity === 'error' ? 'bad' : 'note'}>{words}</Banner>;
}
