// Node's resolution wants whole file names in declarations too: `./room` becomes `./room.js`.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const types = new URL('dist/types/', import.meta.url);
for (const name of readdirSync(types, { recursive: true })) {
  if (!name.endsWith('.d.ts')) continue;
  const file = new URL(name, types);
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace(/((?:from|import\()\s*['"]\.{1,2}\/[^'"]+)(?=['"])/g, '$1.js'));
}
