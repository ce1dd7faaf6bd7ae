// Monitoring page: what each version receives and predicts, read again every ten seconds.
const EVERY = 10000;
const percent = value => value === null || value === undefined ? "" : `${(100 * value).toFixed(value < .1 ? 1 : 0)} %`;
const seconds = value => value === null || value === undefined ? "–" : value < 1 ? `${(1000 * value).toPrecision(3)} ms` : `${value.toPrecision(3)} s`;
const rounded = value => value === null || value === undefined ? "–" : String(Number(value.toPrecision(3)));
const fixed = value => value === null || value === undefined ? "" : value < 100 ? value.toFixed(3) : rounded(value);
const VERDICTS = { drift: ["drift", "flag bad"], stable: ["stable", "flag"], few_rows: ["too few rows", "flag unknown"], no_reference: ["no reference", "flag unknown"] };
const flag = verdict => el("span", { className: VERDICTS[verdict][1], textContent: VERDICTS[verdict][0] });
let timer = null, turn = 0;

// Names, and the versions beside the main one.
async function list() {
  const { models } = await call("/v1/models");
  const names = models.flatMap(model => [model.name, ...[model.canary, model.shadow].filter(Boolean).map(other => `${model.name}:${other.version}`)]);
  const chosen = $("model").value || location.hash.slice(1);
  $("model").replaceChildren(...names.map(name => el("option", { value: name, textContent: name })));
  if (names.includes(chosen)) $("model").value = chosen;
  return names.length > 0;
}

function figures(window) {
  const errors = window.requests ? (window.client_errors + window.server_errors) / window.requests : null;
  const all = [
    [String(window.requests), "requests"], [percent(errors) || "–", `errors: ${window.client_errors} of clients, ${window.server_errors} of the server`],
    [seconds(window.seconds.p50), "median time"], [seconds(window.seconds.p95), "95th percentile"], [seconds(window.seconds.p99), "99th percentile"],
    [String(window.rows), "rows observed"], [percent(window.observed_share) || "–", "of the answered requests observed"],
  ];
  $("figures").replaceChildren(...all.map(([value, name]) => el("div", {}, el("strong", { textContent: value }), el("span", { textContent: name }))));
  $("span").textContent = `${period(window.began, window.ended, " to ")}${window.windows > 1 ? `, ${window.windows} windows` : ""}`;
}

function past(history) {
  const labels = history.map(window => window.began), whole = value => String(Math.round(value));
  const values = of => history.map(window => { const value = of(window); return value === undefined ? null : value; });
  const plots = [
    linePlot("Requests", [{ name: "all", values: values(w => w.requests) }, { name: "errors", values: values(w => w.client_errors + w.server_errors), other: true }], whole, labels),
    linePlot("Time", [{ name: "95th percentile", values: values(w => w.seconds.p95) }, { name: "median", values: values(w => w.seconds.p50), other: true }], seconds, labels),
    linePlot("Drifted columns", [{ name: "share", values: values(w => w.drift.share) }], percent, labels),
  ];
  if (history.every(w => w.drift.share === null)) plots.pop();
  $("plots").replaceChildren(...plots);
  const header = ["window", "requests", "errors", "p50", "p95", "p99", "rows", "drifted"];
  const rows = [...history].reverse().map(w => [
    period(w.began, w.ended), w.requests, w.client_errors + w.server_errors, seconds(w.seconds.p50), seconds(w.seconds.p95), seconds(w.seconds.p99), w.rows,
    w.drift.judged ? `${w.drift.drifted} of ${w.drift.judged}` : VERDICTS[w.drift.verdict][0],
  ]);
  $("windows").replaceChildren(tableOf(header, rows, 500, 0, header.slice(1)));
}

// Share of missing values, with that of the training where the two differ.
const missing = column => {
  const now = percent(column.missing), was = percent(column.reference_missing);
  return now && was && now !== was ? `${was} → ${now}` : now;
};

function drift(report) {
  // Statistics that the config chose decide in place of the index.
  const chosen = report.columns.some(column => column.method !== undefined);
  const names = ["column", "role", "verdict", ...(chosen ? ["score"] : []), "PSI", "JS", "KS", "Wasserstein", "missing", "unseen", "training and now"];
  const order = [...report.columns].sort((a, b) => (b.verdict === "drift") - (a.verdict === "drift") || (b.psi ?? -1) - (a.psi ?? -1));
  const row = column => {
    const shares = distribution(column);
    const label = column.class === undefined ? column.name : `${column.name} = ${column.class}`;
    const score = column.method === undefined ? [] : [rounded(column.score), el("small", { textContent: `${column.method}, limit ${rounded(column.threshold)}` })];
    const numbers = [fixed(column.psi), fixed(column.jensen_shannon), fixed(column.kolmogorov_smirnov), fixed(column.wasserstein), missing(column), percent(column.outside)];
    return el("tr", {}, el("td", { textContent: label, title: label }), el("td", { className: "role", textContent: column.role }), el("td", {}, flag(column.verdict)),
      ...(chosen ? [el("td", { className: "number score" }, ...score)] : []),
      ...numbers.map(text => el("td", { className: "number", textContent: text })), el("td", {}, ...(shares ? [bars(shares)] : [])));
  };
  const style = at => at === 1 ? "role" : at > 2 && at < names.length - 1 ? `number ${names[at]}` : "";
  const head = el("thead", {}, el("tr", {}, ...names.map((name, at) => el("th", { textContent: name, className: style(at) }))));
  const table = el("table", {}, head, el("tbody", {}, ...order.map(row)));
  const legend = el("p", { className: "legend dim" }, el("i", { className: "was" }), "training", el("i"), "now", el("i", { className: "unseen" }), "now, unseen in training");
  $("drift").replaceChildren(el("div", { className: "scroll", tabIndex: 0 }, table), legend);
  $("verdict").replaceChildren(flag(report.drift.verdict), report.drift.judged ? ` ${report.drift.drifted} of ${report.drift.judged} columns` : "");
}

// A sample of the rows as the model sees them, beside that of its training.
function embeddings(found) {
  $("embeddings").hidden = !found.enabled;
  if (!found.enabled) return;
  const score = found.score === null ? "" : ` score ${fixed(found.score)}, threshold ${fixed(found.threshold)},`;
  const waiting = found.waiting ? `, ${found.waiting} more are waiting` : "";
  const text = `${score} ${found.rows} sampled rows beside ${found.reference_rows} of the reference${waiting}${found.why ? `; ${found.why}` : ""}`;
  $("embeddings").replaceChildren("Embeddings: ", flag(found.verdict), text);
}

function note(report) {
  const notes = [];
  if (!report.enabled) notes.push(report.why);
  if (report.reference && !report.reference.present) notes.push(`No drift: ${report.reference.why}.`);
  if (report.clock_jumps) notes.push(`The server's clock was set back (${report.clock_jumps}); windows may overlap.`);
  if (report.columns_left_out) notes.push(`${report.columns_left_out} columns beyond the limit are not watched.`);
  $("notes").hidden = notes.length === 0;
  $("answer").replaceChildren(...notes.map(text => el("p", { className: "warning", textContent: text })));
}

async function show() {
  clearTimeout(timer);
  const mine = ++turn;
  try {
    if (!$("model").options.length && !await list()) throw new Error("no models are served that you may use");
    const name = $("model").value;
    const report = await call(`/v1/models/${encodeURIComponent(name)}/monitor?window=${$("window").value}`);
    if (mine !== turn) return;
    location.replace(`#${name}`);
    note(report);
    $("about").textContent = `version ${report.version}`;
    if (report.enabled) { figures(report.window); past(report.history); drift(report); embeddings(report.embeddings); }
  } catch (error) {
    if (mine !== turn) return;
    $("notes").hidden = false;
    fail(error);
  }
  timer = setTimeout(show, EVERY);
}

$("model").addEventListener("change", show);
$("window").addEventListener("change", show);
$("key").addEventListener("change", () => { $("model").replaceChildren(); show(); });
show();
