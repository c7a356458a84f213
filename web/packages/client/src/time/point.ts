/** A point of the stream's media timeline. */
export interface MediaPoint {
  /** T: integer microseconds since the Unix epoch, on the timeline clock of the node that took the stream in. */
  readonly t: number;
  /** One uninterrupted run of the timeline. T never goes back from one epoch to the next. */
  readonly epoch: number;
}
