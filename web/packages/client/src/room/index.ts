/** Rooms alone, without players: for Node, and for pages that show no picture. */

export { UnisonoError, type FailureKind } from '../errors';
export type { Late, Person, RoomEvent, Via } from '../events';
export type { Decide, Decision, Rule, Terms, Unit } from '../rule';
export { uuidV7 } from '../uuid';
export { isDone, type Ack, type Command, type CommandOptions, type Seen, type Status, type Verb } from './command';
export type { SocketConstructor, SocketLike } from './connection';
export type { Countdown } from './countdown';
export type { TokenSource } from './doors';
export type { JoinOptions } from './options';
export { postCommand, type PostOptions } from './post-command';
export { joinRoom, Room, type RoomNotices, type RoomStatus, type TypedTold } from './room';
export type { EventTypes } from './verbs';
export type { FrameSource, Told } from './stage';
export type { OfferState, RoomState, Standing, UnitState, WindowState } from './state';
