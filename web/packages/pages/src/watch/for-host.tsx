/** For whoever runs the stream: the way to the host panel, every event as it was applied, and a form to send one. */

import type { Applied, StreamUrls } from '@unisono/client';
import type { UnisonoPlayer } from '@unisono/player';
import type { RefObject } from 'preact';
import { hostKey } from '../api';
import { EventLog } from './log';
import { SendEvent } from './send';

/** At the server's own machine, or with an admin key in this tab. Only what is shown depends on it: the server decides. */
export function mayHost(): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(location.hostname) || hostKey.get() !== '';
}

interface Props {
  readonly urls: StreamUrls;
  readonly log: readonly Applied[];
  readonly joinedAt: number | null;
  readonly player: RefObject<UnisonoPlayer | null>;
}

export function ForHost({ urls, log, joinedAt, player }: Props) {
  return (
    <details class="panel forhost">
      <summary>For the host</summary>
      <a class="button" href={`${urls.watch}/host`}>
        Open the host panel
      </a>
      <EventLog log={log} joinedAt={joinedAt} />
      <SendEvent url={urls.events} player={player} />
    </details>
  );
}
