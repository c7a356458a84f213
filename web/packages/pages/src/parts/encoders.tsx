/** What to enter in other encoders. */

import { Copy } from './copy';

export function Obs({ stream }: { stream: string }) {
  const [app, name] = stream.split('/');
  return (
    <div class="way">
      <p>Settings → Stream → Service “Custom…”:</p>
      <Copy label="Server" text={`rtmp://${location.hostname}:1935/${app}`} />
      <Copy label="Stream key" text={`${name}?key=YOUR_KEY`} />
      <p>
        Settings → Output, Output Mode “Advanced”: <b>Keyframe Interval 2 s</b>, and <b>B-frames 0</b> (or Tune “zerolatency”). With B-frames, browsers
        cannot play the stream by WebRTC; it then plays by LL-HLS, about two seconds behind.
      </p>
    </div>
  );
}

export function Ffmpeg({ stream }: { stream: string }) {
  const command =
    `ffmpeg -re -i video.mp4 -c:v libx264 -preset veryfast -tune zerolatency -g 60 -pix_fmt yuv420p ` +
    `-c:a aac -ar 48000 -f flv 'rtmp://${location.hostname}:1935/${stream}?key=YOUR_KEY'`;
  return (
    <div class="way">
      <p>Plays a file as if it were live:</p>
      <Copy text={command} />
    </div>
  );
}
