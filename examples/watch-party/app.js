// Friends before one screen, each at home: what somebody says appears on the frame they saw when they said it, also for who is seconds behind.
import { join, sdk } from '../server.js';

const EMOJI = { heart: '❤️', applause: '👏', laughter: '😂', surprise: '😮' };

// `lockstep`: when the host turns it on, all players hold one latency, and everybody laughs at once.
const room = join(document.querySelector('unisono-player'), { lockstep: true });
const at = (id) => document.getElementById(id);
const say = (words) => (at('said').textContent = words);
window.room = room;

function line({ actor, data, lane, type }) {
  const item = document.createElement('li');
  const [name, text] = [document.createElement('b'), document.createElement('span')];
  name.textContent = `${actor?.name ?? data?.name ?? 'Guest'} `;
  // Text, never HTML: it comes from strangers.
  text.textContent = lane === 'chat' || type === 'chat' ? (data?.text ?? '') : '';
  item.append(name, text);
  return item;
}

let newest = null;
room.subscribe(({ messages, presence }) => {
  at('here').textContent = presence ? `${presence.members} here` : '';
  const chat = messages.filter(({ type, lane }) => type === 'chat' || lane === 'chat');
  at('chat').replaceChildren(...chat.map(line));
  if (chat.at(-1)?.id !== newest) at('chat').parentElement.scrollTop = at('chat').parentElement.scrollHeight;
  newest = chat.at(-1)?.id ?? null;
});

at('say').onsubmit = async (submit) => {
  submit.preventDefault();
  const input = at('say').querySelector('input');
  const ack = await room.send('chat', { text: input.value.trim() }).catch((error) => ({ status: 'unsent', words: error.message }));
  if (sdk.isDone(ack)) at('say').reset();
  say(sdk.isDone(ack) ? '' : (ack.words ?? ack.status));
};

for (const [name, emoji] of Object.entries(EMOJI)) {
  const button = document.createElement('button');
  button.textContent = emoji;
  button.ariaLabel = name;
  button.onclick = () => room.send('reaction', { emoji }).catch((error) => say(error.message));
  at('reactions').append(button);
}

// The room counts reactions and tells the sum ten times a second at most: a million of them cost the same as one.
const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;
room.onNotice('counts', ({ name, counts }) => {
  if (name !== 'reaction') return;
  for (const [emoji, count] of Object.entries(counts).slice(0, 8)) {
    const flyer = document.createElement('span');
    flyer.textContent = count > 1 ? `${emoji} ×${count}` : emoji;
    flyer.style.cssText = `position:absolute;bottom:48px;left:${10 + Math.random() * 75}%;font-size:28px;pointer-events:none`;
    at('sky').append(flyer);
    if (!isCalm) flyer.animate({ transform: ['none', 'translateY(-220px)'], opacity: [1, 0] }, 2500);
    setTimeout(() => flyer.remove(), 2500);
  }
});
room.onNotice('joined', ({ role }) => say(role === 'guest' ? 'You may watch and react; to chat, come with a token (?token=…).' : ''));
room.onNotice('error', (error) => say(error.message));
