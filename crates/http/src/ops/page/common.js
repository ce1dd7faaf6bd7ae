// Elements, requests and tables that all parts of the page use.
const $ = id => document.getElementById(id);
const el = (tag, props = {}, ...children) => { const e = Object.assign(document.createElement(tag), props); e.append(...children); return e; };
const drawn = (tag, attributes = {}, ...children) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
};
const dim = text => el("p", { className: "dim", textContent: text });
const short = number => typeof number !== "number" ? number : Math.abs(number) >= 1e15 ? number.toExponential(4) : +number.toPrecision(6);

// Enter in the field of the key makes a change event and no navigation.
$("access").addEventListener("submit", event => event.preventDefault());

function headers(more = {}) {
  const all = { ...more };
  if ($("key").value) all.authorization = "Bearer " + $("key").value;
  return all;
}

// Body of a response; an error has the server's message.
async function call(path, options = {}) {
  const response = await fetch(path, { ...options, headers: headers(options.headers) });
  const text = await response.text();
  let body = null;
  try { body = JSON.parse(text); } catch { body = null; }
  if (!response.ok) throw new Error(body && body.error && (body.error.message || body.error) || `${response.status} ${response.statusText}`);
  return body === null ? text : body;
}

function fail(error) { $("answer").replaceChildren(el("p", { className: "error", textContent: error.message })); }

function save(name, text) {
  const link = el("a", { download: name, href: URL.createObjectURL(new Blob([text], { type: "text/csv" })) });
  link.click();
  URL.revokeObjectURL(link.href);
}

// Rows of fields of a CSV text, with quotes and any of the usual delimiters.
function parseCsv(text) {
  text = text.replace(/^\ufeff/, "");
  const first = text.split("\n", 1)[0];
  const delimiter = [",", ";", "\t", "|"].reduce((best, d) => first.split(d).length > first.split(best).length ? d : best);
  const rows = [];
  let row = [], field = "", quoted = false;
  const end = () => { row.push(field); field = ""; };
  const line = () => { end(); if (row.length > 1 || row[0] !== "") rows.push(row); row = []; };
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[at + 1] === '"') { field += '"'; at++; }
      else quoted = false;
    } else if (letter === '"' && field === "") quoted = true;
    else if (letter === delimiter) end();
    else if (letter === "\n") line();
    else if (letter !== "\r") field += letter;
  }
  if (field !== "" || row.length) line();
  return rows;
}

function toCsv(rows) {
  const field = value => { const text = value === null || value === undefined ? "" : String(value); return /[",\n\r]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; };
  return rows.map(row => row.map(field).join(",")).join("\n") + "\n";
}

const isNumber = value => typeof value === "number" || (typeof value === "string" && value.trim() !== "" && !isNaN(value));

// A table of at most `most` rows; the first `answers` columns are marked. Columns of numbers, and those in `figures`, are aligned right.
function tableOf(header, rows, most = 500, answers = 0, figures = []) {
  const right = header.map((name, at) => figures.includes(name) || rows.slice(0, 50).some(row => isNumber(row[at])) && rows.slice(0, 50).every(row => row[at] === "" || row[at] === null || row[at] === undefined || isNumber(row[at])));
  const style = at => `${right[at] ? "number " : ""}${at < answers ? "answer" : ""}`;
  const cell = (tag, text, at) => el(tag, { className: style(at), textContent: text === null || text === undefined ? "" : short(text), title: tag === "td" ? String(text ?? "") : "" });
  const head = el("thead", {}, el("tr", {}, ...header.map((name, at) => cell("th", name, at))));
  const body = el("tbody", {}, ...rows.slice(0, most).map(row => el("tr", {}, ...header.map((_, at) => cell("td", row[at], at)))));
  return el("div", { className: "scroll", tabIndex: 0 }, el("table", {}, head, body));
}

// Buttons of which one is chosen; the arrow keys move between them.
function tabs(names, chosen, choose) {
  const buttons = names.map(name => el("button", { type: "button", textContent: name, role: "tab", onclick: () => choose(name) }));
  buttons.forEach((button, at) => {
    button.setAttribute("aria-selected", names[at] === chosen);
    button.tabIndex = names[at] === chosen ? 0 : -1;
    button.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (at + step + names.length) % names.length;
      choose(names[next]);
      $("tabs").children[next].focus();
    });
  });
  $("tabs").hidden = names.length < 2;
  $("tabs").replaceChildren(...buttons);
}
