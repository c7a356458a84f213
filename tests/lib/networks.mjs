// Between a server here (in a namespace of its own, see netns.mjs) and programs elsewhere: a plain link, or a thin one behind NAT.
import { Net } from './netns.mjs';

/** What a thin line is; both ways. */
export const THIN = { rateMbit: 8, lossPercent: 2 };

/** Programs behind a link that loses nothing. `net` is the third byte of its addresses. */
export class Plain {
  constructor(net) {
    this.host = `203.0.${net}.1`;
    this.far = new Net();
    const device = this.far.join(`${this.host}/24`, `203.0.${net}.2/24`);
    // A browser takes the address of the way to the world for its own.
    this.far.ip('route', 'add', 'default', 'via', this.host, 'dev', device);
  }

  command(command) {
    return this.far.command(command);
  }

  wrapper(command) {
    return this.far.wrapper(command);
  }

  /** { forwarded, lost } packets so far; null where nothing counts them. */
  counted() {
    return null;
  }

  remove() {
    return this.far.remove();
  }
}

/** Programs behind a router that hides their address (masquerade), passes 8 Mbit/s each way and loses 2 % of all packets each way. */
export class Thin extends Plain {
  constructor(net) {
    super(net);
    this.router = this.far;
    this.far = new Net();
    const [inside, home] = this.router.link(this.far, '192.168.77.1/24', '192.168.77.2/24');
    this.far.ip('route', 'add', 'default', 'via', '192.168.77.1');
    this.router.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    this.router.nft(`table ip thin {
      counter forwarded {}
      counter lost {}
      counter joined {}
      chain nat { type nat hook postrouting priority 100; oifname "f1" masquerade; }
      chain forward {
        type filter hook forward priority 0;
        meta length > 1500 counter name joined
        counter name forwarded
        numgen random mod 100 < ${THIN.lossPercent} counter name lost drop
      }
    }`);
    // Packets as they are on a wire: a train that the kernel keeps together would be lost as one.
    for (const [where, device] of [[this.router, 'f1'], [this.router, inside], [this.far, home]]) where.ip('link', 'set', device, 'gso_max_segs', '1');
    Net.here('link', 'set', this.router.near, 'gso_max_segs', '1');
    for (const device of ['f1', inside]) this.router.run('tc', 'qdisc', 'add', 'dev', device, 'root', 'tbf', 'rate', `${THIN.rateMbit}mbit`, 'burst', '16kb', 'latency', '200ms');
  }

  counted() {
    const [forwarded, lost, joined] = ['forwarded', 'lost', 'joined'].map((counter) => this.router.packets('ip', 'thin', counter));
    return { forwarded, lost, joined };
  }

  async remove() {
    await this.far.remove();
    await this.router.remove();
  }
}
