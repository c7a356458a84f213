// What an operator does to a running server: reads its configuration again under fifty viewers, looks at who is there, sends away, stops, limits.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ffmpegRtmp, running } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const binary = process.env.UNISONO_BIN;
const run = promisify(execFile);
const json = { 'content-type': 'application/json' };

/** A request to the API: status, and body where there is one. */
async function ask(server, method, path, body) {
  const init = body === undefined ? {} : { headers: json, body: JSON.stringify(body) };
  const answer = await fetch(`${server.url}${path}`, { method, ...init });
  const text = await answer.text();
  // A log is lines of JSON, and is left as text.
  const isJson = /[/+]json\b/.test(answer.headers.get('content-type') ?? '');
  return { status: answer.status, body: isJson ? JSON.parse(text) : text };
}

async function sessions(server, query = '') {
  const all = [];
  for (let cursor = ''; ; ) {
    const { status, body } = await ask(server, 'GET', `/api/v1/sessions?limit=20&${query}${cursor}`);
    assert.equal(status, 200, JSON.stringify(body));
    all.push(...body.sessions);
    if (!body.next) return all;
    cursor = `&cursor=${body.next}`;
  }
}

/** A WHIP publisher and `viewers` WHEP viewers, all real, in one process. */
const bench = (server, viewers) =>
  running([
    spawn(binary, ['bench', 'watch', '--url', `${server.url}/live/bench`, '--viewers', String(viewers), '--seconds', '3600', '--publish', '--key', server.key], {
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  ]);

describe('configuration read again', () => {
  const VIEWERS = 50;
  let folder, file, server, viewers;

  const set = (toml) => writeFile(file, toml);
  const watching = () => sessions(server, 'protocol=whep');

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unisono-reload-'));
    file = join(folder, 'unisono.toml');
    await set('');
    server = await Server.start({ args: ['--config', file] });
    viewers = bench(server, VIEWERS);
    await until('all are watching', async () => {
      assert.equal(viewers.child.exitCode, null, viewers.child.words);
      return (await server.metric('unisono_webrtc_connect_seconds_count')) >= VIEWERS + 1;
    }, 240);
  });

  after(async () => {
    await viewers?.kill();
    await server?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  /** Every viewer is the one it was, and gets more than before. */
  async function goOn(them) {
    await until('every viewer gets more', async () => {
      const now = new Map((await watching()).map((session) => [session.id, session.bytes]));
      assert.deepEqual([...now.keys()], them.map(({ id }) => id), 'nobody dropped, nobody came again');
      return them.every(({ id, bytes }) => now.get(id) > bytes);
    });
  }

  it('nobody drops, by API, by SIGHUP and by a changed file', async () => {
    let them = await watching();
    assert.equal(them.length, VIEWERS);
    const steps = [
      ['[log]\nlevel = "warn"\n', ['log.level'], 'api'],
      ['[access]\nview = "token"\n[log]\nlevel = "info"\n', null, 'signal'],
      ['[access]\nview = "token"\n[http]\nconnections_max = 500\n', null, 'file'],
      ['[access]\nview = "open"\n[http]\nconnections_max = 500\n', ['access.view'], 'api'],
      ['', ['http.connections_max'], 'api'],
    ];
    for (const [toml, applied, by] of steps) {
      const told = server.stderr.length;
      await set(toml);
      if (by === 'api') {
        const { status, body } = await ask(server, 'POST', '/api/v1/config/reload');
        // The server may have seen the file change a moment before.
        assert.equal(status, 200);
        assert.ok(body.applied.length === 0 || applied.every((key) => body.applied.includes(key)), JSON.stringify(body));
      } else {
        if (by === 'signal') server.child.kill('SIGHUP');
        await until('it is in force', () => server.stderr.slice(told).includes('in force'));
      }
      await goOn(them);
      them = await watching();
    }
  });

  it('what it changed holds for those who come', async () => {
    const whep = () => fetch(`${server.url}/live/bench/whep`, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: 'v=0' });
    await set('[access]\nview = "token"\n');
    await until('watching needs a token', async () => (await whep()).status === 401);
    await set('');
    await until('watching is open again', async () => (await whep()).status === 422);
  });

  it('one is sent away, the others stay', async () => {
    const [first, ...others] = await watching();
    assert.equal((await ask(server, 'DELETE', `/api/v1/sessions/${first.id}`)).status, 204);
    await until('it is gone', async () => (await ask(server, 'GET', `/api/v1/sessions/${first.id}`)).status === 404);
    await goOn(others);
  });

  it('a broken file is refused in words, and what needs a restart is said to need one', async () => {
    const them = await watching();
    await set('[rtmp]\nlisen = "off"\n');
    const broken = await ask(server, 'POST', '/api/v1/config/reload');
    assert.equal(broken.status, 422);
    assert.match(broken.body.detail, /did you mean `listen`/);
    await set('[webrtc]\nworkers = 9\n[log]\nlevel = "debug"\n[access]\ntoken_keys = [{ algorithm = "HS256", file = "/nonexistent" }]\n');
    assert.equal((await ask(server, 'POST', '/api/v1/config/reload')).status, 422, 'nothing of it, not even the level');
    await set('[webrtc]\nworkers = 9\n');
    const { body } = await ask(server, 'POST', '/api/v1/config/reload');
    assert.deepEqual([body.applied, body.needs_restart], [[], ['webrtc.workers']]);
    await goOn(them);
  });
});

describe('streams and sessions', () => {
  let server, encoder;

  before(async () => {
    server = await Server.start();
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
  });

  after(async () => {
    await encoder?.kill();
    await server?.stop();
  });

  it('the detail tells publisher, health and renditions', async () => {
    const stream = await until('figures', async () => {
      const { body } = await ask(server, 'GET', '/api/v1/streams/live/x');
      return body.health.keyframe_interval_ms && body.health.bitrate_kbps && body;
    });
    assert.equal(stream.publisher.protocol, 'rtmp');
    assert.ok(server.key.includes(stream.publisher.key));
    // The timeline is fitted to the publisher's clock by up to 5 % in the first seconds.
    const { keyframe_interval_ms: interval } = stream.health;
    assert.ok(interval > 1800 && interval < 2200, `${interval} ms between keyframes of a 2 s group`);
    const [video, audio] = stream.renditions;
    assert.deepEqual([video.codec, video.rendition, audio.codec], ['H.264', 'source', 'AAC']);
    assert.ok(video.fps > 25 && video.fps < 35, `${video.fps} fps`);
  });

  it('an HLS player is listed as approximate, sent away, and refused while it asks', async () => {
    const playlist = () => fetch(`${server.url}/live/x/index.m3u8`, { headers: { 'user-agent': 'one' } });
    await until('it plays', async () => (await playlist()).ok);
    const [player, ...others] = await sessions(server, 'protocol=hls&stream=live/x');
    assert.ok(others.length === 0 && player.approximate && player.role === 'viewer', JSON.stringify(player));
    assert.equal((await ask(server, 'DELETE', `/api/v1/sessions/${player.id}`)).status, 204);
    const refused = await playlist();
    assert.equal(refused.status, 403);
    assert.match((await refused.json()).detail, /operator/);
    assert.ok((await fetch(`${server.url}/live/x/index.m3u8`, { headers: { 'user-agent': 'two' } })).ok, 'others play on');
    assert.equal((await ask(server, 'DELETE', '/api/v1/sessions/nonsense')).status, 404);
  });

  it('a stream that is stopped ends its publisher in words and stays closed', async () => {
    const stop = await ask(server, 'POST', '/api/v1/streams/live/x/stop', { reason: 'the show is over', block_seconds: 3600 });
    assert.equal(stop.status, 204);
    await until('the encoder ended', () => encoder.child.exitCode !== null);
    await until('the log says why', () => server.stderr.includes('the show is over'));
    assert.equal((await ask(server, 'GET', '/api/v1/streams/live/x')).body.state, 'lost');
    const again = ffmpegRtmp(server.rtmpUrl('live/x'));
    await until('it is refused', () => again.child.exitCode !== null && server.stderr.includes('stopped by the operator and may be published again'));
    await again.kill();
    assert.equal((await ask(server, 'POST', '/api/v1/streams/live/nobody/stop')).status, 404);
  });

  it('a key keeps to its quota, named in the refusal', async () => {
    // Far more bitrate than the encoder sends, until it was seen that a second stream is one too many.
    const keys = ['keys', 'new', '--max-streams', '1', '--max-bitrate', '90000', '--data-dir', server.dataDir];
    const key = (await run(binary, keys)).stdout.trim();
    const id = key.split('_')[1];
    const limits = async () => (await ask(server, 'GET', '/api/v1/keys')).body.keys.find((one) => one.id === id)?.quota;
    assert.deepEqual(await until('the server knows it', limits), { streams_max: 1, bitrate_max_kbps: 90_000 });
    const first = ffmpegRtmp(server.rtmpUrl('live/one', key));
    await server.live('live/one');
    const second = ffmpegRtmp(server.rtmpUrl('live/two', key));
    await until('one stream is the limit', () => server.stderr.includes('max-streams') && second.child.exitCode !== null);
    assert.equal(first.child.exitCode, null, first.child.words);
    assert.equal((await ask(server, 'PUT', `/api/v1/keys/${id}/quota`, { streams_max: 1, bitrate_max_kbps: 300 })).status, 200);
    await until('1.5 Mbit/s are too much', () => server.stderr.includes('max-bitrate') && first.child.exitCode !== null);
    assert.equal((await ask(server, 'PUT', `/api/v1/keys/${id}/quota`, { viewers_max: 0 })).status, 200);
    const third = ffmpegRtmp(server.rtmpUrl('live/three', key));
    await server.live('live/three');
    const refused = await fetch(`${server.url}/live/three/index.m3u8`);
    assert.equal(refused.status, 503);
    assert.match((await refused.json()).detail, /max-viewers/);
    await Promise.all([first, second, third].map((one) => one.kill()));
  });

  it('every documented operation is served', async () => {
    const { body } = await ask(server, 'GET', '/api/openapi.json');
    // What nobody serves is the router's own 404, without words, or the pages' word for paths of the server's own.
    const isServed = ({ status, body }) => status !== 405 && !(status === 404 && (body === '' || JSON.stringify(body).includes('reserved')));
    for (const path of ['/api/nonsense', '/api/v1/nonsense', '/api/v1/sessions/none/more']) {
      assert.ok(!isServed(await ask(server, 'GET', path)), path);
    }
    for (const [path, operations] of Object.entries(body.paths)) {
      const concrete = path.replace('{app}', 'live').replace('{name}', 'nobody').replace('{room}', 'live:nobody').replace('{id}', 'none');
      for (const method of Object.keys(operations)) {
        const answer = await ask(server, method.toUpperCase(), concrete);
        assert.ok(isServed(answer), `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      }
    }
  });
});
