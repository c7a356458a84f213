/** Asks again until `ask` gives something; fails in words after `seconds`. A deadline for a test that hangs, not a measurement. */
export async function until(what, ask, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const got = await ask();
    if (got) return got;
    if (Date.now() > end) throw new Error(`waited ${seconds} s until ${what}`);
    await pause(100);
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The p-quantile of numbers, by nearest rank. */
export function quantile(values, p) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
}
