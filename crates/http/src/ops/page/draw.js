// Inputs whose names differ in their trailing digits only, n * n of them, are the pixels of a square image to draw on.
function grid(inputs) {
  const n = Math.sqrt(inputs.length);
  const stem = inputs.length >= 16 && Number.isInteger(n) && inputs.every(i => i.type === "number") && inputs[0].name.replace(/\d+$/, "");
  return stem && inputs.every(i => i.name.replace(/\d+$/, "") === stem) ? n : 0;
}

function drawing(box, inputs, side, example) {
  const canvas = el("canvas", { width: side, height: side, id: "draw" }), brush = canvas.getContext("2d", { willReadFrequently: true });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Drawing of ${side} x ${side} pixels`);
  const ranges = Object.values(current.ranges || {}).map(range => range[1]);
  const white = ranges.length ? Math.max(...ranges) : side <= 8 ? 16 : 255;
  const most = el("input", { type: "number", value: white, min: 1, ariaLabel: "Value of a white pixel" });
  let on = false, last = null, untouched = null;
  const wipe = () => { brush.fillStyle = "#000"; brush.fillRect(0, 0, side, side); untouched = null; };
  const at = e => { const r = canvas.getBoundingClientRect(); return [(e.clientX - r.left) / r.width * side, (e.clientY - r.top) / r.height * side]; };
  const stroke = e => {
    if (!on) return;
    const [x, y] = at(e), [px, py] = last || [x, y];
    brush.strokeStyle = "#fff"; brush.lineCap = "round"; brush.lineWidth = Math.max(1, side / 10);
    brush.beginPath(); brush.moveTo(px, py); brush.lineTo(x + .01, y); brush.stroke();
    last = [x, y]; refresh();
  };
  // The first stroke replaces the example.
  canvas.addEventListener("pointerdown", e => { if (untouched) wipe(); on = true; last = null; canvas.setPointerCapture(e.pointerId); stroke(e); });
  canvas.addEventListener("pointermove", stroke);
  canvas.addEventListener("pointerup", () => { on = false; last = null; });
  const place = picture => { wipe(); brush.drawImage(picture, 0, 0, side, side); refresh(); };
  canvas.addEventListener("dragover", e => e.preventDefault());
  canvas.addEventListener("drop", e => { e.preventDefault(); if (e.dataTransfer.files[0]) createImageBitmap(e.dataTransfer.files[0]).then(place, fail); });
  const file = el("input", { type: "file", accept: "image/*", style: "width:auto", ariaLabel: "Picture" });
  file.addEventListener("change", () => file.files[0] && createImageBitmap(file.files[0]).then(place, fail));
  most.addEventListener("input", refresh);
  restore = row => {
    const pixels = brush.createImageData(side, side), scale = 255 / Number(most.value);
    inputs.forEach((input, i) => { const shade = Math.round(Number(row[input.name] || 0) * scale); pixels.data.set([shade, shade, shade, 255], 4 * i); });
    brush.putImageData(pixels, 0, 0);
    untouched = row;
  };
  wipe();
  if (example) restore(example);
  box.replaceChildren(dim(`Draw, or drop a picture: ${side} x ${side} pixels.`), canvas,
    el("div", { className: "row" }, file, el("label", {}, el("span", { className: "dim", textContent: "value of white" }), most)));
  $("more").replaceChildren(el("button", { type: "button", textContent: "Clear", onclick: () => { wipe(); refresh(); } }),
    ...(example ? [el("button", { type: "button", textContent: "Example", onclick: () => { restore(example); refresh(); } })] : []));
  // The example is sent as it is, not in the 256 shades of the canvas.
  return () => {
    if (untouched) return Object.fromEntries(inputs.map(input => [input.name, untouched[input.name] ?? 0]));
    const data = brush.getImageData(0, 0, side, side).data, scale = Number(most.value) / 255;
    return Object.fromEntries(inputs.map((input, i) => [input.name, Math.round((data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3 * scale * 100) / 100]));
  };
}
