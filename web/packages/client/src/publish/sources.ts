/** Where picture and sound come from: camera, screen, test pattern. */

import { UnisonoError } from '../errors';
import { testPattern } from './pattern';

export type SourceKind = 'camera' | 'screen' | 'pattern';

export interface SourceOptions {
  readonly kind: SourceKind;
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** Device ids, as `enumerateDevices` gives them. */
  readonly cameraId?: string;
  readonly microphoneId?: string;
}

export interface Source {
  readonly kind: SourceKind;
  readonly stream: MediaStream;
  /** Lets go of devices and timers. */
  stop(): void;
}

/** Opens a source; asks the person for permission where the browser does. Throws {@link UnisonoError} in words. */
export async function sourceOf(options: SourceOptions): Promise<Source> {
  if (options.kind === 'pattern') return { kind: 'pattern', ...testPattern(options) };
  if (!navigator.mediaDevices) {
    throw new UnisonoError('unsupported', 'Browsers give camera and screen to HTTPS pages and localhost only. Open this page there, or use the test pattern.');
  }
  try {
    const stream = options.kind === 'camera' ? await camera(options) : await screen(options);
    for (const track of stream.getVideoTracks()) track.contentHint = options.kind === 'screen' ? 'detail' : 'motion';
    return { kind: options.kind, stream, stop: () => stream.getTracks().forEach((track) => track.stop()) };
  } catch (error) {
    throw new UnisonoError('refused', deviceWords(options.kind, error as DOMException));
  }
}

/** Camera and microphone, or the one of them that this computer has. */
async function camera({ width = 1280, height = 720, fps = 30, cameraId, microphoneId }: SourceOptions): Promise<MediaStream> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  // A list without any means that it is not told before permission, not that there are none.
  const has = (kind: MediaDeviceKind) => devices.length === 0 || devices.some((device) => device.kind === kind);
  const exactly = (id: string | undefined) => (id ? { deviceId: { exact: id } } : {});
  const video = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps }, ...exactly(cameraId) };
  const audio = { channelCount: { ideal: 2 }, ...exactly(microphoneId) };
  return navigator.mediaDevices.getUserMedia({
    video: (has('videoinput') || !has('audioinput')) && video,
    audio: (has('audioinput') || !has('videoinput')) && audio,
  });
}

function screen({ width = 1280, height = 720, fps = 30 }: SourceOptions): Promise<MediaStream> {
  const video = { width: { max: width }, height: { max: height }, frameRate: { ideal: fps } };
  return navigator.mediaDevices.getDisplayMedia({ video, audio: true });
}

function deviceWords(kind: SourceKind, { name, message }: DOMException): string {
  if (name === 'NotAllowedError') {
    return kind === 'screen'
      ? 'Sharing the screen was not allowed. Choose a screen or window in the browser’s dialogue and confirm it.'
      : 'The browser may not use camera and microphone here. Allow both in the site settings, beside the address, and try again.';
  }
  if (name === 'NotFoundError') return 'No camera or microphone was found. Connect one, or publish the screen or the test pattern.';
  if (name === 'NotReadableError') return 'The camera or microphone is in use by another program. Close it there and try again.';
  if (name === 'OverconstrainedError') return 'The chosen camera or microphone is not there any more. Choose another.';
  return message || name;
}
