/**
 * Unisono's client: watch by WebRTC or LL-HLS, publish by WHIP, and get each event of the room on the frame it belongs to.
 *
 * ```ts
 * const player = watchWebRtc({ video, url: '/live/alice/whep', feedUrl: 'ws://…/events' });
 * player.on('event', ({ event, t, frameLatenessUs }) => …);
 * ```
 */

export { UnisonoError, type FailureKind } from './errors';
export type { Late, Person, RoomEvent, Via } from './events';
export type { Decide, Decision, Rule, Terms, Unit } from './rule';
export type { Figures, Kinds } from './figures';
export { HlsPlayer, watchHls, type WatchHlsOptions } from './hls/watch';
export { measureLevel } from './level';
export { parseAddress, parseStream, streamUrls, type StreamName, type StreamUrls } from './names';
export { delay } from './net/backoff';
export { EventFeed, type FeedListener } from './net/feed';
export { Player, type FrameTime, type PlayerEvents, type PlayerOptions, type Protocol, type State, type Stats } from './player';
export { Presenter, type Applied } from './presenter';
export { publishWhip, sendableCodecs, type Health, type PublishEvents, type Publisher, type PublishOptions, type PublishState } from './publish/whip';
export { sourceOf, type Source, type SourceOptions } from './publish/sources';
export { postEvent, type NewEvent } from './net/post';
export { ServerClock, wallClock } from './time/clock';
export { MediaTimeline, type Anchor } from './time/media';
export type { MediaPoint } from './time/point';
export { RtpTimeline, type Mapping } from './time/rtp';
export { watchWebRtc, WebRtcPlayer, type WatchWebRtcOptions } from './webrtc/watch';
export { isDone, type Ack, type Command, type CommandOptions, type Seen, type Status, type Verb } from './room/command';
export type { SocketConstructor, SocketLike } from './room/connection';
export type { Countdown } from './room/countdown';
export type { TokenSource } from './room/doors';
export type { JoinOptions } from './room/options';
export { joinRoom, Room, type EventTypes, type RoomNotices, type RoomStatus, type TypedTold } from './room/room';
export type { FrameSource, Told } from './room/stage';
export type { OfferState, RoomState, Standing, WindowState } from './room/state';
export { uuidV7 } from './uuid';
