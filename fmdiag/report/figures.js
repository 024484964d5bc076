// The values that a figure shows: under the pointer, or step by step with the arrow keys.

function startFigures() {
  for (const image of document.querySelectorAll("img[data-figure]")) {
    const axes = DATA.figures[image.dataset.figure];
    if (axes && axes.length) readFigure(image, axes);
  }
}

function readFigure(image, axes) {
  const marks = drawn("svg", { class: "marks", viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
  const tip = element("div", { class: "tip", hidden: "" });
  const chart = element("div", { class: "chart", tabindex: "0", role: "group",
    "aria-label": `Values of: ${image.alt} Left and right arrow keys read them, up and down change the panel.` });
  const spoken = element("p", { class: "unseen", "aria-live": "polite" });
  image.replaceWith(chart);
  chart.append(image, marks, tip, spoken);

  let panel = 0, place = null;
  const show = (speak) => {
    const columns = axes[panel].curves.flatMap((curve) => curve.points.map((point) => point[0]));
    const nearest = columns.reduce((best, x) => (Math.abs(x - place) < Math.abs(best - place) ? x : best), columns[0]);
    place = nearest;
    const found = valuesAt(axes[panel], nearest);
    mark(marks, axes[panel].box, nearest, found, image);
    fillTip(tip, axes[panel], found);
    placeTip(tip, chart, nearest, axes[panel].box);
    if (speak) spoken.textContent = tip.innerText.replaceAll("\n", ", ");
  };
  const hide = () => { tip.hidden = true; marks.replaceChildren(); };

  chart.addEventListener("pointermove", (event) => {
    const area = image.getBoundingClientRect();
    const x = (event.clientX - area.left) / area.width, y = (event.clientY - area.top) / area.height;
    const over = axes.findIndex(({ box }) => x >= box[0] - 0.02 && x <= box[2] + 0.02 && y >= box[1] && y <= box[3]);
    if (over < 0) return hide();
    panel = over;
    place = x;
    show(false);
  });
  chart.addEventListener("pointerleave", hide);
  chart.addEventListener("blur", hide);
  chart.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 }, panels = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key === "Escape") return hide();
    if (event.key in panels) panel = (panel + panels[event.key] + axes.length) % axes.length;
    else if (!(event.key in steps)) return;
    event.preventDefault();
    const columns = [...new Set(axes[panel].curves.flatMap((curve) => curve.points.map((point) => point[0])))].sort((a, b) => a - b);
    const at = place === null ? -1 : columns.findIndex((x) => x >= place - 1e-9);
    place = columns[Math.min(columns.length - 1, Math.max(0, at + (steps[event.key] || 0)))];
    show(true);
  });
}

// Points are [across, down, x, value] or [..., low, high]; a curve speaks only where it has a point near the place.
function valuesAt(panel, place) {
  const reach = 0.03 * (panel.box[2] - panel.box[0]);
  return panel.curves.map((curve) => ({ curve, point: curve.points.reduce((best, point) =>
    Math.abs(point[0] - place) < Math.abs(best[0] - place) ? point : best) }))
    .filter(({ point }) => Math.abs(point[0] - place) <= reach);
}

function mark(marks, box, place, found, image) {
  const aspect = image.width / image.height;
  marks.replaceChildren(drawn("line", { x1: place, x2: place, y1: box[1], y2: box[3] }),
    ...found.filter(({ point }) => point[1] >= box[1] - 0.01 && point[1] <= box[3] + 0.01).map(({ curve, point }) =>
      drawn("ellipse", { cx: point[0], cy: point[1], rx: 0.007, ry: 0.007 * aspect, fill: curve.color })));
}

function fillTip(tip, panel, found) {
  const name = panel.x.split(" (")[0].replace(/^time /, "") || "x";
  tip.replaceChildren(element("strong", {}, [panel.title, found.length ? `${name} = ${number(found[0].point[2])}` : ""]
    .filter(Boolean).join(", ")), ...found.map(({ curve, point }) => {
    const swatch = element("span", { class: "swatch" });
    swatch.style.backgroundColor = curve.color;
    const interval = point.length > 4 ? ` [${number(point[4])}, ${number(point[5])}]` : "";
    return element("div", {}, swatch, `${curve.label || panel.y || "value"}: ${number(point[3])}${interval}`);
  }));
}

function placeTip(tip, chart, place, box) {
  tip.hidden = false;
  const left = place * chart.clientWidth, width = tip.offsetWidth;
  const room = left + 12 + width <= chart.clientWidth ? left + 12 : left - 12 - width;
  tip.style.left = `${Math.max(0, Math.min(room, chart.clientWidth - width))}px`;
  tip.style.top = `${box[1] * chart.clientHeight + 4}px`;
}
