/** The disclosure line of a window: latency class, e, and the rule as text (fairness spec 13). */

import { useScene, type Scene } from './use';
import { disclosure, type FullTerms } from './words';

export function Disclosed({ terms }: { terms: FullTerms }) {
  const scene = useScene();
  const { room } = scene;
  const { short, rule } = disclosure(terms, room.clockError);
  return (
    <details class="disclosed">
      <summary>{short}</summary>
      <ul>
        {rule.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
        <li>
          <a href={fairnessUrl(scene)} target="_blank" rel="noopener">
            What was decided in this room, and how to check it
          </a>
        </li>
      </ul>
    </details>
  );
}

/** The server's page; what opens the room opens it too. A key is nobody else's and stays here. */
function fairnessUrl({ server, room, token }: Scene): string {
  const page = `${server}/${room.name.replace(':', '/')}/fairness`;
  return token && !token.startsWith('ak_') ? `${page}#token=${token}` : page;
}
