// Forecasts: a history as CSV, pasted or from a file, and a chart of what follows.
function forecastForm() {
  const names = current.signature.inputs.map(input => input.name), rows = (current.example || {}).rows || [];
  const history = el("textarea", { id: "series", ariaLabel: "History as CSV", spellcheck: false, style: "min-height:14rem;font:.82rem/1.4 ui-monospace,monospace;white-space:pre;overflow:auto" });
  const example = () => { history.value = rows.length ? toCsv([names, ...rows.map(row => names.map(name => row[name]))]) : names.join(",") + "\n"; };
  const file = el("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv", ariaLabel: "CSV file" });
  const take = async chosen => { uploaded = chosen; history.value = await chosen.text(); refresh(); };
  file.addEventListener("change", () => file.files[0] && take(file.files[0]));
  history.addEventListener("dragover", event => event.preventDefault());
  history.addEventListener("drop", event => { if (event.dataTransfer.files[0]) { event.preventDefault(); take(event.dataTransfer.files[0]); } });
  const output = current.signature.outputs[0];
  const ahead = el("input", { type: "number", id: "horizon", min: 1, max: output.length, value: output.length, ariaLabel: "Rows ahead" });
  [history, ahead].forEach(control => control.addEventListener("input", refresh));
  example();
  $("fields").replaceChildren(dim(`Paste or upload at least ${current.signature.window} rows of history${output.frequency ? `, ${output.frequency} apart` : ""}. The forecast follows the last of them.`), file, el("div", { style: "margin-top:.5rem" }, history));
  $("more").replaceChildren(el("label", {}, el("span", { className: "dim", textContent: "rows ahead" }), ahead), ...(rows.length ? [el("button", { type: "button", textContent: "Example", onclick: () => { example(); refresh(); } })] : []));
  restore = text => { history.value = text; };
  return () => history.value;
}

async function predictForecast() {
  const text = read(), began = performance.now();
  const answer = await call(path(), { method: "POST", headers: { "content-type": "text/csv" }, body: text });
  const took = performance.now() - began, lines = typeof answer === "string" ? answer.trim().split("\n").map(line => JSON.parse(line)) : [answer];
  const target = current.signature.outputs[0].name, [header, ...rows] = parseCsv(text);
  const key = line => line.series ? Object.entries(line.series).filter(([name]) => header.includes(name) && rows.some(row => row[header.indexOf(name)] !== rows[0][header.indexOf(name)])) : [];
  const parts = lines.slice(0, 12).map(line => {
    // Columns that tell series apart have one value in all rows of a series; the time has as many as rows.
    const keys = key(line).filter(([name]) => new Set(rows.map(row => row[header.indexOf(name)])).size <= lines.length);
    const own = rows.filter(row => keys.every(([name, value]) => row[header.indexOf(name)] === value));
    return seriesPart(target, line[target], own, header, keys.map(([, value]) => value).join(", "), line.series);
  });
  const bounds = ({ interval }, at) => interval ? [interval.low[at], interval.high[at]] : [];
  const table = lines.flatMap(line => line[target].value.map((value, at) => [...(lines.length > 1 ? Object.values(line.series || {}) : []), (line[target].timestamps || [])[at] ?? at + 1, value, ...bounds(line[target], at)]));
  const names = [...(lines.length > 1 ? Object.keys(lines[0].series || {}) : []).map(name => `last ${name}`), (lines[0][target].timestamps || []).length ? "time" : "rows ahead", target, ...(lines[0][target].interval ? [`${target} low`, `${target} high`] : [])];
  const button = el("button", { type: "button", textContent: "Download CSV", onclick: () => save(`${current.name}-forecast.csv`, toCsv([names, ...table])) });
  $("answer").replaceChildren(...parts, el("div", { className: "head" }, el("span", { className: "dim", id: "latency", style: "flex:1", textContent: `${lines.length} ${lines.length === 1 ? "forecast" : "forecasts"} in ${took.toFixed(0)} ms` }), button), tableOf(names, table));
  remember(text, `${target}: ${lines[0][target].value.slice(0, 3).map(short).join(", ")}, ...`);
}

function seriesPart(target, forecast, rows, header, title, label) {
  const column = header.indexOf(target), window = current.signature.window;
  const time = label && Object.keys(label).map(name => header.indexOf(name)).filter(at => at >= 0).at(-1);
  const sorted = time === undefined ? rows : [...rows].sort((a, b) => a[time] < b[time] ? -1 : a[time] > b[time] ? 1 : 0);
  const past = column < 0 ? [] : sorted.slice(-Math.max(2 * window, 60)).map(row => ({ value: row[column] === "" ? NaN : Number(row[column]), time: time === undefined ? "" : row[time] }));
  const next = forecast.value.map((value, at) => ({ value, time: (forecast.timestamps || [])[at] || `+${at + 1}`, low: forecast.interval && forecast.interval.low[at], high: forecast.interval && forecast.interval.high[at] }));
  return el("figure", { style: "margin:0 0 .8rem" }, el("figcaption", { className: "dim", textContent: `${title ? `${target} of ${title}` : target}${forecast.interval ? `, with intervals of ${+(100 * forecast.interval.coverage).toPrecision(6)} % coverage` : ""}` }), chart(past, next));
}

// Line chart of numbers in time: what was, and what follows.
function chart(past, next) {
  const [width, height, left, right, top, bottom] = [640, 250, 54, 12, 10, 26], all = [...past, ...next];
  const values = all.flatMap(point => [point.value, point.low, point.high]).filter(Number.isFinite);
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) { low -= 1; high += 1; }
  const x = at => left + at / Math.max(1, all.length - 1) * (width - left - right), y = value => top + (high - value) / (high - low) * (height - top - bottom);
  const root = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Chart: ${past.length} values of history, ${next.length} of the forecast` });
  const magnitude = 10 ** Math.floor(Math.log10((high - low) / 4)), step = [1, 2, 5, 10].map(m => m * magnitude).find(s => (high - low) / s <= 5);
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) {
    root.append(drawn("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }), drawn("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, String(short(tick))));
  }
  const line = (points, from) => points.map((point, at) => Number.isFinite(point.value) ? `${x(from + at).toFixed(1)},${y(point.value).toFixed(1)}` : "").filter(Boolean).join(" ");
  if (next.length && Number.isFinite(next[0].low)) {
    const edge = side => next.map((point, at) => `${x(past.length + at).toFixed(1)},${y(point[side]).toFixed(1)}`);
    const from = past.length && Number.isFinite(past.at(-1).value) ? [`${x(past.length - 1).toFixed(1)},${y(past.at(-1).value).toFixed(1)}`] : [];
    root.append(drawn("polygon", { class: "band", points: [...from, ...edge("high"), ...edge("low").reverse()].join(" ") }));
  }
  root.append(drawn("polyline", { class: "past", points: line(past, 0) }));
  const joined = past.length ? [past.at(-1), ...next] : next;
  root.append(drawn("polyline", { class: "next", points: line(joined, Math.max(0, past.length - 1)) }));
  if (past.length) root.append(drawn("line", { class: "now", x1: x(past.length - 1), x2: x(past.length - 1), y1: top, y2: height - bottom }));
  next.forEach((point, at) => root.append(drawn("circle", { cx: x(past.length + at), cy: y(point.value), r: next.length > 40 ? 0 : 2.5 }, drawn("title", {}, `${point.time}: ${short(point.value)}${Number.isFinite(point.low) ? ` (${short(point.low)} to ${short(point.high)})` : ""}`))));
  const label = (at, anchor) => all[at] && root.append(drawn("text", { x: x(at), y: height - 8, "text-anchor": anchor }, String(all[at].time)));
  label(0, "start");
  if (next.length < all.length * .7 && past.length) label(past.length - 1, past.length > all.length * .75 ? "end" : "middle");
  if (past.length < all.length * .75) label(all.length - 1, "end");
  return root;
}
