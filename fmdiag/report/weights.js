// Which training examples a trajectory is drawn to: stacked areas of posterior weight against time, the examples in their colours.

function startWeights() {
  const data = DATA.provenance, shell = byId("explore-provenance");
  if (!data || !shell) return;
  const samples = [...new Set(data.trajectories.map(({ sample }) => sample))];
  const buttons = samples.map((sample) => {
    const button = element("button", { type: "button", "aria-pressed": "false" });
    const place = data.ends && data.ends.model ? data.ends.model[sample] : undefined;
    if (place !== undefined) button.append(picture(data.sheet, place, ""));
    button.append(`sample ${sample}`);
    button.addEventListener("click", () => choose(sample));
    return button;
  });
  const choose = (chosen) => {
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(samples[k] === chosen)));
    byId("provenance-plots").replaceChildren(...weightPlots(chosen));
  };
  byId("provenance-samples").append(...buttons);
  shell.hidden = false;
  choose(samples[0]);
}

// The plots of one sample: the model's trajectory and that of û* from the same noise, a row in the same colour in both.
function weightPlots(sample) {
  const data = DATA.provenance;
  const drawnOnes = data ? data.trajectories.filter((one) => one.sample === sample) : [];
  const rows = [...new Set(drawnOnes.flatMap((one) => one.rows.filter((row) => row >= 0)))];
  const colors = new Map(rows.map((row, k) => [row, k < COLORS.length ? COLORS[k] : null]));
  return drawnOnes.map((one) => weightPlot(one, data, colors));
}

function weightPlot(one, data, colors) {
  const source = DATA.sources[one.source] || one.source, last = one.weights.map((weights) => weights.at(-1));
  const best = last.indexOf(Math.max(...last));
  const said = `Posterior weights along the trajectory of ${source}, sample ${one.sample}: at the last time `
    + `${one.rows[best] < 0 ? "other rows have" : `row ${one.rows[best]} has`} the weight ${number(last[best])}`;
  const plot = drawn("svg", { viewBox: "0 0 340 150", role: "img", "aria-label": said, class: "weights" });
  plot.append(...stackedAreas(one, data.times, colors), ...weightAxes(data.times));
  return element("figure", { class: "trajectory" }, element("figcaption", {}, `${source}, sample ${one.sample}`),
    plot, weightLegend(one, data, colors));
}

function stackedAreas(one, times, colors) {
  const across = (t) => 30 + 300 * t, down = (w) => 125 - 115 * w;
  let below = times.map(() => 0);
  return one.rows.map((row, k) => {
    const above = below.map((w, j) => w + one.weights[k][j]);
    const edge = (levels) => levels.map((w, j) => `${across(times[j]).toFixed(1)},${down(w).toFixed(1)}`);
    const points = [...edge(above), ...edge(below).reverse()].join(" ");
    below = above;
    const most = Math.max(...one.weights[k]);
    return drawn("polygon", { points, fill: colors.get(row) || "var(--others)" },
      drawn("title", {}, `${row < 0 ? "all other examples" : `row ${row}`}: at most ${number(most)}, at t = `
        + `${number(times[one.weights[k].indexOf(most)])}; at the end ${number(one.weights[k].at(-1))}`));
  });
}

function weightAxes(times) {
  const label = (x, y, text, anchor) => drawn("text", { x, y, "text-anchor": anchor }, text);
  return [drawn("path", { d: "M30 10V125H330", fill: "none", class: "axis" }), label(26, 14, "1", "end"),
    label(26, 128, "0", "end"), label(30, 138, "0", "middle"), label(180, 138, "0.5", "middle"),
    label(330, 138, "1", "middle"), label(180, 149, "time t (0 noise, 1 data)", "middle"),
    drawn("text", { "text-anchor": "middle", transform: "translate(18 68) rotate(-90)" }, "weight")];
}

function weightLegend(one, data, colors) {
  const named = one.rows.map((row, k) => ({ row, most: Math.max(...one.weights[k]) }))
    .filter(({ row, most }) => row >= 0 && colors.get(row) && most >= 0.01).slice(0, 6);
  const list = element("ul", { class: "rows" });
  const end = data.ends && data.ends[one.source] ? data.ends[one.source][one.sample] : undefined;
  if (end !== undefined) list.append(element("li", {}, picture(data.sheet, end, "The sample"), "the sample"));
  list.append(...named.map(({ row, most }) => {
    const item = element("li");
    if (data.rows && data.rows[row] !== undefined) item.append(picture(data.sheet, data.rows[row], `Training row ${row}`));
    else item.append(element("span", { class: "swatch" }));
    item.firstChild.style.borderColor = item.firstChild.style.outlineColor = colors.get(row);
    item.append(`row ${row}`, element("br"), `up to ${number(most, 2)}`);
    return item;
  }));
  return list;
}
