/** Sends an event to the room: bound to the newest frame, or to one that is still to come. */

import { postEvent, UnisonoError } from '@unisono/client';
import type { UnisonoPlayer } from '@unisono/player';
import type { RefObject } from 'preact';
import { useState } from 'preact/hooks';
import { adminKey } from '../api';
import { Segments } from '../parts/frame';

type When = '0' | '2' | '5' | '10';

const WHENS = [
  { value: '0', label: 'Now' },
  { value: '2', label: '2 s' },
  { value: '5', label: '5 s' },
  { value: '10', label: '10 s' },
] as const;

interface Answer {
  readonly words: string;
  readonly isBad: boolean;
}

export function SendEvent({ url, player }: { url: string; player: RefObject<UnisonoPlayer | null> }) {
  const [type, setType] = useState('goal');
  const [data, setData] = useState('{"text": "Goal!"}');
  const [when, setWhen] = useState<When>('0');
  const [key, setKey] = useState(adminKey.get());
  const [needsKey, setNeedsKey] = useState(key !== '');
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [isBusy, setBusy] = useState(false);

  const send = async (submit: Event) => {
    submit.preventDefault();
    const parsed = parseData(data);
    if (parsed.error) return setAnswer({ words: parsed.error, isBad: true });
    setBusy(true);
    try {
      const sent = await postEvent(url, { type: type.trim(), data: parsed.value, at: momentIn(Number(when), player.current) }, key.trim());
      adminKey.set(key.trim());
      setAnswer({ words: sent ? `Sent as #${sent.seq}` : 'Sent', isBad: false });
    } catch (error) {
      const asksKey = error instanceof UnisonoError && error.kind === 'unauthorized';
      if (asksKey) setNeedsKey(true);
      setAnswer({ words: asksKey && !key ? 'Sending from here needs the admin key.' : (error as Error).message, isBad: true });
    } finally {
      setBusy(false);
    }
  };

  return (
    <form class="panel send" onSubmit={send}>
      <h2>Send an event</h2>
      <label>
        Type
        <input name="type" value={type} required maxlength={64} pattern="[-a-z0-9._]+" title="a-z, 0-9, dot, hyphen and underscore" spellcheck={false} onInput={(e) => setType(e.currentTarget.value)} />
      </label>
      <label>
        Data (JSON, up to 1 KiB)
        <textarea name="data" rows={2} spellcheck={false} value={data} onInput={(e) => setData(e.currentTarget.value)} />
      </label>
      {needsKey && (
        <label>
          Admin key
          <input name="key" type="password" autocomplete="off" placeholder="ak_…" value={key} onInput={(e) => setKey(e.currentTarget.value)} />
        </label>
      )}
      <div class="row wrap">
        <Segments label="When" value={when} options={WHENS} onChange={setWhen} />
        <button class="main" disabled={isBusy}>
          Send
        </button>
      </div>
      <p class={`answer ${answer?.isBad ? 'bad' : ''}`} role="status">
        {answer?.words ?? ' '}
      </p>
    </form>
  );
}

function parseData(text: string): { value?: unknown; error?: string } {
  if (text.trim() === '') return { value: null };
  try {
    const value: unknown = JSON.parse(text);
    const bytes = new TextEncoder().encode(JSON.stringify(value)).length;
    return bytes > 1024 ? { error: `The data has ${bytes} bytes; 1024 are allowed.` } : { value };
  } catch (error) {
    return { error: `The data is not JSON: ${(error as Error).message}` };
  }
}

/** T in so many seconds, on the stream's timeline. */
function momentIn(seconds: number, player: UnisonoPlayer | null): 'now' | number {
  const now = player?.serverNow() ?? player?.currentT()?.t ?? null;
  return seconds === 0 || now === null ? 'now' : Math.round(now + seconds * 1e6);
}
