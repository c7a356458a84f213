/** For tests of ours and of others: the counter burnt into test pictures. */

export {
  CELLS,
  decode,
  draw,
  drawFlash,
  elapsed,
  encode,
  FLASH_MS,
  flashArea,
  MODULUS,
  read,
  readFlash,
  type Painter,
  type Pixels,
  type Rectangle,
} from './counter';
export { CounterReader } from './reader';
