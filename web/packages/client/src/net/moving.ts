/** A node asks its viewers to move: each at a moment of its own within the time it gives, so that they do not all come to the next one at once. */

export type MoveNotice = { readonly type: 'move'; readonly withinMs: number; readonly endpoints: readonly string[] } | { readonly type: 'stay' };

/** Nobody is asked to wait longer. */
const WITHIN_MOST_MS = 3_600_000;

/** Reads the notice; `null` for anything else. */
export function parseMove(message: unknown): MoveNotice | null {
  const { type, within_ms, endpoints } = (message ?? {}) as Record<string, unknown>;
  if (type === 'stay') return { type };
  if (type !== 'move' || typeof within_ms !== 'number' || !(within_ms >= 0)) return null;
  const nodes = Array.isArray(endpoints) ? endpoints.filter((node): node is string => typeof node === 'string') : [];
  return { type, withinMs: Math.min(within_ms, WITHIN_MOST_MS), endpoints: nodes };
}

/** Between two tries of one who found no other node. */
const AGAIN_MS = 2000;

/** Carries the notice out once, whoever brings it, and however often. */
export class Mover {
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The node to be left. */
  #leaves: string | null = null;

  /** `move` resolves to false where it came to nothing, and is called again while the node still asks for it. */
  constructor(
    private readonly move: () => Promise<boolean>,
    private readonly random: () => number = Math.random,
  ) {}

  /** `node` asks. */
  ask(node: string, withinMs: number): void {
    if (this.#leaves === node) return;
    this.cancel();
    this.#leaves = node;
    this.#later(withinMs * this.random());
  }

  /** It takes it back, or was left. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#leaves = null;
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => {
      void this.move().then((isDone) => {
        if (this.#leaves === null) return;
        if (isDone) this.#leaves = null;
        else this.#later(AGAIN_MS * (1 + this.random()));
      });
    }, ms);
  }
}
