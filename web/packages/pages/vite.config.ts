import { fileURLToPath } from 'node:url';
import { defaultClientConditions, defineConfig, type Plugin } from 'vite';

/** Where `npm run dev` finds the server; it serves the pages itself and hands the rest over. */
const SERVER = 'http://127.0.0.1:8080';

/** The server's addresses, for `npm run dev`: `/{app}/{name}` is the watch page, with `/publish`, `/overlay`, `/host`, `/fairness` or `/recordings` behind it another. */
function streamPages(): Plugin {
  return {
    name: 'unisono-stream-pages',
    configureServer({ middlewares }) {
      middlewares.use((request, _, next) => {
        const [path = '', query] = (request.url ?? '').split('?');
        const page = /^\/(?!src\/|@|node_modules\/|api\/)[\w.-]+\/[\w.-]+(?:\/(publish|overlay|host|fairness|recordings))?$/.exec(path);
        if (page) request.url = `/${page[1] ?? 'watch'}.html${query ? `?${query}` : ''}`;
        next();
      });
    },
  };
}

/** `/player.js`, `/room.js` and `/client.js`: for pages of other origins. */
const FOR_OTHERS: ReadonlySet<string> = new Set(['player', 'room', 'client']);

const page = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  base: '/',
  plugins: [streamPages()],
  // Our own packages from their sources, without building them first.
  resolve: { conditions: ['source', ...defaultClientConditions] },
  build: {
    outDir: page('../../dist'),
    emptyOutDir: true,
    target: 'es2022',
    // What the licences of hls.js and Preact ask for.
    license: { fileName: 'assets/licenses.md' },
    // hls.js alone is beyond the default of 500; it is loaded on demand.
    chunkSizeWarningLimit: 700,
    // Hints would be absolute paths, which are wrong where the player runs in another origin's page.
    modulePreload: false,
    rolldownOptions: {
      input: {
        index: page('index.html'),
        watch: page('watch.html'),
        publish: page('publish.html'),
        overlay: page('overlay.html'),
        host: page('host.html'),
        fairness: page('fairness.html'),
        recordings: page('recordings.html'),
        auction: page('auction.html'),
        'auction-pane': page('auction-pane.html'),
        player: page('../player/src/index.ts'),
        room: page('../room/src/index.ts'),
        client: page('../client/src/index.ts'),
      },
      // These keep one name for ever, since other people's pages hold it, and tell what they export.
      preserveEntrySignatures: 'allow-extension',
      output: { entryFileNames: ({ name }) => (FOR_OTHERS.has(name) ? `${name}.js` : 'assets/[name]-[hash].js') },
    },
  },
  server: {
    proxy: {
      '/api': { target: SERVER, ws: true },
      '^/[\\w.-]+/[\\w.-]+/(whip|whep|hls|index\\.m3u8)': SERVER,
    },
  },
});
