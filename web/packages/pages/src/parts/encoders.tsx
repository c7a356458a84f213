/** What to enter in other encoders. */

import { useEffect, useState } from 'preact/hooks';
import { getJson } from '../api';
import { Copy } from './copy';

export function Obs({ stream }: { stream: string }) {
  const [app, name] = stream.split('/');
  const server = useRtmp();
  if (server === null) return <Closed />;
  return (
    <div class="way">
      <p>Settings → Stream → Service “Custom…”:</p>
      <Copy label="Server" text={`${server}/${app}`} />
      <Copy label="Stream key" text={`${name}?key=YOUR_KEY`} />
      <p>
        Settings → Output, Output Mode “Advanced”: <b>Keyframe Interval 2 s</b>, and <b>B-frames 0</b> (or Tune “zerolatency”). With B-frames, browsers
        cannot play the stream by WebRTC; it then plays by LL-HLS, about two seconds behind.
      </p>
    </div>
  );
}

export function Ffmpeg({ stream }: { stream: string }) {
  const server = useRtmp();
  if (server === null) return <Closed />;
  const command =
    `ffmpeg -re -i video.mp4 -c:v libx264 -preset veryfast -tune zerolatency -g 60 -pix_fmt yuv420p ` +
    `-c:a aac -ar 48000 -f flv '${server}/${stream}?key=YOUR_KEY'`;
  return (
    <div class="way">
      <p>Plays a file as if it were live:</p>
      <Copy text={command} />
    </div>
  );
}

function Closed() {
  return <p>This server takes no RTMP; publish by WHIP.</p>;
}

/** `rtmp://host[:port]` of this server, `null` where it takes no RTMP. Until it has said so, the usual one. */
function useRtmp(): string | null {
  const [ports, setPorts] = useState<Ports>({ rtmp_port: 1935 });
  useEffect(() => {
    const over = new AbortController();
    getJson<Ports>('/api/v1/server', over.signal).then(setPorts, () => undefined);
    return () => over.abort();
  }, []);
  return rtmpServer(location.hostname, ports);
}

interface Ports {
  readonly rtmp_port?: number;
  readonly rtmps_port?: number;
}

export function rtmpServer(host: string, { rtmp_port, rtmps_port }: Ports): string | null {
  const at = (scheme: string, port: number, usual: number) => `${scheme}://${host}${port === usual ? '' : `:${port}`}`;
  if (rtmp_port !== undefined) return at('rtmp', rtmp_port, 1935);
  return rtmps_port === undefined ? null : at('rtmps', rtmps_port, 443);
}
