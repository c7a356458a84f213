/** `AbortSignal.any` and `AbortSignal.timeout` as far as they are needed, for browsers without them (Safari before 17.4, Chrome before 116). */

/** Aborts with the first of `signals`, and for its reason. */
export function anySignal(...signals: readonly AbortSignal[]): AbortSignal {
  if (AbortSignal.any) return AbortSignal.any([...signals]);
  const any = new AbortController();
  const take = ({ target }: { target: EventTarget | null }) => {
    any.abort((target as AbortSignal).reason);
    // The long-lived ones among them must not keep every request that was made under them.
    for (const signal of signals) signal.removeEventListener('abort', take);
  };
  for (const signal of signals) {
    if (signal.aborted) {
      take({ target: signal });
      break;
    }
    signal.addEventListener('abort', take);
  }
  return any.signal;
}

/** Aborts with `signal`, or after `ms`. */
export function within(ms: number, signal?: AbortSignal): AbortSignal {
  const patience = AbortSignal.timeout ? AbortSignal.timeout(ms) : timeout(ms);
  return signal ? anySignal(signal, patience) : patience;
}

function timeout(ms: number): AbortSignal {
  const over = new AbortController();
  setTimeout(() => over.abort(new DOMException('The time is over', 'TimeoutError')), ms);
  return over.signal;
}
