/** Whether a peer connection stands, as one promise each: up, and lost. */

/** No path within this long: the media port is not reachable from here. */
const CONNECT_MS = 10_000;
/** ICE often comes back by itself from a short `disconnected`. */
const DISCONNECTED_MS = 2000;

export type Lost = 'unreachable' | 'lost' | 'closed';

export interface Link {
  /** Resolves once media can flow; never rejects. */
  readonly up: Promise<void>;
  /** Resolves when the connection is given up. */
  readonly lost: Promise<Lost>;
}

export function watchLink(pc: RTCPeerConnection, signal: AbortSignal): Link {
  let isUp: () => void;
  const up = new Promise<void>((resolve) => (isUp = resolve));
  const lost = new Promise<Lost>((resolve) => {
    let wasUp = false;
    let timer = setTimeout(() => finish('unreachable'), CONNECT_MS);
    const finish = (why: Lost) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', closed);
      pc.removeEventListener('connectionstatechange', check);
      resolve(why);
    };
    const closed = () => finish('closed');
    const check = () => {
      const state = pc.connectionState;
      if (state === 'connected') {
        wasUp = true;
        clearTimeout(timer);
        isUp();
      } else if (state === 'disconnected') {
        clearTimeout(timer);
        timer = setTimeout(() => finish('lost'), DISCONNECTED_MS);
      } else if (state === 'failed') {
        finish(wasUp ? 'lost' : 'unreachable');
      } else if (state === 'closed') {
        finish('closed');
      }
    };
    signal.addEventListener('abort', closed);
    pc.addEventListener('connectionstatechange', check);
    if (signal.aborted) finish('closed');
  });
  return { up, lost };
}
