// What people do together, in the pages: two viewers of one stream, by WebRTC and by LL-HLS, and the host's page. Chat, a poll, an auction, order.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser } from '../lib/chromium.mjs';
import { findings } from '../lib/pages.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { chat, host, joined, observeWindows, open, OPEN_ROOMS, say, told, visitor } from '../lib/rooms.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const STREAM = 'live/room';

describe('a room in the pages', () => {
  let server, closed, encoder, browsers, ann, bob, boss;

  before(async () => {
    const config = join(await mkdtemp(join(tmpdir(), 'unisono-rooms-')), 'unisono.toml');
    await writeFile(config, OPEN_ROOMS);
    [server, closed] = [await Server.start({ args: ['--config', config] }), await Server.start()];
    browsers = [await Browser.launch(), await Browser.launch(), await Browser.launch()];
    encoder = ffmpegRtmp(server.rtmpUrl(STREAM));
    await server.live(STREAM);
    ann = await visitor(browsers[0], server, STREAM, 'webrtc', 'Ann');
    bob = await visitor(browsers[1], server, STREAM, 'hls', 'Bob');
    boss = await host(browsers[2], server, STREAM);
    for (const page of [ann, bob]) await observeWindows(page);
  });

  after(async () => {
    await encoder?.stop();
    await Promise.all((browsers ?? []).map((browser) => browser.close()));
    await server?.stop();
    await closed?.stop();
  });

  it('what one says the other reads, by WebRTC and by LL-HLS, with the name and what it answers', async () => {
    await say(ann, 'Hello from WebRTC');
    await until('Bob reads it', async () => (await chat(bob)).some((line) => /Ann\s+Hello from WebRTC/.test(line)));
    const line = bob.locator('[data-message]', { hasText: 'Hello from WebRTC' });
    await line.hover();
    await line.getByRole('button', { name: 'Answer Ann' }).click();
    await say(bob, 'Hello from LL-HLS');
    await until('Ann reads the answer and what it answers', async () => (await chat(ann)).some((line) => /Ann: Hello from WebRTC[^]*Bob\s+Hello from LL-HLS/.test(line)));
  });

  it('a script in the chat is text, and nothing else', async () => {
    const script = '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">';
    await say(ann, script);
    for (const page of [ann, bob, boss]) {
      await until('it is read as it was written', async () => (await chat(page)).some((line) => line.includes(script)));
      const inside = await page.evaluate(() => {
        const { shadowRoot } = document.querySelector('unisono-room');
        return { hacked: window.hacked ?? null, elements: shadowRoot.querySelectorAll('script, .lines img').length };
      });
      assert.deepEqual(inside, { hacked: null, elements: 0 });
    }
  });

  it('the history is there for who comes later, and a guest is the same person after a reload', async () => {
    const before = await ann.evaluate(() => window.unisono.room.me.person.id);
    await ann.reload();
    await joined(ann);
    await until('what was said is there', async () => (await chat(ann)).some((line) => line.includes('Hello from LL-HLS')));
    assert.deepEqual(await ann.evaluate(() => window.unisono.room.me.person), { id: before, name: 'Ann' });
    await until('the picture is back', () => ann.evaluate(() => window.unisono.player.currentT() !== null && window.unisono.player.dataset.phase === 'playing'));
    await observeWindows(ann);
  });

  it('a poll of the host opens on its frame in both, and is answered by both', async () => {
    await open(boss, 'Poll', { title: 'Tea or coffee?', choices: 'Tea\nCoffee', seconds: '120' });
    for (const page of [ann, bob]) {
      const card = page.locator('[data-window]', { hasText: 'Tea or coffee?' });
      await card.waitFor();
      const [opened] = await until('it was told on a frame', async () => {
        const events = await told(page, 'poll.opened');
        return events.length > 0 ? events : null;
      });
      assert.ok(opened.bound && opened.t >= opened.at, `bound to a frame: ${JSON.stringify(opened)}`);
      await card.getByRole('button', { name: 'Coffee' }).click();
      await card.getByText('Yours is in').waitFor();
    }
    const card = ann.locator('[data-window]', { hasText: 'Tea or coffee?' });
    await card.getByRole('button', { name: 'Tea' }).click();
    await until('the change is taken', () => card.getByRole('button', { name: 'Tea' }).evaluate((button) => button.ariaPressed === 'true'));
  });

  it('an auction: bids of both, a soft close, and the hammer with the same price and buyer', async () => {
    await open(boss, 'Auction', { title: 'Signed ball', start: '10', step: '1', currency: 'EUR', seconds: '60' });
    const lots = [ann, bob].map((page) => page.locator('[data-window]', { hasText: 'Signed ball' }));
    await lots[0].getByRole('button', { name: /^Bid €10/ }).click();
    await lots[0].getByText('You lead').waitFor();
    // Near enough to the end to move it: a bid in the last 17.6 s does.
    await until('the end is near for Bob', async () => {
      const left = /(\d+):(\d\d) left/.exec(await lots[1].innerText());
      return left && Number(left[1]) * 60 + Number(left[2]) < 15;
    }, 120);
    await lots[1].getByRole('button', { name: /^Bid €11/ }).click();
    await lots[0].getByText('You were outbid').waitFor();
    for (const page of [ann, bob]) {
      await until('the end has moved', async () => (await told(page, 'auction.extended')).length > 0);
    }
    await lots[1].getByText(/end moved/).waitFor();
    const decided = [];
    for (const page of [ann, bob]) {
      decided.push(await until('the hammer falls', async () => (await told(page, 'auction.decided'))[0] ?? null, 180));
    }
    assert.deepEqual(decided.map(({ rule }) => rule.result), [decided[0].rule.result, decided[0].rule.result]);
    assert.equal(decided[0].rule.result.amount, 1100);
    assert.equal(decided[0].at, decided[1].at, 'on the same T');
    await lots[0].getByText(/Sold to Bob for €11/).waitFor();
    await lots[1].getByText(/Sold to you for €11/).waitFor();
  });

  it('the poll comes out the same for both, on the same T', async () => {
    const results = [];
    for (const page of [ann, bob]) {
      const [decided] = await until('it is decided', async () => {
        const events = await told(page, 'poll.decided');
        return events.length > 0 ? events : null;
      }, 240);
      results.push(decided);
      await until('bars are shown', async () => /Tea[^]*50 %[^]*Coffee[^]*50 %[^]*2 entries/.test(await page.locator('[data-window][data-phase=decided]', { hasText: 'Tea or coffee?' }).innerText()));
    }
    assert.deepEqual(results.map(({ rule }) => rule.result), [{ by: 'tally', counts: [1, 1] }, { by: 'tally', counts: [1, 1] }]);
    assert.deepEqual(results[0].at, results[1].at, 'bound to the same T');
    assert.ok(results.every(({ t, at }) => t >= at), 'and never shown before it');
    await until('the host reads it', async () => /Tea 50 percent, Coffee 50 percent/.test(await boss.locator('.running').innerText()));
  });

  it('a drop: two units, one each, confirmed or given back', async () => {
    await open(boss, 'Drop', { title: 'Scarf', quantity: '2' });
    const [one, two] = [ann, bob].map((page) => page.locator('[data-offer]', { hasText: 'Scarf' }));
    for (const offer of [one, two]) {
      await offer.getByRole('button', { name: 'Take one' }).click();
      await offer.getByText(/held for you/).waitFor();
    }
    await until('none is left', async () => /0 of 2 left/.test(await boss.locator('[data-offer]').innerText()));
    await bob.reload();
    await joined(bob);
    await two.getByText(/held for you/).waitFor({ timeout: 60_000 });
    await one.getByRole('button', { name: 'Confirm' }).click();
    await one.getByText('Yours. Confirmed.').waitFor();
    await two.getByRole('button', { name: 'Give back' }).click();
    await two.getByText('1 of 2 left').waitFor();
  });

  it('order: the host deletes and mutes, and the muted one is told in words', async () => {
    await say(bob, 'something rude');
    const line = boss.locator('[data-message]', { hasText: 'something rude' });
    await line.hover();
    await line.getByRole('button', { name: /More about Bob/ }).click();
    await line.getByRole('button', { name: 'Mute 10 min' }).click();
    await line.getByText('Muted').waitFor();
    await line.getByRole('button', { name: 'Delete' }).click();
    for (const page of [ann, bob]) await until('it is gone', async () => !(await chat(page)).some((text) => text.includes('something rude')));
    await say(bob, 'may I?');
    await bob.getByText(/muted in this room/i).waitFor();
    const muted = boss.getByRole('list', { name: 'Muted and banned' });
    await muted.getByText(/muted for \d+ min more/).waitFor();
    await boss.reload();
    await muted.getByText('Bob').waitFor();
    await muted.getByRole('button', { name: 'Unmute Bob' }).click();
    await until('the list is empty', async () => (await muted.count()) === 0);
    await say(bob, 'thank you');
    await until('he is heard again', async () => (await chat(ann)).some((text) => /Bob\s+thank you/.test(text)));
  });

  it('the host panel knows after a reload that the gate is up, and lifts it', async () => {
    const switches = boss.locator('.switches');
    assert.ok(await switches.getByRole('button', { name: 'Lift' }).isDisabled());
    await switches.getByRole('button', { name: '1 s', exact: true }).click();
    await switches.getByRole('button', { name: 'Hold from now' }).click();
    await switches.getByText('held by 1 s').waitFor();
    await boss.reload();
    await switches.getByText('held by 1 s').waitFor();
    await switches.getByRole('button', { name: 'Lift' }).click();
    await until('it is lifted', async () => (await switches.getByRole('button', { name: 'Lift' }).isDisabled()));
  });

  it('the fairness page tells what was decided and under which terms, and computes the sale again', async () => {
    const page = await browsers[2].open(`${server.url}/${STREAM}/fairness`);
    const sale = page.locator('[data-window]', { hasText: 'Signed ball' });
    await sale.getByText(/Sold to Bob for €11/).waitFor();
    await sale.getByText(/seed that splits equal entries was fixed before/).waitFor();
    await sale.getByText(/Computed again here from 2 public entries: the same result by Bob/).waitFor();
    const poll = page.locator('[data-window]', { hasText: 'Tea or coffee?' });
    await poll.getByText(/Tea 1 \(50 %\) · Coffee 1 \(50 %\)/).waitFor();
    await poll.getByText(/sealed: whoever has the log/).waitFor();
    await page.getByRole('button', { name: 'Read the log' }).click();
    await page.getByText('Nobody was late.').waitFor();
    await page.close();
  });

  it('reactions fly over the picture of the others', async () => {
    await until('they fly at Bob’s', async () => {
      await ann.getByRole('button', { name: 'fire' }).click();
      return bob.evaluate(() => document.querySelector('unisono-reactions').shadowRoot.querySelectorAll('.sky span').length > 0);
    });
  });

  it('a room that guests only read says so', async () => {
    const page = await browsers[0].open(`${closed.url}/live/nobody`);
    await joined(page);
    await page.getByText(/read-only for guests/).first().waitFor();
    assert.equal(await page.getByLabel('Say something').count(), 0);
    await page.close();
  });

  it('the host page without the role asks for a key, and takes the admin key', async () => {
    const page = await browsers[2].open('about:blank');
    await page.addInitScript(() => sessionStorage.getItem('unisono-host-key') ?? sessionStorage.setItem('unisono-host-key', 'ak_00000000_00000000000000000000000000000000'));
    await page.goto(`${server.url}/${STREAM}/host`);
    await page.getByLabel(/Admin key, or a token/).fill(/ak_[0-9a-f]{8}_[0-9a-f]{32}/.exec(server.stdout)[0]);
    await page.getByRole('button', { name: 'Host this room' }).click();
    await page.getByRole('heading', { name: 'Open', exact: true }).waitFor();
    assert.equal(await page.evaluate(() => window.unisono.room.me.role), 'system');
    await page.close();
  });

  it('axe finds nothing serious on watch page with panel, host page and fairness page, light and dark, wide and narrow', async () => {
    await open(boss, 'Poll', { title: 'Still there?', choices: 'Yes\nNo', seconds: '120' });
    await open(boss, 'Auction', { title: 'A lamp', seconds: '120' });
    await ann.locator('[data-window]', { hasText: 'A lamp' }).waitFor();
    await ann.locator('.disclosed summary').first().click();
    const fairness = await browsers[2].open(`${server.url}/${STREAM}/fairness`);
    await fairness.locator('[data-window]', { hasText: 'Signed ball' }).waitFor();
    for (const [name, page] of [['watch', ann], ['host', boss], ['fairness', fairness]]) {
      for (const [width, size] of [['desktop', { width: 1280, height: 800 }], ['phone', { width: 390, height: 844 }]]) {
        for (const colorScheme of ['light', 'dark']) {
          await page.setViewportSize(size);
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          assert.deepEqual(await findings(page), [], `${name}, ${width}, ${colorScheme}`);
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(overflow <= 0, `${name}, ${width}: ${overflow} pixels too wide`);
        }
      }
    }
  });
});
