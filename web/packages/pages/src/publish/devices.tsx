/** Which camera and which microphone. Browsers tell their names once one has been opened. */

import { useEffect, useState } from 'preact/hooks';
import type { Settings } from './settings';

export function DevicePickers(props: { settings: Settings; isOpen: boolean; onChange: (part: Partial<Settings>) => void }) {
  const devices = useDevices(props.isOpen);
  return (
    <>
      <Picker label="Camera" devices={devices.filter(({ kind }) => kind === 'videoinput')} value={props.settings.cameraId} onChange={(cameraId) => props.onChange({ cameraId })} />
      <Picker
        label="Microphone"
        devices={devices.filter(({ kind }) => kind === 'audioinput')}
        value={props.settings.microphoneId}
        onChange={(microphoneId) => props.onChange({ microphoneId })}
      />
    </>
  );
}

function Picker(props: { label: string; devices: MediaDeviceInfo[]; value: string; onChange: (id: string) => void }) {
  const named = props.devices.filter(({ deviceId, label }) => deviceId && label);
  return (
    <label>
      {props.label}
      <select value={props.value} disabled={named.length === 0} onChange={(event) => props.onChange(event.currentTarget.value)}>
        <option value="">Default</option>
        {named.map(({ deviceId, label }) => (
          <option key={deviceId} value={deviceId}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}

function useDevices(isOpen: boolean): MediaDeviceInfo[] {
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  useEffect(() => {
    const media = navigator.mediaDevices;
    if (!media) return;
    const list = () => void media.enumerateDevices().then(setDevices, () => undefined);
    list();
    media.addEventListener('devicechange', list);
    return () => media.removeEventListener('devicechange', list);
  }, [isOpen]);
  return devices;
}
