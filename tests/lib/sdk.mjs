// A page of somebody else's, on an origin of its own, with the SDK as it is installed: what `@unisono/client` promises has to hold there.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const web = fileURLToPath(new URL('../../web/', import.meta.url));
const PAGE = `<!doctype html><title>SDK</title><video muted playsinline width="640" height="360"></video>
<script type="importmap">{"imports": {"hls.js": "/hls.mjs"}}</script>
<script type="module">window.sdk = await import('/index.js');</script>`;

/** Builds the package; the address of one of its modules. */
export function buildSdk(module) {
  execFileSync('npm', ['run', '--silent', 'build:client'], { cwd: web, stdio: ['ignore', 'ignore', 'inherit'] });
  return `${new URL(`packages/client/dist/${module}.js`, new URL('../../web/', import.meta.url))}`;
}

export class SdkPage {
  /** Builds the package and serves it with an empty page. */
  static async start() {
    buildSdk('index');
    const page = new SdkPage();
    page.http = createServer((request, response) => void answer(request.url, response)).listen(0, '127.0.0.1');
    await once(page.http, 'listening');
    page.url = `http://127.0.0.1:${page.http.address().port}/`;
    return page;
  }

  /** Opens it in `browser` and waits for the SDK. `options`: as those of [`Browser.open`]. */
  async open(browser, options) {
    const page = await browser.open(this.url, options);
    await page.waitForFunction(() => window.sdk);
    return page;
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

async function answer(url, response) {
  if (url === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
  const file = url === '/hls.mjs' ? `${web}node_modules/hls.js/dist/hls.mjs` : /^\/[\w-]+\.js$/.test(url) ? `${web}packages/client/dist${url}` : null;
  const text = file && (await readFile(file).catch(() => null));
  response.writeHead(text ? 200 : 404, { 'content-type': 'text/javascript' }).end(text ?? '');
}
