// People in a room: watch pages that have joined, and the host's page.
import { until } from './until.mjs';
import { watch } from './watch.mjs';

/** A configuration in which guests may chat, vote and bid. */
export const OPEN_ROOMS = '[rooms]\nguests = "bid"\n';

/** A viewer of `stream` by `mode`, in the room under `name`. Each needs a browser of its own: a guest is who knows the browser's secret. */
export async function visitor(browser, server, stream, mode, name) {
  const page = await watch(browser, server, stream, mode);
  await joined(page);
  if (name !== undefined) {
    await page.getByLabel('Your name here').fill(name);
    await page.getByRole('button', { name: 'Join in' }).click();
    await until(`${name} is in the room`, () => page.evaluate((name) => window.unisono.room?.status === 'open' && window.unisono.room.me.person?.name === name, name));
  }
  return page;
}

export const joined = (page) => until('the room is joined', () => page.evaluate(() => window.unisono?.room?.status === 'open' && window.unisono.room.me.role !== null));

/** The host's page, at the server's own machine. */
export async function host(browser, server, stream) {
  const page = await browser.open(`${server.url}/${stream}/host`);
  await page.getByRole('heading', { name: 'Open', exact: true }).waitFor();
  return page;
}

/** Types `text` into the chat and sends it. */
export async function say(page, text) {
  await page.getByLabel('Say something').fill(text);
  await page.getByRole('button', { name: 'Send', exact: true }).first().click();
}

/** Lines of the chat, as they are read. */
export const chat = (page) => page.locator('unisono-room [data-message]').allInnerTexts();

/** Fills the host's form for `kind` and opens it. */
export async function open(page, kind, fields) {
  const form = page.locator('form.open');
  await form.getByRole('button', { name: kind, exact: true }).click();
  for (const [name, value] of Object.entries(fields)) await form.locator(`[name="${name}"]`).fill(value);
  await form.locator('button.main').click();
}

/** Keeps for each window of the room the T of the frame that opened and decided it, and what it said. */
export const observeWindows = (page) =>
  page.evaluate(() => {
    window.told = [];
    window.unisono.room.onEvent(({ event, t, bound, shown }) => {
      if (event.rule) window.told.push({ id: event.id, type: event.type, at: event.at, t, bound, shown, rule: event.rule });
    });
  });

export const told = (page, type) => page.evaluate((type) => window.told.filter((event) => event.type === type), type);

/** A command of the host's by HTTP, from this machine; the answer. `guest`: said as that guest instead. */
export async function command(server, stream, body, guest = null) {
  const query = guest ? `?${new URLSearchParams({ guest: `${guest}-0123456789abcdef`, name: guest })}` : '';
  const answer = await fetch(`${server.url}/api/v1/rooms/${stream.replace('/', ':')}/commands${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ cmd_id: uuidV7(), ...body }),
  });
  const ack = await answer.json();
  if (!answer.ok) throw new Error(`${body.do} ${body.type}: ${answer.status} ${JSON.stringify(ack)}`);
  return ack;
}

/** Time first, then chance (RFC 9562, 5.7). */
function uuidV7() {
  const hex = Date.now().toString(16).padStart(12, '0');
  const [, , a, b, c] = crypto.randomUUID().split('-');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${a.slice(1)}-${b}-${c}`;
}
