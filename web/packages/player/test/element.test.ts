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

const shown = vi.hoisted(() => [] as (string | null)[]);
vi.mock('../src/controls', () => ({ Controls: class { name() {} refresh() {} show({ moved }: { moved: string | null }) { shown.push(moved); } } }));
vi.mock('../src/late-tracks', () => ({ lateTrack: async () => false }));
vi.mock('@unisono/client', async (original) => ({
  ...(await original<object>()),
  watchWebRtc: (options: { url: string; beginAt?: string }) => {
    const listeners = new Map<string, (value: unknown) => void>();
    begun.push({ ...options, isWired: () => listeners.has('error'), move: (to) => listeners.get('endpoint')!({ from: '', to, why: 'lost', words: 'Moved' }) });
    return { on: (name: string, listener: () => void) => listeners.set(name, listener), close: async () => {}, state: 'connecting', failure: null, kinds: () => null };
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
