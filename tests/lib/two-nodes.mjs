// An origin and an edge with the face of one server: publishers come to the origin, everybody else to the edge. So a test that was written for
// one node says of two that nobody can tell the difference.
import { freePort } from './port.mjs';
import { Server } from './server.mjs';

const SECRET = '0123456789abcdef0123456789abcdef';

/** Runs `start` with the relay's secret in the environment, as an operator would give it. */
export async function withSecret(start) {
  process.env.UNISONO_RELAY__SECRETS = JSON.stringify([SECRET]);
  try {
    return await start();
  } finally {
    delete process.env.UNISONO_RELAY__SECRETS;
  }
}

/** The edge, which knows its origin. */
export class TwoNodes extends Server {
  static async start({ dataDir, listen = {}, args = [], ...options } = {}) {
    const relay = `127.0.0.1:${await freePort()}`;
    const origin = await withSecret(() => Server.one({ ...options, args, dataDir, listen: { ...listen, relay } }));
    const edge = await withSecret(() => this.one({ ...options, args: [...args, '--upstream', `relay://${relay}`] }));
    return Object.assign(edge, { origin, key: origin.key });
  }

  get publishUrl() {
    return this.origin.url;
  }

  rtmpUrl(stream, key = this.key, host = undefined) {
    return this.origin.rtmpUrl(stream, key, host);
  }

  /** At the origin, and at the edge too where this machine may watch without a token: nobody else makes it ask. */
  async live(name, kinds) {
    const there = await this.origin.live(name, kinds);
    return (await this.stream(name)) ? super.live(name, kinds) : there;
  }

  async stop() {
    await super.stop();
    await this.origin?.stop();
  }
}
