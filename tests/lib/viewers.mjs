// Players of the SDK, as many as one page carries, each with everything that its viewer would notice.
import { until } from './until.mjs';

/**
 * Opens a viewer of `stream` at `node` for each of `modes` ('webrtc' | 'hls') on `page`, an [`SdkPage`]. They stay there until the page is closed: what
 * they saw is gone with a reload.
 */
export async function open(page, node, stream, modes) {
  await page.evaluate(observe, [node, stream, modes]);
}

/** Waits until `wanted` holds for each viewer; in the words of who is left where it does not. */
async function each(page, what, wanted, argument, seconds) {
  const left = () => page.evaluate(([test, argument]) => window.viewers.filter((viewer) => !new Function('viewer', 'argument', `return ${test}`)(viewer, argument)).map(({ words }) => words()), [wanted, argument]);
  await until(`${what} (all viewers)`, async () => (await left()).length === 0, seconds).catch(async (error) => {
    throw new Error(`${error.message}; not: ${JSON.stringify(await left())}\n${page.words.slice(-10).join('\n')}`);
  });
}

/** Waits until each has shown `count` more pictures and counts as playing. */
export async function play(page, count, seconds = 90) {
  await page.evaluate(() => window.viewers.forEach((viewer) => (viewer.from = viewer.pictures)));
  await each(page, `${count} more pictures`, 'viewer.player.state === "playing" && viewer.pictures >= viewer.from + argument', count, seconds);
}

/** Waits until none of them is at `node` any more. */
export const leave = (page, node, seconds = 90) => each(page, `away from ${node}`, 'viewer.player.endpoint !== argument', node, seconds);

/** Waits until each knows `count` nodes. */
export const know = (page, count) => each(page, `${count} nodes are known`, 'viewer.player.nodes.length >= argument', count, 60);

/** Waits until each was told all the events with these ids. */
export const told = (page, ids, seconds = 60) => each(page, 'the events', 'argument.every((id) => viewer.events.some((event) => event.id === id))', ids, seconds);

/** Forgets what was seen so far. */
export const forget = (page) => page.evaluate(() => window.viewers.forEach((viewer) => viewer.forget()));

/**
 * What each noticed: `pictures`, `back` (pictures with a T that was there before), `gap` (longest time between two, ms), `stalls` (the player's own count: half a second without one), `waits` (times the element had
 * nothing to show), `states` that the player went through, nodes that it was at, events, `log` (all that with seconds of the page).
 */
export const noticed = (page) => page.evaluate(() => window.viewers.map(({ notice }) => notice()));

/** Runs in the page. */
async function observe([node, stream, modes]) {
  const { streamUrls, watchHls, watchWebRtc } = window.sdk;
  const [app, name] = stream.split('/');
  const urls = streamUrls({ app, name }, node);
  window.viewers ??= [];
  document.querySelector('video:not([data-viewer])')?.remove();
  for (const mode of modes) {
    const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true, width: 32, height: 18 });
    video.dataset.viewer = mode;
    document.body.append(video);
    const common = { video, feedUrl: urls.feed, clockUrl: urls.server };
    const player = mode === 'hls' ? await watchHls({ ...common, url: urls.hls }) : watchWebRtc({ ...common, url: urls.whep });
    window.viewers.push(viewer(mode, player, video));
  }

  function viewer(mode, player, video) {
    let last = null;
    const one = {
      player, pictures: 0, from: 0, events: [],
      forget: () => Object.assign(one, { back: [], gap: 0, stalls: player.stats().stalls, waits: 0, states: [], nodes: [], events: [], log: [] }),
      words: () => `${mode} at ${player.endpoint}: ${player.state}, ${one.pictures} pictures; ${JSON.stringify(one.states)}`,
      notice: () => ({ mode, at: player.endpoint, state: player.state, pictures: one.pictures, t: last?.t, back: one.back, gap: Math.round(one.gap), stalls: player.stats().stalls - one.stalls, waits: one.waits, states: one.states, nodes: one.nodes, events: one.events, log: one.log }),
    };
    one.forget();
    const log = (words) => one.log.length < 200 && one.log.push(`${(performance.now() / 1000).toFixed(2)} ${words}`);
    player.on('frame', ({ t, now, isExact }) => {
      // An estimate bridges a pause and names the picture that comes next; it is not on the screen.
      if (!isExact) return;
      // The same one again is one that stands.
      if (last && t < last.t) one.back.push(t - last.t);
      if (last && now - last.now > 500) log(`${Math.round(now - last.now)} ms without a picture`);
      if (last) one.gap = Math.max(one.gap, now - last.now);
      last = { t, now };
      one.pictures += 1;
    });
    player.on('state', ({ state, words }) => {
      one.states.push(`${state}: ${words}`);
      log(state);
    });
    player.on('endpoint', ({ to, why }) => {
      one.nodes.push(`${why} ${to}`);
      log(`${why}, to ${to}`);
    });
    player.on('event', ({ event, shown, isLate }) => one.events.push({ id: event.id, seq: event.seq, shown, isLate }));
    video.addEventListener('waiting', () => {
      one.waits += 1;
      log('waits');
    });
    return one;
  }
}
