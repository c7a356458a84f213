import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

/** Our own packages from their sources, without building them first. */
const conditions = ['source', ...defaultServerConditions];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: { include: ['packages/*/test/**/*.test.ts'], environment: 'node' },
});
