// What runs inside a page. Each function stands alone: it is sent to Chromium or Firefox as text.

/**
 * Publishes a drawn picture (burnt-in clock, flash and beep once a second) by WHIP with one video codec, or the browser's own choice.
 * Resolves when the answer is in; the session stays in `window.publisher`.
 */
export async function publishCanvas({ url, key, codec, width, height, fps, bitrate }) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  document.body.replaceChildren(canvas);
  const pen = canvas.getContext('2d');
  const audio = new AudioContext();
  // Firefox without a sound card never starts one: its fake microphone is a tone without the beep's rhythm.
  const runs = await Promise.race([audio.resume().then(() => true), new Promise((resolve) => setTimeout(resolve, 3000, false))]);
  const gain = new GainNode(audio, { gain: 0 });
  const out = runs ? audio.createMediaStreamDestination() : null;
  if (runs) {
    const tone = new OscillatorNode(audio, { frequency: 1000 });
    tone.connect(gain).connect(out);
    tone.start();
  }
  const draw = () => {
    const value = Date.now() % 2 ** 24;
    const check = ((value >> 16) + ((value >> 8) & 255) + (value & 255) + 0x5a) % 256;
    const on = Date.now() % 1000 < 100;
    pen.fillStyle = `hsl(${(Date.now() / 50) % 360} 60% 40%)`;
    pen.fillRect(0, 0, width, height);
    for (let cell = 0; cell < 32; cell += 1) {
      const bit = cell < 24 ? (value >> (23 - cell)) & 1 : (check >> (31 - cell)) & 1;
      pen.fillStyle = bit ? '#fff' : '#000';
      pen.fillRect((cell * width) / 32, 0, width / 32 + 1, height / 10);
    }
    pen.fillStyle = on ? '#fff' : '#000';
    pen.fillRect(width - height / 4, height - height / 4, height / 4, height / 4);
    gain.gain.value = on ? 0.5 : 0;
  };
  setInterval(draw, 1000 / fps);
  const [picture] = canvas.captureStream(fps).getVideoTracks();
  const [sound] = (out?.stream ?? (await navigator.mediaDevices.getUserMedia({ audio: true }))).getAudioTracks();
  const peer = new RTCPeerConnection();
  window.publisher = peer;
  const video = peer.addTransceiver(picture, { direction: 'sendonly', sendEncodings: [{ maxBitrate: bitrate }] });
  peer.addTransceiver(sound, { direction: 'sendonly' });
  if (codec) {
    const wanted = RTCRtpSender.getCapabilities('video').codecs.filter((c) => c.mimeType.toLowerCase() === `video/${codec.toLowerCase()}`);
    if (!wanted.length) throw new Error(`this browser does not send ${codec}`);
    video.setCodecPreferences(wanted);
  }
  await peer.setLocalDescription(await peer.createOffer());
  await new Promise((resolve) => {
    if (peer.iceGatheringState === 'complete') return resolve();
    peer.addEventListener('icegatheringstatechange', () => peer.iceGatheringState === 'complete' && resolve());
    setTimeout(resolve, 3000);
  });
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp', authorization: `Bearer ${key}` }, body: peer.localDescription.sdp });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`WHIP: ${answer.status} ${text}`);
  await peer.setRemoteDescription({ type: 'answer', sdp: text });
}

/** Watches what the watch page plays for `seconds`: pictures, stalls, size, codec, sound. */
export async function watchPlayer(seconds) {
  const { player } = window.unisono;
  const { video } = player;
  const until = performance.now() + 20_000;
  while (video.readyState < 2 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 100));
  video.muted = false;
  const statistics = async () => [...((await player.session?.peerConnection?.getStats()) ?? new Map()).values()];
  const energy = (reports) => reports.find((r) => r.type === 'inbound-rtp' && r.kind === 'audio')?.totalAudioEnergy ?? null;
  const seen = { frames: 0, stalls: 0, longest: 0, size: null, codec: null, sound: null, decoded: null };
  // The first second is joining, not playing.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const before = { energy: energy(await statistics()), bytes: video.webkitAudioDecodedByteCount ?? null };
  let [first, last] = [null, null];
  const begun = performance.now();
  await new Promise((resolve) => {
    const frame = (now, metadata) => {
      if (last) {
        const gap = now - last.now;
        seen.longest = Math.max(seen.longest, gap);
        if (gap > 500) seen.stalls += 1;
      }
      last = { now, presented: metadata.presentedFrames };
      first ??= last;
      if (now - begun < seconds * 1000) video.requestVideoFrameCallback(frame);
      else resolve();
    };
    video.requestVideoFrameCallback(frame);
    setTimeout(resolve, seconds * 1000 + 3000);
  });
  const reports = await statistics();
  seen.frames = last ? last.presented - first.presented : 0;
  seen.fps = last && last.now > first.now ? (seen.frames * 1000) / (last.now - first.now) : 0;
  // What did not come at all is a stall as well.
  if (performance.now() - (last?.now ?? begun) > 1500) seen.stalls += 1;
  seen.size = [video.videoWidth, video.videoHeight];
  const inbound = reports.find((r) => r.type === 'inbound-rtp' && r.kind === 'video');
  seen.codec = reports.find((r) => r.id === inbound?.codecId)?.mimeType?.replace('video/', '') ?? null;
  const after = { energy: energy(reports), bytes: video.webkitAudioDecodedByteCount ?? null };
  if (before.energy !== null) seen.sound = after.energy > before.energy;
  else if (before.bytes !== null) seen.sound = after.bytes > before.bytes;
  return seen;
}

/** Plays a playlist with shaka-player (already in the page), or with the browser alone, for `seconds`. */
export async function playUrl({ url, seconds, by }) {
  const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true, autoplay: true });
  document.body.replaceChildren(video);
  let player = null;
  if (by === 'shaka') {
    window.shaka.polyfill.installAll();
    player = new window.shaka.Player();
    // shaka-player 5.2.12 and before drop all parts of a segment but its first: they reset the buffer before every append where media time is ahead of
    // the playlist's. Their way round until the release with the repair (shaka-project/shaka-player#10589).
    player.configure({ manifest: { hls: { sequenceMode: true } } });
    await player.attach(video);
    await player.load(url).catch((error) => {
      throw new Error(`shaka ${error.code}: ${error.data?.slice?.(0, 2)}`);
    });
  } else {
    video.src = url;
  }
  await video.play();
  const begun = performance.now();
  const seen = { frames: 0, stalls: 0, longest: 0 };
  let [first, last] = [null, null];
  await new Promise((resolve, reject) => {
    const frame = (now, metadata) => {
      // The first two seconds are joining, not playing.
      if (now - begun > 2000) {
        if (last) {
          seen.longest = Math.max(seen.longest, now - last.now);
          if (now - last.now > 500) seen.stalls += 1;
        }
        last = { now, presented: metadata.presentedFrames };
        first ??= last;
      }
      if (now - begun < (seconds + 2) * 1000) video.requestVideoFrameCallback(frame);
      else resolve();
    };
    video.requestVideoFrameCallback(frame);
    video.addEventListener('error', () => reject(new Error(`${video.error?.code} ${video.error?.message}`)));
    setTimeout(resolve, (seconds + 5) * 1000);
  });
  if (performance.now() - (last?.now ?? begun) > 1500) seen.stalls += 1;
  seen.frames = last ? last.presented - first.presented : 0;
  seen.fps = last && last.now > first.now ? (seen.frames * 1000) / (last.now - first.now) : 0;
  seen.size = [video.videoWidth, video.videoHeight];
  seen.sound = (video.webkitAudioDecodedByteCount ?? 0) > 0;
  seen.codec = player?.getVariantTracks().find((track) => track.active)?.videoCodec ?? null;
  await player?.destroy();
  return seen;
}
