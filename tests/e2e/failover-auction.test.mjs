// An auction with bidders at two edges, one of which is killed while they bid: every bid is answered, none is lost, none is carried out twice.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { drain, nodes } from '../lib/nodes.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { OPEN_ROOMS, command } from '../lib/rooms.mjs';
import { buildSdk } from '../lib/sdk.mjs';
import { pause, until } from '../lib/until.mjs';

const { WebSocket } = createRequire(new URL('../../web/package.json', import.meta.url))('ws');

const STREAM = 'live/x';
const BIDDERS = 6;

describe('an auction at nodes that go away', () => {
  let folder, cluster, encoder, sdk, bidders;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unisono-auction-'));
    const config = join(folder, 'unisono.toml');
    await writeFile(config, OPEN_ROOMS);
    // Built before anything runs: that blocks the process which hands the pictures on.
    sdk = await import(buildSdk('room'));
    cluster = await nodes(2, ['--config', config]);
    encoder = ffmpegRtmp(cluster.origin.rtmpUrl(STREAM));
    await cluster.origin.live(STREAM);
    bidders = Array.from({ length: BIDDERS }, (_, i) => {
      const url = cluster.edges[i % 2].url;
      const room = sdk.joinRoom({ url, room: STREAM, name: `Bidder ${i}`, guest: `bidder-${i}-0123456789`, WebSocket });
      const bidder = { room, home: url, moves: [], told: new Map(), doubled: 0, acks: [] };
      room.onNotice('endpoint', (change) => bidder.moves.push(change));
      room.onNotice('reset', () => assert.fail('the room began anew'));
      room.onEvent(({ event }) => {
        if (bidder.told.has(event.seq)) bidder.doubled += 1;
        bidder.told.set(event.seq, event);
      });
      return bidder;
    });
    await until('all are in', () => bidders.every(({ room }) => room.status === 'open'));
  });

  after(async () => {
    bidders?.forEach(({ room }) => room.leave());
    await encoder?.stop();
    await cluster?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('killed, then drained: nobody loses a bid', async () => {
    const [one, two] = cluster.edges;
    const { id } = await command(cluster.origin, STREAM, { type: 'auction', do: 'open', dur: 600_000_000, data: { title: 'A clock', start: 100, step: 1 } });
    await until('all see it', () => bidders.every(({ room }) => room.state.windows.has(id)));
    let amount = 100;
    let isOver = false;
    const bidding = bidders.map(async (bidder) => {
      while (!isOver) {
        const bid = (amount += 1);
        const ack = await bidder.room.enter('auction', id, { amount: bid }, { patienceMs: 120_000 });
        if (ack.status !== 'busy') bidder.acks.push({ bid, status: ack.status, words: ack.words, seq: ack.seq });
        // A person may say five things a second.
        await pause(300);
      }
    });
    const answered = () => bidders.map(({ acks }) => acks.length);
    await until('all have bid', () => answered().every((count) => count > 5));
    // In the middle of it: some have no answer yet.
    await one.kill();
    const before = answered();
    await until('all bid on', () => answered().every((count, i) => count > before[i] + 5), 120);
    assert.ok(bidders.every(({ home, moves }) => home !== one.url || moves.some(({ from, why }) => from === one.url && why === 'lost')));
    await drain(two, 2);
    // On a busy machine one may have gone on to the origin before.
    const at = ({ home, moves }) => moves.at(-1)?.to ?? home;
    await until('all have left the second edge, too', () => bidders.every((bidder) => at(bidder) !== two.url), 120);
    const then = answered();
    await until('all bid on at the origin', () => answered().every((count, i) => count > then[i] + 5), 120);
    isOver = true;
    await Promise.all(bidding);

    const acks = bidders.flatMap((bidder) => bidder.acks);
    assert.deepEqual([...new Set(acks.map(({ status }) => status))].sort().filter((status) => !['accepted', 'duplicate', 'outbid'].includes(status)), [], JSON.stringify(acks.find(({ status }) => !['accepted', 'duplicate', 'outbid'].includes(status))));
    const taken = acks.filter(({ status }) => status !== 'outbid');
    const last = Math.max(...taken.map(({ seq }) => seq));
    await until('all know the last bid', () => bidders.every(({ told }) => told.has(last)), 60);
    for (const { told, doubled } of bidders) {
      assert.equal(doubled, 0, 'no event is told twice');
      const entered = [...told.values()].filter(({ rule }) => rule?.is === 'entered' && rule.window === id);
      const values = entered.map(({ rule }) => rule.value);
      assert.equal(new Set(values).size, values.length, 'no bid is carried out twice');
      for (const { bid, seq } of taken) assert.equal(told.get(seq)?.rule.value, bid, `bid ${bid} is event ${seq}`);
    }
    console.log(`${acks.length} bids answered, ${taken.length} taken; lost 0, doubled 0`);
  });
});
