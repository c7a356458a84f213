/** Offer and answer over HTTP, the same for WHIP (RFC 9725) and WHEP: POST an offer, get an answer and the address to DELETE. */

import { errorFromResponse, UnisonoError } from '../errors';
import { within } from '../net/signals';

export interface Exchange {
  /** The session's address; DELETE ends it. `null` if the server named none. */
  readonly session: string | null;
}

/** The server is ICE-lite at known addresses and learns ours from our checks: candidates in the offer are a courtesy. */
const GATHERING_MS = 300;
const POST_MS = 10_000;

/** Sends the offer of `pc` to `url` and applies the answer. `amend` may change the offer's text; `isUrgent` sends it without candidates. */
export async function exchange(
  pc: RTCPeerConnection,
  url: string,
  options: { readonly key?: string; readonly signal: AbortSignal; readonly amend?: (sdp: string) => string; readonly isUrgent?: boolean },
): Promise<Exchange> {
  await setOffer(pc, options.amend);
  if (!options.isUrgent) await gathered(pc);
  const response = await post(url, pc.localDescription?.sdp ?? '', options);
  if (response.status !== 201) throw await errorFromResponse(response);
  const location = response.headers.get('location');
  const session = location ? new URL(location, response.url || url).href : null;
  const sdp = await response.text();
  try {
    await pc.setRemoteDescription({ type: 'answer', sdp });
  } catch (error) {
    endSession(session, options.key);
    throw new UnisonoError('refused', `The server's answer does not suit this browser: ${(error as Error).message}`);
  }
  return { session };
}

/** Tells the server that the session is over. Never fails; works while the page is being left. */
export function endSession(session: string | null, key?: string): void {
  if (!session) return;
  void fetch(session, { method: 'DELETE', keepalive: true, headers: authorization(key) }).catch(() => undefined);
}

function authorization(key?: string): Record<string, string> {
  return key ? { authorization: `Bearer ${key}` } : {};
}

async function post(url: string, sdp: string, { key, signal }: { readonly key?: string; readonly signal: AbortSignal }): Promise<Response> {
  try {
    return await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', ...authorization(key) },
      body: sdp,
      signal: within(POST_MS, signal),
    });
  } catch (error) {
    throw new UnisonoError('network', `The server could not be reached (${(error as Error).message})`);
  }
}

/** Makes an offer and takes it as the local description, amended where the browser lets it be. */
export async function setOffer(pc: RTCPeerConnection, amend?: (sdp: string) => string, options?: RTCOfferOptions): Promise<void> {
  const offer = await pc.createOffer(options);
  const amended = amend?.(offer.sdp ?? '');
  if (amended && amended !== offer.sdp) {
    try {
      return await pc.setLocalDescription({ type: 'offer', sdp: amended });
    } catch {
      // A browser that does not let its offer be amended goes without.
    }
  }
  await pc.setLocalDescription(offer);
}

function gathered(pc: RTCPeerConnection): Promise<void> {
  if (pc.iceGatheringState === 'complete') return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      pc.removeEventListener('icegatheringstatechange', check);
      resolve();
    };
    const check = () => pc.iceGatheringState === 'complete' && finish();
    const timer = setTimeout(finish, GATHERING_MS);
    pc.addEventListener('icegatheringstatechange', check);
  });
}
