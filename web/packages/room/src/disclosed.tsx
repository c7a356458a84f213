/** The disclosure line of a window: latency class, e, and the rule as text (fairness spec 13). */

import { useScene } from './use';
import { disclosure, type FullTerms } from './words';

export function Disclosed({ terms }: { terms: FullTerms }) {
  const { room } = useScene();
  const { short, rule } = disclosure(terms, room.clockError);
  return (
    <details class="disclosed">
      <summary>{short}</summary>
      <ul>
        {rule.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </details>
  );
}
