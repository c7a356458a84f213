/** What is on and around the picture: the state in words, sound, full screen. */

import type { PlayerState } from './element';
import { STYLE } from './style';

const MARKUP = `
<video part="video" autoplay muted playsinline disableremoteplayback></video>
<div class="over"><slot></slot></div>
<div class="state" part="state" role="status" aria-live="polite"><i></i><p></p></div>
<button class="unmute" part="unmute" type="button" hidden>
  <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 9.5v5h3.5L12 19V5L7.5 9.5H4Z"/><path class="line" d="m16 9.5 5 5m0-5-5 5"/></svg>
  Tap for sound
</button>
<div class="bar" part="bar">
  <button class="sound" type="button">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 9.5v5h3.5L12 19V5L7.5 9.5H4Z"/>
      <path class="line on" d="M15.5 9a4.2 4.2 0 0 1 0 6m2.6-8.6a8 8 0 0 1 0 11.2"/><path class="line off" d="m16 9.5 5 5m0-5-5 5"/></svg>
  </button>
  <input class="volume" type="range" min="0" max="1" step="0.05" value="1" aria-label="Volume">
  <span></span>
  <button class="full" type="button" aria-label="Full screen">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path class="line" d="M9 4H4v5m11-5h5v5M9 20H4v-5m11 5h5v-5"/></svg>
  </button>
</div>`;

export class Controls {
  readonly video: HTMLVideoElement;

  #host: HTMLElement;
  #root: ShadowRoot;
  /** The sound was turned off by a person, not by the browser's autoplay rule. */
  #isSilenced = false;

  constructor(host: HTMLElement) {
    this.#host = host;
    this.#root = host.attachShadow({ mode: 'open' });
    const style = document.createElement('style');
    style.textContent = STYLE;
    const template = document.createElement('template');
    template.innerHTML = MARKUP;
    this.#root.append(style, template.content);
    this.video = this.#find('video');
    this.video.muted = true;
    this.#listen();
  }

  /** Words over the picture while it does not move. (Attributes are not touched before: a custom element is born without.) */
  show({ state, words }: PlayerState): void {
    this.#host.dataset.state = state;
    this.#find('.state p').textContent = words.charAt(0).toUpperCase() + words.slice(1);
    this.#soundChanged();
  }

  #listen(): void {
    this.#find('.unmute').addEventListener('click', () => this.#setMuted(false));
    this.#find('.sound').addEventListener('click', () => this.#setMuted(!this.video.muted));
    this.#find('.full').addEventListener('click', () => this.#toggleFull());
    const volume = this.#find<HTMLInputElement>('.volume');
    volume.addEventListener('input', () => {
      this.video.volume = Number(volume.value);
      this.#setMuted(this.video.volume === 0);
    });
    this.video.addEventListener('volumechange', () => this.#soundChanged());
    this.video.addEventListener('dblclick', () => this.#toggleFull());
  }

  #setMuted(isMuted: boolean): void {
    this.#isSilenced = isMuted;
    this.video.muted = isMuted;
    if (!isMuted && this.video.volume === 0) this.video.volume = 1;
    void this.video.play().catch(() => undefined);
  }

  #soundChanged(): void {
    const { muted, volume } = this.video;
    this.#host.toggleAttribute('data-muted', muted);
    this.#find('.sound').setAttribute('aria-label', muted ? 'Sound on' : 'Sound off');
    this.#find<HTMLInputElement>('.volume').value = String(muted ? 0 : volume);
    this.#find('.unmute').hidden = !muted || this.#isSilenced || this.#host.dataset.state !== 'playing';
  }

  #toggleFull(): void {
    if (document.fullscreenElement) return void document.exitFullscreen();
    if (this.#host.requestFullscreen) return void this.#host.requestFullscreen().catch(() => undefined);
    // iPhones give full screen to the video alone.
    (this.video as HTMLVideoElement & { webkitEnterFullscreen?(): void }).webkitEnterFullscreen?.();
  }

  #find<E extends HTMLElement>(selector: string): E {
    return this.#root.querySelector<E>(selector)!;
  }
}
