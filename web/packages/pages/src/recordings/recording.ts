/** A recording as the API tells of it, and words for it. */

export interface RecordingView {
  readonly id: string;
  readonly state: 'recording' | 'finished';
  readonly began: number;
  /** T of the first frame, microseconds since the Unix epoch; absent until a segment is whole. */
  readonly from?: number;
  readonly to?: number;
  readonly bytes: number;
  readonly lost: number;
  readonly ended?: string;
  readonly trouble?: { readonly words: string; readonly since: number };
}

export interface RecordingList {
  readonly recordings: readonly RecordingView[];
  readonly next?: string;
  readonly complete: boolean;
}

/** Where a recording's files are. A token goes along in the path. */
export function base(recording: RecordingView, token: string | null): string {
  return `${token ? `/t/${token}` : ''}/api/v1/recordings/${recording.id}`;
}

/** `?from=T&to=T` of two points in seconds after the recording's beginning. */
export function span(recording: RecordingView, from: number, to: number): string {
  const t = (seconds: number) => (recording.from ?? 0) + Math.round(seconds * 1_000_000);
  return `?from=${t(from)}&to=${t(to)}`;
}

export function when(recording: RecordingView): string {
  return new Date((recording.from ?? recording.began) / 1000).toLocaleString();
}

/** `1:02:03`, or `2:03.4` with tenths. */
export function clock(seconds: number, tenths = false): string {
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const text = h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  return tenths ? `${text}.${Math.floor((seconds - whole) * 10)}` : text;
}

export function length(recording: RecordingView): string {
  return clock(((recording.to ?? 0) - (recording.from ?? recording.to ?? 0)) / 1e6);
}

export function size(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
