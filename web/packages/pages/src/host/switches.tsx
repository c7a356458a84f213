/** The release gate and lockstep: nobody sees it early; everybody sees it at once. */

import { Answer, roomAnswer, roomRequest, useAsk, useScene } from '@unisono/room/parts';
import { useEffect, useState } from 'preact/hooks';
import { Segments } from '../parts/frame';

const DELAYS = [
  { value: '1', label: '1 s' },
  { value: '3', label: '3 s' },
  { value: '6', label: '6 s' },
] as const;

const OFF_ON = [
  { value: 'off', label: 'Off' },
  { value: 'on', label: 'On' },
] as const;

/** As the server tells it; microseconds. */
interface Gate {
  readonly until?: number;
  readonly delay: number;
}

export function Switches() {
  const scene = useScene();
  const { ask, answer, isBusy } = useAsk();
  const [lockstepUs, setLockstep] = useState<number | null>(null);
  const [gate, setGate] = useState<Gate | null>(null);
  const [delay, setDelay] = useState<(typeof DELAYS)[number]['value']>('3');
  useEffect(() => scene.room.onNotice('lockstep', ({ targetUs }) => setLockstep(targetUs)), [scene.room]);
  // A gate outlives this page: it is asked for when the panel is opened, and after each change.
  const lookAtGate = () => void roomAnswer<Gate>(scene, 'gate').then(setGate);
  useEffect(lookAtGate, [scene]);
  const [isWanted, setWanted] = useState(false);
  const lockstep = async (value: 'off' | 'on') => {
    if (await ask(() => roomRequest(scene, 'lockstep', 'PUT', { on: value === 'on' }))) setWanted(value === 'on');
  };
  const hold = async () => {
    if (await ask(() => roomRequest(scene, 'gate', 'PUT', { delay: Number(delay) * 1e6 }), `From now on held for ${delay} s`)) lookAtGate();
  };
  const lift = async () => {
    if (await ask(() => roomRequest(scene, 'gate', 'DELETE'), 'Lifted: what is held stays held for its time')) lookAtGate();
  };
  return (
    <section class="panel switches" aria-label="Time">
      <h2>Time</h2>
      <div class="row wrap">
        <span>
          Lockstep: all viewers at one latency
          {lockstepUs !== null && <span class="quiet"> · now {(lockstepUs / 1e6).toFixed(2)} s</span>}
        </span>
        <Segments label="Lockstep" value={isWanted || lockstepUs !== null ? 'on' : 'off'} options={OFF_ON} disabled={isBusy} onChange={(value) => void lockstep(value)} />
      </div>
      <div class="row wrap">
        <span>
          Release gate: hold the picture back on every door, so that nobody has it early
          {gate && <b class="held"> · {gate.until === undefined ? 'held' : 'ending, held'} by {gate.delay / 1e6} s</b>}
        </span>
        <span class="row wrap">
          <Segments label="Hold for" value={delay} options={DELAYS} disabled={isBusy} onChange={setDelay} />
          <button type="button" disabled={isBusy} onClick={() => void hold()}>
            Hold from now
          </button>
          <button type="button" disabled={isBusy || gate === null || gate.until !== undefined} onClick={() => void lift()}>
            Lift
          </button>
        </span>
      </div>
      <Answer answer={answer} />
    </section>
  );
}
