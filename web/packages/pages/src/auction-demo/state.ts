/** What the demo's supervisor tells, as in `demo/auction/state.rs`. */

import { useEffect, useState } from 'preact/hooks';

export interface Verdict {
  readonly is_good: boolean;
  readonly words: string;
}

export interface DemoState {
  readonly caption: string;
  readonly phase: 'starting' | 'bidding' | 'counting' | 'sold' | 'proof' | 'over';
  readonly server: {
    readonly http_port: number;
    readonly webrtc_port: number;
    readonly slow_http_port: number;
    readonly slow_webrtc_port: number;
    readonly pid: number | null;
    readonly kills: number;
    readonly slow_words: string;
  };
  readonly lot: {
    readonly window: string;
    readonly title: string;
    readonly price: number | null;
    readonly leader: string | null;
    readonly bids: number;
    readonly clamped: number;
    readonly closes: number;
    readonly extensions: number;
    readonly hammer: { readonly at: number; readonly amount: number; readonly winner: string | null; readonly entries: number; readonly late: number } | null;
  } | null;
  readonly bots: {
    readonly wanted: number;
    readonly connected: number;
    readonly answers: { readonly sent: number; readonly accepted: number; readonly outbid: number; readonly late: number; readonly duplicate: number; readonly refused: number };
  };
  readonly crash: { readonly down_ms: number; readonly audit: { readonly acknowledged: number; readonly lost: number; readonly doubled: number; readonly moved: number } } | null;
  readonly proof: { readonly genuine: Verdict | null; readonly tampered: Verdict | null; readonly change: string } | null;
  readonly round: number;
  readonly rounds: number;
}

/** The newest state; `null` before the first. The browser itself connects again. */
export function useDemo(): DemoState | null {
  const [state, setState] = useState<DemoState | null>(null);
  useEffect(() => {
    const source = new EventSource('/demo/state');
    source.onmessage = ({ data }) => setState(JSON.parse(data as string) as DemoState);
    return () => source.close();
  }, []);
  return state;
}

/** Presses a button of the supervisor's. */
export async function press(what: 'kill' | 'again' | 'ready'): Promise<void> {
  await fetch(`/demo/${what}`, { method: 'POST', headers: { 'x-unisono-demo': '1' } });
}
