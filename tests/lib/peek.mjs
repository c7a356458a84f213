// Somebody who wants to see early what a stream shows later: follows the playlists of LL-HLS as fast as they come, and asks for every file that is
// listed, hinted at, or could come next by its name. Keeps when each came and what it holds.
import { producerTimes } from './mp4.mjs';
import { pause } from './until.mjs';

/** Files whose names may be guessed ahead of the newest one listed. */
const AHEAD = 3;

export class Peek {
  /** `kind`: 'video' or 'audio'. */
  constructor(server, stream, kind) {
    this.base = `${server.url}/${stream}`;
    this.kind = kind;
    /** By URI: when its bytes were all there (Unix ms), T of its fragments, its text. */
    this.files = new Map();
    /** By URI of a part: when a playlist listed it first, and its duration in seconds. */
    this.listed = new Map();
    this.asked = new Set();
    this.isOver = false;
    this.ends = [];
  }

  async start() {
    const main = await (await fetch(`${this.base}/index.m3u8`)).text();
    const audio = /TYPE=AUDIO[^\n]*URI="([^"]+)"/.exec(main)?.[1];
    const video = main.split('\n').find((line) => line && !line.startsWith('#'));
    this.playlist = new URL(this.kind === 'audio' ? audio : video, `${this.base}/index.m3u8`).href;
    this.ends = [this.follow(false), this.follow(true)];
  }

  async stop() {
    this.isOver = true;
    await Promise.all(this.ends);
  }

  /** `isBlocking`: asks for the next part and waits, as players do; else for what is there now. */
  async follow(isBlocking) {
    while (!this.isOver) {
      const query = isBlocking && this.next ? `?_HLS_msn=${this.next.msn}&_HLS_part=${this.next.part}` : '';
      const answer = await fetch(this.playlist + query, { signal: AbortSignal.timeout(30_000) }).catch(() => null);
      if (answer?.ok) this.read(await answer.text());
      await pause(isBlocking ? 20 : 150);
    }
  }

  read(text) {
    const now = Date.now();
    const parts = [...text.matchAll(/#EXT-X-PART:([^\n]*)/g)].map(([, line]) => ({ uri: /URI="([^"]+)"/.exec(line)[1], seconds: Number(/DURATION=([\d.]+)/.exec(line)[1]) }));
    for (const { uri, seconds } of parts) if (!this.listed.has(uri)) this.listed.set(uri, { at: now, seconds });
    const wanted = [...text.matchAll(/URI="([^"]+\.m4s)"/g)].map(([, uri]) => uri);
    wanted.push(...text.split('\n').filter((line) => line.endsWith('.m4s')));
    const newest = parts.at(-1)?.uri.match(/^(.*?)(\d+)\.(\d+)\.m4s$/);
    if (newest) {
      const [, folder, segment, part] = newest;
      const msn = Number(segment);
      this.next = { msn, part: Number(part) + 1 };
      for (let ahead = 0; ahead < AHEAD; ahead += 1) {
        wanted.push(`${folder}${msn + ahead}.m4s`, `${folder}${msn}.${Number(part) + 1 + ahead}.m4s`, `${folder}${msn + 1}.${ahead}.m4s`);
      }
    }
    for (const uri of wanted) void this.fetch(uri);
  }

  async fetch(uri) {
    if (this.asked.has(uri) || this.files.has(uri)) return;
    this.asked.add(uri);
    try {
      const answer = await fetch(new URL(uri, this.playlist), { signal: AbortSignal.timeout(30_000) });
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (answer.ok) this.files.set(uri, { at: Date.now(), times: producerTimes(bytes), text: bytes.toString('latin1') });
    } catch {
      // Held too long, or the test is over.
    } finally {
      this.asked.delete(uri);
    }
  }
}
