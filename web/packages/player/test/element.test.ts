import { expect, test, vi } from 'vitest';

/** As much of a browser as the element touches by itself; its controls and players have tests of their own. */
const begun = vi.hoisted(() => {
  class Element extends EventTarget {
    #attributes = new Map<string, string>();
    isConnected = true;
    getAttribute = (name: string) => this.#attributes.get(name) ?? null;
    setAttribute(name: string, value: string) {
      const before = this.getAttribute(name);
      this.#attributes.set(name, value);
      (this as unknown as { attributeChangedCallback(...args: unknown[]): void }).attributeChangedCallback(name, before, value);
    }
  }
  vi.stubGlobal('HTMLElement', Element);
  vi.stubGlobal('location', new URL('https://page.example/'));
  vi.stubGlobal('navigator', { onLine: true });
  vi.stubGlobal('addEventListener', () => {});
  return [] as { url: string; beginAt?: string; move(to: string): void; isWired(): boolean }[];
});

const { shown, told, looked, late } = vi.hoisted(() => ({ shown: [] as (string | null)[], told: [] as { state: string; words: string }[], looked: [] as unknown[], late: [] as string[] }));
vi.mock('../src/controls', () => ({
  Controls: class {
    name() {}
    refresh(kinds: unknown) { looked.push(kinds); }
    show(state: { moved: string | null; state: string; words: string }) { shown.push(state.moved); told.push(state); }
  },
}));
vi.mock('../src/late-tracks', () => ({ Brake: class {}, lateTrack: async (url: () => string) => (late.push(url()), false) }));
vi.mock('@unisono/client', async (original) => ({
  ...(await original<object>()),
  watchHls: async ({ url }: { url: string }) => {
    if (url.includes('/broken')) throw new Error('Failed to fetch dynamically imported module');
    const protocol = url.includes('/native') ? 'hls-native' : 'hls';
    return { protocol, endpoint: 'https://a', on: () => undefined, close: async () => {}, state: 'playing', failure: null, kinds: () => null };
  },
  watchWebRtc: (options: { url: string; beginAt?: string }) => {
    const listeners = new Map<string, (value: unknown) => void>();
    begun.push({ ...options, isWired: () => listeners.has('error'), move: (to) => listeners.get('endpoint')!({ from: '', to, why: 'lost', words: 'Moved' }) });
    return { on: (name: string, listener: () => void) => listeners.set(name, listener), close: async () => {}, state: 'connecting', endpoint: 'https://a', failure: null, kinds: () => null };
  },
}));

test('a start after a move begins at the node it had moved to; another stream begins at its own', async () => {
  const { UnisonoPlayer } = await import('../src/element');
  const element = new UnisonoPlayer();
  const starts = async (count: number) => vi.waitFor(() => expect([begun.length, begun.at(-1)!.isWired()]).toEqual([count, true]), { timeout: 30_000 });
  element.src = 'https://a/live/x';
  await starts(1);
  begun[0]!.move('https://b');
  element.setAttribute('token', 'a.b');
  await starts(2);
  expect(begun[1]).toMatchObject({ url: 'https://a/t/a.b/live/x/whep', beginAt: 'https://b' });
  element.src = 'https://a/live/y';
  await starts(3);
  expect(begun[2]!.beginAt).toBeUndefined();
  begun[2]!.move('https://b');
  expect(shown.at(-1)).toBe('Moved');
  element.disconnectedCallback();
  element.connectedCallback();
  await starts(4);
  expect(shown.at(-1), 'what was told of the player before is not told of the next').toBeNull();
  element.disconnectedCallback();
}, 60_000);

test('what cannot begin says so: a file that cannot be loaded, and an address that is none', async () => {
  const { UnisonoPlayer } = await import('../src/element');
  const element = new UnisonoPlayer();
  element.mode = 'hls';
  element.src = 'https://a/live/broken';
  await vi.waitFor(() => expect(told.at(-1)).toMatchObject({ state: 'failed', words: expect.stringContaining('reload the page') }), { timeout: 30_000 });
  element.src = 'https://';
  await vi.waitFor(() => expect(told.at(-1)).toMatchObject({ state: 'failed', words: expect.stringContaining('not the name of a stream') }), { timeout: 30_000 });
}, 60_000);

test('who waits for frames hears that the element was taken out of the page, not that it was moved in it', async () => {
  const { UnisonoPlayer } = await import('../src/element');
  const element = new UnisonoPlayer();
  const heard: string[] = [];
  element.on('state', ({ state }) => heard.push(state));
  element.disconnectedCallback();
  element.connectedCallback();
  await Promise.resolve();
  expect(heard).not.toContain('closed');
  looked.length = 0;
  Object.assign(element, { isConnected: false });
  element.disconnectedCallback();
  await Promise.resolve();
  expect(heard.at(-1)).toBe('closed');
  expect(looked, 'nothing is measured any more').toEqual([null]);
});

test('hls.js looks for late tracks by itself; the browser’s own player does not', async () => {
  const { UnisonoPlayer } = await import('../src/element');
  const element = new UnisonoPlayer();
  element.mode = 'hls';
  late.length = 0;
  for (const name of ['x', 'native']) {
    told.length = 0;
    element.src = `https://a/live/${name}`;
    await vi.waitFor(() => expect(told.at(-1)).toMatchObject({ state: 'playing' }), { timeout: 30_000 });
    await Promise.resolve();
  }
  expect(late).toEqual(['https://a/api/v1/streams/live/native']);
}, 60_000);
