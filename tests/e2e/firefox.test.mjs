// Firefox plays what a browser publishes by WHIP, from our own egress. Debian's has no H.264, so the picture is VP8 or VP9. It takes no
// loopback address for a way to anybody: the test runs again inside a namespace of its own, with Firefox in another.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { Firefox } from '../lib/firefox.mjs';
import { isInside, missing, runInside } from '../lib/netns.mjs';
import { Plain } from '../lib/networks.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { publishCanvas } from '../matrix/page.mjs';

const FRAMES = 60;
const words = missing();

if (!isInside()) {
  it('Firefox', { skip: words ?? false }, async () => {
    assert.equal(await runInside(new URL(import.meta.url).pathname), 0, 'the tests in the namespace passed');
  });
} else {
  describe('Firefox', watching);
}

function watching() {
  let net, server, source, firefox;

  before(async () => {
    net = new Plain(114);
    server = await Server.start({ host: '0.0.0.0' });
    // One after the other: what was started is closed again where the other does not start.
    source = await Browser.launch();
    firefox = await Firefox.launch({ prefix: net.command([]) });
  });

  after(async () => {
    await firefox?.close();
    await source?.close();
    await server?.stop();
    await net?.remove();
  });

  for (const codec of ['VP8', 'VP9']) {
    it(`plays ${codec} from WHEP, sealed by an AEAD`, async (test) => {
      const stream = `live/${codec.toLowerCase()}`;
      const page = await source.open(`${server.url}/healthz`);
      await page.evaluate(publishCanvas, { url: `${server.publishUrl}/${stream}/whip`, key: server.key, codec, width: 640, height: 360, fps: 30, bitrate: 800_000 });
      await server.live(stream);
      await firefox.open(`http://${net.host}:${server.http}/${stream}?mode=webrtc`);
      const decoded = () => firefox.evaluate(statistics).then((seen) => (seen?.video?.framesDecoded >= FRAMES ? seen : null));
      const played = await until(`${FRAMES} frames are decoded`, decoded, 60).catch(async (error) => {
        throw new Error(`${error.message}; ${JSON.stringify(await firefox.evaluate(statistics))}; the page says: ${await firefox.evaluate(() => document.body.innerText.slice(0, 400))}`);
      });
      const { video, transport, played: format } = played;
      test.diagnostic(`${video.framesDecoded} frames decoded, ${video.packetsLost} packets lost, ${transport.srtpCipher}`);
      assert.equal(format, `video/${codec}`);
      // A publisher whose machine is busy sends smaller pictures of the same shape.
      assert.ok(video.frameWidth >= 160 && Math.abs(video.frameWidth / video.frameHeight - 16 / 9) < 0.05, `${video.frameWidth}x${video.frameHeight}`);
      assert.match(transport.srtpCipher, /^(SRTP_)?AEAD_AES_(128|256)_GCM$/);
      await page.close();
    });
  }
}

/** Runs in the page. */
async function statistics() {
  const reports = await window.unisono?.player?.session?.peerConnection?.getStats();
  if (!reports) return null;
  const list = [...reports.values()];
  const video = list.find((report) => report.type === 'inbound-rtp' && report.kind === 'video');
  return { video, transport: list.find((report) => report.type === 'transport'), played: list.find((report) => report.id === video?.codecId)?.mimeType };
}
