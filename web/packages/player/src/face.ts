/** What is seen where there is only sound: the name, and how loud it is. */

import type { Source } from './panel';

const EVERY_MS = 100;
/** How far each bar follows the loudness: a hill. */
const SHAPE = [0.25, 0.45, 0.68, 0.88, 1, 0.88, 0.68, 0.45, 0.25];

export class Face {
  #timer: ReturnType<typeof setInterval> | null = null;
  #level = 0;

  constructor(
    private readonly face: HTMLElement,
    private readonly source: Source,
  ) {}

  name(name: string): void {
    this.face.querySelector('b')!.textContent = name;
  }

  show(isShown: boolean): void {
    this.face.hidden = !isShown;
    if (isShown && this.#timer === null) {
      this.#timer = setInterval(() => void this.#measure(), EVERY_MS);
    } else if (!isShown && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  async #measure(): Promise<void> {
    const level = await this.source.session?.audioLevel();
    // Where nothing is told the bars keep a quiet shape. Rises at once, falls slowly, as meters do.
    this.#level = level == null ? 0.22 : Math.max(Math.sqrt(level), this.#level * 0.8);
    const bars = this.face.querySelectorAll<HTMLElement>('.meter i');
    bars.forEach((bar, index) => bar.style.setProperty('--level', (this.#level * (SHAPE[index] ?? 0)).toFixed(3)));
  }
}
