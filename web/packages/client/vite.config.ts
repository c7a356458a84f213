import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const source = (name: string) => fileURLToPath(new URL(`src/${name}.ts`, import.meta.url));

/** The package as others install it: ES modules for browsers and Node, hls.js beside it. */
export default defineConfig({
  build: {
    target: 'es2022',
    lib: { entry: { index: source('index'), room: source('room/index'), testing: source('testing/index') }, formats: ['es'] },
    sourcemap: true,
    rolldownOptions: { external: ['hls.js'] },
  },
});
