// Small pictures out of one large one. A canvas holds each at its own size; the style sheet enlarges it.

const SHEETS = new Map();

function sheetImage(sheet) {
  if (!SHEETS.has(sheet)) {
    const image = new Image();
    SHEETS.set(sheet, new Promise((resolve, reject) => {
      image.onload = () => resolve(image);
      image.onerror = reject;
    }));
    image.src = sheet.src;
  }
  return SHEETS.get(sheet);
}

function picture(sheet, place, label) {
  const canvas = element("canvas", { width: sheet.width, height: sheet.height });
  canvas.classList.toggle("coarse", Math.max(sheet.width, sheet.height) < 64);
  showPicture(canvas, sheet, place, label);
  return canvas;
}

function showPicture(canvas, sheet, place, label) {
  // A picture beside words that say the same has no label, and is not read out.
  const named = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  ["role", "aria-label", "aria-hidden"].forEach((name) => canvas.removeAttribute(name));
  Object.entries(named).forEach(([name, value]) => canvas.setAttribute(name, value));
  canvas.dataset.place = place;
  sheetImage(sheet).then((image) => {
    if (canvas.dataset.place !== String(place)) return;   // another picture was asked for in the meantime
    const x = (place % sheet.columns) * sheet.width, y = Math.floor(place / sheet.columns) * sheet.height;
    canvas.getContext("2d").drawImage(image, x, y, sheet.width, sheet.height, 0, 0, sheet.width, sheet.height);
    canvas.dataset.drawn = place;
  });
}
