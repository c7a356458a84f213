import { expect, test } from 'vitest';
import { rtmpServer } from '../src/parts/encoders';

test('an encoder is told the door that is open', () => {
  expect(rtmpServer('host', { rtmp_port: 1935 })).toBe('rtmp://host');
  expect(rtmpServer('host', { rtmp_port: 24001, rtmps_port: 1936 })).toBe('rtmp://host:24001');
  expect(rtmpServer('host', { rtmps_port: 1936 })).toBe('rtmps://host:1936');
  expect(rtmpServer('host', {})).toBeNull();
});
