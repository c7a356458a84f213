/** Asked where this client is no host: an admin key, or a token that grants it. Kept in this tab only. */

import { useState } from 'preact/hooks';
import { Banner } from '../parts/frame';

export function AskKey({ words, onKey }: { words: string; onKey: (key: string) => void }) {
  const [key, setKey] = useState('');
  return (
    <form
      class="panel ask"
      onSubmit={(event) => {
        event.preventDefault();
        if (key.trim()) onKey(key.trim());
      }}
    >
      <Banner tone="bad">{words}</Banner>
      <label>
        Admin key, or a token that grants “host”
        <input name="key" type="password" autocomplete="off" placeholder="ak_…" required pattern="\s*[A-Za-z0-9_.\-]+\s*" value={key} onInput={(event) => setKey(event.currentTarget.value)} />
      </label>
      <button class="main">Host this room</button>
      <p class="quiet tiny">It stays in this tab and is forgotten with it.</p>
    </form>
  );
}
