import { expect, test } from 'vitest';
import { h264First, preferStereo } from '../src/webrtc/sdp';

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
