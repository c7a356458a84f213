// Networks that let little through, or change under a session. Runs again inside a namespace of its own, where the browsers are in others.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { Net, isInside, missing, runInside } from '../lib/netns.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { forget, frames, hears, rtcStats, seen, watch } from '../lib/watch.mjs';

const words = missing();

if (!isInside()) {
  it('strict networks', { skip: words ?? false }, async () => {
    assert.equal(await runInside(new URL(import.meta.url).pathname), 0, 'the tests in the namespace passed');
  });
} else {
  describe('a network that lets only TCP 443 through', strict);
  describe('a network that changes', changing);
  describe('a network of IPv6 alone', ipv6);
}

/** The candidate pair that media takes now. */
async function path(page) {
  const stats = await rtcStats(page);
  const { selectedCandidatePairId: id } = stats.find(({ type }) => type === 'transport');
  const pair = stats.find((one) => one.id === id);
  return { local: stats.find((one) => one.id === pair?.localCandidateId), remote: stats.find((one) => one.id === pair?.remoteCandidateId) };
}

function strict() {
  let net, server, browser;
  const base = 'https://203.0.113.1';

  before(async () => {
    net = new Net();
    // Not a private address: Chromium takes no candidate with port 443 there.
    net.join('203.0.113.1/24', '203.0.113.2/24');
    net.nft(`table inet strict {
      counter dropped {}
      chain out { type filter hook output priority 0; policy drop; oifname lo accept; ip daddr 203.0.113.1 tcp dport 443 accept; counter name dropped; }
      chain in { type filter hook input priority 0; policy drop; iifname lo accept; ip saddr 203.0.113.1 tcp sport 443 accept; }
    }`);
    server = await Server.start({ listen: { webrtc: '203.0.113.1:8189', 'one-port': '203.0.113.1:443' } });
    browser = await Browser.launch({ executablePath: await net.wrapper('/usr/bin/chromium') });
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    await net?.remove();
  });

  it('publishes by WHIP, watches by WHEP and by LL-HLS', async () => {
    const there = { url: base, key: server.key, live: (name) => server.live(name) };
    await browser.publish(there, 'live/x');
    const page = await watch(browser, there, 'live/x', 'webrtc');
    await forget(page);
    await frames(page, 90);
    const { frames: shown } = await seen(page);
    const counters = new Set(shown.map((frame) => frame.counter).filter((counter) => counter !== null));
    assert.ok(counters.size >= 45, `different pictures were seen: ${counters.size}`);
    assert.ok((await hears(page)) > 0.02, 'sound');
    const { local, remote } = await path(page);
    assert.deepEqual([local.protocol, remote.protocol, remote.address, remote.port], ['tcp', 'tcp', '203.0.113.1', 443]);
    assert.ok((await server.metric('unisono_webrtc_tcp_connections')) >= 2, 'publisher and viewer');
    assert.equal(await server.metric('unisono_webrtc_peers'), 0, 'no datagram came through');
    assert.ok(net.packets('inet', 'strict', 'dropped') > 0, 'and not for want of trying');
    const hls = await watch(browser, there, 'live/x', 'hls');
    await frames(hls, 30);
  });
}

function changing() {
  let net, server, browser, first;

  before(async () => {
    net = new Net();
    [first] = net.joinTwice('10.77.100.1', ['10.77.2', '10.77.3']);
    server = await Server.start({ listen: { webrtc: '10.77.100.1:8189', https: '10.77.100.1:8443' } });
    browser = await Browser.launch({ executablePath: await net.wrapper('/usr/bin/chromium') });
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    await net?.remove();
  });

  it('a publisher and a viewer go on in the same session when their link goes down', async () => {
    const there = { url: 'https://10.77.100.1:8443', key: server.key, live: (name) => server.live(name) };
    const publisher = await browser.publish(there, 'live/x');
    const page = await watch(browser, there, 'live/x', 'webrtc');
    await frames(page, 30);
    assert.equal((await path(page)).local.address, '10.77.2.2', 'media goes by the preferred link');
    const sessions = () => server.metric('unisono_webrtc_connect_seconds_count');
    const made = await sessions();
    await forget(page);
    net.ip('link', 'set', first, 'down');
    const down = Date.now();
    // Frames on their way when the link went down do not count.
    const since = (shown) => shown.filter((frame) => frame.wall > down + 1000);
    await until('pictures come by the other link', async () => since((await seen(page)).frames).length > 30);
    const { frames: shown, states } = await seen(page);
    console.log(`playing again after ${since(shown)[0].wall - down} ms; states: ${states.map(({ state }) => state).join(' ')}`);
    assert.equal((await path(page)).local.address, '10.77.3.2');
    assert.equal(await sessions(), made, 'no new session was made');
    assert.equal(await publisher.evaluate(() => document.body.innerText.includes('Reconnecting')), false);
  });
}

function ipv6() {
  let net, server, browser;

  before(async () => {
    net = new Net();
    net.join('fd77::1/64', 'fd77::2/64');
    server = await Server.start({ listen: { webrtc: '[::]:8189', https: '[::]:8443', rtmp: '[::]:1935', rtmps: '[::]:1936' } });
    browser = await Browser.launch({ executablePath: await net.wrapper('/usr/bin/chromium') });
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    await net?.remove();
  });

  it('publishes and watches', async () => {
    const there = { url: 'https://[fd77::1]:8443', key: server.key, live: (name) => server.live(name) };
    await browser.publish(there, 'live/x');
    for (const mode of ['webrtc', 'hls']) {
      const page = await watch(browser, there, 'live/x', mode);
      await frames(page, 30);
      if (mode === 'webrtc') assert.equal((await path(page)).remote.address, 'fd77::1');
      await page.close();
    }
  });

  for (const base of ['rtmp://[fd77::1]:1935', 'rtmps://[::1]:1936']) {
    it(`takes ${base}`, async () => {
      const encoder = ffmpegRtmp(`${base}/live/r?key=${server.key}`);
      await server.live('live/r');
      await encoder.stop();
      await until('the publisher is gone', async () => (await server.stream('live/r'))?.state !== 'live');
    });
  }
}
