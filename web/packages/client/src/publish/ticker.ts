/** A steady beat that a background tab does not slow: timers of workers are not throttled as those of pages are. */

const WORKER = `
let timer;
onmessage = ({ data: fps }) => {
  const start = performance.now();
  let beat = 0;
  const next = () => {
    postMessage(0);
    // Against the start, not the last beat: errors do not add up. Beats missed by a pause are left out, not caught up.
    const now = performance.now();
    beat = Math.max(beat + 1, Math.floor(((now - start) * fps) / 1000));
    timer = setTimeout(next, Math.max(start + (beat * 1000) / fps - now, 0));
  };
  next();
};`;

/** Calls `beat` `fps` times a second until the returned function is called. */
export function tick(fps: number, beat: () => void): () => void {
  const url = URL.createObjectURL(new Blob([WORKER], { type: 'text/javascript' }));
  const worker = new Worker(url);
  URL.revokeObjectURL(url);
  worker.onmessage = beat;
  worker.postMessage(fps);
  return () => worker.terminate();
}
