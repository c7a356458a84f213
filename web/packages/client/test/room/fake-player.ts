/** A player whose frames the test shows. */

import { Emitter } from '../../src/emitter';
import type { FrameTime, PlayerEvents, State } from '../../src/player';
import { Presenter } from '../../src/presenter';
import { parseEvent, type Via } from '../../src/events';

export class FakePlayer {
  #emitter = new Emitter<PlayerEvents>();
  #presenter = new Presenter((applied) => this.#emitter.emit('event', applied));
  #frame: FrameTime | null = null;

  on<Name extends keyof PlayerEvents>(name: Name, listener: (value: PlayerEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  currentT(): FrameTime | null {
    return this.#frame;
  }

  /** As the real one: what is due is told first, then the frame. */
  show(t: number): void {
    this.#frame = { t, epoch: 1, now: 0, expectedDisplayTime: 0, isExact: true };
    this.#presenter.frame(this.#frame);
    this.#emitter.emit('frame', this.#frame);
  }

  /** An event over a wire of the player's own. */
  bring(value: unknown, via: Via): void {
    const event = parseEvent(value);
    if (event) this.#presenter.push(event, via);
  }

  move(state: State): void {
    this.#emitter.emit('state', { state, words: '' });
  }
}
