// Tones: a low one before a limit, one for a soft limit, three for a hard one. Made here, so that no file is needed.
let context: AudioContext | null = null;

/** Sounds a warning; 0 before a limit, 1 for a soft limit, 2 for a hard one. Silent where the browser allows none. */
export function warn(rank: number): void {
  try {
    context ??= new AudioContext();
    const beeps = rank >= 2 ? 3 : 1;
    for (let beep = 0; beep < beeps; beep += 1) {
      const at = context.currentTime + beep * 0.22;
      const tone = context.createOscillator();
      const volume = context.createGain();
      tone.frequency.value = rank >= 2 ? 960 : rank === 1 ? 640 : 440;
      volume.gain.setValueAtTime(0.25, at);
      volume.gain.exponentialRampToValueAtTime(0.001, at + 0.18);
      tone.connect(volume).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.2);
    }
  } catch {
    // Sound comes beside the picture, never in place of it.
  }
}
