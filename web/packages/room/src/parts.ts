/** The parts of a room for Preact, each inside a `SceneContext.Provider`. */

export { Announcer, resultWords, titleOf } from './announce';
export { Answer } from './answer';
export { Auction } from './auction';
export { Chat } from './chat';
export { Choice } from './choice';
export { TimeLeft } from './countdown';
export { Disclosed } from './disclosed';
export { Drop } from './drop';
export { moderate, roomAnswer, roomRequest, type Discipline, type Measure } from './moderation';
export { NameContext, keepName, keptName } from './name';
export { Panel, PARTS, type Part } from './panel';
export { Questions } from './questions';
export { FlyingReactions, ReactionBar } from './reactions';
export { bidLimitWords, isAtLeast, limitWords, type Role } from './roles';
export { ROOM_STYLE, SKY_STYLE } from './style';
export { SceneContext, useAsk, useCountdown, useJoined, useRoomState, useScene, type Asking, type Joined, type Scene } from './use';
export { biddingOf, capital, chatOf, hammerWords, isAnswered, liveOf, questionsOf, refusalWords, slowModeOf } from './view';
export { amountOf, choicesOf, clockWords, disclosure, latencyClass, money, nameOf, percents, spanWords, textOf, whileWords, type FullTerms } from './words';
