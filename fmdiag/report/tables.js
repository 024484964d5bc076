// Tables sort by the column whose heading is pressed: numbers by value, text by letters, empty cells last.

function startTables() {
  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("thead th").forEach((heading, column) => {
      const button = element("button", { type: "button" }, ...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sortTable(table, heading, column));
    });
  }
}

function sortTable(table, heading, column) {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  const body = table.tBodies[0], rows = [...body.rows];
  const keys = new Map(rows.map((row) => [row, sortKey(row.cells[column])]));
  rows.sort((a, b) => compareKeys(keys.get(a), keys.get(b), descending ? -1 : 1));
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  body.append(...rows);
}

function sortKey(cell) {
  return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
}

function compareKeys(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
}
