/** Server-sent events as bytes come in (HTML standard, 9.2.6), as far as our server uses them. */

export interface SseEvent {
  readonly kind: string;
  readonly data: string;
}

/** Characters of one event; the longest message of a room stays far below. */
const EVENT_MAX = 16 * 1024 * 1024;

export class SseParser {
  #rest = '';
  #kind = '';
  #data: string[] = [];

  constructor(private readonly told: (event: SseEvent) => void) {}

  /** More text. False if it cannot be what our server says: an event without end. */
  push(text: string): boolean {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
    return this.#rest.length + this.#data.reduce((sum, part) => sum + part.length, 0) <= EVENT_MAX;
  }

  #line(line: string): void {
    if (line === '') return this.#end();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    // A line that begins with a colon is a comment, which keeps the connection; `id` and `retry` are for the browser's own reader.
    if (field === 'event') this.#kind = value;
    else if (field === 'data') this.#data.push(value);
  }

  #end(): void {
    const [kind, data] = [this.#kind || 'message', this.#data.join('\n')];
    const hasData = this.#data.length > 0;
    this.#kind = '';
    this.#data = [];
    if (hasData) this.told({ kind, data });
  }
}
