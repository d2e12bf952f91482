// The page of `gogo serve`: text to speech, and a codec at any rate. Recordings
// are decoded, resampled and drawn here; the server gets WAV files and keeps none.
import {
  Player,
  base64,
  decodeFile,
  drawBudgets,
  drawSpectrogram,
  readSamples,
  wavFile,
} from "./sound.js";

const $ = (id) => document.getElementById(id);
let model; // the entry of /v1/models
let context; // of all audio, at the model's rate
let clip; // the recording to encode: Float32Array
let encoded; // its tokens, and what decoding needs beside them
let prompt; // the recording of a voice: Float32Array

// Requests

async function request(path, options) {
  const response = await fetch(path, options);
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw new Error(told?.error?.message ?? `HTTP ${response.status}`);
}

function post(path, fields, signal) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify(fields);
  return request(path, { method: "POST", headers, body, signal });
}

// A button that records while it is pressed in, then gives the samples.
function recordsInto(button, status, take) {
  let recorder;
  button.onclick = async () => {
    if (recorder) return recorder.stop();
    try {
      const media = await navigator.mediaDevices.getUserMedia({ audio: true });
      const parts = [];
      recorder = new MediaRecorder(media, { audioBitsPerSecond: 128000 });
      recorder.ondataavailable = (event) => parts.push(event.data);
      recorder.onstop = () => {
        media.getTracks().forEach((track) => track.stop());
        recorder = null;
        button.textContent = "Record";
        take(new Blob(parts));
      };
      recorder.start();
      button.textContent = "Stop";
    } catch (error) {
      say(status, `No microphone: ${error.message}`, true);
    }
  };
}

function show(figure, samples, caption) {
  const player = figure.querySelector("audio");
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(wavFile(samples, model.sample_rate));
  if (caption) figure.querySelector("figcaption").textContent = caption;
  figure.hidden = false;
  drawSpectrogram(figure.querySelector("canvas"), samples);
}

// What both parts of the page do

const seconds = (samples) => `${(samples / model.sample_rate).toFixed(2)} s`;

function say(status, text, isError = false) {
  status.textContent = text;
  status.classList.toggle("error", isError);
}

// Run work(signal) while its button is disabled and Cancel is not.
async function run(name, work) {
  const [button, cancel] = [$(name), $(`${name}-cancel`)];
  const [bar, status] = [$(`${name}-progress`), $(`${name}-status`)];
  const control = new AbortController();
  cancel.onclick = () => control.abort();
  [button.disabled, cancel.disabled] = [true, false];
  bar.removeAttribute("value"); // not known yet
  try {
    await work(control.signal, bar, status);
    bar.value = 1;
  } catch (error) {
    bar.value = 0;
    const cancelled = control.signal.aborted;
    const broken = error instanceof TypeError; // of fetch and its streams
    const reason = broken ? "The server broke off." : error.message;
    say(status, cancelled ? "Cancelled." : reason, !cancelled);
  }
  [button.disabled, cancel.disabled] = [false, true];
}

async function speak(signal, bar, status) {
  const player = new Player(context);
  signal.addEventListener("abort", () => player.stop());
  await context.resume();
  const fields = {
    model: model.id,
    input: $("text").value,
    seed: $("seed").valueAsNumber || 0,
    allocate: $("budgets").checked,
    response_format: "pcm",
    stream: true,
    voice: $("voice").value,
  };
  if (fields.voice === "prompt") {
    if (!prompt) throw new Error("Record a voice, or choose a file.");
    fields.prompt_audio = await base64(wavFile(prompt, model.sample_rate));
    fields.prompt_text = $("prompt-text").value.trim() || null;
  }
  const expected = fields.input.length * model.seconds_per_character;
  let heard = 0;
  say(status, "The first words are being made.");
  const started = performance.now();
  const response = await post("v1/audio/speech", fields, signal);
  const recognised = response.headers.get("X-Prompt-Text");
  if (recognised) $("prompt-text").value = decodeURIComponent(recognised);
  const samples = await readSamples(response, (piece) => {
    player.add(piece);
    heard += piece.length;
    bar.value = Math.min(0.95, heard / model.sample_rate / expected);
    say(status, `${seconds(heard)} so far; it plays.`);
  });
  const spent = ((performance.now() - started) / 1000).toFixed(2);
  say(status, `${seconds(heard)} of speech, made in ${spent} s.`);
  show($("spoken"), samples, "Synthetic speech.");
}

async function decode(signal, bar, status) {
  if (!encoded) {
    say(status, "Encoding.");
    const body = wavFile(clip, model.sample_rate);
    const options = { method: "POST", body, signal };
    encoded = await (await request("v1/codec/encode", options)).json();
  }
  const { tokens, num_samples, fingerprint, side } = encoded;
  let keep = $("keep").valueAsNumber;
  if ($("allocate").checked) {
    say(status, "Allocating.");
    const fields = { tokens, target_rate: keep * model.group_rate };
    keep = await (await post("v1/codec/allocate", fields, signal)).json();
    keep = keep.budgets;
  }
  say(status, "Decoding.");
  const fields = { tokens, num_samples, fingerprint, side, keep };
  Object.assign(fields, { response_format: "pcm", stream: true });
  const response = await post("v1/codec/decode", fields, signal);
  let made = 0;
  const samples = await readSamples(response, (piece) => {
    made += piece.length;
    bar.value = made / num_samples;
  });
  const budgets = tokens.map((_, i) => (keep.length ? keep[i] : keep));
  const count = budgets.reduce((sum, kept) => sum + model.tokens_kept[kept - 1], 0);
  const told = rateOf(count / budgets.length);
  say(status, `${seconds(made)}, ${budgets.length} groups, ${told}.`);
  show($("decoded"), samples, `Decoded from ${told}`);
  $("allocation").hidden = false;
  const caption = $("allocation").querySelector("figcaption");
  caption.textContent = `Levels kept of each group of ${
    (1000 / model.group_rate).toFixed(0)} ms, of ${model.tokens_kept.length}`;
  const canvas = $("allocation").querySelector("canvas");
  drawBudgets(canvas, budgets, model.tokens_kept.length);
}

function rateOf(tokens) {
  const rate = tokens * model.group_rate;
  const bits = rate * model.bits_per_token;
  return `${rate.toFixed(1)} tokens/s, ${bits.toFixed(0)} bit/s`;
}

function showRate() {
  const slider = $("keep");
  slider.min = $("allocate").checked ? model.backbone_size : 1;
  const keep = slider.valueAsNumber;
  $("rate").textContent = `${keep}: ${rateOf(model.tokens_kept[keep - 1])}`;
}

async function takeClip(blob) {
  try {
    clip = await decodeFile(blob, context);
  } catch (error) {
    return say($("decode-status"), error.message, true);
  }
  encoded = null;
  $("decoded").hidden = $("allocation").hidden = true;
  show($("original"), clip);
  say($("decode-status"), seconds(clip.length));
  $("decode").disabled = false;
}

async function takePrompt(blob) {
  try {
    prompt = await decodeFile(blob, context);
  } catch (error) {
    return say($("speak-status"), error.message, true);
  }
  URL.revokeObjectURL($("prompt-player").src);
  $("prompt-player").src = URL.createObjectURL(wavFile(prompt, model.sample_rate));
  $("prompt-player").hidden = false;
  $("prompt-text").value = "";
}

async function start() {
  const { data } = await (await request("v1/models")).json();
  model = data[0];
  context = new AudioContext({ sampleRate: model.sample_rate });
  $("model").textContent = model.id;
  $("speaking").hidden = !model.speaks;
  if (model.language) {
    const names = new Intl.DisplayNames(["en"], { type: "language" });
    $("language").textContent = `, in ${names.of(model.language)}`;
  }
  $("allocate-row").hidden = !model.allocates;
  $("allocate-speech").hidden = !model.allocates_speech;
  $("text").maxLength = model.limits.characters;
  for (const voice of [...model.voices, "prompt"]) {
    const shown = voice === "prompt" ? "a recording" : voice;
    $("voice").add(new Option(shown, voice));
  }
  const choose = () => ($("prompt").hidden = $("voice").value !== "prompt");
  $("voice").onchange = choose;
  choose();
  $("keep").max = $("keep").value = model.tokens_kept.length;
  $("keep").oninput = $("allocate").onchange = showRate;
  showRate();
  const onFile = (name, take) =>
    ($(name).onchange = ({ target }) => target.files[0] && take(target.files[0]));
  onFile("file", takeClip);
  onFile("prompt-file", takePrompt);
  recordsInto($("record"), $("decode-status"), takeClip);
  recordsInto($("prompt-record"), $("speak-status"), takePrompt);
  $("decode").onclick = () => run("decode", decode);
  $("keep").onchange = () => encoded && !$("decode").disabled && run("decode", decode);
  $("speak").onclick = () => run("speak", speak);
}

start().catch((error) => {
  document.querySelector("main").textContent = `The server does not answer: ${error.message}`;
});
