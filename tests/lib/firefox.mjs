// Debian's Firefox ESR, headless, driven by its own remote protocol (Marionette: JSON behind its length, over TCP).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { freePort } from './port.mjs';

const PREFERENCES = {
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  'media.navigator.permission.disabled': true,
  'media.navigator.streams.fake': true,
  'media.devices.insecure.enabled': true,
  'media.getusermedia.insecure.enabled': true,
  // Without a camera of its own a page gets no address; these make loopback and plain addresses candidates.
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  // H.264 by the system's FFmpeg: the plug-in Firefox would fetch is not there.
  'media.navigator.mediadatadecoder_h264_enabled': true,
  'media.webrtc.platformencoder': true,
  'media.webrtc.platformencoder.sw_only': false,
  'media.webrtc.hw.h264.enabled': true,
  'gfx.webrender.software': true,
  'app.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'toolkit.telemetry.reportingpolicy.firstRun': false,
};

export class Firefox {
  /** `prefix`: a command that runs it elsewhere, such as in a network namespace. */
  static async launch({ prefix = [] } = {}) {
    const firefox = new Firefox();
    firefox.profile = await mkdtemp(join(tmpdir(), 'unisono-firefox-'));
    const port = await freePort();
    const lines = Object.entries({ ...PREFERENCES, 'marionette.port': port }).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
    await writeFile(join(firefox.profile, 'user.js'), lines.join('\n'));
    const command = [...prefix, 'firefox-esr', '--headless', '--no-remote', '--marionette', '--profile', firefox.profile];
    firefox.child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'ignore', 'ignore'], env: { ...process.env, MOZ_HEADLESS: '1', HOME: firefox.profile } });
    firefox.relay = relay(prefix, port);
    firefox.socket = Duplex.from({ readable: firefox.relay.stdout, writable: firefox.relay.stdin });
    firefox.waiting = new Map();
    firefox.next = 1;
    firefox.#listen();
    try {
      await firefox.command('WebDriver:NewSession', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } });
      await firefox.command('WebDriver:SetTimeouts', { script: 600_000, pageLoad: 60_000 });
    } catch (error) {
      await firefox.close();
      throw error;
    }
    return firefox;
  }

  #listen() {
    let buffer = Buffer.alloc(0);
    this.socket.on('data', (chunk) => {
      buffer = Buffer.concat([buffer, chunk]);
      for (;;) {
        const colon = buffer.indexOf(58);
        const length = Number(buffer.subarray(0, Math.max(colon, 0)).toString());
        if (colon < 0 || buffer.length < colon + 1 + length) return;
        const message = JSON.parse(buffer.subarray(colon + 1, colon + 1 + length).toString());
        buffer = buffer.subarray(colon + 1 + length);
        if (!Array.isArray(message)) continue;
        const [, id, error, result] = message;
        const { resolve, reject } = this.waiting.get(id) ?? {};
        this.waiting.delete(id);
        if (error) reject?.(new Error(`Firefox: ${error.error}: ${error.message}`));
        else resolve?.(result);
      }
    });
    const ended = () => this.waiting.forEach(({ reject }) => reject(new Error('Firefox ended, or never answered')));
    this.socket.on('close', ended).on('error', ended);
    // The relay would go on dialling.
    this.child.once('exit', () => {
      this.socket.destroy();
      this.relay.kill();
    });
  }

  command(name, parameters = {}) {
    if (this.socket.destroyed) return Promise.reject(new Error('Firefox has ended'));
    const id = this.next++;
    const text = JSON.stringify([0, id, name, parameters]);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.socket.write(`${Buffer.byteLength(text)}:${text}`);
    });
  }

  async open(url) {
    await this.command('WebDriver:Navigate', { url });
  }

  /** Runs `callback(argument)` in the page, awaits it and returns what it gives, as playwright's `page.evaluate`. */
  async evaluate(callback, argument = null) {
    const script = `const done = arguments[1]; Promise.resolve((${callback})(arguments[0])).then((value) => done({ value: value ?? null }), (error) => done({ error: String(error) }));`;
    // The sandbox is the page itself: its globals are wanted.
    const { value } = await this.command('WebDriver:ExecuteAsyncScript', { script, args: [argument], sandbox: null, newSandbox: false });
    if (value.error) throw new Error(`in the page: ${value.error}`);
    return value.value;
  }

  async close() {
    this.socket.destroy();
    this.relay.kill();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      const late = setTimeout(() => this.child.kill('SIGKILL'), 20_000);
      await once(this.child, 'exit').finally(() => clearTimeout(late));
    }
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** Firefox hears its remote only on the loopback of where it runs, once it has started: a small relay over there speaks by its pipes. */
const RELAY = `const { connect } = require('node:net');
const dial = (tries) => {
  const socket = connect(Number(process.argv[1]), '127.0.0.1');
  socket.once('connect', () => socket.pipe(process.stdout) && process.stdin.pipe(socket));
  socket.once('error', () => (tries ? setTimeout(dial, 200, tries - 1) : process.exit(1)));
  socket.once('end', () => process.exit());
};
dial(600);`;

function relay(prefix, port) {
  const [program, ...args] = [...prefix, process.execPath, '-e', RELAY, String(port)];
  return spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
}
