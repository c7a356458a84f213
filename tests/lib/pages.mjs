// What a person sees and hears of the player on a page, and what axe says of the whole.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { until } from './until.mjs';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** Waits until the player is in `phase`; returns what is written over the picture and what a screen reader was told, at the look that found it there. */
export async function phase(page, wanted, seconds = 60) {
  const look = (phase) => {
    const player = document.querySelector('unisono-player');
    if (player?.dataset.phase !== phase) return null;
    const state = player.shadowRoot.querySelector('.state');
    return { seen: getComputedStyle(state).visibility === 'visible' ? state.innerText : '', said: player.shadowRoot.querySelector('.said').textContent };
  };
  return until(`the player is ${wanted}`, () => page.evaluate(look, wanted), seconds).catch(async (error) => {
    const is = await page.evaluate(() => document.querySelector('unisono-player')?.dataset.phase);
    throw new Error(`${error.message}; it is ${is}\n${page.words?.slice(-8).join('\n')}`);
  });
}

/** One property or more of an element inside the player. */
export const inside = (page, selector, read) =>
  page.evaluate(([css, code]) => new Function('element', `return ${code}`)(document.querySelector('unisono-player').shadowRoot.querySelector(css)), [selector, read]);

/** Serious and critical findings of axe-core on the page as it is, in words. */
export async function findings(page) {
  await page.evaluate(await readFile(AXE, 'utf8'));
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    return grave.flatMap(({ id, impact, nodes }) => nodes.map(({ target, failureSummary }) => `${impact} ${id}: ${target.flat().join(' ')}: ${failureSummary}`));
  });
}
