// A token issuer of one's own: signs ES256 and publishes its keys as a JSON Web Key Set over HTTP.
import { createServer } from 'node:http';
import { once } from 'node:events';
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export class Issuer {
  static async start() {
    const issuer = new Issuer();
    issuer.fetched = 0;
    issuer.keys = [];
    issuer.rotate();
    issuer.server = createServer((_, response) => {
      issuer.fetched += 1;
      const keys = issuer.keys.map(({ kid, pair }) => ({ ...pair.publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' }));
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
    }).listen(0, '127.0.0.1');
    await once(issuer.server, 'listening');
    return issuer;
  }

  /** A new key signs from now on; the one before stays in the set. */
  rotate() {
    this.keys = [{ kid: `key-${randomUUID()}`, pair: generateKeyPairSync('ec', { namedCurve: 'P-256' }) }, ...this.keys.slice(0, 1)];
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}/jwks.json`;
  }

  /** A token with these claims; an id and an end in an hour where they name none. */
  sign(claims) {
    const { kid, pair } = this.keys[0];
    const now = Math.floor(Date.now() / 1000);
    const signed = `${base64url({ alg: 'ES256', kid })}.${base64url({ exp: now + 3600, jti: randomUUID(), ...claims })}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), { key: pair.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
