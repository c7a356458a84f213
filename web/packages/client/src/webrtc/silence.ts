/** A connection that the browser still believes in, over which nothing comes: the network changed under it. */

const LOOK_MS = 500;
/** The server reports once a second, whatever the media does; a browser takes seven seconds and more to notice. */
const SILENT_MS = 2000;

/** Calls `onSilent` once when nothing came for two seconds, again only after something did (a stream without a publisher is silent, too). */
export function watchSilence(pc: RTCPeerConnection, signal: AbortSignal, onSilent: () => void): void {
  let last = NaN;
  let since = 0;
  let isTold = false;
  const look = async () => {
    if (pc.connectionState !== 'connected') return;
    const received = receivedBy(await pc.getStats());
    if (received !== last) {
      [last, since, isTold] = [received, performance.now(), false];
    } else if (!isTold && performance.now() - since >= SILENT_MS) {
      isTold = true;
      onSilent();
    }
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
}

/** Packets by the transport, or bytes by candidate pairs where a browser has no such figure. NaN, which differs from itself, where it has neither. */
function receivedBy(report: RTCStatsReport): number {
  let [packets, bytes] = [NaN, NaN];
  for (const stats of report.values() as Iterable<{ type: string; packetsReceived?: number; bytesReceived?: number }>) {
    if (stats.type === 'transport' && stats.packetsReceived !== undefined) packets = stats.packetsReceived;
    if (stats.type === 'candidate-pair' && stats.bytesReceived !== undefined) bytes = (bytes || 0) + stats.bytesReceived;
  }
  return Number.isNaN(packets) ? bytes : packets;
}
