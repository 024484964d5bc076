// The samples beside their nearest training images: sorted, filtered, and each with all its numbers on demand.

const PAGE = 24;

function startGallery() {
  const data = DATA.gallery, form = byId("gallery-controls");
  if (!data || !form) return;
  const names = Object.keys(data.features);
  form.source.append(element("option", { value: "" }, "every source"),
    ...data.names.map((name, k) => element("option", { value: k }, DATA.sources[name] || name)));
  form.source.value = data.names.includes("model") ? data.names.indexOf("model") : "";
  form.feature.append(...names.map((name) => element("option", { value: name }, name)));
  byId("gallery-feature-field").hidden = names.length < 2;

  let most = PAGE;
  const show = () => {
    const chosen = galleryChoice(data, form), cards = chosen.slice(0, most);
    byId("gallery-cards").replaceChildren(...cards.map((k) => galleryCard(data, form.feature.value, k)));
    byId("gallery-more").hidden = chosen.length <= most;
    byId("gallery-count").textContent = galleryCount(data, form, chosen.length, cards.length);
  };
  form.addEventListener("input", () => { most = PAGE; show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("gallery-more").addEventListener("click", () => {
    const before = most;
    most += 2 * PAGE;
    show();
    byId("gallery-cards").children[before].querySelector("button").focus();
  });
  byId("explore-gallery").hidden = false;
  show();
}

function galleryCount(data, form, found, seen) {
  const measured = Object.entries(data.totals).map(([name, n]) => `${n} ${DATA.sources[name] || name}`).join(", ");
  return `${found} of ${data.sample.length} pictured samples${seen < found ? `, the first ${seen} below` : ""}. `
    + `Measured: ${measured}.`;
}

function galleryChoice(data, form) {
  const numbers = data.features[form.feature.value], bound = form.most.value === "" ? 1 : Number(form.most.value);
  const tests = { all: () => true, memorized: (k) => numbers.memorized[k], other: (k) => !numbers.memorized[k],
    copies: (k) => numbers.copies[k] > 1, shared: (k) => numbers.shared[k] > 1 };
  const descending = form.order.value.startsWith("-"), column = form.order.value.replace("-", "");
  const values = column === "sample" ? data.sample : numbers[column];
  const chosen = [...data.sample.keys()].filter((k) => (form.source.value === "" || data.source[k] === Number(form.source.value))
    && numbers.nearest[k] >= 0 && (bound >= 1 || numbers.ratio[k] <= bound) && tests[form.show.value](k));
  return chosen.sort((a, b) => (descending ? values[b] - values[a] : values[a] - values[b]) || a - b);
}

// A sample of û* is a training row: its picture is the row's.
function galleryPictures(data, feature, k) {
  const numbers = data.features[feature], name = DATA.sources[data.names[data.source[k]]] || "sample";
  const near = numbers.row_picture[k], own = data.picture[k];
  const [sheet, place] = own >= 0 ? [data.sheet, own] : [data.row_sheet, numbers.ratio[k] < 0.01 ? near : -1];
  const framed = (shown, at, said, text) => element("figure", {},
    at >= 0 ? picture(shown, at, said) : element("span", { class: "minor" }, "no picture"), element("figcaption", {}, text));
  return element("div", { class: "two" },
    framed(sheet, place, `Sample ${data.sample[k]}, ${name}`, `no. ${data.sample[k]}`),
    framed(data.row_sheet, near, `Nearest training image, row ${numbers.nearest[k]}`, `row ${numbers.nearest[k]}`));
}

function galleryCard(data, feature, k) {
  const numbers = data.features[feature];
  const button = element("button", { type: "button", class: "card" }, galleryPictures(data, feature, k),
    element("span", { class: "figures" }, `d1 ${number(numbers.d1[k])}`, element("br"), `d1/d2 ${number(numbers.ratio[k], 2)}`));
  if (numbers.memorized[k]) button.append(element("span", { class: "badge" }, "memorised"));
  if (numbers.copies[k] > 1) button.append(element("span", { class: "badge quiet" }, `row stored ${numbers.copies[k]}×`));
  button.addEventListener("click", () => openSample(data, feature, k));
  return element("li", {}, button);
}

function openSample(data, feature, k) {
  const name = data.names[data.source[k]], dialog = byId("gallery-dialog");
  byId("gallery-dialog-title").textContent = `Sample ${data.sample[k]}, ${DATA.sources[name] || name}`;
  const plots = name === "model" ? weightPlots(data.sample[k]) : [];
  byId("gallery-dialog-body").replaceChildren(galleryPictures(data, feature, k), sampleNumbers(data, k),
    ...(plots.length ? [element("h4", {}, "Where it comes from"), ...plots] : []));
  dialog.showModal();
}

function sampleNumbers(data, k) {
  const columns = ["feature space", "nearest row", "d1", "d2", "d1/d2", "memorised", "copies of the row", "samples copying it"];
  const line = ([name, numbers]) => [name, numbers.nearest[k], number(numbers.d1[k], 4), number(numbers.d2[k], 4),
    number(numbers.ratio[k], 4), numbers.memorized[k] ? "yes" : "no", numbers.copies[k], numbers.shared[k]];
  const lines = Object.entries(data.features).map(line);
  return element("table", { class: "facing" }, element("tbody", {}, ...columns.map((column, j) =>
    element("tr", {}, element("th", { scope: "row" }, column), ...lines.map((cells) => element("td", {}, String(cells[j])))))));
}
