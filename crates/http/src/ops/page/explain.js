// Explanations beside a prediction: bars of columns, a heat map over a picture, coloured tokens.
const SCALES = { log_odds: "log odds", logit: "logit", probability: "probability", value: "value", log: "logarithm", root: "root" };
let explainRows = true;

// The switch of the form; none for a model without explanations.
function explainSwitch() {
  const box = el("input", { type: "checkbox", id: "explain", checked: explainRows, onchange: () => { explainRows = box.checked; refresh(); } });
  return el("label", {}, box, el("span", { textContent: "Explain" }));
}

const wantsExplanation = () => mode === "Row" && Boolean(current.explains) && explainRows;

// Asks for the explanation after the prediction is shown, so that nobody waits for it.
async function explainRow(row) {
  const asked = current, note = dim("explaining ..."), place = el("div", { id: "why" }, note);
  $("latency").after(place);
  try {
    const response = await call(path(), { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ rows: [row], explain: true }) });
    const found = Object.entries(response.predictions[0]).filter(([, one]) => one && one.explanation);
    if (asked === current) place.replaceChildren(...found.map(([name, one]) => explained(found.length > 1 ? name : "", one.explanation, row)));
  } catch (error) { place.replaceChildren(el("p", { className: "warning", textContent: error.message })); }
}

function explained(name, one, row) {
  const of = one.class === undefined ? "" : ` of ${one.class}`, sign = value => (value < 0 ? "−" : "+") + short(Math.abs(value));
  const title = el("h2", { style: "margin-top:.9rem" }, `Why${name ? " " + name : ""} `, el("small", { textContent: `${SCALES[one.scale] || one.scale}${of}: ${short(+one.base.toPrecision(4))} for the reference, ${short(+one.output.toPrecision(4))} for this row` }));
  const parts = [title];
  for (const [column, map] of Object.entries(one.heat_maps || {})) parts.push(heatMap(column, map, row));
  for (const [column, tokens] of Object.entries(one.tokens || {})) parts.push(tokenText(tokens, String(row[column] ?? "")));
  const drawnColumns = new Set([...Object.keys(one.heat_maps || {}), ...Object.keys(one.tokens || {})]);
  const all = Object.entries(one.values).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  if (all.some(([column]) => !drawnColumns.has(column))) parts.push(...shareBars(all, row, sign));
  const error = one.completeness_error > 0.01 * Math.abs(one.output - one.base) ? `, off by ${short(+one.completeness_error.toPrecision(2))}` : "";
  parts.push(dim(`${one.method.replaceAll("_", " ")}${error}; reference: ${one.reference}`));
  return el("div", {}, ...parts);
}

// Bars to the right of the middle raise the score, those to the left lower it.
function shareBars(all, row, sign) {
  const rest = all.slice(12), shown = all.slice(0, 12), most = Math.abs(shown[0][1]) || 1;
  if (rest.length) shown.push([`${rest.length} others`, rest.reduce((sum, [, value]) => sum + value, 0)]);
  return shown.map(([column, value]) => {
    const bar = el("i", { className: value < 0 ? "less" : "" }), part = Math.min(50, 50 * Math.abs(value) / most);
    bar.style.width = part + "%";
    bar.style.marginLeft = (value < 0 ? 50 - part : 50) + "%";
    const given = row[column] === null || row[column] === undefined ? column : `${column} = ${short(row[column])}`;
    return el("div", { className: "bar signed" }, el("span", { textContent: given, title: given }), el("span", {}, bar), el("span", { textContent: sign(+value.toPrecision(3)) }));
  });
}

const shade = (value, most) => `rgb(${value < 0 ? "43 108 176" : "224 90 20"} / ${Math.min(1, Math.abs(value) / most) * 0.85})`;

// The picture in grey, with the share of each pixel over it.
function heatMap(column, map, row) {
  const height = map.length, width = map[0].length, most = Math.max(...map.flat().map(Math.abs)) || 1;
  const canvas = el("canvas", { width, height, className: "heat", role: "img", ariaLabel: `Shares of the pixels of ${column}` }), context = canvas.getContext("2d");
  canvas.style.aspectRatio = `${width} / ${height}`;
  const over = () => map.forEach((line, y) => line.forEach((value, x) => { context.fillStyle = shade(value, most); context.fillRect(x, y, 1, 1); }));
  const file = row[column], values = Object.values(row).filter(value => typeof value === "number");
  if (typeof file === "string") {
    const picture = new Image();
    picture.onload = () => { context.filter = "grayscale(1)"; context.drawImage(picture, 0, 0, width, height); context.filter = "none"; over(); };
    picture.src = `data:${file.startsWith("/9j/") ? "image/jpeg" : "image/png"};base64,${file}`;
  } else {
    const brightest = Math.max(...values, 1e-9);
    if (values.length === width * height) values.forEach((value, at) => { const grey = 255 * value / brightest; context.fillStyle = `rgb(${grey} ${grey} ${grey})`; context.fillRect(at % width, Math.floor(at / width), 1, 1); });
    over();
  }
  return canvas;
}

// The text with the background of each token by its share. Places are bytes.
function tokenText(tokens, text) {
  const most = Math.max(...tokens.map(token => Math.abs(token.value))) || 1, bytes = new TextEncoder().encode(text), decoder = new TextDecoder();
  const parts = [];
  let at = 0;
  for (const token of tokens.filter(token => token.start !== undefined)) {
    if (token.start > at) parts.push(decoder.decode(bytes.slice(at, token.start)));
    const mark = el("span", { textContent: token.start < at ? "" : token.text, title: `${token.text}: ${short(+token.value.toPrecision(3))}` });
    mark.style.background = shade(token.value, most);
    parts.push(mark);
    at = Math.max(at, token.end);
  }
  parts.push(decoder.decode(bytes.slice(at)));
  return el("p", { className: "tokens" }, ...parts);
}
