/** The settings: the latency dial, the protocol, the statistics. */

import { parseMode, type Mode } from './choice';
import { parseDial, type Dial } from './dial';

/** What can be chosen, and what is chosen now. */
export interface Choices {
  readonly dial: () => Dial | number;
  readonly setDial: (dial: Dial) => void;
  readonly mode: () => Mode;
  readonly setMode: (mode: Mode) => void;
}

interface Panels extends Choices {
  readonly figures: () => boolean;
  readonly setFigures: (isOpen: boolean) => void;
}

const HINTS: Record<Dial, string> = {
  lowest: 'As close to live as the network allows.',
  balanced: 'A little later; rides over short gaps.',
  stable: 'Seconds later on LL-HLS; for bad links.',
};

export class Menu {
  #form: HTMLFormElement;
  #button: HTMLButtonElement;

  constructor(
    root: ShadowRoot,
    private readonly host: HTMLElement,
    private readonly choices: Panels,
  ) {
    this.#form = root.querySelector('.menu')!;
    this.#button = root.querySelector('.dial')!;
    this.#button.addEventListener('click', () => this.#show(!this.#isOpen));
    this.#form.addEventListener('change', (event) => this.#chosen(event.target as HTMLInputElement));
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    // A click on the picture puts it away.
    root.querySelector('video')!.addEventListener('click', () => this.#show(false));
    host.addEventListener('focusout', ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && !host.contains(relatedTarget)) this.#show(false);
    });
  }

  /** True if it was open. */
  close(): boolean {
    const wasOpen = this.#isOpen;
    this.#show(false);
    if (wasOpen) this.#button.focus();
    return wasOpen;
  }

  refresh(): void {
    if (!this.#isOpen) return;
    const dial = this.choices.dial();
    this.#check('latency', String(dial));
    this.#check('mode', this.choices.mode());
    (this.#form.elements.namedItem('figures') as HTMLInputElement).checked = this.choices.figures();
    this.#form.querySelector('.hint')!.textContent = typeof dial === 'number' ? `${dial} ms, as this page chose.` : HINTS[dial];
  }

  get #isOpen(): boolean {
    // Browsers with find-in-page reveal have a third value, which is a kind of hidden.
    return this.#form.hidden === false;
  }

  #show(isOpen: boolean): void {
    this.#form.hidden = !isOpen;
    this.host.toggleAttribute('data-open', isOpen);
    this.#button.setAttribute('aria-expanded', String(isOpen));
    this.refresh();
    if (isOpen) this.#form.querySelector<HTMLInputElement>('input:checked, input')?.focus();
  }

  #chosen({ name, value, checked }: HTMLInputElement): void {
    const dial = parseDial(value);
    if (name === 'latency' && typeof dial !== 'number') this.choices.setDial(dial);
    if (name === 'mode') this.choices.setMode(parseMode(value));
    if (name === 'figures') this.choices.setFigures(checked);
    this.refresh();
  }

  #check(name: string, value: string): void {
    for (const radio of this.#form.querySelectorAll<HTMLInputElement>(`input[name="${name}"]`)) radio.checked = radio.value === value;
  }
}
