// The regression gate: JSON lines of benches against budgets. What is judged are ratios and counts of one run, never absolute times: those move
// with the machine.
// Run by `./dev bench gate [file]`; without a file it reads standard input. Fails where a figure is over its budget, where a figure that has one is
// missing, and where no line was judged at all.
import { readFileSync } from 'node:fs';

/** Words for everything in `line` that is not within the budget of its bench; an empty list where all is well. */
export function judge(line, budgets) {
  const budget = budgets[line.bench];
  return Object.entries(budget).flatMap(([figure, most]) => {
    const value = line[figure] ?? line.baseline?.[figure] ?? line.median?.baseline?.[figure];
    if (typeof value !== 'number' || !Number.isFinite(value)) return [`${line.bench}: ${figure} is missing`];
    return value > most ? [`${line.bench}: ${figure} is ${value}, at most ${most} is allowed`] : [];
  });
}

/** The lines of `text` that are JSON and have a budget; everything else a bench prints is passed over. */
export function lines(text, budgets) {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return [];
    const parsed = JSON.parse(line);
    return Object.hasOwn(budgets, parsed.bench) ? [parsed] : [];
  });
}

if (import.meta.filename === process.argv[1]) {
  const budgets = JSON.parse(readFileSync(new URL('budgets.json', import.meta.url), 'utf8'));
  const found = lines(readFileSync(process.argv[2] ?? 0, 'utf8'), budgets);
  const complaints = found.flatMap((line) => judge(line, budgets));
  if (!found.length) complaints.push(`no line of ${Object.keys(budgets).join(', ')} to judge`);
  console.log(JSON.stringify({ bench: 'gate', judged: found.length, verdict: complaints.length ? 'over budget' : 'ok', complaints }));
  process.exitCode = complaints.length ? 1 : 0;
}
