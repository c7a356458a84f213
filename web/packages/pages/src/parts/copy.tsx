/** Text to copy, with a button that does it. */

import { useState } from 'preact/hooks';

export function Copy({ label, text }: { label?: string; text: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    // Absent on plain HTTP from elsewhere; there the text can be selected.
    await navigator.clipboard?.writeText(text).catch(() => undefined);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <div class="copy">
      {label && <span class="quiet">{label}</span>}
      <code>{text}</code>
      {'clipboard' in navigator && (
        <button type="button" class="small" onClick={copy}>
          {isCopied ? 'Copied' : 'Copy'}
        </button>
      )}
    </div>
  );
}
