import { describe, expect, it } from 'vitest';
import { EMPTY, openingOf, type Draft, type Kind } from '../src/host/forms';
import { isToast } from '../src/watch/toasts';

const drafted = (kind: Kind, more: Partial<Draft>) => openingOf(kind, { ...EMPTY, title: 'T', choices: 'a\n b \n\n', ...more });
const words = (kind: Kind, more: Partial<Draft>) => {
  const result = drafted(kind, more);
  return 'words' in result ? result.words : null;
};

describe('the host’s forms', () => {
  it('make the commands that the templates know', () => {
    expect(drafted('poll', {})).toEqual({ opening: { type: 'poll', do: 'open', data: { question: 'T', choices: ['a', 'b'] }, dur: 60_000_000 } });
    expect(drafted('quiz', { right: '2', seconds: '20' })).toMatchObject({ opening: { data: { outcome: 1 }, dur: 20_000_000 } });
    expect(drafted('auction', { start: '10', step: '0,5' })).toMatchObject({ opening: { data: { title: 'T', start: 1000, step: 50, currency: 'EUR' } } });
    expect(drafted('auction', { currency: '' })).toMatchObject({ opening: { data: { start: 10, step: 1 } } });
    expect(drafted('drop', { quantity: '3' })).toEqual({ opening: { type: 'drop', do: 'open', data: { title: 'T', quantity: 3, owner_confirms: true } } });
    expect(drafted('round', {})).toMatchObject({ opening: { data: { title: 'T' } } });
    expect(drafted('alert', {})).toEqual({ opening: { type: 'alert', do: 'send', data: { text: 'T' } } });
  });

  it('who takes part is said only where it is not the room’s own default', () => {
    expect(drafted('poll', { slowest: '1' })).toMatchObject({ opening: { data: { terms: { l_max: 1_000_000 } } } });
    expect(JSON.stringify(drafted('poll', { slowest: '6' }))).not.toMatch(/terms/);
  });

  it('say what is missing', () => {
    expect(words('poll', { title: ' ' })).toMatch(/Ask something/);
    expect(words('poll', { choices: 'one' })).toMatch(/two choices/);
    expect(words('poll', { seconds: '0' })).toMatch(/seconds/);
    expect(words('quiz', { right: '3' })).toMatch(/1 to 2/);
    expect(words('auction', { start: 'x' })).toMatch(/amounts/);
    expect(words('drop', { quantity: '1.5' })).toMatch(/whole number/);
  });
});

it('over the picture stands what was told to all and what begins; talk stays in the panel', () => {
  const event = { room: '', epoch: 1, seq: 1, id: 'e', type: 'goal', lane: 'alert', at: 0, late: 'show', data: null } as const;
  expect(isToast(event)).toBe(true);
  expect(isToast({ ...event, lane: 'chat' })).toBe(false);
  expect(isToast({ ...event, supersedes: 'x' })).toBe(false);
  expect(isToast({ ...event, rule: { is: 'shown', until: 1 } })).toBe(true);
  expect(isToast({ ...event, rule: { is: 'withdrawn', subject: 'x' } })).toBe(false);
});
