// Plots of the monitoring page, as inline SVG.
const time = text => text ? new Date(text).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }) : "";

// Two times, the second without the day where both are of one, and not at all where both read the same.
function period(began, ended, between = " – ") {
  const [first, last] = [time(began), time(ended)];
  if (first === last) return first;
  const sameDay = began && ended && new Date(began).toDateString() === new Date(ended).toDateString();
  return first + between + (sameDay ? new Date(ended).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : last);
}

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
  const names = lines.map(line => el("span", {}, el("i", { className: line.other ? "was" : "" }), line.name));
  const span = labels.length > 1 ? `, ${period(labels[0], labels[labels.length - 1], " to ")}` : labels.length ? `, since ${time(labels[0])}` : "";
  return el("figure", {}, el("figcaption", { className: "legend" }, el("b", { textContent: title }), ...names, `at most ${format(most)}${span}`), svg);
}

// Shares of the training and of now, side by side for each bin or value. `unseen` are the positions that the training lacks.
function bars({ was, is, unseen }) {
  const count = Math.max(is.length, 1), most = Math.max(...(was || []), ...is, 1e-9), width = 100 / count;
  const svg = drawn("svg", { viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  is.forEach((share, at) => {
    const bar = (value, kind, left) => {
      const height = 20 * value / most;
      svg.append(drawn("rect", { class: kind, x: (at * width + left * width * .48).toFixed(2), y: (20 - height).toFixed(2), width: (width * .46).toFixed(2), height: height.toFixed(2) }));
    };
    if (was) bar(was[at] || 0, "was", 0);
    bar(share, unseen.includes(at) ? "unseen" : "is", was ? 1 : .5);
  });
  return svg;
}

// Shares of a column, with values that the training has not seen at the ends; `null` for a column without bins.
function distribution(column) {
  const numbers = column.numbers || column.length;
  if (numbers && numbers.bins) {
    const inside = numbers.bins.current.reduce((sum, share) => sum + share, 0), outside = numbers.below + numbers.above;
    const part = count => outside ? Math.max(1 - inside, 0) * count / outside : 0;
    const was = [...numbers.bins.reference], is = [...numbers.bins.current], unseen = [];
    if (numbers.above) { unseen.push(is.length); was.push(0); is.push(part(numbers.above)); }
    if (numbers.below) { was.unshift(0); is.unshift(part(numbers.below)); unseen.forEach((at, place) => { unseen[place] = at + 1; }); unseen.push(0); }
    return { was, is, unseen };
  }
  if (column.categories && column.categories.values.length) {
    const values = column.categories.values, known = values.some(value => value.reference_share !== null);
    const was = known ? values.map(value => value.reference_share || 0) : null, is = values.map(value => value.share), unseen = [];
    if (column.categories.other_share) { unseen.push(is.length); is.push(column.categories.other_share); if (was) was.push(column.categories.reference_other_share || 0); }
    return { was, is, unseen };
  }
  return null;
}
