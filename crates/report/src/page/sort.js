"use strict";
// Sorts a table by a click on its head, and folds the contents on a narrow screen. The page is complete without it.
if (matchMedia("(max-width: 60rem)").matches) document.querySelector("nav details").open = false;
const value = (cell) => {
  const text = cell ? cell.textContent.trim() : "";
  const number = parseFloat(text.replace(/[,<>+]/g, ""));
  return Number.isNaN(number) ? text : number;
};
for (const table of document.querySelectorAll(".scroll table:not(.confusion)")) {
  table.querySelectorAll("thead th:not(.p)").forEach((head) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const column = head.cellIndex;
      const down = head.getAttribute("aria-sort") !== "descending" ? head.matches(".n") || head.hasAttribute("aria-sort") : false;
      for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [value(a.cells[column]), value(b.cells[column])];
        // What is no number comes last either way.
        if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
        const order = typeof x === "number" ? x - y : x.localeCompare(y);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
