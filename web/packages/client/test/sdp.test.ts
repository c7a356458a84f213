import { expect, test } from 'vitest';
import { credentials, h264First, preferStereo, withCredentials } from '../src/webrtc/sdp';

const OFFER = [
  'm=audio 9 UDP/TLS/RTP/SAVPF 111 63',
  'a=rtpmap:111 opus/48000/2',
  'a=fmtp:111 minptime=10;useinbandfec=1',
  'a=rtpmap:63 red/48000/2',
  'a=fmtp:63 111/111',
  '',
].join('\r\n');

test('stereo is asked for in the line of Opus, and once', () => {
  const amended = preferStereo(OFFER);
  expect(amended).toBe(OFFER.replace('useinbandfec=1', 'useinbandfec=1;stereo=1'));
  expect(preferStereo(amended)).toBe(amended);
});

test('sprop-stereo is not stereo', () => {
  const offer = OFFER.replace('useinbandfec=1', 'sprop-stereo=1');
  expect(preferStereo(offer)).toContain('sprop-stereo=1;stereo=1');
});

test('without parameters the line is made; without Opus nothing is', () => {
  expect(preferStereo('a=rtpmap:96 opus/48000/2\r\na=ptime:20\r\n')).toBe('a=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1\r\na=ptime:20\r\n');
  expect(preferStereo('a=rtpmap:0 PCMU/8000\r\n')).toBe('a=rtpmap:0 PCMU/8000\r\n');
});

test('constrained baseline comes first, H.264 before the rest, the rest as it was', () => {
  const codec = (mimeType: string, sdpFmtpLine?: string) => ({ mimeType, ...(sdpFmtpLine ? { sdpFmtpLine } : {}) });
  const main = codec('video/H264', 'packetization-mode=1;profile-level-id=4d001f');
  const baseline = codec('video/H264', 'packetization-mode=1;profile-level-id=42e01f');
  const single = codec('video/H264', 'packetization-mode=0;profile-level-id=42e01f');
  const vp8 = codec('video/VP8');
  const rtx = codec('video/rtx');
  expect(h264First([vp8, rtx, single, main, baseline])).toEqual([baseline, main, single, vp8, rtx]);
});

test('an ICE restart takes credentials and candidates over, and nothing else', () => {
  const section = (mid: string, candidate: string) => `m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:${mid}\r\na=ice-ufrag:old\r\na=ice-pwd:oldoldoldoldoldoldoldold\r\n${candidate}a=setup:passive\r\n`;
  const old = 'a=candidate:1 1 udp 1 192.0.2.1 8189 typ host ufrag old\r\na=end-of-candidates\r\n';
  const fresh = 'a=candidate:1 1 udp 1 192.0.2.1 8189 typ host\r\na=candidate:2 1 tcp 1 192.0.2.1 443 typ host tcptype passive\r\n';
  const fragment = `a=ice-lite\r\na=ice-ufrag:new\r\na=ice-pwd:newnewnewnewnewnewnewnew\r\n${fresh}a=end-of-candidates\r\n`;
  const renewed = withCredentials(`v=0\r\n${section('0', old)}${section('1', '')}`, fragment);
  const expected = (mid: string) => `m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:${mid}\r\na=ice-ufrag:new\r\na=ice-pwd:newnewnewnewnewnewnewnew\r\n${fresh}a=setup:passive\r\n`;
  expect(renewed).toBe(`v=0\r\n${expected('0')}${expected('1')}`);
  expect(credentials(renewed)).toBe(`a=ice-ufrag:new\r\na=ice-pwd:newnewnewnewnewnewnewnew\r\n${fresh}`);
  expect(() => withCredentials(renewed, 'a=ice-lite\r\n')).toThrow('no credentials');
});
