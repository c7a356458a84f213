import { expect, test } from 'vitest';
import { isTaken } from '../src/keys';

const pressed = (key: string, within: string) => {
  const target = { closest: (selectors: string) => (selectors.split(', ').includes(within) ? {} : null) };
  // Of a shadow tree laid over the picture, listeners outside see only the host as `target`.
  return isTaken({ key, composedPath: () => [target, {}] as unknown as EventTarget[] });
};

test('letters belong to the field they are written in, wherever it is; Escape does not', () => {
  for (const field of ['input', 'textarea', 'select', '[contenteditable]']) {
    expect([' ', 'k', 'm', 'f', 'p', 's'].map((key) => pressed(key, field))).not.toContain(false);
    expect(pressed('Escape', field)).toBe(false);
  }
});

test('a button takes the space bar alone, and the player the rest', () => {
  expect([pressed(' ', 'button'), pressed('k', 'button'), pressed(' ', 'a'), pressed(' ', 'video')]).toEqual([true, false, true, false]);
});
