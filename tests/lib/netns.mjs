// Networks of one's own: the test runs inside one namespace, browsers in others, veth pairs between them.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Set in the process that runs inside. */
const INSIDE = 'UNISONO_INSIDE_NETNS';

const has = (tool) => spawnSync(tool, ['-V']).error === undefined;

/** Why namespaces cannot be made here; null where they can. */
export function missing() {
  if (process.getuid() !== 0) return 'network namespaces need root';
  const tool = ['ip', 'nft'].find((name) => !has(name));
  return tool ? `network namespaces need \`${tool}\` (apt-get install iproute2 nftables)` : null;
}

export const isInside = () => process.env[INSIDE] !== undefined;

function run(tool, ...args) {
  const done = spawnSync(tool, args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${tool} ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

/** Runs the test file `path` again in a fresh namespace, with all it prints; resolves to its exit code. */
export const runInside = (path) => nodeInside(['--test', '--test-reporter=spec', path]);

/** Runs node with `args` in a fresh namespace, as [`runInside`] does. */
export async function nodeInside(args) {
  const name = `unisono-${process.pid}`;
  run('ip', 'netns', 'add', name);
  try {
    run('ip', '-n', name, 'link', 'set', 'lo', 'up');
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn('ip', ['netns', 'exec', name, process.execPath, ...args], { env: { ...env, [INSIDE]: name }, stdio: ['ignore', 'inherit', 'inherit'] });
    const [code] = await once(child, 'exit');
    return code;
  } finally {
    // A test that broke off may have left others behind, whose names begin with ours.
    const names = run('ip', 'netns', 'list').split('\n').map((line) => line.split(' ')[0]);
    for (const one of names.filter((one) => one === name || one.startsWith(`${name}-`))) run('ip', 'netns', 'delete', one);
  }
}

/** Another namespace, joined to the one the test runs in. */
export class Net {
  static #count = 0;

  constructor() {
    this.name = `${process.env[INSIDE]}-${(Net.#count += 1)}`;
    this.links = 0;
    this.wrappers = {};
    run('ip', 'netns', 'add', this.name);
    this.ip('link', 'set', 'lo', 'up');
  }

  ip(...args) {
    return run('ip', '-n', this.name, ...args);
  }

  /** `ip` in the namespace the test runs in. */
  static here(...args) {
    return run('ip', ...args);
  }

  /** A veth pair; `near` and `far` are addresses with prefix. Returns the far device's name. */
  join(near, far) {
    const [here, there] = [`n${this.name.split('-').at(-1)}-${(this.links += 1)}`, `f${this.links}`];
    this.near = here;
    run('ip', 'link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', this.name);
    // An address that comes by itself a second later is a change of network to a browser, which drops what it was loading.
    run('ip', 'link', 'set', here, 'addrgenmode', 'none');
    this.ip('link', 'set', there, 'addrgenmode', 'none');
    // Without duplicate address detection an IPv6 address can be used at once.
    const dad = (address) => (address.includes(':') ? ['nodad'] : []);
    run('ip', 'address', 'add', near, 'dev', here, ...dad(near));
    run('ip', 'link', 'set', here, 'up');
    this.ip('address', 'add', far, 'dev', there, ...dad(far));
    this.ip('link', 'set', there, 'up');
    return there;
  }

  /** A veth pair to another namespace, as [`Net.join`]; `near` is here, `far` there. Returns both devices' names. */
  link(other, near, far) {
    const [here, there] = [`l${(this.links += 1)}`, `l${(other.links += 1)}`];
    this.ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', other.name);
    for (const [net, device, address] of [[this, here, near], [other, there, far]]) {
      net.ip('link', 'set', device, 'addrgenmode', 'none');
      net.ip('address', 'add', address, 'dev', device);
      net.ip('link', 'set', device, 'up');
    }
    return [here, there];
  }

  /** Runs a program over there to its end; what it printed. */
  run(...command) {
    return run('ip', 'netns', 'exec', this.name, ...command);
  }

  /** What to spawn for `command` to run over there. */
  command(command) {
    return ['ip', 'netns', 'exec', this.name, ...command];
  }

  /**
   * Two links to one address of this side, as a laptop with cable and wireless has: the first is preferred, and what leaves by an address of a link
   * leaves by that link. Returns the far devices.
   */
  joinTwice(address, nets) {
    run('ip', 'address', 'add', `${address}/32`, 'dev', 'lo');
    return nets.map((net, index) => {
      const device = this.join(`${net}.1/24`, `${net}.2/24`);
      this.ip('route', 'add', address, 'via', `${net}.1`, 'metric', String(100 + index));
      this.ip('rule', 'add', 'from', `${net}.2`, 'lookup', String(100 + index));
      this.ip('route', 'add', address, 'via', `${net}.1`, 'table', String(100 + index));
      return device;
    });
  }

  /** Loads rules for the far side. */
  nft(rules) {
    const done = spawnSync('ip', ['netns', 'exec', this.name, 'nft', '-f', '-'], { input: rules, encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`nft: ${done.stderr}`);
  }

  /** What a named counter of the far side has counted. */
  packets(family, table, counter) {
    const text = run('ip', 'netns', 'exec', this.name, 'nft', 'list', 'counter', family, table, counter);
    return Number(/packets (\d+)/.exec(text)[1]);
  }

  /** A program that runs `command` over there, for whoever wants a path. */
  wrapper(command) {
    // Once for each command: a script that is written while somebody starts it is "busy" (ETXTBSY).
    return (this.wrappers[command] ??= this.#script(command, Object.keys(this.wrappers).length));
  }

  async #script(command, number) {
    this.folder ??= await mkdtemp(join(tmpdir(), 'unisono-netns-'));
    const path = join(this.folder, `run-${number}`);
    await writeFile(path, `#!/bin/sh\nexec ip netns exec ${this.name} ${command} "$@"\n`);
    await chmod(path, 0o755);
    return path;
  }

  async remove() {
    run('ip', 'netns', 'delete', this.name);
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
  }
}
