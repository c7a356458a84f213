import { expect, test } from 'vitest';
import { parseControl } from '../src/webrtc/control';

test('the three messages of the data channel are read', () => {
  const mapping = { kind: 'video', ssrc: 1, rtp0: 2, t0: 3, rate: 90_000, epoch: 4 };
  expect(parseControl(JSON.stringify({ type: 'mapping', ...mapping }))).toEqual({ type: 'mapping', mapping });
  expect(parseControl('{"type":"event","event":{"id":"a","type":"goal","seq":1,"at":5}}')).toMatchObject({
    type: 'events',
    events: [{ id: 'a', at: 5, late: 'show', data: null }],
  });
  const [a, b] = [{ id: 'a', type: 'goal', seq: 1, at: 5 }, { id: 'b', type: 'goal', seq: 2, at: 5 }];
  expect(parseControl(JSON.stringify({ type: 'events', events: [a, null, b] }))).toMatchObject({ events: [{ id: 'a' }, { id: 'b' }] });
  expect(parseControl('{"type":"end","reason":"the publisher changed its codec"}')).toEqual({ type: 'end', reason: 'the publisher changed its codec' });
});

test('anything else is left alone', () => {
  for (const data of ['', 'null', '[]', '{"type":"new"}', '{"type":"event","event":null}', '{"type":"event"}', '{"type":"mapping"}', 7, `"${'x'.repeat(70_000)}"`]) {
    expect(parseControl(data)).toBeNull();
  }
});
