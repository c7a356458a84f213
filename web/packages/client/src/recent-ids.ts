/** The ids of the recent past; the oldest are forgotten first. */
export class RecentIds {
  #ids = new Set<string>();

  /** Holds at most `most`. */
  constructor(private readonly most: number) {}

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size > this.most) this.#ids.delete(this.#ids.values().next().value!);
  }

  clear(): void {
    this.#ids.clear();
  }
}
