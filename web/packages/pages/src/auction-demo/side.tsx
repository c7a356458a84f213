/** Below the screens: what the bidders were answered, the crash, the proof. */

import { useState } from 'preact/hooks';
import { hammerOf, type PaneState } from './screen';
import { press, type DemoState, type Verdict } from './state';
import { euros, frameError, FRAME_US } from './words';

type Panes = ReadonlyMap<string, PaneState>;

export function Side({ state, panes }: { state: DemoState; panes: Panes }) {
  return (
    <div class="side">
      <Bidders state={state} />
      <Unison state={state} panes={panes} />
      <Crash state={state} />
      <Proved state={state} />
    </div>
  );
}

function Bidders({ state: { bots, lot } }: { state: DemoState }) {
  const { accepted, outbid, late, duplicate } = bots.answers;
  return (
    <section class="panel">
      <h2>{bots.connected} bidders</h2>
      <dl class="figures">
        <Figure name="Price" value={lot?.price == null ? '…' : euros(lot.price)} />
        <Figure name="Leads" value={lot?.leader ?? '…'} />
        <Figure name="Accepted" value={accepted} />
        <Figure name="Outbid" value={outbid} />
        <Figure name="Too late" value={late} />
        <Figure name="Replays" value={duplicate} />
        <Figure name="Claims corrected" value={lot?.clamped ?? 0} />
        <Figure name="End moved" value={lot?.extensions ?? 0} />
      </dl>
      <p class="quiet tiny">Each sees the sale 0.2 to 4 s late and bids on what it sees. Some lie about that, bid after the end, or replay others' bids.</p>
    </section>
  );
}

function Unison({ state, panes }: { state: DemoState; panes: Panes }) {
  const at = state.lot?.hammer?.at ?? null;
  // A screen without a picture was told the price, and shows it on no frame.
  const told = [...panes].flatMap(([, pane]) => hammerOf(pane, at) ?? []).filter(({ isBound }) => isBound);
  const worst = told.length > 0 ? Math.max(...told.map(({ latenessUs }) => frameError(latenessUs))) : null;
  const apart = told.length > 1 ? Math.round((Math.max(...told.map(({ t }) => t)) - Math.min(...told.map(({ t }) => t))) / FRAME_US) : null;
  return (
    <section class="panel">
      <h2>In unison</h2>
      <dl class="figures">
        <Figure name="Screens that showed the hammer" value={at === null ? '…' : `${told.length} of 4`} />
        <Figure name="Farthest from its frame" value={worst === null ? '…' : frames(worst)} />
        <Figure name="Apart from each other" value={apart === null ? '…' : frames(apart)} />
      </dl>
      <p class="quiet tiny">Counted in frames of the picture (30 a second), not in time: a screen that is 2 s behind shows the hammer 2 s later, on the same frame.</p>
    </section>
  );
}

function Crash({ state: { crash, server } }: { state: DemoState }) {
  const [isBusy, setIsBusy] = useState(false);
  const kill = async () => {
    setIsBusy(true);
    await press('kill');
    setTimeout(() => setIsBusy(false), 3000);
  };
  return (
    <section class="panel" data-kills={server.kills} data-lost={crash?.audit.lost}>
      <h2>Kill it</h2>
      <button class="stop" disabled={isBusy} onClick={() => void kill()}>
        Kill the server (SIGKILL)
      </button>
      {crash && (
        <>
          <p class={crash.audit.lost === 0 ? 'verdict good' : 'verdict off'}>Bids lost: {crash.audit.lost}</p>
          <p class="quiet tiny">
            Back after {(crash.down_ms / 1000).toFixed(1)} s. Acknowledged before: {crash.audit.acknowledged}; doubled: {crash.audit.doubled}; out of place: {crash.audit.moved}.
          </p>
        </>
      )}
      {!crash && <p class="quiet tiny">In the middle of the bidding, if you like. What was acknowledged before is compared with the log after.</p>}
    </section>
  );
}

function Proved({ state: { proof, phase } }: { state: DemoState }) {
  return (
    <section class="panel">
      <h2>Prove it</h2>
      {!proof && <p class="quiet tiny">After the hammer the log is exported and checked by a program that has nothing but the file.</p>}
      {proof?.genuine && <Said name="genuine" title="unisono verify" verdict={proof.genuine} />}
      {proof?.tampered && <Said name="tampered" title={`one byte changed: ${proof.change}`} verdict={proof.tampered} />}
      {phase === 'over' && (
        <button class="main" onClick={() => void press('again')}>
          Sell another
        </button>
      )}
    </section>
  );
}

function Said({ name, title, verdict }: { name: string; title: string; verdict: Verdict }) {
  return (
    <div data-verdict={name} data-good={String(verdict.is_good)}>
      <p class={verdict.is_good ? 'verdict good' : 'verdict off'}>{verdict.is_good ? '✓ genuine' : '✗ tampered with'}</p>
      <p class="tiny">{title}</p>
      <pre>{verdict.words}</pre>
    </div>
  );
}

function Figure({ name, value }: { name: string; value: string | number }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

const frames = (count: number): string => `${count} ${count === 1 ? 'frame' : 'frames'}`;
