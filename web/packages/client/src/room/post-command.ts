/** One command over HTTP, for those who do not stay: a service that books a purchase, a script that opens a poll. */

import { errorFromResponse, UnisonoError } from '../errors';
import { uuidV7 } from '../uuid';
import { within } from '../net/signals';
import { parseAck, type Ack, type CommandOptions, type Verb } from './command';
import { Doors, roomName, tokenOf, type TokenSource } from './doors';

export interface PostOptions extends CommandOptions {
  /** A server, `https://host[:port]`. */
  readonly url: string;
  /** `app:name`, or the stream's `app/name`. */
  readonly room: string;
  readonly token?: TokenSource;
  /** The same id again gives the first answer again: keep it where you may have to repeat. Made here unless said. */
  readonly cmdId?: string;
}

/** HTTP statuses whose body is the room's answer: carried out, forbidden, late or outbid or sold, invalid. */
const ANSWERS: ReadonlySet<number> = new Set([200, 201, 403, 409, 422]);

/** Sends `verb` of `type`. Resolves with the answer, refusals included; rejects with [`UnisonoError`] where nobody answered. */
export async function postCommand(verb: Verb, type: string, data: unknown, options: PostOptions): Promise<Ack> {
  const { url, room, token, cmdId = uuidV7(), patienceMs = 10_000, ...rest } = options;
  const key = await tokenOf(token);
  const response = await fetch(new Doors({ url }, roomName(room)).commands, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key !== null && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ cmd_id: cmdId, type, do: verb, ...rest, ...(data !== undefined && { data }) }),
    signal: within(patienceMs),
  }).catch((error: Error) => {
    throw new UnisonoError('network', `The server could not be reached: ${error.message}`);
  });
  const ack = ANSWERS.has(response.status) ? parseAck(await response.clone().json().catch(() => null)) : null;
  if (!ack) throw await errorFromResponse(response);
  return ack;
}
