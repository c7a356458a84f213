/** The frame of every page: its head, and small pieces that all share. */

import type { ComponentChildren } from 'preact';

export function Head({ children }: { children?: ComponentChildren }) {
  return (
    <header class="head">
      <a class="brand" href="/">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="9" />
          <path d="M10 9v8a6 6 0 0 0 12 0V9" />
          <path d="M16 9v8" opacity=".55" />
        </svg>
        Unisono
      </a>
      <nav>{children}</nav>
    </header>
  );
}

export type Tone = 'live' | 'wait' | 'bad' | 'idle';

/** A dot and a word. */
export function Pill({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`pill ${tone}`}>
      <i />
      {children}
    </span>
  );
}

/** Something the reader should know, in words. */
export function Banner({ tone = 'note', children }: { tone?: 'note' | 'bad'; children: ComponentChildren }) {
  return (
    <p class={`banner ${tone}`} role={tone === 'bad' ? 'alert' : 'note'}>
      {children}
    </p>
  );
}

/** One of a few. */
export function Segments<V extends string>(props: {
  label: string;
  value: V | null;
  options: readonly { readonly value: V; readonly label: string }[];
  disabled?: boolean;
  onChange: (value: V) => void;
}) {
  return (
    <div class="segments" role="group" aria-label={props.label}>
      {props.options.map(({ value, label }) => (
        <button
          key={value}
          type="button"
          disabled={props.disabled}
          aria-pressed={value === props.value}
          onClick={() => value !== props.value && props.onChange(value)}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

/** A figure with its name. */
export function Figure({ name, value, title }: { name: string; value: string; title?: string }) {
  return (
    <div class="figure" title={title}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
