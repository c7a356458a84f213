/**
 * Which frame is on screen, frame by frame: `requestVideoFrameCallback`, and a timer for the times it cannot speak (hidden tab, audio only,
 * a browser without it).
 */

/** What the browser said about a displayed frame. */
export interface Displayed {
  /** `performance.now()` of the callback. */
  readonly now: number;
  /** When the frame is expected to be visible, same clock as `now`. */
  readonly expectedDisplayTime: number;
  readonly mediaTime: number;
  readonly presentedFrames: number;
  readonly rtpTimestamp?: number;
}

/** A frame is overdue after this long; then the timer asks. */
const OVERDUE_MS = 250;
const TICK_MS = 50;

export interface FrameObserver {
  /** A frame was handed to the compositor. */
  onFrame(frame: Displayed): void;
  /** No frame has been announced for a while: estimate. Called every 50 ms (once a second in a hidden tab, where browsers slow timers). */
  onOverdue(now: number): void;
}

/** Watches `video` until the returned function is called. */
export function observeFrames(video: HTMLVideoElement, observer: FrameObserver): () => void {
  let handle = 0;
  let last = -Infinity;
  const announces = 'requestVideoFrameCallback' in video;
  const request = () => {
    handle = video.requestVideoFrameCallback((now, metadata) => {
      // Asked again first: a slow listener must not cost the next frame.
      request();
      last = now;
      observer.onFrame({
        now,
        expectedDisplayTime: metadata.expectedDisplayTime,
        mediaTime: metadata.mediaTime,
        presentedFrames: metadata.presentedFrames,
        ...(metadata.rtpTimestamp === undefined ? {} : { rtpTimestamp: metadata.rtpTimestamp }),
      });
    });
  };
  if (announces) request();
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - last >= OVERDUE_MS) observer.onOverdue(now);
  }, TICK_MS);
  return () => {
    if (announces) video.cancelVideoFrameCallback(handle);
    clearInterval(timer);
  };
}
