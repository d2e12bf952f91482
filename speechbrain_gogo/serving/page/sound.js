// Samples: read, decoded, written, played and drawn. All of them are mono
// Float32Arrays at the rate of their AudioContext.

// Read 16-bit samples while they arrive; gives all of them.
export async function readSamples(response, onSamples) {
  const pieces = [];
  let odd = new Uint8Array(0); // a chunk may end within a sample
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const bytes = new Uint8Array(odd.length + value.length);
    bytes.set(odd);
    bytes.set(value, odd.length);
    const view = new DataView(bytes.buffer);
    const samples = new Float32Array(bytes.length >> 1);
    for (let i = 0; i < samples.length; i++) {
      samples[i] = view.getInt16(2 * i, true) / 32767;
    }
    odd = bytes.slice(2 * samples.length);
    if (!samples.length) continue;
    pieces.push(samples);
    onSamples(samples);
  }
  return joined(pieces);
}

function joined(pieces) {
  const all = new Float32Array(pieces.reduce((n, piece) => n + piece.length, 0));
  let place = 0;
  for (const piece of pieces) {
    all.set(piece, place);
    place += piece.length;
  }
  return all;
}

export async function decodeFile(blob, context) {
  let buffer;
  try {
    buffer = await context.decodeAudioData(await blob.arrayBuffer());
  } catch {
    throw new Error("This is no audio that the browser can read.");
  }
  const channels = buffer.numberOfChannels;
  const mono = new Float32Array(buffer.length);
  for (let c = 0; c < channels; c++) {
    buffer.getChannelData(c).forEach((x, i) => (mono[i] += x / channels));
  }
  return mono;
}

export function wavFile(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (place, word) =>
    [...word].forEach((c, i) => view.setUint8(place + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((x, i) => {
    const clipped = Math.max(-1, Math.min(1, x));
    view.setInt16(44 + 2 * i, Math.round(32767 * clipped), true);
  });
  return new Blob([view], { type: "audio/wav" });
}

export function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1]);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

// Play samples that arrive piece by piece, one right after the other.
export class Player {
  constructor(context) {
    this.context = context;
    this.next = 0; // when the next piece begins
    this.sources = new Set();
  }
  add(samples) {
    const { context } = this;
    const buffer = context.createBuffer(1, samples.length, context.sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    source.onended = () => this.sources.delete(source);
    this.sources.add(source);
    const start = Math.max(this.next, context.currentTime + 0.1);
    source.start(start);
    this.next = start + buffer.duration;
  }
  stop() {
    this.sources.forEach((source) => source.stop());
  }
}

// Pictures

// In-place FFT of a power of two.
function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    for (let k = 0; k < size / 2; k++) {
      const angle = (-2 * Math.PI * k) / size;
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      for (let i = k; i < n; i += size) {
        const j = i + size / 2;
        const [x, y] = [re[j] * c - im[j] * s, re[j] * s + im[j] * c];
        [re[j], im[j]] = [re[i] - x, im[i] - y];
        re[i] += x;
        im[i] += y;
      }
    }
  }
}

// Log-magnitude spectrogram, 80 dB, from 0 Hz at the bottom to half the rate.
export function drawSpectrogram(canvas, samples) {
  const size = 1024;
  const { width, height } = canvas;
  const paint = canvas.getContext("2d");
  const image = paint.createImageData(width, height);
  for (let x = 0; x < width; x++) {
    const centre = Math.round(((x + 0.5) * samples.length) / width);
    const re = new Float64Array(size);
    const im = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size);
      re[i] = window * (samples[centre - size / 2 + i] ?? 0);
    }
    fft(re, im);
    for (let y = 0; y < height; y++) {
      const bin = Math.floor(((height - 1 - y) * size) / 2 / height);
      const level = 20 * Math.log10(Math.hypot(re[bin], im[bin]) + 1e-9);
      const shade = Math.max(0, Math.min(1, (level + 50) / 80));
      const color = [255 * shade ** 0.8, 210 * shade ** 2, 90 * shade + 20, 255];
      image.data.set(color, 4 * (y * width + x));
    }
  }
  paint.putImageData(image, 0, 0);
}

// A bar of each group: all of its tokens, and darker those that are kept.
export function drawBudgets(canvas, budgets, most) {
  const paint = canvas.getContext("2d");
  const { width, height } = canvas;
  const [column, row] = [width / budgets.length, height / most];
  paint.clearRect(0, 0, width, height);
  budgets.forEach((budget, group) => {
    for (let level = 0; level < most; level++) {
      paint.fillStyle = level < budget ? "#7a4dd8" : "#8882";
      const top = height - (level + 1) * row;
      paint.fillRect(group * column, top, Math.max(1, column - 1), row - 1);
    }
  });
}
