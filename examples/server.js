// Where the server is, and the public SDK as that server gives it: `?server=https://live.example&stream=live/alice&token=…` in the address.
const query = new URLSearchParams(location.search);

export const server = query.get('server') ?? 'http://localhost:8080';
export const stream = query.get('stream') ?? 'live/demo';
export const token = query.get('token');

/** `@unisono/client`; `/player.js` and `/room.js` define the elements `<unisono-player>`, `<unisono-room>`, `<unisono-reactions>`. */
export const sdk = await import(`${server}/client.js`);
await import(`${server}/player.js`);

/** Joins the stream's room, told on the frames of `player`. The guest's name is asked once. */
export function join(player, types = {}) {
  player.setAttribute('feed', 'none'); // The room's own feed is enough.
  player.setAttribute('src', `${server}/${stream}${token ? `#token=${token}` : ''}`);
  const name = localStorage.getItem('example-name') ?? prompt('Your name?', 'Ann') ?? 'Guest';
  localStorage.setItem('example-name', name);
  return sdk.joinRoom({ url: server, room: stream, name, player, ...(token && { token }), ...types });
}
