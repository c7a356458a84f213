// A real server of one's own: free ports, a fresh data directory, keys from its first words.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './port.mjs';
import { until } from './until.mjs';

const binary = process.env.UNISONO_BIN ?? die('UNISONO_BIN must name the unisono binary; ./dev test sets it');

function die(words) {
  throw new Error(words);
}

export class Server {
  /** `host`: where its free ports are (loopback must be reachable by it); `listen`: other addresses, by flag. */
  static async start({ command = 'serve', args = [], dataDir, https = false, listen = {}, host = '127.0.0.1' } = {}) {
    const server = new Server();
    server.ownsData = dataDir === undefined;
    server.dataDir = dataDir ?? (await mkdtemp(join(tmpdir(), 'unisono-e2e-')));
    [server.http, server.rtmp, server.webrtc] = [await freePort(), await freePort(), await freePort()];
    const addresses = Object.fromEntries(['http', 'rtmp', 'webrtc'].map((door) => [door, `${host}:${server[door]}`]));
    if (https) {
      server.https = await freePort();
      addresses.https = `${host}:${server.https}`;
    }
    const doors = Object.entries({ ...addresses, ...listen }).flatMap(([door, address]) => [`--${door}`, address]);
    const own = command === 'demo' ? ['--no-open'] : [];
    server.child = spawn(binary, [command, '--data-dir', server.dataDir, ...doors, ...own, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    server.stdout = '';
    server.stderr = '';
    server.child.stdout.on('data', (chunk) => (server.stdout += chunk));
    server.child.stderr.on('data', (chunk) => (server.stderr += chunk));
    await until('the server answers', async () => {
      if (server.child.exitCode !== null) die(`the server ended: ${server.stderr}`);
      return (await fetch(`${server.url}/readyz`).catch(() => null))?.ok;
    });
    // The pipe may be slower than the port. A data directory that was there before has its keys already, and prints none.
    const key = () => /pk_[0-9a-f]{8}_[0-9a-f]{32}/.exec(server.stdout)?.[0];
    server.key = server.ownsData ? await until('the first start prints its key', key) : key();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.http}`;
  }

  get secureUrl() {
    return `https://127.0.0.1:${this.https}`;
  }

  get pid() {
    return this.child.pid;
  }

  /** Publish URL for an RTMP encoder. */
  rtmpUrl(stream, key = this.key, host = '127.0.0.1') {
    const [app, name] = stream.split('/');
    return `rtmp://${host}:${this.rtmp}/${app}/${name}?key=${key}`;
  }

  async stream(name) {
    const answer = await fetch(`${this.url}/api/v1/streams/${name}`);
    return answer.ok ? answer.json() : null;
  }

  /** Waits until `name` is live with `kinds` of tracks. */
  live(name, kinds = ['video', 'audio']) {
    return until(`${name} is live`, async () => {
      const stream = await this.stream(name);
      const has = (kind) => stream.tracks.some((track) => track.kind === kind);
      return stream?.state === 'live' && kinds.every(has) ? stream : null;
    });
  }

  /** Posts an event to a stream's room; the event as the log has it. */
  async post(stream, event) {
    const answer = await fetch(`${this.url}/api/v1/rooms/${stream.replace('/', ':')}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(event),
    });
    if (answer.status !== 201) die(`POST event: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** The sum of a metric's samples whose labels contain `labels`. */
  async metric(name, labels = '') {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(labels));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Resident memory, bytes. */
  async rss() {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) * 1024;
  }

  async stop() {
    if (this.child.exitCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    if (this.ownsData) await rm(this.dataDir, { recursive: true, force: true });
  }
}
