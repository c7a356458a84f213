// As little RTMP as it takes to ask for a publication, hear the answer and send what a file has (Adobe's RTMP 1.0, AMF 0).
import { once } from 'node:events';
import { connect } from 'node:net';

const text = (value) => Buffer.concat([Buffer.from([2, value.length >> 8, value.length & 255]), Buffer.from(value)]);
const number = (value) => {
  const buffer = Buffer.alloc(9);
  buffer.writeDoubleBE(value, 1);
  return buffer;
};
const object = (pairs) => {
  const fields = Object.entries(pairs).flatMap(([name, value]) => [Buffer.from([0, name.length]), Buffer.from(name), text(value)]);
  return Buffer.concat([Buffer.from([3]), ...fields, Buffer.from([0, 0, 9])]);
};
const NULL = Buffer.from([5]);

const COMMAND = 20;

/** A message in chunks of 128 bytes; `at`: milliseconds, less than 2^24 - 1. */
function message(type, at, stream, body) {
  const header = Buffer.from([3, 0, 0, 0, 0, 0, 0, type, stream, 0, 0, 0]);
  header.writeUIntBE(at, 1, 3);
  header.writeUIntBE(body.length, 4, 3);
  const pieces = [header];
  for (let from = 0; from < body.length; from += 128) pieces.push(...(from ? [Buffer.from([0xc3])] : []), body.subarray(from, from + 128));
  return Buffer.concat(pieces);
}

const command = (stream, ...values) => message(COMMAND, 0, stream, Buffer.concat(values));

/** Strings of an AMF 0 body, names and values alike: enough to find a description. */
function strings(body) {
  const found = [];
  for (let at = 0; at + 3 <= body.length; at += 1) {
    const length = body.readUInt16BE(at + 1);
    if (body[at] === 2 && at + 3 + length <= body.length) found.push(body.toString('utf8', at + 3, at + 3 + length));
  }
  return found;
}

/** Takes chunks apart; calls `onMessage(type, body)`. Types 0 to 3 of one-byte basic headers, as servers send them here. */
function reader(onMessage) {
  const streams = new Map();
  let pending = Buffer.alloc(0);
  let chunkSize = 128;
  return (bytes) => {
    pending = Buffer.concat([pending, bytes]);
    for (;;) {
      if (pending.length < 1) return;
      const [format, id] = [pending[0] >> 6, pending[0] & 63];
      const size = 1 + [11, 7, 3, 0][format];
      if (pending.length < size) return;
      const known = streams.get(id) ?? { body: Buffer.alloc(0) };
      const length = format < 2 ? pending.readUIntBE(4, 3) : known.length;
      const type = format < 2 ? pending[7] : known.type;
      const take = Math.min(chunkSize, length - known.body.length);
      if (pending.length < size + take) return;
      const body = Buffer.concat([known.body, pending.subarray(size, size + take)]);
      pending = pending.subarray(size + take);
      const isWhole = body.length === length;
      streams.set(id, { length, type, body: isWhole ? Buffer.alloc(0) : body });
      if (isWhole && type === 1) chunkSize = body.readUInt32BE(0);
      if (isWhole) onMessage(type, body);
    }
  };
}

/** Asks to publish `app/name` with `key`; resolves to { code, words } of the server's onStatus, or null where it only hung up. */
export async function askToPublish(port, app, name, key, host = '127.0.0.1') {
  const { socket, answer } = await ask(port, app, name, key, host);
  socket.destroy();
  return answer;
}

/** Publishes the tags of an FLV file, each when it is due, and hangs up after the last. */
export async function publishTags(port, app, name, key, tags) {
  const { socket, answer } = await ask(port, app, name, key, '127.0.0.1');
  if (answer?.code !== 'NetStream.Publish.Start') throw new Error(`not published: ${JSON.stringify(answer)}`);
  const started = performance.now();
  const next = () => {
    while (tags.length > 0 && tags[0].at <= performance.now() - started) {
      const { type, at, body } = tags.shift();
      socket.write(message(type, at, 1, body));
    }
    if (tags.length === 0) stop();
  };
  const timer = setInterval(next, 10);
  const stop = async () => {
    clearInterval(timer);
    socket.destroy();
  };
  return { stop };
}

async function ask(port, app, name, key, host) {
  const socket = connect(port, host);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(1536)]));
  const answer = await new Promise((resolve) => {
    let greeting = Buffer.alloc(0);
    const read = reader((type, body) => {
      const found = type === COMMAND ? strings(body) : [];
      if (found[0] === 'onStatus') resolve({ code: found.find((s) => s.startsWith('NetStream.')), words: found.at(-1) });
    });
    socket.on('data', (chunk) => {
      if (greeting === null) return read(chunk);
      greeting = Buffer.concat([greeting, chunk]);
      if (greeting.length < 1 + 2 * 1536) return undefined;
      socket.write(greeting.subarray(1, 1 + 1536));
      socket.write(command(0, text('connect'), number(1), object({ app, type: 'nonprivate', tcUrl: `rtmp://${host}/${app}` })));
      socket.write(command(0, text('createStream'), number(2), NULL));
      socket.write(command(1, text('publish'), number(3), NULL, text(key ? `${name}?key=${key}` : name), text('live')));
      const rest = greeting.subarray(1 + 2 * 1536);
      greeting = null;
      return read(rest);
    });
    socket.on('close', () => resolve(null));
    setTimeout(() => resolve(null), 30_000).unref();
  });
  return { socket, answer };
}
