/** What is on and around the picture: the phase in words, play, sound, picture in picture, full screen, and the keys for them. */

import type { Kinds } from '@unisono/client';
import type { PlayerState } from './element';
import { Face } from './face';
import { isTaken } from './keys';
import { MARKUP } from './markup';
import { Menu, type Choices } from './menu';
import { Panel, type Source } from './panel';
import { explanation, HEADLINES, type Phase } from './phase';
import { STYLE } from './style';

export class Controls {
  readonly video: HTMLVideoElement;

  #host: HTMLElement;
  #root: ShadowRoot;
  #face: Face;
  #menu: Menu;
  #panel: Panel;
  #phase: Phase | null = null;
  /** The sound was turned off by a person, not by the browser's autoplay rule. */
  #isSilenced = false;
  /** Stopped by a person: a new connection must not start it again. */
  #isHeld = false;

  constructor(host: HTMLElement, source: Source, choices: Choices) {
    this.#host = host;
    this.#root = host.attachShadow({ mode: 'open' });
    const style = document.createElement('style');
    style.textContent = STYLE;
    const template = document.createElement('template');
    template.innerHTML = MARKUP;
    this.#root.append(style, template.content);
    this.video = this.#find('video');
    this.video.muted = true;
    this.#face = new Face(this.#find('.face'), this.video);
    this.#panel = new Panel(this.#find('.figures'), source);
    this.#menu = new Menu(this.#root, host, { ...choices, figures: () => this.#panel.isOpen, setFigures: (isOpen) => this.#panel.show(isOpen) });
    this.#listen();
  }

  /** Words over the picture while it does not move. (Attributes are not touched before: a custom element is born without.) */
  show({ phase, words }: PlayerState): void {
    this.#host.dataset.phase = phase;
    const more = explanation(phase, words);
    if (phase !== 'playing') {
      // What fades away keeps its words while it does.
      this.#find('.state b').textContent = HEADLINES[phase];
      this.#find('.state p').textContent = more;
    }
    if (phase !== this.#phase) this.#find('.said').textContent = `${HEADLINES[phase]}. ${more}`.trim();
    this.#phase = phase;
    this.#changed();
  }

  /** Who plays: shown where there is no picture, and said to screen readers. */
  name(name: string): void {
    this.#face.name(name);
    this.video.setAttribute('aria-label', `Live video of ${name}`);
  }

  /** Looks again at what changes without an event. */
  refresh(kinds: Kinds | null): void {
    const isPlaying = this.#phase === 'playing';
    this.#face.show(isPlaying && kinds !== null && kinds.audio && !kinds.video);
    const isMute = kinds !== null && !kinds.audio;
    for (const selector of ['.sound', '.volume']) this.#find(selector).hidden = isMute;
    this.#find('.nosound').hidden = !isMute;
    this.#host.toggleAttribute('data-soundless', isMute);
    this.#find('.pip').hidden = !canPip(this.video) || kinds?.video === false;
    this.#panel.refresh();
    this.#menu.refresh();
    this.#changed();
  }

  /** A key pressed on the player, or on a page that hands its keys over. True if it meant something. */
  key(key: string): boolean {
    switch (key.toLowerCase()) {
      case ' ':
      case 'k':
        this.#togglePlay();
        return true;
      case 'm':
        this.#setMuted(!this.video.muted);
        return true;
      case 'f':
        this.#toggleFull();
        return true;
      case 'p':
        this.#togglePip();
        return true;
      case 's':
        this.#panel.show(!this.#panel.isOpen);
        this.#menu.refresh();
        return true;
      case 'escape':
        return this.#menu.close();
      default:
        return false;
    }
  }

  #listen(): void {
    this.#find('.unmute').addEventListener('click', () => this.#setMuted(false));
    this.#find('.sound').addEventListener('click', () => this.#setMuted(!this.video.muted));
    this.#find('.play').addEventListener('click', () => this.#togglePlay());
    this.#find('.big').addEventListener('click', () => this.#togglePlay());
    this.#find('.full').addEventListener('click', () => this.#toggleFull());
    this.#find('.pip').addEventListener('click', () => this.#togglePip());
    const volume = this.#find<HTMLInputElement>('.volume');
    volume.addEventListener('input', () => {
      this.video.volume = Number(volume.value);
      this.#setMuted(this.video.volume === 0);
    });
    this.video.addEventListener('play', () => this.#isHeld && this.video.pause());
    for (const name of ['volumechange', 'play', 'pause']) this.video.addEventListener(name, () => this.#changed());
    this.video.addEventListener('dblclick', () => this.#toggleFull());
    this.#root.addEventListener('keydown', (event) => this.#keyed(event as KeyboardEvent));
  }

  #keyed(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey || isTaken(event)) return;
    if (!this.key(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #togglePlay(): void {
    this.#isHeld = !this.video.paused;
    if (this.#isHeld) this.video.pause();
    else void this.video.play().catch(() => undefined);
  }

  #setMuted(isMuted: boolean): void {
    this.#isSilenced = isMuted;
    this.video.muted = isMuted;
    if (!isMuted && this.video.volume === 0) this.video.volume = 1;
    if (!this.#isHeld) void this.video.play().catch(() => undefined);
  }

  #changed(): void {
    const { muted, volume, paused, readyState } = this.video;
    const isPlaying = this.#phase === 'playing';
    // Also where the browser did not let it begin by itself.
    const isPaused = paused && (isPlaying || readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) && (this.#isHeld || this.#phase === 'connecting');
    this.#host.toggleAttribute('data-muted', muted);
    this.#host.toggleAttribute('data-paused', isPaused);
    this.#find('.sound').setAttribute('aria-label', muted ? 'Sound on' : 'Sound off');
    this.#find('.play').setAttribute('aria-label', paused ? 'Play' : 'Pause');
    this.#find<HTMLInputElement>('.volume').value = String(muted ? 0 : volume);
    this.#find('.big').hidden = !isPaused;
    this.#find('.unmute').hidden = !muted || this.#isSilenced || !isPlaying || isPaused || this.#host.hasAttribute('data-soundless');
  }

  #toggleFull(): void {
    if (document.fullscreenElement) return void document.exitFullscreen();
    if (this.#host.requestFullscreen) return void this.#host.requestFullscreen().catch(() => undefined);
    // iPhones give full screen to the video alone.
    (this.video as HTMLVideoElement & { webkitEnterFullscreen?(): void }).webkitEnterFullscreen?.();
  }

  #togglePip(): void {
    if (document.pictureInPictureElement) return void document.exitPictureInPicture();
    if (canPip(this.video)) void this.video.requestPictureInPicture().catch(() => undefined);
  }

  #find<E extends HTMLElement>(selector: string): E {
    return this.#root.querySelector<E>(selector)!;
  }
}

function canPip(video: HTMLVideoElement): boolean {
  return document.pictureInPictureEnabled === true && !video.disablePictureInPicture;
}
