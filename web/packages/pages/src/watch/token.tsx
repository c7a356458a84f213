/** Asked where the server refuses a viewer: a token, if they have one. */

import { useState } from 'preact/hooks';

export function AskToken() {
  const [token, setToken] = useState('');
  const submit = (event: Event) => {
    event.preventDefault();
    // Behind the hash it reaches no server but through the player, and no log.
    location.replace(`${location.pathname.replace(/^\/t\/[^/]+/, '')}${location.search}#token=${encodeURIComponent(token.trim())}`);
    location.reload();
  };
  return (
    <form class="panel ask" onSubmit={submit}>
      <label>
        Your token for this stream
        <input name="token" autocomplete="off" spellcheck={false} required pattern="\s*[A-Za-z0-9_.\-]+\s*" value={token} onInput={(event) => setToken(event.currentTarget.value)} />
      </label>
      <button class="main">Watch</button>
    </form>
  );
}
