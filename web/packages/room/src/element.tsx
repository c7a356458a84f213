/** The custom elements: a room in anybody's page. */

import { joinRoom, parseAddress, type FrameSource, type Room } from '@unisono/client';
import { render } from 'preact';
import { keepName, keptName, NameContext } from './name';
import { Panel, PARTS, type Part } from './panel';
import { FlyingReactions } from './reactions';
import { ROOM_STYLE, SKY_STYLE } from './style';
import { SceneContext } from './use';

export class UnisonoRoom extends HTMLElement {
  static readonly observedAttributes = ['src', 'player', 'token', 'parts', 'lockstep'];

  #root = shadowOf(this, ROOM_STYLE);
  /** Joined by this element, and left by it. */
  #own: Room | null = null;
  #given: Room | null = null;
  /** Whose frames the own room follows. */
  #attached: FrameSource | null = null;
  /** The one that was joined last: the next one begins at the server it had moved to, since a dead first one could name no other. */
  #last: { readonly src: string; readonly room: Room } | null = null;
  #isQueued = false;

  connectedCallback(): void {
    this.#queue();
  }

  disconnectedCallback(): void {
    this.#leave();
    render(null, this.#root);
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.isConnected) return;
    if (name !== 'parts') this.#leave();
    this.#queue();
  }

  /** The room shown: given by the page, or joined by `src`. */
  get room(): Room | null {
    return this.#given ?? this.#own;
  }

  set room(room: Room | null) {
    if (room === this.#given) return;
    this.#leave();
    this.#given = room;
    this.#queue();
  }

  /** Several attributes that change together make one room. */
  #queue(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      if (this.isConnected) this.#draw();
    });
  }

  #draw(): void {
    const address = new URL(this.getAttribute('src') ?? location.href, location.href);
    const { token } = parseAddress(address);
    let room: Room | null;
    try {
      room = this.#given ?? (this.#own ??= this.#join(address));
    } catch (error) {
      return render(<p class="lost">{(error as Error).message}</p>, this.#root);
    }
    const scene = { room, server: address.origin, token: this.getAttribute('token') ?? token };
    const naming = this.#given ? null : (name: string) => this.#rename(name);
    render(
      <SceneContext.Provider value={scene}>
        <NameContext.Provider value={naming}>
          <Panel key={room.name} parts={this.#parts()} />
        </NameContext.Provider>
      </SceneContext.Provider>,
      this.#root,
    );
  }

  #join(address: URL): Room {
    const { stream, token } = parseAddress(address);
    const player = (this.#attached = this.#player());
    const name = keptName();
    const room = joinRoom({
      url: address.origin,
      ...(this.#last?.src === address.href && { beginAt: this.#last.room.endpoint }),
      room: stream ? `${stream.app}/${stream.name}` : '',
      ...((this.getAttribute('token') ?? token) && { token: (this.getAttribute('token') ?? token)! }),
      ...(name && { name }),
      ...(player && { player }),
      lockstep: this.hasAttribute('lockstep'),
      ...(this.hasAttribute('endpoints') && { endpoints: [address.origin, ...(this.getAttribute('endpoints') ?? '').split(/[\s,]+/).filter((one) => one !== '')] }),
    });
    this.#last = { src: address.href, room };
    if (this.hasAttribute('player')) document.addEventListener('unisono-state', this.#look);
    this.dispatchEvent(new CustomEvent('unisono-room', { detail: room, bubbles: true, composed: true }));
    return room;
  }

  #player(): FrameSource | null {
    const selector = this.getAttribute('player');
    const element = selector ? document.querySelector<HTMLElement & FrameSource>(selector) : null;
    return element && typeof element.on === 'function' ? element : null;
  }

  /** A player announces itself: the one that is meant may not have been there, or not been upgraded, when the room was joined. */
  #look = (): void => {
    const player = this.#player();
    if (!player || player === this.#attached) return;
    this.#attached = player;
    this.#own?.attach(player);
  };

  /** A name is said when joining: join again under it, as the same person. */
  #rename(name: string): void {
    keepName(name);
    this.#leave();
    this.#draw();
  }

  #parts(): ReadonlySet<Part> {
    const wanted = this.getAttribute('parts');
    return new Set(wanted === null ? PARTS : PARTS.filter((part) => wanted.split(/[\s,]+/).includes(part)));
  }

  #leave(): void {
    document.removeEventListener('unisono-state', this.#look);
    this.#attached = null;
    this.#own?.leave();
    this.#own = null;
  }
}

/** Laid over a `<unisono-player>` as its child. Property `room` says whose reactions fly. */
export class UnisonoReactions extends HTMLElement {
  #root = shadowOf(this, SKY_STYLE);
  #room: Room | null = null;
  #stop: (() => void) | null = null;

  /** By default the room that a `<unisono-room>` of the page joins. */
  connectedCallback(): void {
    const take = (event: Event) => (this.room = (event as CustomEvent<Room>).detail);
    document.addEventListener('unisono-room', take);
    this.#stop = () => document.removeEventListener('unisono-room', take);
    // Also where this was only moved: what was drawn is gone.
    this.room = this.#room ?? document.querySelector<UnisonoRoom>('unisono-room')?.room ?? null;
  }

  disconnectedCallback(): void {
    this.#stop?.();
    render(null, this.#root);
  }

  get room(): Room | null {
    return this.#room;
  }

  set room(room: Room | null) {
    this.#room = room;
    render(room ? <FlyingReactions room={room} /> : null, this.#root);
  }
}

/** A place to draw in, apart from the page's own style. */
function shadowOf(host: HTMLElement, css: string): HTMLElement {
  const shadow = host.attachShadow({ mode: 'open' });
  const style = document.createElement('style');
  style.textContent = css;
  const root = document.createElement('div');
  root.className = 'root';
  shadow.append(style, root);
  return root;
}

declare global {
  interface HTMLElementTagNameMap {
    'unisono-room': UnisonoRoom;
    'unisono-reactions': UnisonoReactions;
  }
}
