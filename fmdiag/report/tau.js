// All noises of the hybrid model at one τ, each beside its nearest training image; the slider moves τ.

function startTau() {
  const data = DATA.hybrid, shell = byId("explore-hybrid");
  if (!data || !shell) return;
  const slider = byId("tau"), select = byId("tau-feature"), names = Object.keys(data.features);
  select.append(...names.map((name) => element("option", { value: name }, name)));
  byId("tau-feature-field").hidden = names.length < 2;
  slider.max = data.taus.length - 1;
  const view = data.sheet ? tauPictures(data) : tauPoints(data);
  const show = () => {
    const at = Number(slider.value), feature = names.length ? select.value : "";
    view(at, data.features[feature]);
    const text = tauText(data, at, feature);
    slider.setAttribute("aria-valuetext", `τ = ${number(data.taus[at])}`);
    byId("tau-readout").textContent = text;
  };
  slider.addEventListener("input", show);
  select.addEventListener("change", show);
  playTau(slider, show);
  shell.hidden = false;
  show();
}

function tauText(data, at, feature) {
  const mean = (quantity) => data.means.find((row) => row.quantity === quantity && row.feature === feature
    && Math.abs(row.tau - data.taus[at]) < 1e-9);
  const told = (row) => `${number(row.value)} [${number(row.low)}, ${number(row.high)}]`;
  const distance = mean("distance"), share = mean("memorized");
  return `τ = ${number(data.taus[at])}` + (distance ? `: mean distance ${told(distance)}` : "")
    + (share ? `, memorised share ${told(share)}` : "");
}

function tauPictures(data) {
  const cards = data.samples[0].map((_, noise) => {
    const sample = picture(data.sheet, data.samples[0][noise], ""), near = picture(data.sheet, data.nearest[0][noise], "");
    const text = element("figcaption");
    byId("tau-pictures").append(element("figure", { class: "pair" }, element("div", { class: "two" }, sample, near), text));
    return { sample, near, text };
  });
  return (at, numbers) => cards.forEach(({ sample, near, text }, noise) => {
    const row = numbers ? numbers.nearest[at][noise] : "?";
    showPicture(sample, data.sheet, data.samples[at][noise], `Sample of noise ${noise} at τ = ${number(data.taus[at])}`);
    showPicture(near, data.sheet, data.nearest[at][noise], `Its nearest training image, row ${row}`);
    text.textContent = numbers ? `distance ${number(numbers.distance[at][noise])}, row ${row}` : "";
    text.parentElement.classList.toggle("memorised", Boolean(numbers && numbers.memorized && numbers.memorized[at][noise]));
  });
}

function tauPoints(data) {
  const all = [...data.points, ...data.near_points].flat();
  const span = [0, 1].map((k) => [Math.min(...all.map((p) => p[k])), Math.max(...all.map((p) => p[k]))]);
  const place = (p) => [0, 1].map((k) => 5 + 90 * (p[k] - span[k][0]) / ((span[k][1] - span[k][0]) || 1));
  const plane = drawn("svg", { class: "plane", viewBox: "0 0 100 100", role: "img" });
  byId("tau-pictures").append(plane);
  return (at, numbers) => {
    plane.setAttribute("aria-label", `Samples (dots) and nearest training examples (squares) at τ = ${number(data.taus[at])}`);
    plane.replaceChildren(...data.points[at].flatMap((point, noise) => {
      const [x, y] = place(point), [u, v] = place(data.near_points[at][noise]);
      const distance = numbers ? number(numbers.distance[at][noise]) : "?";
      return [drawn("line", { x1: x, y1: 100 - y, x2: u, y2: 100 - v }),
        drawn("rect", { x: u - 1.2, y: 98.8 - v, width: 2.4, height: 2.4 }),
        drawn("circle", { cx: x, cy: 100 - y, r: 1.2 }, drawn("title", {}, `noise ${noise}: distance ${distance}`))];
    }));
  };
}

function playTau(slider, show) {
  const button = byId("tau-play");
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.setAttribute("aria-pressed", "false");
    button.textContent = "Play";
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (slider.value === slider.max) slider.value = 0;
    show();
    button.setAttribute("aria-pressed", "true");
    button.textContent = "Stop";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (slider.value === slider.max) stop();
    }, 700);
  });
}
