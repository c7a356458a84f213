// Recordings are watched by the tokens of their stream, whatever carries them, and taken away by admins alone.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const run = promisify(execFile);
const NAME = 'live/kept';

describe('recordings of a stream that needs a token', () => {
  let server, encoder, good, id;
  const made = {};

  const unisono = async (...args) => (await run(process.env.UNISONO_BIN, [...args, '--data-dir', server.dataDir])).stdout.trim();
  const bearer = (token) => (token ? { headers: { authorization: `Bearer ${token}` } } : {});

  before(async () => {
    server = await Server.start({ isOneNode: true, args: ['--view', 'token'] });
    good = await unisono('token', 'new', '--stream', NAME);
    const admin = /ak_[0-9a-f]{8}_[0-9a-f]{32}/.exec(await until('the admin key is printed', () => server.stdout.includes('ak_') && server.stdout))[0];
    Object.assign(made, { other: await unisono('token', 'new', '--stream', 'live/other'), publish: await unisono('token', 'new', '--stream', NAME, '--allow', 'publish'), admin });
    const wish = await fetch(`${server.url}/api/v1/streams/${NAME}/recording`, { method: 'PUT' });
    assert.ok(wish.ok, `${wish.status} ${await wish.text()}`);
    encoder = ffmpegRtmp(server.rtmpUrl(NAME));
    const list = async () => (await (await fetch(`${server.url}/api/v1/recordings?stream=${NAME}`, bearer(good))).json()).recordings;
    id = (await until('two segments are kept', async () => (await list())?.find((recording) => recording.segments >= 4), 120)).id;
  });

  after(async () => {
    await encoder?.stop();
    await server?.stop();
  });

  /** What can be read of it: the segment by the name that the playlist gives it. */
  const paths = async () => {
    const playlist = await (await fetch(`${server.url}/t/${good}/api/v1/recordings/${id}/video.m3u8`)).text();
    const segment = playlist.split('\n').find((line) => line && !line.startsWith('#'));
    assert.ok(segment && !segment.startsWith('/'), `relative, so that the token in the path stays: ${segment}`);
    const files = ['index.m3u8', 'video.m3u8', 'audio.m3u8', segment, 'recording.mp4'].map((name) => `recordings/${id}/${name}`);
    return [`recordings?stream=${NAME}`, `recordings/${id}`, ...files];
  };

  it('opens all of it to a token in header, path or cookie', async () => {
    for (const path of await paths()) {
      const ways = [
        fetch(`${server.url}/api/v1/${path}`, bearer(good)),
        fetch(`${server.url}/t/${good}/api/v1/${path}`),
        fetch(`${server.url}/api/v1/${path}`, { headers: { cookie: `unisono_token=${good}` } }),
      ];
      for (const way of ways) {
        const answer = await way;
        assert.equal(answer.status, 200, path);
        assert.ok((await answer.arrayBuffer()).byteLength > 0, path);
      }
    }
  });

  it('opens none of it without one, or with one for something else', async () => {
    for (const path of await paths()) {
      for (const [token, status] of [[made.other, 403], [made.publish, 403], ['nonsense', 401]]) {
        const answer = await fetch(`${server.url}/api/v1/${path}`, bearer(token));
        assert.equal(answer.status, status, path);
        assert.match((await answer.json()).detail, /token|key/, 'in words');
      }
      // Whoever sits at this machine is its operator, but a proxy there speaks for anybody.
      const anybody = await fetch(`${server.url}/api/v1/${path}`, { headers: { 'x-forwarded-for': '192.0.2.7' } });
      assert.equal(anybody.status, 401, path);
    }
  });

  it('plays in its page by an address with the token', async () => {
    const browser = await Browser.launch();
    try {
      const page = await browser.open(`${server.url}/${NAME}/recordings#token=${good}`);
      await page.getByRole('button', { name: 'Play' }).last().click();
      const width = () => page.evaluate(() => document.querySelector('video')?.videoWidth ?? 0);
      assert.equal(await until('its picture is there', width, 60), 640);
    } finally {
      await browser.close();
    }
  });

  it('is taken away by admins alone', async () => {
    assert.ok((await fetch(`${server.url}/api/v1/streams/${NAME}/recording`, { method: 'DELETE' })).ok);
    await until('it has ended', async () => (await (await fetch(`${server.url}/api/v1/recordings/${id}`, bearer(good))).json()).state === 'finished', 120);
    const remove = (token) => fetch(`${server.url}/api/v1/recordings/${id}`, { method: 'DELETE', ...bearer(token) });
    for (const token of [good, made.publish, server.key]) assert.ok([401, 403].includes((await remove(token)).status));
    assert.equal((await remove(made.admin)).status, 204);
    assert.equal((await fetch(`${server.url}/api/v1/recordings/${id}`, bearer(good))).status, 404);
  });
});
