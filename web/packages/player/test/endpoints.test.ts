import { expect, test } from 'vitest';
import { parseEndpoints } from '../src/endpoints';

test('nodes are apart by commas or blanks; an empty attribute means none but the first', () => {
  expect(parseEndpoints(null)).toBeNull();
  expect(parseEndpoints('')).toEqual([]);
  expect(parseEndpoints('https://a, https://b\n https://c')).toEqual(['https://a', 'https://b', 'https://c']);
});
