// A port of the loopback address that nobody uses at this moment, neither by TCP nor by UDP.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the ports that the kernel gives to connections going out: such a one could take ours before the server opens it.
const [FIRST, LAST] = [12_000, 32_000];
const given = new Set();

export async function freePort() {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port)) continue;
    if ((await isFree(createServer(), (server) => server.listen(port, '127.0.0.1'))) && (await isFree(createSocket('udp4'), (socket) => socket.bind(port, '127.0.0.1')))) {
      given.add(port);
      return port;
    }
  }
}

/** Whether `open` gets the port; it is given back at once. */
async function isFree(server, open) {
  const outcome = Promise.race([once(server, 'listening'), once(server, 'error').then(([error]) => Promise.reject(error))]);
  open(server);
  try {
    await outcome;
  } catch (error) {
    if (error.code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
