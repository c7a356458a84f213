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

/** Of all variants of a multivariant playlist. */
export function kindsOfPlaylist(text: string): Kinds {
  return kindsOfCodecs([...text.matchAll(/CODECS="([^"]*)"/g)].map(([, codecs]) => codecs).join(','));
}
