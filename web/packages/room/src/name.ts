/** How a guest is called, kept in this browser. */

import { createContext } from 'preact';

const KEY = 'unisono-name';

/** Joins again under another name; `null` where the page does not ask for names. */
export const NameContext = createContext<((name: string) => void) | null>(null);

/** The name given before; `null` at the first visit. */
export function keptName(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function keepName(name: string): void {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // A page that may keep nothing asks again at the next visit.
  }
}
