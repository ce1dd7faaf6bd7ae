// The chosen model, its card, and the command for the same request.
let models = [], current = null, read = null, restore = () => {}, mode = "Row", uploaded = null;

async function list() {
  try { models = (await call("/v1/models")).models; }
  catch (error) { fail(error); return; }
  $("model").replaceChildren(...models.map(m => el("option", { value: m.name, textContent: m.name })));
  if (models.length) await pick(models[0].name); else $("about").textContent = "no model is served";
}

async function pick(name) {
  if (running) running.abort();
  const known = models.find(m => m.name === name);
  let about = known;
  // The list has no examples.
  try { about = { ...known, ...await call(`/v1/models/${encodeURIComponent(name)}`) }; } catch (error) { fail(error); }
  if ($("model").value !== name) return;
  current = about;
  turns = [];
  $("about").textContent = `version ${current.version}, ${current.engine.engine}`;
  showCard();
  choose(kinds()[0]);
  showTries();
}

// Kinds of input of the model, the first of which is shown.
function kinds() {
  if (current.generates) return [current.generates === "chat" ? "Chat" : "Prompt"];
  if (current.signature.window && current.signature.outputs[0].length) return ["History"];
  if (current.signature.window) return ["Table"];
  return current.signature.inputs.some(input => input.type === "file") ? ["Row"] : ["Row", "Table"];
}

function choose(kind) {
  mode = kind; uploaded = null; restore = () => {};
  $("what").textContent = { Chat: "Message", Table: "Rows of a file" }[kind] || kind;
  $("go").textContent = { Chat: "Send", Prompt: "Generate", History: "Forecast" }[kind] || "Predict";
  $("go").disabled = false;
  $("response").firstChild.textContent = kind === "Chat" ? "Chat" : "Response";
  $("main").className = kind === "Chat" ? "chatting" : "";
  // What was said stands above the message.
  if (kind === "Chat") { $("ask").before($("response")); $("command").after($("facts")); }
  else { $("command").before($("response")); $("history").after($("facts")); }
  $("more").replaceChildren();
  tabs(kinds(), kind, choose);
  read = { Chat: promptForm, Prompt: promptForm, History: forecastForm, Table: tableForm }[kind]?.() || rowForm();
  if (kind === "Row" && current.explains) $("more").append(explainSwitch());
  if (kind === "Chat") showTurns();
  else $("answer").replaceChildren(dim({ History: "The chart appears here.", Table: "The table with predictions appears here.", Prompt: "The text appears here." }[kind] || "The answer appears here."));
  refresh();
}

function showCard() {
  const list = el("dl");
  const add = (name, value) => value !== undefined && value !== null && value !== "" && list.append(el("dt", { textContent: name }), el("dd", { textContent: value }));
  const { signature, lineage } = current, metrics = Object.entries(current.metrics || {}).filter(([, value]) => typeof value === "number");
  add("predicts", signature.outputs.map(output => output.length ? `${output.name} (${output.length} numbers)` : output.categories && output.categories.length <= 12 ? `${output.name}: ${output.categories.join(", ")}` : output.name).join("; "));
  add("from", signature.window ? `${signature.window} rows of ${signature.inputs.map(input => input.name).slice(0, 6).join(", ")}` : `${signature.inputs.length} ${signature.inputs.length === 1 ? "column" : "columns"}`);
  add("version", `${current.version}, published ${new Date(current.created).toLocaleString()}`);
  add("served as", current.serve);
  add("engine", `${current.engine.engine}: ${current.engine.why}`);
  add("intervals", current.interval && `${+(100 * current.interval).toPrecision(6)} % coverage`);
  add("context", current.context_length && `${current.context_length} tokens`);
  if (lineage) { add("run", lineage.run); add("data", (lineage.dataset_version || "").slice(0, 12)); add("started from", lineage.parent); add("trained by", lineage.code_version); }
  if (current.canary) add("canary", `version ${current.canary.version}, ${100 * current.canary.weight} % of requests`);
  if (current.trouble) add("trouble", current.trouble);
  const measured = metrics.length ? [el("h2", { style: "margin-top:.9rem" }, "Test ", el("small", { textContent: "on rows that training has not seen" })), tableOf(["metric", "value"], metrics, 40)] : [];
  $("card").replaceChildren(list, ...measured);
}

// Options of a body without room for them are in the query.
function path(options = {}) {
  if (current.generates) return `/v1/${current.generates === "chat" ? "chat/" : ""}completions`;
  const predict = `/v1/models/${encodeURIComponent(current.name)}/predict`, ahead = mode === "History" && Number($("horizon").value);
  if (ahead && ahead < current.signature.outputs[0].length) options = { ...options, horizon: ahead };
  if (mode !== "Row") options = { ...options, ...withInterval() };
  const query = new URLSearchParams(options).toString();
  return query ? `${predict}?${query}` : predict;
}

// The same request for a shell. Files are named, not pasted.
function refresh() {
  if (!read) return;
  const key = $("key").value ? ` \\\n  -H 'authorization: Bearer KEY'` : "", quoted = text => text.replaceAll("'", "'\\''");
  const asForm = !current.generates && mode === "Row" && current.signature.inputs.some(input => input.type === "file");
  const options = { ...(wantsExplanation() ? { explain: true } : {}), ...(current.generates ? {} : withInterval()) };
  const head = `curl -s '${location.origin}${path(asForm ? options : {})}'${key}`, name = quoted(uploaded ? uploaded.name : mode === "History" ? "history.csv" : "rows.csv");
  const only = !current.generates && current.signature.inputs.length === 1 && current.signature.inputs[0].type === "file";
  if (mode === "History" || mode === "Table") $("curl").textContent = `${head} \\\n  -H 'content-type: text/csv' --data-binary '@${name}'`;
  else if (only) {
    const type = uploaded ? uploaded.type || "image/png" : "image/png";
    $("curl").textContent = `${head} \\\n  -H 'content-type: ${type}' --data-binary '@${quoted(uploaded ? uploaded.name : "picture.png")}'`;
  } else if (!current.generates && current.signature.inputs.some(input => input.type === "file")) {
    const row = read(), each = current.signature.inputs.filter(input => row[input.name] !== null);
    $("curl").textContent = head + each.map(input => ` \\\n  -F '${quoted(input.name)}=${input.type === "file" ? "@" + quoted(uploaded ? uploaded.name : "picture.png") : quoted(String(row[input.name]))}'`).join("");
  } else {
    const text = quoted(JSON.stringify(current.generates ? read() : { rows: [read()], ...options }));
    $("curl").textContent = `${head} \\\n  -H 'content-type: application/json' \\\n  -d '${text}'`;
  }
}

$("form").addEventListener("submit", async event => {
  event.preventDefault();
  const button = $("go"), work = { Chat: generate, Prompt: generate, History: predictForecast, Table: predictTable }[mode] || predictRow;
  try { if (work !== generate) button.disabled = true; await work(); } catch (error) { fail(error); }
  finally { if (work !== generate) button.disabled = false; }
});
$("model").addEventListener("change", () => pick($("model").value));
$("key").addEventListener("change", list);
$("copy").addEventListener("click", async () => {
  try { await navigator.clipboard.writeText($("curl").textContent); $("copy").textContent = "Copied"; }
  catch { getSelection().selectAllChildren($("curl")); $("copy").textContent = "Selected"; }
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
});
list();
