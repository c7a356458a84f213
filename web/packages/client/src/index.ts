/**
 * Unisono's client: watch by WebRTC or LL-HLS, publish by WHIP, and get each event of the room on the frame it belongs to.
 *
 * ```ts
 * const player = watchWebRtc({ video, url: '/live/alice/whep', feedUrl: 'ws://…/events' });
 * player.on('event', ({ event, t, frameLatenessUs }) => …);
 *
 * const room = joinRoom<{ chat: { text: string } }>({ url: 'https://host', room: 'live/alice', player });
 * room.on('chat', ({ event }) => …);
 * await room.send('chat', { text: 'Hello' });
 * ```
 */

export { UnisonoError, type FailureKind } from './errors';
export { parseEvent, type Late, type Person, type RoomEvent, type Via } from './events';
export type { Decide, Decision, Rule, Terms, Unit } from './rule';
export type { Figures, Kinds } from './figures';
export { HlsPlayer, watchHls, type WatchHlsOptions } from './hls/watch';
export { measureLevel } from './level';
export { parseAddress, parseStream, streamUrls, type StreamName, type StreamUrls } from './names';
export { delay } from './net/backoff';
export { within } from './net/signals';
export type { EndpointChange, MoveReason } from './net/endpoints';
export { EventFeed, type FeedListener } from './net/feed';
export { Player, type FrameTime, type PlayerEvents, type PlayerOptions, type Protocol, type State, type Stats, type Sync } from './player';
export { Presenter, type Applied } from './presenter';
export { publishWhip, sendableCodecs, type Health, type PublishEvents, type Publisher, type PublishOptions, type PublishState } from './publish/whip';
export { sourceOf, type Source, type SourceOptions } from './publish/sources';
export { postEvent, type NewEvent } from './net/post';
export { ServerClock, wallClock } from './time/clock';
export { MediaTimeline, type Anchor } from './time/media';
export type { MediaPoint } from './time/point';
export { RtpTimeline, type Mapping } from './time/rtp';
export { watchWebRtc, WebRtcPlayer, type WatchWebRtcOptions } from './webrtc/watch';
export {
  isDone,
  joinRoom,
  postCommand,
  Room,
  type Ack,
  type Command,
  type CommandOptions,
  type Countdown,
  type EventTypes,
  type FrameSource,
  type JoinOptions,
  type OfferState,
  type PostOptions,
  type RoomNotices,
  type RoomState,
  type RoomStatus,
  type Seen,
  type SocketConstructor,
  type SocketLike,
  type Standing,
  type Status,
  type Told,
  type TokenSource,
  type TypedTold,
  type UnitState,
  type Verb,
  type WindowState,
} from './room/index';
export { uuidV7 } from './uuid';
