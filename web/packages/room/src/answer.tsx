/** What came of a command, said where it was asked. */

import type { Asking } from './use';

export function Answer({ answer }: { answer: Asking['answer'] }) {
  return (
    <p class={`answer ${answer?.isBad ? 'bad' : ''}`} role="status">
      {answer?.words ?? ''}
    </p>
  );
}
