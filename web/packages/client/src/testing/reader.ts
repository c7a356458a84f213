/** Reads the counter of what a video element displays. */

import { read, readFlash } from './counter';

/** Draws the video into a canvas of its own at its own size; one reader per element. */
export class CounterReader {
  #context: CanvasRenderingContext2D | null = null;

  constructor(private readonly video: HTMLVideoElement) {}

  /** The displayed frame's counter and flash; `null` for what cannot be read. Call from a frame callback to read that very frame. */
  read(): { value: number | null; flash: boolean } | null {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width || !height) return null;
    const context = (this.#context ??= document.createElement('canvas').getContext('2d', { willReadFrequently: true }));
    if (!context) return null;
    if (context.canvas.width !== width || context.canvas.height !== height) Object.assign(context.canvas, { width, height });
    context.drawImage(this.video, 0, 0);
    const pixels = context.getImageData(0, 0, width, height);
    return { value: read(pixels), flash: readFlash(pixels) };
  }
}
