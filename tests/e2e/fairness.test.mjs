// The fairness page of a room after a real window: results, the table by latency, who was late and why, and who was erased.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { command, OPEN_ROOMS } from '../lib/rooms.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const STREAM = 'live/fair';
const ROOM = '/api/v1/rooms/live:fair';

describe('the fairness page', () => {
  let server, folder, browser, page;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unisono-fair-'));
    const config = join(folder, 'unisono.toml');
    await writeFile(config, OPEN_ROOMS);
    server = await Server.start({ args: ['--config', config] });
    browser = await Browser.launch();
    const terms = { l_max: 200_000, l_min: 100_000, uplink: 100_000 };
    const data = { question: 'Tea or coffee?', choices: ['Tea', 'Coffee'], outcome: 1, terms };
    const { id } = await command(server, STREAM, { type: 'quiz', do: 'open', dur: 60_000_000, data });
    const answer = (who, choice) => command(server, STREAM, { type: 'quiz', do: 'enter', subject: id, data: { choice } }, who);
    for (const who of ['Ann', 'Bob', 'Eve']) await answer(who, who === 'Ann' ? 0 : 1);
    await erase(await idOf('Ann'));
    await assert.rejects(answer('Ann', 1), /422.*taken part/, 'erased, and no second answer');
    await command(server, STREAM, { type: 'quiz', do: 'close', subject: id });
    await until('it is decided', async () => (await windows()).length === 1, 60);
    await assert.rejects(answer('Carol', 0), /409.*late/, 'written down, and not counted');
    page = await browser.open(`${server.url}/${STREAM}/fairness`);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const windows = async () => (await (await fetch(`${server.url}${ROOM}/windows`)).json()).windows;

  /** Votes are hidden; a line of chat shows who somebody is here. */
  async function idOf(who) {
    const { n } = await command(server, STREAM, { type: 'chat', do: 'send', data: { text: `I am ${who}` } }, who);
    const lines = (await (await fetch(`${server.url}${ROOM}/log`)).text()).trim().split('\n').map((line) => JSON.parse(line));
    return lines.find(({ entry }) => entry?.n === n).entry.entry.body.event.actor.id;
  }

  async function erase(person) {
    const answer = await fetch(`${server.url}${ROOM}/erase`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ person }) });
    assert.equal(answer.status, 200, await answer.text());
  }

  it('tells what came out, with the erased answer still in it', async () => {
    const quiz = page.locator('[data-window]', { hasText: 'Tea or coffee?' });
    await quiz.getByText(/“Coffee” was right\. Tea 1 \(33 %\) · Coffee 2 \(67 %\)/).waitFor();
    await until('late entries are counted', async () => /Too late\s*1/.test(await quiz.innerText()));
  });

  it('has entries and wins by latency, ten rows', async () => {
    const table = page.getByRole('region', { name: 'Wins by latency' });
    await table.waitFor();
    const rows = await table.locator('tbody tr').allInnerTexts();
    assert.equal(rows.length, 10);
    await page.getByText(/too few to tell whether latency decided anything/).waitFor();
  });

  it('reads the log and names who was late and why', async () => {
    await page.getByRole('button', { name: 'Read the log' }).click();
    const late = page.locator('ul.late li');
    await late.first().waitFor();
    const lines = await late.allInnerTexts();
    assert.equal(lines.length, 1);
    assert.match(lines[0], /^Carol .*(arrived|past the end|time was over|after the end).*Tea or coffee\?, entry \d+/s);
    await page.getByText(/verified its own log/).waitFor();
  });
});
