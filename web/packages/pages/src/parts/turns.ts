/**
 * `work` one call after the other. Of the calls that come while one is at work, only the last is carried out, and all of them give what it
 * gives: nobody waits for what is overtaken.
 */
export function oneAtATime<In, Out>(work: (input: In) => Promise<Out>): (input: In) => Promise<Out> {
  let running: Promise<unknown> = Promise.resolve();
  let next: { input: In; readonly done: Promise<Out> } | null = null;
  const take = (): Promise<Out> => {
    const { input } = next!;
    next = null;
    return work(input);
  };
  return (input) => {
    if (next) {
      next.input = input;
    } else {
      next = { input, done: running.then(take) };
      running = next.done.catch(() => undefined);
    }
    return next.done;
  };
}
