import { describe, expect, it } from 'vitest';
import { Announcer, resultWords } from '../src/announce';
import { amountOf, choicesOf, clockWords, disclosure, latencyClass, money, nameOf, percents, spanWords, textOf } from '../src/words';
import { auction, poll, roomState } from './samples';

describe('words and figures', () => {
  it('amounts are in the smallest unit of their currency', () => {
    expect(money(1250, 'EUR', 'en')).toBe('€12.50');
    expect(money(1250, 'JPY', 'en')).toBe('¥1,250');
    expect(money(1250, null, 'en')).toBe('1,250');
    expect(money(1250, 'no currency at all', 'en')).toBe('1,250 no curre');
    expect([amountOf('12,5', 'EUR'), amountOf('3', 'JPY'), amountOf(' 7 ', null)]).toEqual([1250, 3, 7]);
    for (const bad of ['', 'x', '-1', '0', '1e300']) expect(amountOf(bad, 'EUR')).toBeNull();
  });

  it('0:00 means over: a begun second counts', () => {
    expect([0, 1, 1_000_000, 65_000_000, 3_601_000_000].map(clockWords)).toEqual(['0:00', '0:01', '0:01', '1:05', '1:00:01']);
    expect([50_000, 300_000, 5_950_000, 17_620_000].map(spanWords)).toEqual(['50 ms', '0.3 s', '6 s', '17.6 s']);
  });

  it('people have names, or something that tells them apart', () => {
    expect(nameOf({ id: 'g~12345678', name: 'Ada' })).toBe('Ada');
    expect(nameOf({ id: 'g~12345678' })).toBe('Guest 1234');
    expect(nameOf({ id: 'local' })).toBe('Host');
    expect(nameOf({ id: '~bob' })).toBe('bob');
    expect(nameOf(undefined)).toBe('The room');
    expect(nameOf({ id: 'x', name: 'y'.repeat(100) })).toHaveLength(64);
  });

  it('data of any shape gives words or none', () => {
    expect(textOf({ text: 5, title: 'T' }, 'text', 'title')).toBe('T');
    for (const data of [null, undefined, 3, 'text', [], { __proto__: { text: 'x' } }]) expect(textOf(data, 'text')).toBe('');
    expect(choicesOf({ choices: ['a', 7] }, 3)).toEqual(['a', 'Choice 2', 'Choice 3']);
    expect(choicesOf(null, 2)).toEqual(['Choice 1', 'Choice 2']);
    expect(percents([1, 3])).toEqual([25, 75]);
    expect(percents([0, 0])).toEqual([0, 0]);
  });
});

describe('disclosure (fairness spec 13)', () => {
  it('tells latency class, e, and the rule as text', () => {
    const { short, rule } = disclosure(auction({}).terms, 12_000);
    expect(short).toBe('Latency class high (up to 6 s) · e ± 12 ms');
    expect(rule.join(' ')).toMatch(/Open for 60 s of the picture as you see it.*first does not.*up to 6 s behind.*highest amount wins.*shown 6 s after/);
    expect([1e6, 3e6, 6e6].map(latencyClass)).toEqual(['low', 'medium', 'high']);
  });

  it('says so where nothing was measured, and names sealing, changes and the soft close', () => {
    expect(disclosure(poll({}).terms, Infinity).short).toMatch(/e not measured yet/);
    const soft = { ...auction({}).terms, soft_close: { within: 17_600_000, extensions_max: 50 } };
    expect(disclosure(soft, 0).rule.join(' ')).toMatch(/last 17.6 s moves the end, at most 50 times/);
    expect(disclosure(poll({}).terms, 0).rule.join(' ')).toMatch(/Nobody sees an entry before the end.*may change/);
  });
});

describe('what a screen reader is told', () => {
  const look = (announcer: Announcer, window: ReturnType<typeof poll>, nowMs = 0) => announcer.look(roomState({ windows: [window] }), 'me', nowMs);

  it('an opening, a result, a withdrawal: once each', () => {
    const announcer = new Announcer();
    expect(look(announcer, poll({}))).toEqual(['Tea or coffee?: open now.']);
    expect(look(announcer, poll({}))).toEqual([]);
    const decided = poll({ phase: 'decided', result: { by: 'tally', counts: [1, 3] } });
    expect(look(announcer, decided)).toEqual(['Tea or coffee?: Tea 25 percent, Coffee 75 percent.']);
    expect(look(announcer, decided)).toEqual([]);
  });

  it('results that stood before one came are not news', () => {
    expect(look(new Announcer(), poll({ phase: 'decided', result: { by: 'tally', counts: [1, 3] } }))).toEqual([]);
  });

  it('prices now and then, being outbid at once', () => {
    const announcer = new Announcer();
    const bid = (amount: number, mine: number | null = null) => auction({ mine: mine === null ? null : { amount: mine }, standing: { entries: 1, counts: [], highest: { amount, actor: { id: 'ann' } } } });
    look(announcer, auction({}));
    expect(look(announcer, bid(1000), 0)).toHaveLength(1);
    expect(look(announcer, bid(1100), 1000)).toEqual([]);
    expect(look(announcer, bid(1200, 1150), 2000)).toEqual([expect.stringMatching(/^You were outbid/)]);
    expect(look(announcer, bid(1300, 1150), 9000)).toHaveLength(1);
  });

  it('a result in one sentence', () => {
    expect(resultWords(poll({ result: { by: 'match', outcome: 1, counts: [1, 1] } }), null)).toBe('Tea or coffee?: Coffee was right.');
    expect(resultWords(poll({}), null)).toMatch(/no result/);
  });
});
