/** What a multivariant playlist says that a stream has. */

import type { Kinds } from '../figures';

/** Of a list of codecs (RFC 6381), such as `avc1.42c01f,mp4a.40.2`. */
export function kindsOfCodecs(codecs: string): Kinds {
  const names = codecs.split(',').map((codec) => codec.trim());
  return {
    video: names.some((name) => /^(avc[13]|hvc1|hev1|vp0?[89]|av01)\b/.test(name)),
    audio: names.some((name) => /^(mp4a|opus|ac-3|ec-3|fLaC)\b/i.test(name)),
  };
}

/** Of all variants of a multivariant playlist; `counts` says of the codecs of one whether it does. */
export function kindsOfPlaylist(text: string, counts: (codecs: string) => boolean = () => true): Kinds {
  const variants = [...text.matchAll(/CODECS="([^"]*)"/g)].map(([, codecs]) => codecs!);
  return kindsOfCodecs(variants.filter(counts).join(','));
}

type Source = { isTypeSupported(type: string): boolean } | undefined;

/** This browser plays all of `codecs` from what hls.js appends. */
export function isPlayable(codecs: string): boolean {
  const { ManagedMediaSource, MediaSource } = globalThis as { ManagedMediaSource?: Source; MediaSource?: Source };
  const source = ManagedMediaSource ?? MediaSource;
  const plays = (codec: string) => source?.isTypeSupported(`${kindsOfCodecs(codec).video ? 'video' : 'audio'}/mp4; codecs="${codec}"`) === true;
  // Browsers do not agree on how Opus is written.
  return codecs.split(',').every((codec) => plays(codec.trim()) || plays(codec.trim().toLowerCase()));
}
