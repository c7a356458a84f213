/** ICE restart by PATCH (RFC 9725 §4.3.3): the same session goes on over a network that has changed. */

import { errorFromResponse, UnisonoError } from '../errors';
import { within } from '../net/signals';
import { setOffer } from './exchange';
import { credentials, withCredentials } from './sdp';

/** A healthy server answers at once; the next try may find a path that this one did not. */
const PATCH_MS = 2000;

/**
 * Gives the session new ICE credentials, so that the browser looks for a path again. Rejects with kind `network` where the server cannot be
 * reached now, with another kind where it refuses: then the session is over. `attempt` counts the tries from 0.
 */
export async function restartIce(pc: RTCPeerConnection, session: string, attempt: number, options: { readonly signal: AbortSignal; readonly amend?: (sdp: string) => string }): Promise<void> {
  // A restart that got no answer is still open: the next try sends its offer.
  if (pc.signalingState === 'stable') await setOffer(pc, options.amend, { iceRestart: true });
  const ours = credentials(pc.localDescription?.sdp ?? '');
  const theirs = await patch(session, ours, attempt, options.signal);
  const current = pc.currentRemoteDescription?.sdp ?? '';
  await pc.setRemoteDescription({ type: 'answer', sdp: withCredentials(current, theirs) });
}

/** The answer's body. */
async function patch(session: string, body: string, attempt: number, signal: AbortSignal): Promise<string> {
  let response: Response;
  try {
    response = await fetch(session, {
      method: 'PATCH',
      headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*' },
      body,
      // Nothing is needed beside the address. But a browser keeps connections with and without credentials apart, and one that was there before may
      // lead over the network that is gone, where a request hangs for 20 s and more. Nobody else here asks our own server without credentials, so the
      // first try makes a connection of its own; each further one takes the other kind. To a server of another origin all are of one kind.
      credentials: attempt % 2 === 0 ? 'omit' : 'same-origin',
      signal: within(PATCH_MS, signal),
    });
    if (response.status === 200) return await response.text();
  } catch (error) {
    throw new UnisonoError('network', `The server could not be reached (${(error as Error).message})`);
  }
  throw await errorFromResponse(response);
}
