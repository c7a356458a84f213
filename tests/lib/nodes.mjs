// An origin and its edges, which know each other's addresses.
import { freePort } from './port.mjs';
import { Server } from './server.mjs';
import { until } from './until.mjs';

const SECRETS = JSON.stringify(['0123456789abcdef0123456789abcdef']);

/** A node that viewers are sent to. `more`: of its environment. */
export function node(args = [], options = {}, more = {}) {
  const env = (server) => ({ UNISONO_RELAY__SECRETS: SECRETS, UNISONO_NODE__URL: addressOf(server), ...more });
  return Server.one({ args, env, ...options });
}

/** Where viewers find it: its TLS door, where it has one. */
export const addressOf = (server) => (server.https ? server.secureUrl : server.url);

/** Where viewers of this node may go, as it says. */
export async function endpoints(server, stream) {
  const answer = await fetch(`${server.url}/api/v1/endpoints${stream ? `?stream=${stream}` : ''}`);
  return (await answer.json()).endpoints;
}

/** Waits until all of them know of all, and that they take viewers. */
export async function acquainted(all) {
  await until('all nodes know each other', async () => {
    const known = await Promise.all(all.map((one) => endpoints(one)));
    return known.every((list) => all.every((one) => list.some(({ url, is_draining }) => url === addressOf(one) && !is_draining)));
  });
}

/** An origin and `count` edges, once all of them know of all. `args`: for each of them. `options`: as those of a server. */
export async function nodes(count, args = [], options = {}) {
  const relay = await freePort();
  const origin = await node(args, { ...options, listen: { relay: `127.0.0.1:${relay}` } });
  const upstream = [...args, '--upstream', `relay://127.0.0.1:${relay}`];
  const edges = await Promise.all(Array.from({ length: count }, () => node(upstream, options)));
  await acquainted([origin, ...edges]);
  const stop = async () => {
    for (const one of [...edges, origin]) await one.stop();
  };
  return { origin, edges, upstream, stop };
}

/** Sends the viewers of `server` away. */
export async function drain(server, within_s, method = 'POST') {
  const body = method === 'POST' ? { body: JSON.stringify({ within_s }) } : {};
  const answer = await fetch(`${server.url}/api/v1/drain`, { method, ...body });
  if (!answer.ok) throw new Error(`drain: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
