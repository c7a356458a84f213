// The TLS door: pages, WHIP, WHEP, LL-HLS and the feed over HTTP/2, and a certificate that changes under them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { connect } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Browser } from '../lib/chromium.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { frames, hears, watch } from '../lib/watch.mjs';

const run = promisify(execFile);

describe('over TLS', () => {
  let server, secure, browser;

  before(async () => {
    server = await Server.start({ https: true });
    // The same server by its other door.
    secure = { url: server.secureUrl, key: server.key, live: (name) => server.live(name) };
    browser = await Browser.launch();
    await browser.publish(secure, 'live/x');
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const certificate = () =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(server.secureUrl);
      const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
        resolve({ serial: socket.getPeerCertificate().serialNumber, protocol: socket.getProtocol(), alpn: socket.alpnProtocol });
        socket.destroy();
      });
      socket.on('error', reject);
    });

  for (const mode of ['webrtc', 'hls']) {
    it(`a browser publishes and watches by ${mode}, and an event arrives`, async () => {
      const page = await watch(browser, secure, 'live/x', mode);
      assert.equal(await page.evaluate(() => window.isSecureContext), true);
      await frames(page, 30);
      assert.ok((await hears(page)) > 0.02, 'sound');
      // Alone the feed is left to bring it: by WebSocket over HTTP/2 or HTTP/1.1, as the browser likes.
      const opened = await page.evaluate(
        (url) =>
          new Promise((resolve) => {
            const socket = new WebSocket(url);
            socket.onmessage = ({ data }) => resolve(JSON.parse(data).type);
            socket.onerror = () => resolve('error');
          }),
        `${server.secureUrl.replace('https', 'wss')}/api/v1/rooms/live:x/events`,
      );
      assert.equal(opened, 'hello');
      const event = await server.post('live/x', { type: 'test.mark', at: 'now', data: {} });
      await until('the event is shown', () => page.evaluate((id) => window.seen.events.some((e) => e.id === id), event.id));
      await page.close();
    });
  }

  it('a changed certificate is taken over without a restart, a broken one is not', async () => {
    const before = await certificate();
    assert.deepEqual([before.protocol, before.alpn], ['TLSv1.3', 'h2']);
    const [made, key] = ['new.pem', 'new.key'].map((name) => join(server.dataDir, name));
    const subject = ['-subj', '/CN=new', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', ...subject, '-keyout', key, '-out', made]);
    // Between the two renames the pair does not fit; whoever looks then keeps the one in force.
    await rename(made, join(server.dataDir, 'certificate.pem'));
    await rename(key, join(server.dataDir, 'certificate.key'));
    await until('the new one is served', async () => (await certificate()).serial !== before.serial);
    assert.equal(server.child.exitCode, null);
  });
});
