/**
 * `/{app}/{name}/overlay`: the room's events on a transparent ground, as a browser source for OBS and the like. No controls, no framework, no
 * picture. `?lanes=chat,reactions&limit=5&scale=1.2&stay=20&delay=0&align=right`; a token goes into the path.
 */

import { EventFeed, parseAddress, ServerClock, streamUrls, type RoomEvent } from '@unisono/client';
import { faceOf, type Face } from './face';
import { optionsOf, type Options } from './options';
import { Schedule } from './schedule';
import './overlay.css';

const EVERY_MS = 50;
const FLIGHT_MS = 4000;
const FLYING_MAX = 40;
/** Until the server has told its clock, events wait; but not for ever. */
const CLOCK_PATIENCE_MS = 3000;

const page = document.getElementById('page')!;
const list = make('ol', 'list');
const sky = make('div', 'sky');
const { stream, token } = parseAddress(new URL(location.href));
const options = optionsOf(new URLSearchParams(location.search));

if (stream) run(streamUrls(stream, location.origin, token).feed, options);
else say('This is not the address of an overlay: /live/alice/overlay');

function run(feedUrl: string, { lanes, limit, scale, stayMs, delayMs, align }: Options): void {
  document.documentElement.style.setProperty('--scale', String(scale));
  page.dataset.align = align;
  page.append(list, sky);
  const clock = new ServerClock();
  const schedule = new Schedule();
  new EventFeed(feedUrl, clock, { onEvent: (event) => lanes.has(event.lane) && schedule.push(event) });
  const opened = performance.now();
  setInterval(() => {
    const now = clock.now();
    if (now === null && performance.now() - opened < CLOCK_PATIENCE_MS) return;
    for (const event of schedule.due(now === null ? null : now - delayMs * 1000)) show(event, limit, stayMs);
  }, EVERY_MS);
}

function show(event: RoomEvent, limit: number, stayMs: number): void {
  const face = faceOf(event);
  if (face.flies) return fly(face);
  const item = make('li', `message lane-${event.lane}`);
  item.dataset.id = event.id;
  if (face.who) item.append(make('b', 'who', face.who));
  if (face.text) item.append(make('span', 'text', face.text));
  for (const { label, share } of face.bars) {
    const bar = make('div', 'bar', label);
    bar.style.setProperty('--share', share.toFixed(3));
    if (share > 0) bar.append(make('i', '', `${Math.round(share * 100)} %`));
    item.append(bar);
  }
  list.append(item);
  while (list.children.length > limit) list.firstElementChild!.remove();
  if (stayMs > 0) setTimeout(() => leave(item), stayMs);
}

function leave(item: HTMLElement): void {
  item.classList.add('leaving');
  setTimeout(() => item.remove(), 400);
}

function fly(face: Face): void {
  if (sky.children.length >= FLYING_MAX) sky.firstElementChild!.remove();
  const one = make('span', 'flying', face.text);
  one.style.setProperty('--x', `${Math.round(Math.random() * 100)}%`);
  sky.append(one);
  setTimeout(() => one.remove(), FLIGHT_MS);
}

function say(words: string): void {
  page.append(make('p', 'words', words));
}

function make(tag: string, name: string, text = ''): HTMLElement {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.textContent = text;
  return element;
}
