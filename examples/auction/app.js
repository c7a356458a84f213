// An auction house in a page: the lot, its price, the time left on the picture you see, and one button. The hammer falls on the same frame for all.
import { join, sdk } from '../server.js';

const room = join(document.querySelector('unisono-player'));
const at = (id) => document.getElementById(id);
const say = (words) => (at('said').textContent = words);
window.room = room; // For the curious, and for tests.

/** Amounts are in the smallest unit of the lot's currency. */
function money({ data }, amount) {
  if (!data?.currency) return String(amount);
  const format = new Intl.NumberFormat(undefined, { style: 'currency', currency: data.currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

const nameOf = (person) => (person?.id === room.me.person?.id ? 'you' : (person?.name ?? 'somebody'));

/** The newest auction. */
const lot = () => [...room.state.windows.values()].findLast(({ type }) => type === 'auction');

function draw() {
  const auction = lot();
  if (!auction) return;
  const { terms, standing, data, phase, extensions } = auction;
  const { highest } = standing;
  at('title').textContent = data?.title ?? 'A lot';
  const next = highest ? highest.amount + terms.decide.step : terms.decide.start;
  at('price').textContent = money(auction, highest?.amount ?? terms.decide.start);
  at('leader').textContent = highest ? `highest bid: ${nameOf(highest.actor)}` : 'starting price';
  at('bid').textContent = `Bid ${money(auction, next)}`;
  const countdown = room.countdown(auction.id);
  const isOpen = phase === 'open' && countdown?.isOpen;
  at('bid').disabled = !isOpen;
  if (phase === 'decided') {
    const { winner_n: winner, amount } = auction.result;
    at('price').textContent = winner === null ? 'Not sold' : money(auction, amount);
    at('time').textContent = winner === null ? 'Nobody bid.' : `🔨 Sold to ${nameOf(highest?.actor)}`;
  } else {
    const moved = extensions > 0 ? ` · end moved ${extensions}×` : '';
    at('time').textContent = isOpen ? `${Math.ceil(countdown.leftUs / 1e6)} s left${moved}` : 'Closed: the hammer is falling …';
  }
}

room.subscribe(draw);
setInterval(draw, 200);

at('bid').onclick = async () => {
  const auction = lot();
  const { highest } = auction.standing;
  const amount = highest ? highest.amount + auction.terms.decide.step : auction.terms.decide.start;
  at('bid').disabled = true;
  // Sent once, however often the connection breaks: the same command is answered the same.
  const ack = await room.enter('auction', auction.id, { amount }).catch((error) => ({ status: 'unsent', words: error.message }));
  say(sdk.isDone(ack) ? `Your bid of ${money(auction, amount)} stands.` : (ack.words ?? ack.status));
  draw();
};

let listed = null;
room.on('auction.entered', ({ event }) => {
  const auction = lot();
  if (event.rule?.is !== 'entered' || event.rule.window !== auction?.id) return; // Of a lot that is long gone.
  if (listed !== auction.id) at('bids').replaceChildren();
  listed = auction.id;
  const item = document.createElement('li');
  item.textContent = `${money(auction, event.rule.value)} · ${nameOf(event.actor)}`;
  at('bids').prepend(item);
  while (at('bids').childElementCount > 50) at('bids').lastChild.remove();
});
room.on('auction.extended', () => say('A late bid: the end has moved.'));
room.onNotice('joined', ({ role }) => say(role === 'guest' || role === 'member' ? 'You may watch; to bid, come with a token (?token=…).' : ''));
room.onNotice('error', (error) => say(error.message));
