// Language models take OpenAI's requests: a chat, or a text that goes on.
let turns = [], running = null;

function promptForm() {
  const chat = current.generates === "chat";
  const text = el("textarea", { name: "text", id: "prompt", ariaLabel: chat ? "Message" : "Prompt", placeholder: chat ? "Message; Enter sends, Shift+Enter starts a new line" : "", value: chat ? "" : (current.example || {}).prompt || "Once upon a time" });
  const system = el("textarea", { id: "system", ariaLabel: "System prompt", placeholder: "You are a helpful assistant.", style: "min-height:3rem;margin-top:.4rem" });
  const number = (name, value, step, max) => el("input", { type: "number", name, value, step, min: step === 1 ? 1 : 0, max });
  // An answer has to fit the context beside the messages before it.
  const room = Math.max(1, Math.min(256, Math.floor((current.context_length || 512) / 2)));
  const tokens = number("tokens", room, 1, current.context_length || 4096), temperature = number("temperature", 0.7, 0.1, 2);
  const named = (label, control) => el("label", {}, el("span", { className: "dim", textContent: label }), control);
  const stop = el("button", { type: "button", id: "stop", textContent: "Stop", hidden: true, onclick: () => running && running.abort() });
  const fresh = el("button", { type: "button", textContent: "New chat", hidden: !chat, onclick: () => { turns = []; showTurns(); text.focus(); refresh(); } });
  text.addEventListener("keydown", event => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && chat) { event.preventDefault(); $("form").requestSubmit(); }
  });
  $("fields").replaceChildren(text, el("div", { className: "row" }, named("tokens", tokens), named("temperature", temperature)),
    ...(chat ? [el("details", { style: "margin-top:.6rem" }, el("summary", { textContent: "System prompt" }), system)] : []));
  $("more").replaceChildren(stop, fresh);
  [text, system, tokens, temperature].forEach(control => control.addEventListener("input", refresh));
  return () => ({
    model: current.name,
    ...(chat ? { messages: [...(system.value ? [{ role: "system", content: system.value }] : []), ...turns, ...(text.value || !turns.length ? [{ role: "user", content: text.value }] : [])] } : { prompt: text.value }),
    max_tokens: Number(tokens.value), temperature: Number(temperature.value),
  });
}

const turn = message => el("div", { className: `turn ${message.role}` }, ...(message.role === "user" ? [message.content] : markdown(message.content)));

function showTurns() {
  const chat = el("div", { className: "chat", id: "chat", tabIndex: 0 }, ...turns.map(turn));
  $("answer").replaceChildren(turns.length ? chat : dim("Say something, and press Enter."));
  chat.scrollTop = chat.scrollHeight;
  return chat;
}

// Pieces of a stream of server-sent events.
async function* pieces(response) {
  let rest = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part; !(part = await reader.read()).done;) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines.filter(l => l.startsWith("data: {"))) yield JSON.parse(line.slice(6));
  }
}

async function generate() {
  if (running) return;
  const request = read(), chat = current.generates === "chat", model = current.name, began = performance.now();
  if (chat && (request.messages.at(-1).role !== "user" || !request.messages.at(-1).content.trim())) return;
  const note = el("p", { className: "dim", id: "latency", textContent: "..." });
  let box, fresh, text = "", first = 0, count = 0, stopped = false;
  if (chat) {
    turns = [...turns, request.messages.at(-1)];
    box = showTurns();
    if (!box.isConnected) $("answer").replaceChildren(box);
    fresh = el("div", { className: "turn assistant" }, "...");
    box.append(fresh);
    $("prompt").value = "";
  } else {
    fresh = el("span", { style: "color:var(--hot)" });
    $("answer").replaceChildren(el("p", { className: "prompted" }, request.prompt, fresh));
  }
  $("answer").append(note);
  running = new AbortController();
  $("stop").hidden = false; $("go").disabled = true;
  const show = () => { if (chat) { fresh.replaceChildren(...markdown(text)); box.scrollTop = box.scrollHeight; } else fresh.textContent = text; };
  const speed = tokens => {
    const seconds = (performance.now() - first) / 1000;
    note.textContent = `first token after ${(first - began).toFixed(0)} ms, ${tokens} tokens${tokens > 1 && seconds > 0 ? `, ${((tokens - 1) / seconds).toFixed(0)} tokens a second` : ""}${stopped ? ", stopped" : ""}`;
  };
  try {
    const response = await fetch(path(), { method: "POST", signal: running.signal, headers: headers({ "content-type": "application/json", "x-timeout-ms": "600000" }), body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }) });
    if (!response.ok) throw new Error((await response.json()).error.message);
    for await (const data of pieces(response)) {
      if (data.error) throw new Error(data.error.message);
      const choice = data.choices[0], piece = choice && (choice.text ?? choice.delta.content ?? "");
      if (piece) { first ||= performance.now(); text += piece; count++; show(); speed(count); }
      if (data.usage) count = data.usage.completion_tokens;
    }
  } catch (error) {
    if (error.name !== "AbortError") { note.className = "error"; note.textContent = error.message; }
    stopped = true;
  } finally {
    running = null;
    if (current.name === model) { $("stop").hidden = true; $("go").disabled = false; }
  }
  if (first) speed(count);
  if (!text) fresh.remove();
  if (chat && current.name === model) {
    // A message without an answer can be sent again.
    if (text) turns = [...turns, { role: "assistant", content: text }];
    else { $("prompt").value = turns.at(-1).content; turns = turns.slice(0, -1); }
    $("prompt").focus();
    refresh();
  }
}
