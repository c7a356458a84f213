/** Auctions, open and sealed: a window that the highest amount wins. */

import type { WindowState } from '@unisono/client';
import { useState } from 'preact/hooks';
import { titleOf } from './announce';
import { Answer } from './answer';
import { TimeLeft } from './countdown';
import { Disclosed } from './disclosed';
import { bidLimitWords } from './roles';
import { useAsk, useCountdown, useJoined, useScene } from './use';
import { biddingOf, hammerWords, type Bidding } from './view';
import { amountOf, digitsOf, money } from './words';

export function Auction({ window }: { window: WindowState }) {
  const { room } = useScene();
  const { me } = useJoined(room);
  const bidding = biddingOf(window, me?.id ?? null);
  if (!bidding) return null;
  const isOver = window.phase === 'decided';
  return (
    <section class="card auction" aria-label={titleOf(window.data)} data-window={window.id} data-phase={window.phase}>
      <header>
        <span class="kind">{window.type.replaceAll('-', ' ')}</span>
        <TimeLeft window={window} />
      </header>
      <h3>{titleOf(window.data)}</h3>
      {isOver ? <p class="hammer">{hammerWords(window, me?.id ?? null)}</p> : <Price window={window} bidding={bidding} />}
      {!isOver && <Bid window={window} bidding={bidding} />}
      <Disclosed terms={window.terms} />
    </section>
  );
}

function Price({ window, bidding }: { window: WindowState; bidding: Bidding }) {
  const { price, leader, currency, next } = bidding;
  const moved = window.extensions > 0 ? ` · end moved ${window.extensions === 1 ? 'once' : `${window.extensions} times`}` : '';
  if (window.terms.is_sealed) return <p class="quiet">Sealed: nobody sees a bid before the end. From {money(next, currency)}{moved}</p>;
  return (
    <p class="price">
      <b>{money(price ?? next, currency)}</b>
      <span class="quiet">
        {price === null ? 'first bid' : bidding.isMine ? 'yours' : (leader ?? 'highest bid')}
        {moved}
      </span>
    </p>
  );
}

function Bid({ window, bidding }: { window: WindowState; bidding: Bidding }) {
  const { room } = useScene();
  const { role } = useJoined(room);
  const countdown = useCountdown(room, window.id);
  const { ask, answer, isBusy } = useAsk();
  const [typed, setTyped] = useState('');
  const { next, currency } = bidding;
  const isOpen = countdown?.isOpen ?? window.phase === 'open';
  const limit = bidLimitWords(role);
  if (!isOpen) return <p class="quiet">Closed. The hammer falls on the same frame for everybody.</p>;
  if (limit) return <p class="quiet">{limit}</p>;
  const own = amountOf(typed, currency);
  const bid = async (amount: number) => {
    const words = window.terms.is_sealed ? `Your bid of ${money(amount, currency)} is in` : undefined;
    if (await ask(() => room.enter(window.type, window.id, { amount }), words)) setTyped('');
  };
  return (
    <form
      class="bid"
      onSubmit={(event) => {
        event.preventDefault();
        if (own !== null) void bid(own);
      }}
    >
      <button type="button" class="main" disabled={isBusy} onClick={() => void bid(next)}>
        Bid {money(next, currency)}
      </button>
      <label>
        <span class="unseen">Your own amount{currency ? ` in ${currency}` : ''}</span>
        <input inputMode="decimal" placeholder={(next / 10 ** digitsOf(currency)).toString()} value={typed} autocomplete="off" maxLength={18} onInput={(event) => setTyped(event.currentTarget.value)} />
      </label>
      <button disabled={isBusy || own === null}>Bid this</button>
      {bidding.isOutbid && !answer && <p class="answer bad">You were outbid</p>}
      {bidding.isMine && !answer?.isBad && <p class="answer good">You lead</p>}
      <Answer answer={answer} />
    </form>
  );
}
