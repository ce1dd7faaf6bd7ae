// Markdown as elements. Texts become text nodes, so nothing that a model writes is read as HTML.
function inline(text) {
  const parts = [], pattern = /(`+)(.+?)\1|\*\*(.+?)\*\*|__(.+?)__|\*([^\s*][^*]*?)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    if (found.index > from) parts.push(text.slice(from, found.index));
    const [, , code, strong, also, italic, label, url] = found;
    if (code !== undefined) parts.push(el("code", { textContent: code }));
    else if (label !== undefined) parts.push(el("a", { href: url, target: "_blank", rel: "noopener noreferrer", textContent: label }));
    else parts.push(el(italic === undefined ? "strong" : "em", {}, ...inline(strong ?? also ?? italic)));
    from = found.index + found[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}

function markdown(text) {
  const out = [], lines = text.split("\n");
  let at = 0;
  const while_ = test => { const some = []; while (at < lines.length && test(lines[at])) some.push(lines[at++]); return some; };
  const bullet = /^\s*[-*+]\s+/, numbered = /^\s*\d+[.)]\s+/;
  while (at < lines.length) {
    const line = lines[at], heading = line.match(/^(#{1,6})\s+(.*)/);
    if (/^\s*```/.test(line)) {
      at++;
      out.push(el("pre", {}, el("code", { textContent: while_(l => !/^\s*```/.test(l)).join("\n") })));
      at++;
    } else if (heading) { out.push(el(`h${Math.min(5, heading[1].length + 2)}`, {}, ...inline(heading[2]))); at++; }
    else if (bullet.test(line)) out.push(el("ul", {}, ...while_(l => bullet.test(l)).map(l => el("li", {}, ...inline(l.replace(bullet, ""))))));
    else if (numbered.test(line)) out.push(el("ol", { start: parseInt(line, 10) || 1 }, ...while_(l => numbered.test(l)).map(l => el("li", {}, ...inline(l.replace(numbered, ""))))));
    else if (/^\s*>/.test(line)) out.push(el("blockquote", {}, ...markdown(while_(l => /^\s*>/.test(l)).map(l => l.replace(/^\s*>\s?/, "")).join("\n"))));
    else if (line.trim() === "") at++;
    else {
      const some = while_(l => l.trim() !== "" && !/^\s*(```|>|#{1,6}\s)/.test(l) && !bullet.test(l) && !numbered.test(l));
      // A line that looks like none of the above, such as `#` alone.
      if (!some.length) some.push(lines[at++]);
      out.push(el("p", {}, ...some.flatMap((l, index) => index ? [el("br"), ...inline(l)] : inline(l))));
    }
  }
  return out;
}
