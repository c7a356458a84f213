/** How loud a stream is, for a meter beside it. */

/** Calls `onLevel` with 0 to 1 ten times a second, until the returned function is called. Silent where there is no sound or no WebAudio. */
export function measureLevel(stream: MediaStream, onLevel: (level: number) => void): () => void {
  if (stream.getAudioTracks().length === 0 || typeof AudioContext === 'undefined') return () => undefined;
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    // Browsers keep it suspended until somebody has clicked on the page.
    if (context.state !== 'running') {
      if (navigator.userActivation?.hasBeenActive !== false) void context.resume().catch(() => undefined);
      return;
    }
    analyser.getFloatTimeDomainData(samples);
    onLevel(levelOf(samples));
  }, 100);
  return () => {
    clearInterval(timer);
    source.disconnect();
    void context.close();
  };
}

/** The quietest that a meter shows. */
const FLOOR_DB = -60;

/** Root mean square on a scale of decibels: 0 at -60 dBFS and below, 1 at full scale. */
export function levelOf(samples: Float32Array): number {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(samples.length, 1);
  if (!(power > 0)) return 0;
  return Math.min(Math.max(1 - (10 * Math.log10(power)) / FLOOR_DB, 0), 1);
}
