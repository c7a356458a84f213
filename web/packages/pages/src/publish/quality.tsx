/** How the picture is encoded: size, rate, bitrate, codec. Only what this browser can send is offered. */

import { sendableCodecs } from '@unisono/client';
import { useMemo } from 'preact/hooks';
import { roundBitrate } from '../parts/words';
import { BITRATES_KBPS, HEIGHTS, RATES, videoBitrate, type Settings } from './settings';

export function Quality({ settings, disabled, onChange }: { settings: Settings; disabled: boolean; onChange: (part: Partial<Settings>) => void }) {
  const codecs = useMemo(sendableCodecs, []);
  const automatic = videoBitrate({ ...settings, bitrateKbps: 0 });
  // One that the address brought and the list has not.
  const bitrates = [...new Set([...BITRATES_KBPS, settings.bitrateKbps])].filter((kbps) => kbps > 0).sort((a, b) => a - b);
  return (
    <div class="quality">
      <Choice label="Size" disabled={disabled} value={String(settings.height)} onChange={(height) => onChange({ height: Number(height) })}
        options={HEIGHTS.map((height) => [String(height), `${height}p`])} />
      <Choice label="Frame rate" disabled={disabled} value={String(settings.fps)} onChange={(fps) => onChange({ fps: Number(fps) })}
        options={RATES.map((fps) => [String(fps), `${fps} fps`])} />
      <Choice label="Bitrate" disabled={disabled} value={String(settings.bitrateKbps)} onChange={(kbps) => onChange({ bitrateKbps: Number(kbps) })}
        options={[['0', `Auto, ${roundBitrate(automatic)}`], ...bitrates.map((kbps): [string, string] => [String(kbps), roundBitrate(kbps * 1000)])]} />
      <Choice label="Codec" disabled={disabled} value={settings.codec} onChange={(codec) => onChange({ codec })}
        options={[['', codecs[0] ? `Auto, ${codecs[0]}` : 'Auto'], ...codecs.map((codec): [string, string] => [codec, codec])]} />
    </div>
  );
}

function Choice(props: { label: string; value: string; disabled: boolean; options: readonly (readonly [string, string])[]; onChange: (value: string) => void }) {
  return (
    <label>
      {props.label}
      <select value={props.value} disabled={props.disabled} onChange={(event) => props.onChange(event.currentTarget.value)}>
        {props.options.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}
