// The SDK in Node against the real server: what is said, opened, entered and taken back comes to everybody, once, over lost connections too.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { buildSdk } from '../lib/sdk.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const { WebSocket } = createRequire(new URL('../../web/package.json', import.meta.url))('ws');

describe('the SDK in Node', () => {
  let server, sdk, host, viewer;
  const sockets = [];

  /** Remembers its sockets, so that a link can be cut. */
  class Cut extends WebSocket {
    constructor(url) {
      super(url);
      sockets.push(this);
    }
  }

  before(async () => {
    server = await Server.start();
    sdk = await import(buildSdk('room'));
    // Who asks from this machine without saying to be a guest is host.
    host = sdk.joinRoom({ url: server.url, room: 'live/x', guest: false, WebSocket: Cut });
    viewer = sdk.joinRoom({ url: server.url, room: 'live:x', name: 'Ann', WebSocket });
    await until('both are in', () => host.status === 'open' && viewer.status === 'open');
  });

  after(async () => {
    host?.leave();
    viewer?.leave();
    await server?.stop();
  });

  it('knows who is who', () => {
    assert.equal(host.me.role, 'host');
    assert.equal(viewer.me.person.name, 'Ann');
    assert.notEqual(viewer.me.person.id, host.me.person.id);
  });

  it('chat comes to everybody, is amended and taken back; a refusal is an answer in words', async () => {
    const said = await host.send('chat', { text: 'hello' });
    assert.equal(said.status, 'accepted', said.words);
    await until('the viewer reads it', () => viewer.state.messages.some(({ id }) => id === said.id));
    const amended = await host.amend('chat', said.id, { text: 'hello all' });
    await until('it is amended', () => viewer.state.messages.some(({ id, data }) => id === amended.id && data.text === 'hello all'));
    await host.cancel('chat', amended.id);
    await until('it is gone', () => viewer.state.messages.every(({ id }) => id !== amended.id && id !== said.id));
    const refused = await host.send('chat', { txt: 'wrong' });
    assert.equal(refused.status, 'invalid');
    assert.match(refused.words, /text/);
    const forbidden = await viewer.open('poll', { question: '?', choices: ['a', 'b'] }, { dur: 5_000_000 });
    assert.equal(forbidden.status, 'forbidden', forbidden.words);
  });

  it('a poll: opened, entered, decided; its result is in the state', async () => {
    const opened = await host.open('poll', { question: 'Which?', choices: ['a', 'b'] }, { dur: 20_000_000 });
    assert.equal(opened.status, 'accepted', opened.words);
    await until('the viewer sees it', () => viewer.state.windows.get(opened.id)?.phase === 'open');
    assert.deepEqual(viewer.state.windows.get(opened.id).data.choices, ['a', 'b']);
    assert.ok(viewer.countdown(opened.id).leftUs > 0);
    const voted = await host.enter('poll', opened.id, { choice: 1 });
    assert.ok(sdk.isDone(voted), voted.words);
    assert.deepEqual(host.state.windows.get(opened.id).mine, { choice: 1 });
    const window = await until('it is decided', () => {
      const found = viewer.state.windows.get(opened.id);
      return found?.phase === 'decided' ? found : null;
    }, 60);
    assert.deepEqual(window.result, { by: 'tally', counts: [0, 1] });
  });

  it('an auction tells its price to everybody; too little is outbid, with the price to beat', async () => {
    const opened = await host.open('auction', { title: 'Vase', start: 100, step: 10 }, { dur: 60_000_000 });
    assert.equal(opened.status, 'accepted', opened.words);
    const bid = await host.enter('auction', opened.id, { amount: 150 });
    assert.ok(sdk.isDone(bid), bid.words);
    // What counts is what the bidder has seen: its own bid must have come to it.
    await until('the price is told', () => [host, viewer].every((room) => room.state.windows.get(opened.id)?.standing.highest?.amount === 150));
    const low = await host.enter('auction', opened.id, { amount: 151 });
    assert.ok(!sdk.isDone(low) && low.words, JSON.stringify(low));
    const late = sdk.joinRoom({ url: server.url, room: 'live/x', WebSocket, name: 'Late' });
    try {
      await until('who comes late sees it as it stands', () => late.state.windows.get(opened.id)?.standing.highest?.amount === 150);
    } finally {
      late.leave();
    }
    await host.cancel('auction', opened.id);
    await until('it is withdrawn', () => viewer.state.windows.get(opened.id)?.phase === 'withdrawn');
  });

  it('a drop counts down, an alert has its turn, a score stands, reactions are counted', async () => {
    const offered = await host.open('drop', { title: 'Shirt', quantity: 3 });
    assert.equal(offered.status, 'accepted', offered.words);
    const taken = await host.enter('drop', offered.id, {});
    assert.ok(sdk.isDone(taken), taken.words);
    await until('two are left', () => viewer.state.offers.get(offered.id)?.left === 2);
    const alert = await host.send('alert', { text: 'Hi' });
    await until('it is shown', () => viewer.state.showing.get('alert')?.event.id === alert.id);
    await host.send('score', { home: 1 });
    await host.send('score', { home: 2 });
    await until('the last one stands', () => viewer.state.latest.get('score')?.data.home === 2);
    for (let n = 0; n < 3; n += 1) assert.ok(sdk.isDone(await viewer.send('reaction', { emoji: 'heart' })));
    await until('they are counted', () => host.state.counts.reaction?.heart === 3);
    await until('presence is told', () => (viewer.state.presence?.members ?? 0) >= 2);
  });

  it('a link that is cut again and again loses and doubles nothing', async () => {
    const told = [];
    viewer.on('chat', ({ event }) => told.push(event.data.text));
    const sent = [];
    let cuts = 0;
    for (let n = 0; n < 20; n += 1) {
      sent.push(host.send('chat', { text: `m${n}` }));
      if (n % 5 === 2) {
        cuts = sockets.length;
        sockets.at(-1).terminate();
      }
      if (n % 5 === 4) await until('it is back', () => sockets.length > cuts && host.status === 'open');
    }
    const acks = await Promise.all(sent);
    assert.ok(acks.every((ack) => sdk.isDone(ack)), JSON.stringify(acks.filter((ack) => !sdk.isDone(ack))));
    await until('all are told', () => told.length >= 20);
    assert.deepEqual([...told].sort(), Array.from({ length: 20 }, (_, n) => `m${n}`).sort());
    assert.equal(new Set(acks.map(({ seq }) => seq)).size, 20, 'each has its own place in the order');
    assert.ok(sockets.length > 3);
    const seqs = viewer.state.messages.map(({ seq }) => seq);
    assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b));
  });

  it('one command by POST', async () => {
    const ack = await sdk.postCommand('send', 'chat', { text: 'by post' }, { url: server.url, room: 'live/x' });
    assert.equal(ack.status, 'accepted', ack.words);
    await until('it is told', () => viewer.state.messages.some(({ id }) => id === ack.id));
  });
});
