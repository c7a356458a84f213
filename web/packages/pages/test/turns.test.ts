import { describe, expect, it } from 'vitest';
import { oneAtATime } from '../src/parts/turns';

/** Work that ends when it is told to. */
function slow() {
  const begun: { readonly input: number; readonly end: (error?: Error) => void }[] = [];
  const work = (input: number) => new Promise<number>((resolve, reject) => begun.push({ input, end: (error) => (error ? reject(error) : resolve(input)) }));
  return { begun, turn: oneAtATime(work) };
}

const settle = () => new Promise((resolve) => setTimeout(resolve));

describe('one at a time', () => {
  it('begins at once where nothing is at work', async () => {
    const { begun, turn } = slow();
    const first = turn(1);
    await settle();
    expect(begun.map(({ input }) => input)).toEqual([1]);
    begun[0]!.end();
    expect(await first).toBe(1);
  });

  it('of those that wait only the last is carried out, after the one at work', async () => {
    const { begun, turn } = slow();
    const all = [turn(1)];
    await settle();
    all.push(turn(2), turn(3), turn(4));
    await settle();
    expect(begun.map(({ input }) => input)).toEqual([1]);
    begun[0]!.end();
    await settle();
    expect(begun.map(({ input }) => input)).toEqual([1, 4]);
    begun[1]!.end();
    expect(await Promise.all(all)).toEqual([1, 4, 4, 4]);
  });

  it('goes on after a failure', async () => {
    const { begun, turn } = slow();
    const failing = turn(1);
    await settle();
    const next = turn(2);
    begun[0]!.end(new Error('no'));
    await expect(failing).rejects.toThrow('no');
    await settle();
    begun[1]!.end();
    expect(await next).toBe(2);
  });
});
