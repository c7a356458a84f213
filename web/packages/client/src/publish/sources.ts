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

function camera({ width = 1280, height = 720, fps = 30, cameraId, microphoneId }: SourceOptions): Promise<MediaStream> {
  return navigator.mediaDevices.getUserMedia({
    video: { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps }, ...(cameraId ? { deviceId: { exact: cameraId } } : {}) },
    audio: { channelCount: { ideal: 2 }, ...(microphoneId ? { deviceId: { exact: microphoneId } } : {}) },
  });
}

function screen({ fps = 30 }: SourceOptions): Promise<MediaStream> {
  return navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: fps } }, audio: true });
}

function deviceWords(kind: SourceKind, { name, message }: DOMException): string {
  if (name === 'NotAllowedError') return kind === 'screen' ? 'Sharing the screen was not allowed.' : 'The browser was not allowed to use camera and microphone.';
  if (name === 'NotFoundError') return 'No camera or microphone was found.';
  if (name === 'NotReadableError') return 'The camera or microphone is in use by another program.';
  return message || name;
}
