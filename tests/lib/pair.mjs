// Two viewers side by side on one page, each of another node: the same decoder, the same screen, the same moments of looking, so that what differs
// between them is not the browser's.
import { CELLS, numberOf } from './counter.mjs';
import { until } from './until.mjs';

/** Opens viewers by WebRTC of `stream` at these two nodes on `page`, an [`SdkPage`], and waits until both show moving pictures. */
export async function openPair(page, nodes, stream) {
  await page.setViewportSize({ width: 1300, height: 400 });
  await page.evaluate(observe, [nodes, stream, CELLS]);
  await until('both show pictures', () => page.evaluate(() => window.pair.every(({ seen }) => seen.length > 60)));
}

/** What both saw in `seconds` from now on: per picture T, when it was shown and when its last packet had come (ms of the page), and at times its counter. */
export async function lookAt(page, seconds) {
  await page.evaluate(() => window.pair.forEach(({ seen }) => (seen.length = 0)));
  await page.evaluate((ms) => new Promise((resolve) => setTimeout(resolve, ms)), seconds * 1000);
  const lists = await page.evaluate(() => window.pair.map(({ seen }) => seen.slice()));
  return lists.map((list) => new Map(list.map(({ cells, ...one }) => [one.t, { ...one, counter: cells && numberOf(cells) }])));
}

/** The pictures that both saw, as what the second one adds, milliseconds; and how many of the counters that both read are the same. */
export function compare([there, here]) {
  const both = [...here.keys()].filter((t) => there.has(t)).map((t) => [there.get(t), here.get(t)]);
  const read = both.filter(([a, b]) => a.counter != null && b.counter != null);
  return {
    shown: both.map(([a, b]) => b.shown - a.shown),
    arrived: both.filter(([a, b]) => a.received && b.received).map(([a, b]) => b.received - a.received),
    pictures: both.length,
    counters: read.length,
    same_counter: read.filter(([a, b]) => a.counter === b.counter).length,
  };
}

/** Runs in the page. */
function observe([nodes, stream, CELLS]) {
  const { streamUrls, watchWebRtc } = window.sdk;
  const [app, name] = stream.split('/');
  document.body.replaceChildren();
  document.body.style.cssText = 'margin:0;display:flex';
  window.pair = nodes.map((node) => {
    const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true, width: 640, height: 360 });
    document.body.append(video);
    const player = watchWebRtc({ video, url: streamUrls({ app, name }, node).whep, endpoints: [] });
    const context = new OffscreenCanvas(640, 1).getContext('2d', { willReadFrequently: true });
    const seen = [];
    const cells = () => {
      context.drawImage(video, 0, video.videoHeight / 40, video.videoWidth, 1, 0, 0, 640, 1);
      const { data } = context.getImageData(0, 0, 640, 1);
      return Array.from({ length: CELLS }, (_, cell) => data[Math.floor((cell + 0.5) * 20) * 4]);
    };
    const look = (_, metadata) => {
      video.requestVideoFrameCallback(look);
      const frame = player.currentT();
      // The player was told first; a picture whose T it does not know yet counts for nothing.
      if (!frame?.isExact || frame.rtpTimestamp !== metadata.rtpTimestamp || seen.length > 100_000) return;
      // Some counters only: reading pixels back takes its time from both.
      seen.push({ t: frame.t, shown: metadata.expectedDisplayTime, received: metadata.receiveTime, cells: seen.length % 16 === 0 ? cells() : null });
    };
    video.requestVideoFrameCallback(look);
    return { player, seen };
  });
}

/** Ends both. */
export const closePair = (page) => page.evaluate(() => Promise.all(window.pair.map(({ player }) => player.close())));
