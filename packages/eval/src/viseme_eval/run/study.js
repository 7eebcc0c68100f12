"use strict";
// One screen per trial, in an order of this visitor's own; answers are offered as a file at the end.
// What was given so far survives a reload.
const data = JSON.parse(document.getElementById("data").textContent);
const place = "viseme-study-" + data.study;
const say = document.getElementById("say");
const form = document.getElementById("trial");
const next = document.getElementById("next");

function fresh() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  const participant = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  const trials = shuffled(data.trials).map((t) => ({ id: t.id, videos: shuffled(t.videos) }));
  return { participant, trials, done: 0, answers: [] };
}

function shuffled(list) {
  const copy = list.slice();
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor((crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32) * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

function load() {
  try { return JSON.parse(localStorage.getItem(place)) || fresh(); } catch { return fresh(); }
}

function save() {
  try { localStorage.setItem(place, JSON.stringify(state)); } catch { /* private windows */ }
}

const state = load();
let since = 0;

function letter(i) { return String.fromCharCode(65 + i); }

function choices(name, legend, entries) {
  const set = document.createElement("fieldset");
  const head = document.createElement("legend");
  head.textContent = legend;
  set.append(head);
  for (const [value, text] of entries) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = name;
    input.value = value;
    label.append(input, " " + text);
    set.append(label);
  }
  return set;
}

function scores() {
  const entries = [];
  for (let n = data.low; n <= data.high; n++) {
    entries.push([n, n === data.low ? n + " (worst)" : n === data.high ? n + " (best)" : n]);
  }
  return entries;
}

function show() {
  const trial = state.trials[state.done];
  since = Date.now();
  form.replaceChildren();
  say.textContent = `${state.done + 1} of ${state.trials.length}. Watch all videos with sound, ` +
    (data.form === "best" ? "then choose the best one for each question." : "then score each one.");
  const row = document.createElement("div");
  row.className = "videos";
  trial.videos.forEach((id, i) => {
    const box = document.createElement("div");
    box.className = "video";
    const head = document.createElement("h2");
    head.textContent = letter(i);
    const video = document.createElement("video");
    video.src = "media/" + id + ".mp4";
    video.controls = true;
    video.preload = "auto";
    box.append(head, video);
    if (data.form !== "best") {
      data.questions.forEach((text, q) => box.append(choices(q + "-" + id, text, scores())));
    }
    row.append(box);
  });
  form.append(row);
  if (data.form === "best") {
    const letters = trial.videos.map((id, i) => [id, letter(i)]);
    data.questions.forEach((text, q) => form.append(choices(String(q), "Best " + text, letters)));
  }
  next.textContent = "Next";
}

function collect() {
  const trial = state.trials[state.done];
  let whole = true;
  const found = [];
  const seconds = Math.round((Date.now() - since) / 1000);
  for (const set of form.querySelectorAll("fieldset")) {
    const chosen = set.querySelector("input:checked");
    set.classList.toggle("wanting", !chosen);
    if (!chosen) { whole = false; continue; }
    const [question, video] = chosen.name.split("-");
    found.push({
      trial: trial.id, question: Number(question), seconds,
      video: data.form === "best" ? chosen.value : video,
      score: data.form === "best" ? 1 : Number(chosen.value),
    });
  }
  return whole ? found : null;
}

function finish() {
  form.replaceChildren();
  say.textContent = "Thank you. Please save your answers and send the file back.";
  next.textContent = "Save answers";
}

function download() {
  const answers = {
    kind: "viseme_eval_answers", format: 1, study: data.study,
    participant: state.participant, answers: state.answers,
  };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(answers, null, 1)],
    { type: "application/json" }));
  link.download = `answers-${state.participant}.json`;
  link.click();
}

function turn() {
  if (state.done >= state.trials.length) { finish(); } else { show(); }
}

let begun = false;
next.addEventListener("click", () => {
  if (!begun) { begun = true; turn(); return; }
  if (state.done >= state.trials.length) { download(); return; }
  const found = collect();
  if (!found) { say.textContent = "Please answer every question; those left are marked."; return; }
  state.answers.push(...found);
  state.done += 1;
  save();
  turn();
});
say.textContent = `${state.trials.length} screens. There is no right answer; nothing is sent ` +
  "anywhere until you save the file at the end.";
