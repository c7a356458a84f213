import { beforeEach, expect, test, vi } from 'vitest';

/** As much of a browser as the elements touch by themselves; what they draw has tests of its own. */
const { joined, drawn, page, find } = vi.hoisted(() => {
  class Element extends EventTarget {
    attributes = new Map<string, string>();
    isConnected = true;
    getAttribute = (name: string) => this.attributes.get(name) ?? null;
    hasAttribute = (name: string) => this.attributes.has(name);
    attachShadow = () => ({ append: () => undefined });
  }
  const find = new Map<string, unknown>();
  const page = Object.assign(new EventTarget(), { createElement: () => ({}), querySelector: (selector: string) => find.get(selector) ?? null });
  vi.stubGlobal('HTMLElement', Element);
  vi.stubGlobal('document', page);
  vi.stubGlobal('location', new URL('https://page.example/'));
  vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined });
  return { joined: [] as { player?: unknown; attached: unknown[]; hasLeft: boolean }[], drawn: [] as unknown[], page, find };
});
vi.mock('preact', async (original) => ({ ...(await original<object>()), render: (what: unknown) => drawn.push(what) }));
vi.mock('@unisono/client', async (original) => ({
  ...(await original<object>()),
  joinRoom: ({ player }: { player?: unknown }) => {
    const room = { player, attached: [] as unknown[], hasLeft: false, name: 'live:x', attach: (one: unknown) => room.attached.push(one), leave: () => (room.hasLeft = true) };
    joined.push(room);
    return room;
  },
}));

beforeEach(() => {
  joined.length = drawn.length = 0;
  find.clear();
});

test('a player that is upgraded after the room was joined is found when it announces itself', async () => {
  const { UnisonoRoom } = await import('../src/element');
  const element = new UnisonoRoom();
  (element.attributes as unknown as Map<string, string>).set('src', 'https://a/live/x').set('player', 'unisono-player');
  find.set('unisono-player', {});
  element.connectedCallback();
  await Promise.resolve();
  expect([joined.length, joined[0]!.player]).toEqual([1, undefined]);
  page.dispatchEvent(new Event('unisono-state'));
  expect(joined[0]!.attached).toEqual([]);
  const player = { on: () => undefined };
  find.set('unisono-player', player);
  for (let times = 0; times < 2; times += 1) page.dispatchEvent(new Event('unisono-state'));
  expect(joined[0]!.attached).toEqual([player]);
  element.disconnectedCallback();
  find.set('unisono-player', { on: () => undefined });
  page.dispatchEvent(new Event('unisono-state'));
  expect([joined[0]!.hasLeft, joined[0]!.attached.length]).toEqual([true, 1]);
}, 60_000);

test('reactions that were moved in the page fly again', async () => {
  const { UnisonoReactions } = await import('../src/element');
  const element = new UnisonoReactions();
  element.room = { name: 'live:x' } as never;
  element.connectedCallback();
  element.disconnectedCallback();
  expect(drawn.at(-1)).toBeNull();
  element.connectedCallback();
  expect(drawn.at(-1)).toMatchObject({ props: { room: { name: 'live:x' } } });
}, 60_000);
