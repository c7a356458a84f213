// Glass to glass on one machine: the burnt-in counter is the Unix clock at draw time, so a displayed frame tells its own age.
import { seen } from './watch.mjs';

const MODULUS = 2 ** 24;

/** Ages in milliseconds of the frames displayed since the last `forget`, at the moment each was handed to the screen. */
export async function ages(page) {
  const { frames } = await seen(page);
  return frames.filter((f) => f.counter !== null).map((f) => ((f.wall % MODULUS) - f.counter + MODULUS) % MODULUS).filter((age) => age < MODULUS / 2);
}
