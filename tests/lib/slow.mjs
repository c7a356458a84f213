// A farther link without root: TCP passed on `delayMs` late each way, order kept. Close it, and its connections end.
import { connect, createServer } from 'node:net';
import { once } from 'node:events';

export class SlowLink {
  static async start(port, delayMs) {
    const link = new SlowLink();
    link.sockets = new Set();
    link.server = createServer({ noDelay: true }, (near) => {
      const far = connect({ port, host: '127.0.0.1', noDelay: true });
      for (const [from, to] of [[near, far], [far, near]]) {
        link.sockets.add(from);
        from.on('data', (chunk) => setTimeout(() => to.writable && to.write(chunk), delayMs));
        from.on('end', () => setTimeout(() => to.end(), delayMs));
        from.on('close', () => {
          link.sockets.delete(from);
          setTimeout(() => to.destroy(), delayMs);
        });
        from.on('error', () => {});
      }
    });
    link.server.listen(0, '127.0.0.1');
    await once(link.server, 'listening');
    link.port = link.server.address().port;
    return link;
  }

  close() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
