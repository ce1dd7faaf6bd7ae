// The form of one row: a control for each column, filled with the example of the package.
const DAY = /^\d{4}-\d{2}-\d{2}$/, MOMENT = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?$/;

function numberField(input, sample) {
  const range = (current.ranges || {})[input.name], unit = (current.units || {})[input.name];
  const start = typeof sample === "number" || isNumber(sample) ? sample : sample === null || input.nullable ? "" : 0;
  const control = el("input", { type: "number", step: "any", value: start, placeholder: input.nullable ? "missing" : "" });
  const note = range && el("small", { textContent: `${short(range[0])} to ${short(range[1])} in training` });
  const check = () => {
    const value = Number(control.value), out = control.value !== "" && (value < range[0] || value > range[1]);
    note.className = out ? "out" : "";
    note.textContent = `${short(range[0])} to ${short(range[1])} in training${out ? ": the model has seen no such value" : ""}`;
  };
  if (range) control.addEventListener("input", check);
  const value = () => control.value === "" ? (input.nullable ? null : 0) : Number(control.value);
  const set = one => { control.value = one ?? ""; if (range) check(); };
  const shownAs = unit ? el("span", { className: "with-unit" }, el("span", { textContent: unit }), control) : control;
  return { control, shownAs, note, value, set };
}

function dateField(input, sample) {
  const blank = String(sample).includes(" "), seconds = String(sample).length > 16, day = DAY.test(sample);
  const control = el("input", { type: day ? "date" : "datetime-local", step: day ? "" : seconds ? 1 : 60 });
  const set = one => { control.value = one === null || one === undefined ? "" : String(one).replace(" ", "T"); };
  // Browsers leave out seconds of zero.
  const whole = text => seconds && text.length === 16 ? text + ":00" : text;
  const value = () => control.value === "" ? null : blank ? whole(control.value).replace("T", " ") : whole(control.value);
  set(sample);
  return { control, value, set };
}

function fileField(input, sample) {
  const file = el("input", { type: "file", accept: "image/*,audio/wav" });
  const picture = el("img", { className: "preview", alt: "Preview of the file", hidden: true });
  let bytes = "";
  const show = url => { picture.src = url; picture.hidden = false; };
  const set = one => { bytes = one || ""; picture.hidden = !bytes; if (bytes) show(`data:${bytes.startsWith("/9j/") ? "image/jpeg" : "image/png"};base64,${bytes}`); };
  const take = chosen => {
    const reader = new FileReader();
    reader.onload = () => { bytes = String(reader.result).split(",")[1] || ""; show(reader.result); refresh(); };
    uploaded = chosen;
    reader.readAsDataURL(chosen);
  };
  picture.addEventListener("error", () => { picture.hidden = true; });
  // Pixels that people can count are shown as such.
  picture.addEventListener("load", () => { picture.classList.toggle("tiny", picture.naturalWidth <= 64); });
  file.addEventListener("change", () => file.files[0] && take(file.files[0]));
  const box = el("div", {}, file, picture);
  box.addEventListener("dragover", event => event.preventDefault());
  box.addEventListener("drop", event => { event.preventDefault(); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); });
  set(sample);
  return { control: file, shownAs: box, value: () => bytes, set, note: el("small", { textContent: "Choose a file, or drop one here." }) };
}

function choiceField(input, sample) {
  const options = input.categories.map(c => el("option", { value: "=" + c, textContent: c }));
  if (input.nullable) options.unshift(el("option", { value: "", textContent: "(missing)" }));
  const control = el("select", {}, ...options);
  const set = one => { control.value = one === null || one === undefined ? "" : "=" + one; if (control.selectedIndex < 0) control.selectedIndex = 0; };
  if (sample === undefined) control.selectedIndex = input.nullable && options.length > 1 ? 1 : 0; else set(sample);
  return { control, value: () => control.value ? control.value.slice(1) : null, set };
}

function textField(input, sample) {
  const long = input.type === "text";
  const control = el(long ? "textarea" : "input", { value: sample ?? "", placeholder: input.nullable ? "missing" : "" });
  return { control, value: () => control.value === "" && input.nullable ? null : control.value, set: one => { control.value = one ?? ""; } };
}

function fieldOf(input, sample) {
  if (input.type === "file") return fileField(input, sample);
  if (input.categories && input.categories.length <= 500) return choiceField(input, sample);
  if (input.type === "date" && !sample) return dateField(input, "2024-01-01");
  if (typeof sample === "string" && (DAY.test(sample) || MOMENT.test(sample))) return dateField(input, sample);
  return input.type === "number" && (typeof sample !== "string" || isNumber(sample)) ? numberField(input, sample) : textField(input, sample);
}

function rowForm() {
  const inputs = current.signature.inputs, example = ((current.example || {}).rows || [])[0] || {}, side = grid(inputs);
  if (side) return drawing($("fields"), inputs, side, current.example_is_real ? example : null);
  const fields = inputs.map(input => {
    const field = fieldOf(input, example[input.name]);
    field.control.name = input.name;
    field.control.addEventListener("input", refresh);
    const label = el("label", { className: "field" }, el("span", { textContent: input.name, title: input.name }), field.shownAs || field.control);
    if (field.note) {
      field.note.id = "note-" + input.name;
      field.control.setAttribute("aria-describedby", field.note.id);
      label.append(field.note);
    }
    return { input, field, label };
  });
  const back = el("button", { type: "button", textContent: "Example row", onclick: () => { restore(example); refresh(); } });
  $("fields").replaceChildren(...fields.map(one => one.label));
  $("more").replaceChildren(...(current.example_is_real ? [back] : []));
  restore = row => fields.forEach(({ input, field }) => field.set(row[input.name]));
  return () => Object.fromEntries(fields.map(({ input, field }) => [input.name, field.value()]));
}

// The form of a table: a CSV file in, the same file with predictions out.
function tableForm() {
  const file = el("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv", ariaLabel: "CSV file" });
  const note = dim(`A CSV file with the columns ${current.signature.inputs.slice(0, 6).map(input => input.name).join(", ")}${current.signature.inputs.length > 6 ? ", ..." : ""}. Other columns are kept and shown.`);
  let text = "";
  const take = async chosen => { uploaded = chosen; text = await chosen.text(); note.textContent = `${chosen.name}: ${parseCsv(text).length - 1} rows`; refresh(); };
  file.addEventListener("change", () => file.files[0] && take(file.files[0]));
  const sample = el("button", { type: "button", textContent: "Example as CSV", onclick: () => {
    const rows = (current.example || {}).rows || [], names = current.signature.inputs.map(input => input.name);
    save(`${current.name}.csv`, toCsv([names, ...rows.map(row => names.map(name => row[name]))]));
  } });
  const box = el("div", {}, file, note);
  box.addEventListener("dragover", event => event.preventDefault());
  box.addEventListener("drop", event => { event.preventDefault(); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); });
  $("fields").replaceChildren(box);
  $("more").replaceChildren(sample);
  return () => text;
}

async function predictTable() {
  const text = read(), began = performance.now();
  if (!text) throw new Error("choose a CSV file first");
  const answer = await call(path(), { method: "POST", headers: { "content-type": "text/csv" }, body: text });
  const lines = typeof answer === "string" ? answer.trim().split("\n").map(line => JSON.parse(line)) : [answer];
  const [header, ...rows] = parseCsv(text), found = lines.map(flat);
  // A column of the file may have the name of a prediction.
  const answers = found[0].names.map(name => header.includes(name) ? `predicted ${name}` : name);
  const names = [...header, ...answers], all = rows.map((row, at) => [...header.map((_, column) => row[column]), ...(found[at] || { values: [] }).values]);
  const button = el("button", { type: "button", textContent: "Download CSV", onclick: () => save(`${current.name}-predictions.csv`, toCsv([names, ...all])) });
  const note = `${lines.length} predictions in ${(performance.now() - began).toFixed(0)} ms${all.length > 500 ? "; the first 500 are shown" : ""}`;
  $("answer").replaceChildren(el("div", { className: "head" }, el("span", { className: "dim", id: "latency", style: "flex:1", textContent: note }), button), tableOf([...answers, ...header], all.map(row => [...row.slice(header.length), ...row.slice(0, header.length)]), 500, answers.length));
}
