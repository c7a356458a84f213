/** Waiting: cancellable delays, and the pauses between tries. */

/** Resolves after `ms`, or at once (with `false`) when `signal` aborts. */
export function delay(ms: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(false);
    const finish = (whole: boolean) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
      resolve(whole);
    };
    const cancel = () => finish(false);
    const timer = setTimeout(() => finish(true), ms);
    signal?.addEventListener('abort', cancel);
  });
}

/** Pauses that double from `first` to `most` milliseconds, spread by up to a quarter so that viewers do not return in step. */
export class Backoff {
  #tries = 0;

  constructor(
    private readonly first = 250,
    private readonly most = 5000,
    private readonly random: () => number = Math.random,
  ) {}

  next(): number {
    const pause = Math.min(this.first * 2 ** this.#tries, this.most);
    this.#tries = Math.min(this.#tries + 1, 16);
    return Math.round(pause * (1 + this.random() / 4));
  }

  /** It worked: the next failure starts small again. */
  reset(): void {
    this.#tries = 0;
  }
}
