// A real server of one's own: free ports, a fresh data directory, keys from its first words.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './port.mjs';
import { until } from './until.mjs';

const built = process.env.UNISONO_BIN ?? die('UNISONO_BIN must name the unisono binary; ./dev test sets it');

function die(words) {
  throw new Error(words);
}

export class Server {
  /** A server; with `UNISONO_NODES=2` two nodes with the face of one, unless `isOneNode`. The other options are those of [`one`]. */
  static async start({ isOneNode = false, ...options } = {}) {
    if (process.env.UNISONO_NODES !== '2' || isOneNode) return Server.one(options);
    const { TwoNodes } = await import('./two-nodes.mjs');
    return TwoNodes.start(options);
  }

  /**
   * `binary`: another than the one that is tested; `through`: a command that runs it;
   * `host`: where its free ports are (loopback must be reachable by it); `listen`: other addresses, by flag; `env`: more of its environment, once its
   * ports are known; `again`: a server that was there before, whose data directory and doors it takes over.
   */
  static async one({ command = 'serve', args = [], dataDir, https = false, listen = {}, host = '127.0.0.1', env = () => ({}), binary = built, through = [], again } = {}) {
    const server = new this();
    server.ownsData = again?.ownsData ?? dataDir === undefined;
    server.dataDir = again?.dataDir ?? dataDir ?? (await mkdtemp(join(tmpdir(), 'unisono-e2e-')));
    const isFirst = (await readdir(server.dataDir).catch(() => [])).length === 0;
    [server.http, server.rtmp, server.webrtc] = again ? [again.http, again.rtmp, again.webrtc] : [await freePort(), await freePort(), await freePort()];
    const addresses = Object.fromEntries(['http', 'rtmp', 'webrtc'].map((door) => [door, `${host}:${server[door]}`]));
    if (https) {
      server.https = again?.https ?? (await freePort());
      addresses.https = `${host}:${server.https}`;
    }
    const doors = Object.entries({ ...addresses, ...listen }).flatMap(([door, address]) => [`--${door}`, address]);
    const own = command === 'demo' ? ['--no-open'] : [];
    const [program, ...words] = [...through, binary, command, '--data-dir', server.dataDir, ...doors, ...own, ...args];
    server.child = spawn(program, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env(server) },
    });
    server.stdout = '';
    server.stderr = '';
    server.child.stdout.on('data', (chunk) => (server.stdout += chunk));
    server.child.stderr.on('data', (chunk) => (server.stderr += chunk));
    // What it said is kept for whoever looks into a failure.
    const { E2E_LOGS: logs } = process.env;
    if (logs) for (const pipe of [server.child.stdout, server.child.stderr]) pipe.pipe(createWriteStream(join(logs, `${server.child.pid}.log`), { flags: 'a' }));
    await until('the server answers', async () => {
      if (server.child.exitCode !== null) die(`the server ended: ${server.stderr}`);
      return (await fetch(`${server.url}/readyz`).catch(() => null))?.ok;
    });
    // The pipe may be slower than the port. A data directory that was there before has its keys already, and prints none.
    server.key = again?.key;
    if (isFirst) server.key = await until('the first start prints its key', () => /pk_[0-9a-f]{8}_[0-9a-f]{32}/.exec(server.stdout)?.[0]);
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.http}`;
  }

  /** Where publishers come to by HTTP. */
  get publishUrl() {
    return this.url;
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

  /** As a machine that loses its power. */
  async kill() {
    this.child.kill('SIGKILL');
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
  }

  /** As an operator stops it; its data stays. */
  async end() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
  }

  async stop() {
    await this.end();
    if (this.ownsData) await rm(this.dataDir, { recursive: true, force: true });
  }
}
