// How long a room's log is kept: the configuration changed while the server runs, the rest verified by the program itself.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const run = promisify(execFile);
const STREAM = 'live/kept';

describe('a log that is not kept for ever', () => {
  let server, folder, config;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unisono-kept-'));
    config = join(folder, 'unisono.toml');
    await writeFile(config, '[rooms]\nretention_days = 30\n');
    server = await Server.start({ args: ['--config', config] });
    for (let index = 0; index < 130; index += 1) await server.post(STREAM, { type: 'note', data: { index } });
  });

  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const log = async () => (await fetch(`${server.url}/api/v1/rooms/live:kept/log`)).text();
  /** The first two lines; none where the log was cut while it was exported, which ends an export. */
  const head = async () => (await log().catch(() => '{"log":{"base":{}}}\n')).split('\n', 2);
  const reload = () => fetch(`${server.url}/api/v1/config/reload`, { method: 'POST' });

  it('what is young stays, and too few entries are refused in words', async () => {
    assert.equal(JSON.parse((await log()).split('\n')[0]).log.base.n, 0);
    await writeFile(config, '[rooms]\nretention_entries = 5\n');
    const refused = await reload();
    assert.ok(!refused.ok);
    assert.match(await refused.text(), /retention_entries is 5/);
  });

  it('a reload shortens it at once, and what is left verifies', async () => {
    await writeFile(config, '[rooms]\nretention_entries = 100\n');
    await until('the reload is taken', async () => (await reload()).ok);
    await until('the beginning is gone', async () => JSON.parse((await head())[0]).log.base.n === 30);
    const file = join(folder, 'room.log');
    // The signature follows the cut.
    await until('the node has signed where it begins', async () => (await head())[1].includes('"mark":"start"'));
    await writeFile(file, await log());
    const { stdout } = await run(process.env.UNISONO_BIN, ['verify', file]);
    assert.match(stdout, /entries 1 to 30 are no longer kept/);
    assert.doesNotMatch(stdout, /did not sign/);
    const event = await server.post(STREAM, { type: 'note', data: { index: 130 } });
    assert.equal(event.seq, 131, 'it goes on where it was');
  });
});
