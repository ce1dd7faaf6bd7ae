// Plots of the monitoring page, as inline SVG.
const time = text => text ? new Date(text).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }) : "";

// Lines over the windows; `null` is a gap. Each is { name, values, other }.
function linePlot(title, lines, format, labels) {
  const most = Math.max(...lines.flatMap(line => line.values).filter(value => value !== null), 0);
  const scale = most > 0 ? 90 / most : 0, count = Math.max(...lines.map(line => line.values.length));
  const x = at => count > 1 ? 300 * at / (count - 1) : 150, y = value => 97 - value * scale;
  const svg = drawn("svg", { viewBox: "0 0 300 100", preserveAspectRatio: "none", role: "img", "aria-label": `${title}, at most ${format(most)}` });
  svg.append(drawn("line", { class: "axis", x1: 0, x2: 300, y1: 97, y2: 97 }));
  for (const line of lines) {
    let path = "", pen = "M";
    line.values.forEach((value, at) => {
      if (value === null) { pen = "M"; return; }
      // A single point is drawn as a short line.
      path += `${pen}${x(at).toFixed(1)},${y(value).toFixed(1)} `;
      if (pen === "M" && (at + 1 === line.values.length || line.values[at + 1] === null)) path += `h4 `;
      pen = "L";
    });
    svg.append(drawn("path", { class: line.other ? "line other" : "line", d: path }));
  }
  const names = lines.map(line => line.name).join(", ");
  const span = labels.length ? `, ${time(labels[0])} to ${time(labels[labels.length - 1])}` : "";
  return el("figure", {}, el("figcaption", { textContent: `${title}: ${names}; at most ${format(most)}${span}` }), svg);
}

// Shares of the training and of now, side by side for each bin or value.
function bars(was, is) {
  const count = Math.max(is.length, 1), most = Math.max(...(was || []), ...is, 1e-9), width = 100 / count;
  const svg = drawn("svg", { viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  is.forEach((share, at) => {
    const bar = (value, kind, left) => {
      const height = 20 * value / most;
      svg.append(drawn("rect", { class: kind, x: (at * width + left * width * .48).toFixed(2), y: (20 - height).toFixed(2), width: (width * .46).toFixed(2), height: height.toFixed(2) }));
    };
    if (was) bar(was[at] || 0, "was", 0);
    bar(share, "is", was ? 1 : .5);
  });
  return svg;
}

// Shares of a column: `[training, now]`; `null` for a column without bins.
function distribution(column) {
  const numbers = column.numbers || column.length;
  if (numbers && numbers.bins) return [numbers.bins.reference, numbers.bins.current];
  if (column.categories && column.categories.values.length) {
    const values = column.categories.values, known = values.some(value => value.reference_share !== null);
    return [known ? values.map(value => value.reference_share || 0) : null, values.map(value => value.share)];
  }
  return null;
}
