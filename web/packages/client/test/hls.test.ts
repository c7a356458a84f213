import { describe, expect, test, vi } from 'vitest';
import { AnchorReader, epochOfUrl } from '../src/hls/anchors';
import { eventsOfPart } from '../src/hls/emsg';
import { fragmentsOf, timescaleOf } from '../src/hls/fragment';
import { isPlayable, kindsOfCodecs, kindsOfPlaylist } from '../src/hls/kinds';
import { privFrames } from '../src/hls/id3';
import { box, emsg, id3, init, moof, prft, u32 } from './mp4';

const T = 1_763_700_123_456_789;
const EPOCH = 1_763_700_000;
const URL = `http://host/live/alice/hls/${EPOCH}/video/7.2.m4s`;
const SCHEME = 'https://aomedia.org/emsg/ID3';
const part = (...boxes: number[][]) => Uint8Array.from(boxes.flat());
const event = { room: 'live:alice', epoch: EPOCH, seq: 4, id: 'e4', lane: 'alert', type: 'goal', at: T, late: 'show', data: { by: 'Älice' } };

describe('fragments', () => {
  test('the time scale comes from the init segment', () => {
    expect(timescaleOf(init(90_000))).toBe(90_000);
    expect(timescaleOf(part(moof(1, 0)))).toBeNull();
  });

  test('a part tells when its first frame is shown, and its T to the microsecond', () => {
    const bytes = part(prft(T), moof(5_000_000_000, -3000), box('mdat', [1, 2, 3]));
    expect(fragmentsOf(bytes)).toEqual([{ pts: 4_999_997_000, t: T }]);
  });

  test('every microsecond of a second survives NTP', () => {
    for (let us = 0; us < 1_000_000; us += 997) {
      expect(fragmentsOf(part(prft(T - 456_789 + us), moof(0, 0)))[0]?.t).toBe(T - 456_789 + us);
    }
  });

  test('a segment of several parts yields each, and a prft speaks of the next moof only', () => {
    const bytes = part(prft(T), moof(0, 0), box('mdat'), moof(45_000, 0), box('mdat'));
    expect(fragmentsOf(bytes)).toEqual([
      { pts: 0, t: T },
      { pts: 45_000, t: null },
    ]);
  });

  test('bytes that lie about their sizes end the walk', () => {
    expect(fragmentsOf(part(u32(0xffff_ffff), prft(T)))).toEqual([]);
    expect(fragmentsOf(part(prft(T), moof(1, 0).slice(0, 40)))).toEqual([]);
    expect(fragmentsOf(part([0, 0, 0, 4], [1, 2, 3, 4]))).toEqual([]);
    for (let length = 0; length < 120; length += 1) fragmentsOf(part(prft(T), moof(9, 1)).slice(0, length));
  });
});

describe('kinds', () => {
  test('every codec that the server names is picture or sound', () => {
    for (const codec of ['avc1.42c01f', 'avc3.640028', 'hvc1.1.6.L93.B0', 'hev1.1.6.L93.B0', 'vp08.00.10.08', 'vp09.00.10.08', 'vp8', 'av01.0.04M.08']) expect(kindsOfCodecs(codec)).toEqual({ video: true, audio: false });
    for (const codec of ['mp4a.40.2', 'opus', 'Opus']) expect(kindsOfCodecs(codec)).toEqual({ video: false, audio: true });
    expect(kindsOfCodecs('')).toEqual({ video: false, audio: false });
  });

  test('of a playlist, over all its variants', () => {
    const variant = (codecs: string) => `#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="${codecs}",RESOLUTION=2x2\nhls/video.m3u8`;
    expect(kindsOfPlaylist(`#EXTM3U\n${variant('avc1.42c01f,mp4a.40.2')}\n`)).toEqual({ video: true, audio: true });
    expect(kindsOfPlaylist(`#EXTM3U\n${variant('opus')}\n${variant('vp09.00.10.08')}\n`)).toEqual({ video: true, audio: true });
    expect(kindsOfPlaylist(`#EXTM3U\n${variant('mp4a.40.2')}\n`)).toEqual({ video: false, audio: true });
    expect(kindsOfPlaylist('{"title":"Not found"}')).toEqual({ video: false, audio: false });
  });

  test('what this browser cannot play is not counted', () => {
    const types: string[] = [];
    vi.stubGlobal('MediaSource', { isTypeSupported: (type: string) => (types.push(type), !type.includes('hvc1')) });
    const playlist = '#EXT-X-STREAM-INF:CODECS="hvc1.1.6.L93.B0,mp4a.40.2"\nx\n#EXT-X-STREAM-INF:CODECS="mp4a.40.2"\ny';
    expect(kindsOfPlaylist(playlist, isPlayable)).toEqual({ video: false, audio: true });
    expect(types).toContain('video/mp4; codecs="hvc1.1.6.L93.B0"');
    expect(types).toContain('audio/mp4; codecs="mp4a.40.2"');
    expect(isPlayable('avc1.42c01f, mp4a.40.2')).toBe(true);
    vi.unstubAllGlobals();
  });
});

describe('anchors', () => {
  test('media time is the shifted presentation time; T is that of prft', () => {
    const reader = new AnchorReader();
    expect(reader.read(part(moof(0, 0)), 0, URL)).toEqual([]);
    reader.read(init(90_000), 0, URL);
    expect(reader.read(part(prft(T), moof(9_000_000, 3000), box('mdat')), -95, URL)).toEqual([{ mediaTime: 100 + 1 / 30 - 95, t: T, epoch: EPOCH }]);
  });

  test('a part of a moof per picture brings one anchor, that of its prft', () => {
    const reader = new AnchorReader();
    reader.read(init(90_000), 0, URL);
    const bytes = part(prft(T), moof(9_000_000, 0), box('mdat'), moof(9_003_000, 0), box('mdat'), prft(T + 500_000), moof(9_045_000, 0), box('mdat'));
    expect(reader.read(bytes, 0, URL).map(({ mediaTime, t }) => [mediaTime, t])).toEqual([
      [100, T],
      [100.5, T + 500_000],
    ]);
  });

  test('without prft, T follows from the decode time and the epoch', () => {
    const reader = new AnchorReader();
    reader.read(init(90_000), 0, URL);
    // tfdt = T - (epoch - 86400 s)
    const [anchor] = reader.read(part(moof((86_400 + 12) * 90_000, 0)), 0, URL);
    expect(anchor?.t).toBe((EPOCH + 12) * 1e6);
  });

  test('the epoch is in the address', () => {
    expect(epochOfUrl(URL)).toBe(EPOCH);
    expect(epochOfUrl('http://host/elsewhere/7.m4s')).toBeNull();
  });
});

describe('events in parts', () => {
  test('an ID3 PRIV frame of ours in an emsg of the ID3 scheme is an event', () => {
    const bytes = part(emsg(SCHEME, id3('unisono', JSON.stringify(event))), prft(T), moof(0, 0));
    expect(eventsOfPart(bytes)).toEqual([event]);
  });

  test('others’ metadata is left alone', () => {
    expect(eventsOfPart(part(emsg(SCHEME, id3('com.example', JSON.stringify(event)))))).toEqual([]);
    expect(eventsOfPart(part(emsg('urn:scte:scte35:2013:bin', id3('unisono', JSON.stringify(event)))))).toEqual([]);
    expect(eventsOfPart(part(emsg(SCHEME, id3('unisono', 'not JSON'))))).toEqual([]);
    expect(eventsOfPart(part(emsg(SCHEME, id3('unisono', '{"id":"x"}'))))).toEqual([]);
  });

  test('a tag that ends early gives what came before the end', () => {
    const tag = Uint8Array.from(id3('unisono', 'hello'));
    expect(privFrames(tag, 'unisono').map((data) => new TextDecoder().decode(data))).toEqual(['hello']);
    for (let length = 0; length < tag.length; length += 1) expect(privFrames(tag.slice(0, length), 'unisono')).toEqual([]);
  });
});
