import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { adminKey, getJson } from '../src/api';

let sent: (string | null)[];

beforeEach(() => {
  sent = [];
  const kept = new Map<string, string>();
  vi.stubGlobal('sessionStorage', { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => kept.set(name, value), removeItem: (name: string) => kept.delete(name) });
  vi.stubGlobal('location', new URL('https://a.example/live/alice'));
  vi.stubGlobal('fetch', async (_: string, { headers }: RequestInit) => (sent.push(new Headers(headers).get('authorization')), Response.json({})));
});
afterEach(() => void vi.unstubAllGlobals());

test('the admin key goes to the server of the page, and to no other node', async () => {
  adminKey.set('ak_1');
  const { signal } = new AbortController();
  for (const url of ['/api/v1/streams', 'https://a.example/api/v1/streams/live/alice']) await getJson(url, signal);
  for (const url of ['https://b.example/api/v1/streams/live/alice', 'http://a.example/x', 'https://a.example:8443/x', '//b.example/x']) await getJson(url, signal);
  expect(sent).toEqual(['Bearer ak_1', 'Bearer ak_1', null, null, null, null]);
});
