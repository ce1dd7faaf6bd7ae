// Predictions as people read them, and the tries so far.
let tries = [];

// Intervals have the coverage of the training; a canary may be a model without them.
const hasInterval = () => Boolean(current.interval) && !current.canary;
const withInterval = () => hasInterval() ? { interval: true } : {};

// Columns of a prediction in a table: value, interval or set, then the probability of the predicted class, or the flag.
function flat(predictions) {
  const names = [], values = [];
  const add = (name, value) => { names.push(name); values.push(value); };
  for (const [name, one] of Object.entries(predictions)) {
    if (name === "file" && typeof one === "string") { add("file", one); continue; }
    if (one === null || typeof one !== "object" || !("value" in one)) continue;
    const { low, high } = one.interval || {};
    if (Array.isArray(one.value)) {
      one.value.forEach((value, at) => { add(`${name}_${at + 1}`, value); if (low) { add(`${name}_${at + 1} low`, low[at]); add(`${name}_${at + 1} high`, high[at]); } });
      continue;
    }
    add(name, one.value);
    if (one.interval) { add(`${name} low`, low); add(`${name} high`, high); }
    if (one.set) add(`${name} set`, one.set.join(", "));
    if (one.probabilities) add(`${name} probability`, one.probabilities[String(one.value)] ?? Math.max(...Object.values(one.probabilities)));
    if ("anomaly" in one) add(`${name} is anomaly`, one.anomaly);
  }
  return { names, values };
}

function shown(name, prediction, unit) {
  const parts = [el("div", { className: "dim", textContent: name })], value = prediction.value;
  if (Array.isArray(value)) parts.push(dim(`${value.length} numbers`), el("pre", { textContent: value.map(short).join(", ") }));
  else parts.push(el("div", { className: "value", textContent: (unit ? unit + " " : "") + (typeof value === "number" ? +value.toPrecision(7) : value) }));
  const { interval, set } = prediction, percent = `${+(100 * (interval ? interval.coverage : current.interval)).toPrecision(6)} %`;
  const bounds = (low, high) => `${short(+low.toPrecision(7))} to ${short(+high.toPrecision(7))}`;
  if (interval && Array.isArray(value)) parts.push(dim(`${percent} intervals`), el("pre", { className: "interval", textContent: value.map((_, at) => bounds(interval.low[at], interval.high[at])).join("\n") }));
  else if (interval) parts.push(el("p", { className: "dim interval", textContent: `${bounds(interval.low, interval.high)} with ${percent} coverage` }));
  if (set) parts.push(el("p", { className: "dim interval", textContent: set.length ? `${set.length === 1 ? "only" : "one of"} ${set.slice(0, 12).join(", ")}${set.length > 12 ? `, ${set.length - 12} more` : ""} with ${percent} coverage` : `no class with ${percent} coverage: the row is unlike those of the calibration` }));
  if ("anomaly" in prediction) {
    parts.push(el("span", { className: prediction.anomaly ? "flag bad" : "flag", textContent: prediction.anomaly ? "anomaly" : "normal" }),
      el("span", { className: "dim", textContent: `  threshold ${short(prediction.threshold)}` }));
  }
  const each = Object.entries(prediction.probabilities || {}).sort((a, b) => b[1] - a[1]).slice(0, 12);
  for (const [label, p] of each) {
    const bar = el("i");
    bar.style.width = 100 * p + "%";
    parts.push(el("div", { className: "bar" }, el("span", { textContent: label, title: label }), el("span", {}, bar), el("span", { textContent: (100 * p).toFixed(2) + " %" })));
  }
  return el("div", {}, ...parts);
}

function warnings(response) { return (response.warnings || []).map(text => el("p", { className: "warning", textContent: text })); }

async function predictRow() {
  const row = read(), began = performance.now();
  const response = await call(path(), { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ rows: [row], ...withInterval() }) });
  const took = performance.now() - began, units = current.units || {};
  const found = Object.entries(response.predictions[0]).filter(([, one]) => one && typeof one === "object" && "value" in one);
  $("answer").replaceChildren(...warnings(response), ...found.map(([name, one]) => shown(name, one, units[name])),
    el("p", { className: "dim", id: "latency", textContent: `version ${response.version}, ${took.toFixed(1)} ms from click to prediction` }));
  const text = found.map(([name, one]) => Array.isArray(one.value) ? `${name}: ${one.value.length} numbers` : `${name}: ${short(one.value)}${one.anomaly ? " (anomaly)" : ""}`);
  remember(row, text.join(", "));
  if (wantsExplanation()) explainRow(row);
}

// Keeps a try of this tab; a click brings its row back.
function remember(row, text) {
  tries.unshift({ model: current.name, row, text, time: new Date() });
  tries.length = Math.min(tries.length, 30);
  showTries();
}

function showTries() {
  const own = tries.filter(one => one.model === current.name);
  $("history").hidden = own.length === 0;
  $("tries").replaceChildren(...own.map(one => el("li", {}, el("button", { type: "button", title: "Bring this row back", onclick: () => { restore(one.row); refresh(); } },
    el("b", { textContent: one.text }), el("span", { className: "dim", textContent: one.time.toLocaleTimeString() })))));
}
$("forget").addEventListener("click", () => { tries = tries.filter(one => one.model !== current.name); showTries(); });
