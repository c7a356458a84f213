/** What is open now, with the host's hand on it. */

import type { OfferState, WindowState } from '@unisono/client';
import { Answer, biddingOf, choicesOf, liveOf, money, resultWords, TimeLeft, titleOf, useAsk, useCountdown, useRoomState, useScene } from '@unisono/room/parts';
import { useState } from 'preact/hooks';

const NONE: ReadonlySet<string> = new Set();

export function Running() {
  const { room } = useScene();
  const state = useRoomState(room);
  const { open, over, offers } = liveOf(state, NONE);
  const alerts = [...state.showing.values()];
  return (
    <section class="panel running" aria-label="Open now">
      <h2>Open now</h2>
      {open.length + offers.length + alerts.length === 0 && <p class="quiet">Nothing is open.</p>}
      {open.map((window) => (
        <Window key={window.id} window={window} />
      ))}
      {offers.map((offer) => (
        <Offer key={offer.id} offer={offer} />
      ))}
      {alerts.map(({ event }) => (
        <Alert key={event.id} type={event.type} id={event.id} title={titleOf(event.data)} />
      ))}
      {over.map((window) => (
        <p key={window.id} class="quiet result">
          {window.type}: {resultWords(window, null)}
        </p>
      ))}
    </section>
  );
}

function Window({ window }: { window: WindowState }) {
  const { room } = useScene();
  const { ask, answer, isBusy } = useAsk();
  const countdown = useCountdown(room, window.id);
  const isOpen = countdown?.isOpen ?? window.phase === 'open';
  const needsOutcome = window.terms.decide.by === 'match' && window.type !== 'quiz';
  return (
    <article class="item" data-window={window.id}>
      <div class="row wrap">
        <b>{titleOf(window.data)}</b>
        <span class="quiet">
          {window.type} · <TimeLeft window={window} />
        </span>
      </div>
      <p class="quiet">{standingWords(window)}</p>
      <div class="row wrap deeds">
        {isOpen && (
          <button class="small" disabled={isBusy} onClick={() => void ask(() => room.close(window.type, window.id), 'Closes now')}>
            Close now
          </button>
        )}
        {needsOutcome && <Outcome window={window} isBusy={isBusy} ask={ask} />}
        <button class="small stop" disabled={isBusy} onClick={() => void ask(() => room.cancel(window.type, window.id))}>
          Take back
        </button>
      </div>
      <Answer answer={answer} />
    </article>
  );
}

/** Where the outcome is only known afterwards: which choice came out. */
function Outcome({ window, isBusy, ask }: { window: WindowState; isBusy: boolean; ask: ReturnType<typeof useAsk>['ask'] }) {
  const { room } = useScene();
  const { decide } = window.terms;
  const [outcome, setOutcome] = useState(0);
  if (decide.by === 'highest') return null;
  return (
    <span class="outcome">
      <label class="inline">
        Outcome
        <select value={outcome} onInput={(event) => setOutcome(Number(event.currentTarget.value))}>
          {choicesOf(window.data, decide.choices).map((choice, index) => (
            <option key={index} value={index}>
              {choice}
            </option>
          ))}
        </select>
      </label>
      <button class="small" disabled={isBusy} onClick={() => void ask(() => room.close(window.type, window.id, { outcome }), 'Told')}>
        Tell
      </button>
    </span>
  );
}

function Offer({ offer }: { offer: OfferState }) {
  const { room } = useScene();
  const { ask, answer, isBusy } = useAsk();
  return (
    <article class="item" data-offer={offer.id}>
      <div class="row wrap">
        <b>{titleOf(offer.data)}</b>
        <span class="quiet">
          {offer.type} · {offer.left} of {offer.quantity} left
        </span>
      </div>
      <div class="row wrap deeds">
        <button class="small stop" disabled={isBusy} onClick={() => void ask(() => room.close(offer.type, offer.id))}>
          End
        </button>
      </div>
      <Answer answer={answer} />
    </article>
  );
}

function Alert({ type, id, title }: { type: string; id: string; title: string }) {
  const { room } = useScene();
  const { ask, answer, isBusy } = useAsk();
  return (
    <article class="item">
      <div class="row wrap">
        <b>{title}</b>
        <button class="small" disabled={isBusy} onClick={() => void ask(() => room.cancel(type, id))}>
          Hide
        </button>
      </div>
      <Answer answer={answer} />
    </article>
  );
}

function standingWords(window: WindowState): string {
  const { standing, terms, extensions } = window;
  const moved = extensions > 0 ? ` · end moved ${extensions} times` : '';
  if (terms.is_sealed) return `Entries are sealed until the end${moved}`;
  const bidding = biddingOf(window, null);
  if (!bidding) return `${standing.entries} entries`;
  return bidding.price === null ? `No bid yet, from ${money(bidding.next, bidding.currency)}` : `${money(bidding.price, bidding.currency)}${bidding.leader ? ` by ${bidding.leader}` : ''}${moved}`;
}
