/** What moves a player's latency; each protocol has its own. */

/** What a viewer could hold, milliseconds behind. */
export interface Range {
  readonly earliestMs: number;
  readonly latestMs: number;
}

export interface Actuator {
  readonly protocol: 'webrtc' | 'hls';
  /** Called at every look at a picture that is `actualMs` behind, wanted elsewhere or not: for what the actuator wants to know of its player. */
  look?(nowMs: number, actualMs: number): void;
  /** One look: the picture is `actualMs` behind and ought to be `wantedMs`. True if what was measured so far says nothing any more. */
  step(nowMs: number, actualMs: number, wantedMs: number): boolean;
  /** What is possible from where it stands; `null` while it is on its way to another place. */
  range(nowMs: number, actualMs: number): Promise<Range | null>;
  /** Hands the player back to itself. */
  release(): void;
}
