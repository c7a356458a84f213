/** What is wrong with a stream, in the server's words. */

import type { Diagnosis, StreamView } from '../api';
import { Banner } from './frame';
import { capital } from './words';

/** Banners for what presses, small print for the rest. A note that a diagnosis says as well is said once. */
export function Troubles({ view }: { view: StreamView | null }) {
  if (!view) return null;
  const diagnosis = view.diagnosis ?? [];
  const said = new Set(diagnosis.map(({ words }) => words));
  const isPressing = view.tracks.some(({ reordered }) => reordered);
  const notes = view.notes.filter((note) => !said.has(note));
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
