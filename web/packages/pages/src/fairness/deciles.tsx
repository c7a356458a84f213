/** Entries and wins by how far behind live their senders were. */

import { spanWords } from '@unisono/room/parts';
import { sum, verdictOf, type Deciles } from './report';

export function LatencyTable({ deciles }: { deciles: Deciles }) {
  const { latencyUs, entries, wins } = deciles;
  const share = sum(wins) / Math.max(sum(entries), 1);
  const most = Math.max(...wins, 1);
  return (
    <section class="panel latency">
      <h2>Did latency decide anything?</h2>
      <p>{verdictOf(deciles)}</p>
      {sum(entries) > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Wins by latency">
          <table>
            <thead>
              <tr>
                <th scope="col">Behind live, up to</th>
                <th scope="col">Entries</th>
                <th scope="col">Wins</th>
                <th scope="col">If all had the same chance</th>
                <td class="bar" />
              </tr>
            </thead>
            <tbody>
              {latencyUs.map((latency, index) => (
                <tr key={index}>
                  <th scope="row">{spanWords(Math.max(latency, 0))}</th>
                  <td>{entries[index]}</td>
                  <td>{wins[index]}</td>
                  <td>{(share * (entries[index] ?? 0)).toFixed(1)}</td>
                  <td class="bar" aria-hidden="true">
                    <i style={{ width: `${(100 * (wins[index] ?? 0)) / most}%` }} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
