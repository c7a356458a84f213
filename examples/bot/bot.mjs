// A bot in a room: greets who says hello, tells results, opens a poll each time somebody writes `!poll Question? a, b`. As a guest; with a token in
// UNISONO_TOKEN as whoever it names; with `--host`, on the server's own machine, as host.
import { joinRoom } from '../../web/packages/client/dist/room.js';

const [server = 'http://localhost:8080', room = 'live/demo'] = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const token = process.env.UNISONO_TOKEN;
const isHost = process.argv.includes('--host');
// Browsers and Node from 22 on have one of their own.
const WebSocket = globalThis.WebSocket ?? (await import('../../web/node_modules/ws/wrapper.mjs')).default;

const bot = joinRoom({
  url: server,
  room,
  WebSocket,
  tail: 0,
  ...(token ? { token } : isHost ? { guest: false } : { name: 'Bot', guest: `bot-${crypto.randomUUID()}` }),
});

const log = (...words) => console.log(new Date().toISOString().slice(11, 19), ...words);
const isMine = ({ actor }) => actor?.id === bot.me.person?.id;

/** Says it, or tells the console why not. */
async function say(text, subject) {
  const ack = await bot.send('chat', { text }, subject ? { subject } : {}).catch((error) => ({ words: error.message }));
  if (ack.words) log(`not said: ${ack.words}`);
}

bot.onNotice('joined', ({ person, role }) => log(`in ${bot.name} as ${person?.name ?? person?.id} (${role})`));
bot.onNotice('status', ({ status, words }) => log(status, words));
bot.onNotice('error', (error) => log(`error: ${error.message}`));

bot.on('chat', async ({ event }) => {
  const text = String(event.data?.text ?? '');
  log(`${event.actor?.name ?? event.actor?.id}: ${text}`);
  if (isMine(event)) return;
  if (/^(hi|hello|hey)\b/i.test(text)) return say(`Hello ${event.actor?.name ?? 'you'}!`, event.id);
  const wish = /^!poll\s+(.{1,200}\?)\s*(.+)$/.exec(text);
  if (!wish) return;
  const choices = wish[2].split(',').map((choice) => choice.trim()).filter(Boolean).slice(0, 8);
  const ack = await bot.open('poll', { question: wish[1], choices }, { dur: 30_000_000 });
  if (ack.words) await say(`No poll: ${ack.words}`, event.id);
});

bot.on('poll.decided', ({ event }) => {
  const poll = bot.state.windows.get(event.rule?.window);
  const counts = event.rule?.result?.counts ?? [];
  const words = (poll?.data?.choices ?? []).map((choice, index) => `${choice} ${counts[index] ?? 0}`);
  void say(`Result: ${words.join(', ')}`);
});

bot.on('auction.decided', ({ event }) => log('hammer', JSON.stringify(event.rule?.result)));

process.on('SIGINT', () => {
  bot.leave();
  process.exit(0);
});
