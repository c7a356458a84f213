/** The statistics over the picture. */

import type { Player } from '@unisono/client';
import { rows } from './rows';

/** Whose figures are shown: the session of the moment. */
export interface Source {
  readonly session: Player | null;
}

export class Panel {
  constructor(
    private readonly panel: HTMLElement,
    private readonly source: Source,
  ) {}

  get isOpen(): boolean {
    return !this.panel.hidden;
  }

  show(isOpen: boolean): void {
    this.panel.hidden = !isOpen;
    this.refresh();
  }

  /** Called about once a second; measures only while it is seen. */
  refresh(): void {
    if (this.isOpen) void this.#fill();
  }

  async #fill(): Promise<void> {
    const session = this.source.session;
    if (!session) return;
    const lines = rows(session.stats(), await session.figures());
    const list = this.panel.querySelector('dl')!;
    list.replaceChildren(...lines.flatMap(([name, value]) => [element('dt', name), element('dd', value)]));
  }
}

function element(tag: 'dt' | 'dd', text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
