// One part that fails must not take the others with it; without any of them the page still shows everything.

document.documentElement.classList.add("script");
for (const start of [startTheme, startTables, startFigures, startTau, startWeights, startGallery]) {
  try {
    start();
  } catch (error) {
    console.error(`${start.name}:`, error);
  }
}
// On paper nothing can be unfolded.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
