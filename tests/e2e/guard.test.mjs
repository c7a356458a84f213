// One address makes ten thousand half-open handshakes of every kind while somebody watches: the viewer loses nothing, and all of it is given back.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { askToPublish } from '../lib/rtmp.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { forget, frames, rtcStats, seen, watch } from '../lib/watch.mjs';

/** On this machine, in another /24 than everybody else in the test. */
const ATTACKER = '127.0.9.9';
const MIB = 1024 * 1024;

const offer = await readFile(new URL('../../crates/proto/webrtc/tests/peers/chromium-whep.sdp', import.meta.url), 'utf8');

describe('half-open handshakes', () => {
  let server, browser, encoder, folder, page;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unisono-guard-'));
    const config = join(folder, 'unisono.toml');
    // Nobody is exempt: this machine is the attacker, too.
    await writeFile(config, '[limits]\nexempt = []\n[http]\nconnections_per_address_max = 300\n');
    server = await Server.start({ args: ['--config', config], https: true });
    browser = await Browser.launch();
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
    page = await watch(browser, server, 'live/x', 'webrtc');
  });

  after(async () => {
    await encoder?.stop();
    await browser?.close();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const agent = new Agent({ keepAlive: true, maxSockets: 20, localAddress: ATTACKER });
  const post = (path, headers, body) =>
    new Promise((resolve, reject) => {
      const asked = request(`${server.url}${path}`, { method: 'POST', agent, headers }, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve({ status: response.statusCode, retryAfter: response.headers['retry-after'], text });
      });
      asked.on('error', reject).end(body);
    });

  /** Sends `count` datagrams that `make` builds, from many ports. */
  async function datagrams(count, make) {
    const sockets = await Promise.all(Array.from({ length: 50 }, async () => {
      const socket = createSocket('udp4').on('error', () => {});
      socket.bind(0, ATTACKER);
      await once(socket, 'listening');
      return socket;
    }));
    for (let index = 0; index < count; index += 1) await new Promise((done) => sockets[index % 50].send(make(index), server.webrtc, '127.0.0.1', done));
    let answers = 0;
    sockets.forEach((socket) => socket.on('message', () => (answers += 1)));
    return { answers: () => answers, close: () => sockets.forEach((socket) => socket.close()) };
  }

  /** Opens `count` connections that say `bytes` and then nothing. Resolves to how many were closed by the server so far, and to how to end the rest. */
  async function connections(count, port, bytes) {
    let closed = 0;
    const sockets = [];
    for (let index = 0; index < count; index += 1) {
      const socket = connect({ port, host: '127.0.0.1', localAddress: ATTACKER }).on('error', () => {});
      socket.on('close', () => (closed += 1)).on('data', () => {});
      sockets.push(socket);
      await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
      socket.write(bytes, () => {});
    }
    return { closed: () => closed, end: () => sockets.forEach((socket) => socket.destroy()) };
  }

  /**
   * What was left out for the one viewer that is connected. Each frame of the stream is either handed to the kernel for it or counted here, so that
   * the sum says whether the server kept its promise, however slow the machine and the browser are.
   */
  const leftOut = async () => {
    const reasons = ['viewer_too_slow', 'group_too_big', 'send_buffer_full', 'send_refused'];
    const counts = await Promise.all(reasons.map((reason) => server.metric('unisono_webrtc_drops_total', `reason="${reason}"`)));
    return Object.fromEntries(reasons.map((reason, index) => [reason, counts[index]]));
  };

  /**
   * What the browser made of it, and how long the server took: for the reader of the log. On a busy machine frames come late and the browser leaves
   * some out, with the attack as without, so these prove nothing by themselves.
   */
  const figures = async () => {
    const video = (await rtcStats(page)).find((report) => report.type === 'inbound-rtp' && report.kind === 'video');
    const { packetsReceived, packetsLost, nackCount, framesReceived, framesDropped, freezeCount } = video;
    const name = 'unisono_webrtc_frame_latency_seconds';
    const [soon, all] = await Promise.all([server.metric(`${name}_bucket`, 'le="0.1"'), server.metric(`${name}_count`)]);
    const seconds = Math.round(performance.now() / 1000);
    return { seconds, packetsReceived, packetsLost, nackCount, framesReceived, framesDropped, freezeCount, over100ms: all - soon };
  };
  const since = (now, then) => Object.fromEntries(Object.keys(now).map((name) => [name, now[name] - then[name]]));

  const sdp = { 'content-type': 'application/sdp' };
  const stun = (ufrag) => {
    const username = Buffer.from(`${ufrag}:abcd`);
    const padded = Buffer.concat([username, Buffer.alloc((4 - (username.length % 4)) % 4)]);
    const attributes = Buffer.concat([Buffer.from([0, 6, 0, username.length]), padded, Buffer.from([0, 8, 0, 20]), randomBytes(20)]);
    return Buffer.concat([Buffer.from([0, 1, 0, attributes.length, 0x21, 0x12, 0xa4, 0x42]), randomBytes(12), attributes]);
  };
  /** DTLS 1.2 ClientHello without anything in it. */
  const hello = () => Buffer.concat([Buffer.from([22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42, 254, 253]), randomBytes(32), Buffer.from([0, 0, 0, 2, 0xc0, 0x2b, 1, 0])]);

  it('ten thousand from one address do not reach a viewer', { timeout: 600_000 }, async () => {
    const undisturbed = await figures();
    await frames(page, 200);
    await forget(page);
    const [atFirst, promised] = [await figures(), await leftOut()];
    console.log(`# before ${JSON.stringify(since(atFirst, undisturbed))}`);
    const before = { rss: await server.rss(), sessions: await server.metric('unisono_webrtc_sessions', 'outbound') };
    assert.equal(before.sessions, 1);

    // 1. Offers that nobody follows with ICE.
    const answers = [];
    const beganAt = performance.now();
    const batches = Array.from({ length: 20 }, async () => {
      for (let index = 0; index < 125; index += 1) answers.push(await post('/live/x/whep', sdp, offer));
    });
    await Promise.all(batches);
    const taken = answers.filter(({ status }) => status === 201);
    const refused = answers.filter(({ status }) => status !== 201);
    // 200 at a time, each for 10 s: on a slow machine the first have ended before the last are asked for.
    const seconds = (performance.now() - beganAt) / 1000;
    const most = 250 + (200 * seconds) / 10;
    assert.ok(taken.length >= 100 && taken.length <= most, `${taken.length} sessions for one address, ${Math.round(most)} at most`);
    for (const { status, retryAfter, text } of refused) {
      assert.equal(status, 429, text);
      assert.ok(Number(retryAfter) >= 1 && JSON.parse(text).detail.length > 20, text);
    }
    // [limits] posts_burst, and twice posts_per_second: what is slower than that need not be refused.
    const isFast = answers.length > 500 + 2 * 20 * seconds;
    console.log(`# ${answers.length} offers in ${seconds.toFixed(1)} s, ${taken.length} taken`);
    if (isFast) assert.ok(refused.some(({ text }) => /waiting to connect/.test(text)) && refused.some(({ text }) => /times a second/.test(text)), 'both limits are named');

    // 2. Checks with a good name and a wrong password; handshakes of nobody.
    const ufrag = /a=ice-ufrag:(\S+)/.exec(taken[0].text)[1];
    const checks = await datagrams(2_500, () => stun(ufrag));
    const hellos = await datagrams(2_500, hello);
    // 3. RTMP that stops after C0 and C1; TLS that stops in its ClientHello.
    const rtmp = await connections(1_500, server.rtmp, Buffer.concat([Buffer.from([3]), Buffer.alloc(1536)]));
    const tls = await connections(1_000, server.https, Buffer.from([22, 3, 1, 2, 0, 1, 0]));

    await frames(page, 60);
    assert.equal((await askToPublish(server.rtmp, 'live', 'y', server.key))?.code, 'NetStream.Publish.Start', 'others publish');
    await until('connections over the share are closed', () => rtmp.closed() >= 1_500 - 64 && tls.closed() >= 1_000 - 300);
    assert.deepEqual([checks.answers(), hellos.answers()], [0, 0], 'not a byte goes back to a stranger');

    // The viewer, meanwhile: one session, every frame.
    console.log(`# during ${JSON.stringify(since(await figures(), atFirst))}`);
    const nothing = { viewer_too_slow: 0, group_too_big: 0, send_buffer_full: 0, send_refused: 0 };
    assert.deepEqual(since(await leftOut(), promised), nothing, 'the server left nothing out for the viewer');
    const { frames: shown, stalls, states } = await seen(page);
    const counters = shown.map((frame) => frame.counter).filter((counter) => counter !== null);
    const missing = counters.slice(1).filter((counter, index) => counter - counters[index] > 3).length;
    console.log(`# ${shown.length} frames, ${missing} gaps, ${stalls} stalls, states ${JSON.stringify(states)}`);
    assert.deepEqual(states.filter((state) => /wait|connect|error|offline/.test(JSON.stringify(state))), [], 'it never had to begin again');
    assert.ok(shown.length > 60);

    for (const { close } of [checks, hellos]) close();
    for (const { end } of [rtmp, tls]) end();
    agent.destroy();
    await until('sessions without ICE are gone', async () => (await server.metric('unisono_webrtc_sessions', 'outbound')) === 1, 120);
    await until('RTMP connections are gone', async () => (await server.metric('unisono_rtmp_connections')) <= 2, 120);
    const grown = (await server.rss()) - before.rss;
    console.log(`# memory grew by ${(grown / MIB).toFixed(1)} MiB`);
    assert.ok(grown < 64 * MIB, `memory grew by ${(grown / MIB).toFixed(1)} MiB`);
    assert.ok(await server.metric('unisono_http_limited_total') > 0);
    await frames(page, 30);
  });

  it('who guesses keys has to wait, longer each time, at every door', async () => {
    const guess = () => `pk_${randomBytes(4).toString('hex')}_${randomBytes(16).toString('hex')}`;
    const guesser = new Agent({ localAddress: '127.0.8.8' });
    const ask = (key) =>
      new Promise((resolve) => {
        request(`${server.url}/live/z/whip`, { method: 'POST', agent: guesser, headers: { ...sdp, authorization: `Bearer ${key}` } }, async (response) => {
          let text = '';
          for await (const chunk of response) text += chunk;
          resolve({ status: response.statusCode, retryAfter: Number(response.headers['retry-after']), text });
        }).end('v=0');
      });
    const statuses = [];
    for (let index = 0; index < 15; index += 1) statuses.push((await ask(guess())).status);
    assert.ok(statuses.slice(0, 10).every((status) => status === 401) && statuses.includes(429), `${statuses}`);
    const waiting = await ask(server.key);
    assert.equal(waiting.status, 429);
    assert.match(waiting.text, /too many keys and tokens that nobody made/);
    assert.ok(waiting.retryAfter >= 1);
    await until('the wait is over and a good key counts', async () => (await ask(server.key)).status === 422, 120);
  });
});
