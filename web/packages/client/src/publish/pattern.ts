/** The test pattern: a moving picture with the counter burnt in, and a beep on the frames that flash. */

import { draw, drawFlash, FLASH_MS, MODULUS } from '../testing/counter';
import { tick } from './ticker';

export interface Pattern {
  readonly stream: MediaStream;
  stop(): void;
}

export interface PatternOptions {
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
}

const TONE_HZ = 1000;

export function testPattern({ width = 1280, height = 720, fps = 30 }: PatternOptions = {}): Pattern {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d', { alpha: false })!;
  // 0: a frame is taken when we say so, so that the drawing's beat is the video's.
  const video = canvas.captureStream(0);
  const track = video.getVideoTracks()[0] as CanvasCaptureMediaStreamTrack;
  const tone = startTone();
  const stop = tick(fps, () => {
    const now = Math.round(performance.timeOrigin + performance.now());
    const flash = now % 1000 < FLASH_MS;
    paint(context, width, height, now, flash);
    tone.sound(flash);
    track.requestFrame();
  });
  return {
    stream: new MediaStream([track, ...tone.tracks]),
    stop() {
      stop();
      track.stop();
      tone.stop();
    },
  };
}

function paint(context: CanvasRenderingContext2D, width: number, height: number, now: number, flash: boolean): void {
  const seconds = now / 1000;
  context.fillStyle = '#10131a';
  context.fillRect(0, 0, width, height);
  paintBars(context, width, height, seconds);
  paintHand(context, width, height, seconds);
  context.fillStyle = '#fff';
  context.font = `600 ${Math.round(height / 11)}px ui-monospace, monospace`;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  context.fillText(new Date(now).toISOString().slice(11, 23), width * 0.05, height * 0.86);
  draw(context, width, height, now % MODULUS);
  drawFlash(context, width, height, flash);
}

/** Colours that drift: every frame differs, and an encoder has something to do. */
function paintBars(context: CanvasRenderingContext2D, width: number, height: number, seconds: number): void {
  const bars = 8;
  for (let bar = 0; bar < bars; bar += 1) {
    const drift = Math.sin(seconds * 0.8 + bar * 0.7);
    context.fillStyle = `hsl(${190 + bar * 18} 62% ${34 + drift * 12}%)`;
    context.fillRect((bar * width) / bars, height * (0.16 + 0.03 * drift), width / bars + 1, height * 0.52);
  }
}

/** One turn each two seconds. */
function paintHand(context: CanvasRenderingContext2D, width: number, height: number, seconds: number): void {
  const [x, y, radius] = [width / 2, height * 0.42, height * 0.2];
  const angle = seconds * Math.PI - Math.PI / 2;
  context.lineWidth = height / 60;
  context.lineCap = 'round';
  context.strokeStyle = 'rgb(255 255 255 / 0.9)';
  context.beginPath();
  context.arc(x, y, radius, 0, Math.PI * 2);
  context.moveTo(x, y);
  context.lineTo(x + Math.cos(angle) * radius * 0.82, y + Math.sin(angle) * radius * 0.82);
  context.stroke();
}

/** Silent but for the flashes; without WebAudio there is no sound track. */
function startTone(): { readonly tracks: MediaStreamTrack[]; sound(isOn: boolean): void; stop(): void } {
  if (typeof AudioContext === 'undefined') return { tracks: [], sound: () => undefined, stop: () => undefined };
  const context = new AudioContext({ latencyHint: 'interactive', sampleRate: 48_000 });
  const gain = new GainNode(context, { gain: 0 });
  const oscillator = new OscillatorNode(context, { frequency: TONE_HZ });
  const destination = new MediaStreamAudioDestinationNode(context, { channelCount: 2 });
  oscillator.connect(gain).connect(destination);
  oscillator.start();
  void context.resume();
  let isSounding = false;
  return {
    tracks: destination.stream.getAudioTracks(),
    sound(isOn) {
      if (isOn === isSounding) return;
      isSounding = isOn;
      gain.gain.setValueAtTime(isOn ? 0.25 : 0, context.currentTime);
    },
    stop() {
      oscillator.stop();
      void context.close();
    },
  };
}
