/** What is seen where there is only sound: the name, and how loud it is. */

import { measureLevel } from '@unisono/client';

/** How far each bar follows the loudness: a hill. */
const SHAPE = [0.25, 0.45, 0.68, 0.88, 1, 0.88, 0.68, 0.45, 0.25];
/** Where nothing is told (no click on the page yet, or no way to hear) the bars keep a quiet shape. */
const QUIET = 0.22;

export class Face {
  #stop: (() => void) | null = null;
  #level = QUIET;

  constructor(
    private readonly face: HTMLElement,
    private readonly video: HTMLVideoElement,
  ) {}

  name(name: string): void {
    this.face.querySelector('b')!.textContent = name;
  }

  show(isShown: boolean): void {
    this.face.hidden = !isShown;
    if (isShown) {
      this.#stop ??= this.#measure();
    } else {
      this.#stop?.();
      this.#stop = null;
    }
  }

  #measure(): () => void {
    this.#draw(QUIET);
    const stream = streamOf(this.video);
    // Rises at once and falls slowly, as meters do.
    return stream ? measureLevel(stream, (level) => this.#draw(Math.max(level, this.#level * 0.85))) : () => undefined;
  }

  #draw(level: number): void {
    this.#level = level;
    const bars = this.face.querySelectorAll<HTMLElement>('.meter i');
    bars.forEach((bar, index) => bar.style.setProperty('--level', (level * (SHAPE[index] ?? 0)).toFixed(3)));
  }
}

/** What the element plays, to be heard by others than its listeners; `null` where the browser does not give it. */
function streamOf(video: HTMLVideoElement): MediaStream | null {
  if (video.srcObject instanceof MediaStream) return video.srcObject;
  return (video as HTMLVideoElement & { captureStream?(): MediaStream }).captureStream?.() ?? null;
}
