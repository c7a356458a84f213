/** What an event looks like on the overlay: who, what, and how big. Pure, so that it can be told by tests. */

import type { RoomEvent } from '@unisono/client';
import { dataWords } from '../parts/words';

export interface Face {
  readonly who: string;
  readonly text: string;
  /** Lines with a share of all, for a poll. */
  readonly bars: readonly { readonly label: string; readonly share: number }[];
  /** Flies up instead of standing in the list. */
  readonly flies: boolean;
}

/** Said where nobody is named; other lanes say their type. */
const WORDS: Record<string, string> = { chat: '', reaction: '', caption: '', question: 'Question', poll: 'Poll' };
const TEXT_MAX = 280;
const BARS_MAX = 6;

export function faceOf({ lane, type, data, actor }: RoomEvent): Face {
  const fields = (typeof data === 'object' && data !== null && !Array.isArray(data) ? data : {}) as Record<string, unknown>;
  const name = first(fields, ['name', 'from', 'by', 'user', 'author']) ?? actor?.name ?? (actor?.id.startsWith('~') ? actor.id.slice(1) : undefined);
  const said = first(fields, ['text', 'message', 'question', 'title', 'emoji']);
  const bars = lane === 'poll' ? barsOf(fields.choices ?? fields.options ?? fields.results) : [];
  return {
    who: clip(name ?? WORDS[lane] ?? type, 40),
    text: clip(said ?? (bars.length > 0 ? '' : dataWords(data)) ?? '', TEXT_MAX) || (lane === 'reaction' ? '❤' : ''),
    bars,
    flies: lane === 'reaction',
  };
}

/** `["Yes", "No"]`, `[{"label": "Yes", "votes": 3}]`, or `{"Yes": 3, "No": 1}`, whose order the server does not keep. */
function barsOf(options: unknown): Face['bars'] {
  const pairs: [string, number][] = Array.isArray(options)
    ? options.map((option: unknown) => {
        const fields = (typeof option === 'object' && option !== null ? option : {}) as Record<string, unknown>;
        return [first(fields, ['label', 'text', 'name']) ?? (typeof option === 'string' ? option : ''), count(fields.votes ?? fields.count)];
      })
    : Object.entries((typeof options === 'object' && options) || {}).map(([label, votes]) => [label, count(votes)]);
  const shown = pairs.filter(([label]) => label !== '').slice(0, BARS_MAX);
  const all = shown.reduce((sum, [, votes]) => sum + votes, 0);
  return shown.map(([label, votes]) => ({ label: clip(label, 60), share: all > 0 ? votes / all : 0 }));
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}

function first(fields: Record<string, unknown>, names: readonly string[]): string | undefined {
  return names.map((name) => fields[name]).find((value): value is string => typeof value === 'string' && value.trim() !== '');
}

/** Cut at a whole character. */
function clip(text: string, most: number): string {
  const characters = [...text];
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : text;
}
