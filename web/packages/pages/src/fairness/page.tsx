/** The fairness page of one room. */

import type { StreamName, StreamUrls } from '@unisono/client';
import { Copy } from '../parts/copy';
import { Banner, Head } from '../parts/frame';
import { LatencyTable } from './deciles';
import { LateList } from './late-list';
import { useReading } from './reading';
import { Window } from './window';

export function FairnessPage({ stream, token, urls }: { stream: StreamName; token: string | null; urls: StreamUrls }) {
  const room = `${stream.app}:${stream.name}`;
  const { status, words, windows, report } = useReading(room, token);
  return (
    <>
      <Head>
        <a href={urls.watch}>Watch</a>
      </Head>
      <main class="fairness">
        <header>
          <h1>
            <span class="quiet">{stream.app}/</span>
            {stream.name}
          </h1>
          <p class="quiet">Fairness: what was decided here, by which rule, and how anybody can check it</p>
        </header>
        {status === 'failed' && <Banner tone="bad">{words}</Banner>}
        <section class="panel">
          <h2>The rule</h2>
          <p>
            What counts is the picture you had seen when you acted, never how fast you were. A window is open for the same length of picture on every screen, however far
            behind live that screen is. It is decided when the slowest viewer’s last click has arrived, and the result is shown on one and the same frame to all.
          </p>
        </section>
        {report?.bad && (
          <Banner tone="bad">
            The log is not what was written: entry {report.bad.n}: {report.bad.why}.
          </Banner>
        )}
        {report && <LatencyTable deciles={report.room} />}
        <section aria-label="Windows" class="windows">
          <h2>Decided here</h2>
          {status === 'reading' && <p class="quiet">Reading the room’s history …</p>}
          {status === 'read' && windows.length === 0 && <p class="quiet">Nothing has been decided in this room yet.</p>}
          {windows.map((window) => (
            <Window key={window.id} window={window} figures={report?.windows.get(window.id) ?? null} />
          ))}
        </section>
        <LateList room={room} token={token} windows={windows} />
        <Verify room={room} checked={report && !report.bad ? report.lastN : null} />
      </main>
    </>
  );
}

/** How somebody who trusts nobody does it. */
function Verify({ room, checked }: { room: string; checked: number | null }) {
  const file = `${room.replace(':', '-')}.log`;
  return (
    <section class="panel verify">
      <h2>Check it yourself</h2>
      {checked !== null && (
        <p>
          The server has just verified its own log: all {checked} entries are as they were written. That is the server’s word; the proof is the log in your hands.
        </p>
      )}
      <p>
        Each entry of the room’s log holds the SHA-256 of the one before, and the server signs the newest one again and again. The host gives you the log; the program
        then needs neither this server nor a network:
      </p>
      <Copy text={`curl -H 'Authorization: Bearer ak_…' ${location.origin}/api/v1/rooms/${room}/log > ${file}`} />
      <Copy text={`unisono verify ${file}`} />
      <Copy text={`unisono verify --fairness ${file}`} />
      <p class="quiet">
        It computes every result again and says green, or red with the first entry that is not as it was written. Compare the key it prints with one you had from
        somewhere else. On the server’s own machine the log needs no key.
      </p>
    </section>
  );
}
