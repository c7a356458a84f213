/** A limited quantity: take one, then confirm it or give it back. */

import type { OfferState, Room, RoomEvent } from '@unisono/client';
import { useEffect, useState } from 'preact/hooks';
import { titleOf } from './announce';
import { Answer } from './answer';
import { bidLimitWords } from './roles';
import { useAsk, useJoined, useScene } from './use';
import { clockWords, money, textOf } from './words';

/** A unit of this viewer. */
type Unit = { readonly id: string; readonly until: number; readonly isConfirmed: boolean };

export function Drop({ offer }: { offer: OfferState }) {
  const { room } = useScene();
  const { me, role } = useJoined(room);
  const { ask, answer, isBusy } = useAsk();
  const unit = useUnit(room, offer, me?.id ?? null);
  const { price, currency } = (offer.data ?? {}) as { price?: unknown; currency?: unknown };
  const limit = bidLimitWords(role);
  return (
    <section class="card drop" aria-label={titleOf(offer.data)} data-offer={offer.id}>
      <header>
        <span class="kind">{offer.type}</span>
        <span class="time">
          {offer.left} of {offer.quantity} left
        </span>
      </header>
      <h3>
        {titleOf(offer.data)}
        {typeof price === 'number' && <span class="quiet"> · {money(price, typeof currency === 'string' ? currency : null)}</span>}
      </h3>
      <progress max={Math.max(offer.quantity, 1)} value={offer.left} aria-label="Units left" />
      {unit ? (
        <Held offer={offer} unit={unit} />
      ) : limit ? (
        <p class="quiet">{limit}</p>
      ) : (
        <button class="main" disabled={isBusy || offer.left === 0} onClick={() => void ask(() => room.enter(offer.type, offer.id, {}))}>
          {offer.left === 0 ? 'All taken' : 'Take one'}
        </button>
      )}
      <Answer answer={answer} />
    </section>
  );
}

/** A unit that is held, or bought. Who confirms says the offer: its host's payment system, or the owner. */
function Held({ offer, unit }: { offer: OfferState; unit: Unit }) {
  const { room } = useScene();
  const { ask, answer, isBusy } = useAsk();
  const [left, setLeft] = useState<number | null>(null);
  useEffect(() => {
    const look = () => {
      const now = room.now();
      setLeft(now === null ? null : unit.until - now);
    };
    look();
    const timer = setInterval(look, 500);
    return () => clearInterval(timer);
  }, [room, unit.until]);
  if (unit.isConfirmed) return <p class="answer good">Yours. Confirmed.</p>;
  const isOwnToConfirm = (offer.data as { owner_confirms?: unknown } | null)?.owner_confirms === true;
  const where = textOf(offer.data, 'url');
  return (
    <>
      <p class="held">
        One is held for you{left !== null && `, ${clockWords(left)} left`}.{!isOwnToConfirm && ' It is yours once it is paid.'}
      </p>
      <div class="bid">
        {isOwnToConfirm && (
          <button class="main" disabled={isBusy} onClick={() => void ask(() => room.confirm(offer.type, unit.id))}>
            Confirm
          </button>
        )}
        {/^https?:\/\//.test(where) && (
          <a class="button main" href={where} target="_blank" rel="noopener noreferrer">
            Pay
          </a>
        )}
        <button disabled={isBusy} onClick={() => void ask(() => room.release(offer.type, unit.id))}>
          Give back
        </button>
      </div>
      <Answer answer={answer} />
    </>
  );
}

/** What this person holds of the offer: what they had when they joined, and what the room told since. */
function useUnit(room: Room, offer: OfferState, me: string | null): Unit | null {
  const [unit, setUnit] = useState<Unit | null>(offer.mine);
  const { mine } = offer;
  useEffect(() => {
    const numbers = new Set<number>(mine ? [mine.n] : []);
    if (mine) setUnit((old) => old ?? mine);
    return room.onEvent(({ event }) => setUnit((old) => unitAfter(old, event, offer.id, me, numbers)));
  }, [room, offer.id, me, mine]);
  return unit;
}

/** One event more. `numbers`: entries by which this person took a unit. */
export function unitAfter(old: Unit | null, event: RoomEvent, offer: string, me: string | null, numbers: Set<number>): Unit | null {
  const { rule, actor } = event;
  if (rule?.is !== 'reserved' && rule?.is !== 'confirmed' && rule?.is !== 'returned') return old;
  if (rule.offer !== offer) return old;
  if (rule.is === 'reserved') {
    if (me === null || actor?.id !== me) return old;
    numbers.add(rule.reserved_n);
    return { id: event.id, until: rule.until, isConfirmed: false };
  }
  if (!numbers.has(rule.reserved_n)) return old;
  return rule.is === 'returned' ? null : old && { ...old, isConfirmed: true };
}
