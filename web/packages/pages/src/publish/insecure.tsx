/** Said where browsers keep camera, microphone and screen from a page: plain http from another machine. */

import { Banner } from '../parts/frame';

/** The server's usual HTTPS port; another one is known to whoever chose it. */
const HTTPS_PORT = 8443;

export function Insecure() {
  if (isSecureContext) return null;
  const secure = `https://${location.hostname}:${HTTPS_PORT}${location.pathname}`;
  return (
    <Banner>
      Browsers give camera, microphone and screen only to https pages and to localhost. Open <a href={secure}>{secure}</a> instead; the server opens that
      door with <code>--https 0.0.0.0:{HTTPS_PORT}</code>. The test pattern works here.
    </Banner>
  );
}
