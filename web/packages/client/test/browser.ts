/** As much of a browser as a player's way to its node needs, where no media comes: what `fetch` answers is in the hands of the test. */

import { vi } from 'vitest';

/** Every request, in turn: `POST https://a/...`. */
export function stubBrowser(answer: (url: URL, method: string) => Response | Promise<Response>): string[] {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (url: string, { method = 'GET', signal }: RequestInit = {}) => {
    signal?.throwIfAborted();
    asked.push(`${method} ${url}`);
    return answer(new URL(url), method);
  });
  vi.stubGlobal('document', Object.assign(new EventTarget(), { hidden: false }));
  vi.stubGlobal('navigator', { onLine: true });
  vi.stubGlobal('MediaStream', class { getTracks = () => []; });
  vi.stubGlobal('RTCRtpReceiver', class {});
  vi.stubGlobal('HTMLMediaElement', { HAVE_METADATA: 1, HAVE_CURRENT_DATA: 2, HAVE_FUTURE_DATA: 3 });
  vi.stubGlobal('RTCPeerConnection', SilentPeer);
  return asked;
}

export function video(): HTMLVideoElement {
  return Object.assign(new EventTarget(), { paused: false, srcObject: null, textTracks: new EventTarget() }) as unknown as HTMLVideoElement;
}

/** Makes offers, and nothing comes. */
export class SilentPeer extends EventTarget {
  connectionState = 'new';
  iceGatheringState = 'complete';
  localDescription: RTCSessionDescriptionInit | null = null;
  addTransceiver = () => ({ receiver: {} });
  createDataChannel = () => ({});
  createOffer = async () => ({ type: 'offer', sdp: 'v=0\r\n' });
  setLocalDescription = async (description: RTCSessionDescriptionInit) => void (this.localDescription = description);
  getReceivers = () => [];
  close() {}
}
