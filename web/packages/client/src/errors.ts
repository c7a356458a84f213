/** What can go wrong between a page and the server, as one typed error with words a person can act on. */

export type FailureKind =
  /** The stream does not exist yet, or its publisher is away: wait and ask again. */
  | 'absent'
  /** The stream cannot be carried by this protocol (B-frames over WebRTC), or the server does not offer it: use another. */
  | 'not-acceptable'
  /** The key is missing or wrong. */
  | 'unauthorized'
  /** The server understood and said no. */
  | 'refused'
  /** The offer was answered, but no media path came up. */
  | 'unreachable'
  /** This browser lacks what the protocol needs. */
  | 'unsupported'
  /** The server could not be reached, or failed: worth another try. */
  | 'network';

export class UnisonoError extends Error {
  override readonly name = 'UnisonoError';

  constructor(
    readonly kind: FailureKind,
    /** Words for a person: what happened and, where known, what to do about it. */
    message: string,
    readonly status?: number,
    /** The server's `Retry-After`. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/** A node said no, for good as far as it knows. */
export function isRefused({ kind }: UnisonoError): boolean {
  return kind === 'unauthorized' || kind === 'not-acceptable' || kind === 'refused';
}

/** The error in a response that is not a success (RFC 9457 problem+json, or whatever text there is). */
export async function errorFromResponse(response: Response): Promise<UnisonoError> {
  const text = (await response.text().catch(() => '')).slice(0, 4096);
  return new UnisonoError(
    kindOfStatus(response.status),
    wordsOf(text) ?? `The server answered ${response.status} ${response.statusText}`.trim(),
    response.status,
    retryAfterMs(response.headers.get('retry-after')),
  );
}

export function kindOfStatus(status: number): FailureKind {
  if (status === 404) return 'absent';
  // 405: the path is there, but nobody listens for offers (the protocol is switched off).
  if (status === 405 || status === 406) return 'not-acceptable';
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 429 || status >= 500) return 'network';
  return 'refused';
}

/** Seconds form only; the date form of `Retry-After` is not used by our server. */
export function retryAfterMs(header: string | null): number | undefined {
  if (header === null || !/^\d{1,4}$/.test(header.trim())) return undefined;
  return Number(header) * 1000;
}

function wordsOf(text: string): string | undefined {
  try {
    const problem = JSON.parse(text) as { title?: unknown; detail?: unknown };
    if (typeof problem.detail === 'string') return problem.detail;
    if (typeof problem.title === 'string') return problem.title;
  } catch {
    // Not JSON: plain words are shown as they are, a page of HTML is not.
  }
  const plain = text.trim();
  return plain && !plain.startsWith('<') && !plain.startsWith('{') ? plain.slice(0, 300) : undefined;
}
