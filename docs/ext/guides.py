"""List of the pages written by hand that the index does not name: guides in their order, then whatever is new."""

from pathlib import Path

DOCS = Path(__file__).parents[1]
ORDER = ("own_checkpoint", "reading_a_verdict", "monitoring", "latent_models", "text_conditional", "clusters")


def pages():
    """Return {path: text} of a part that the index includes: a table of contents with every such page."""
    index = (DOCS / "index.md").read_text(encoding="utf-8").splitlines()
    guides = sorted((path.stem for path in (DOCS / "guides").glob("*.md")),
                    key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    others = sorted(path.stem for path in DOCS.glob("*.md") if path.stem not in ("README", "index", *index))
    names = [*(f"guides/{name}" for name in guides), *others]
    return {"made/guides.txt": "\n".join(["```{toctree}", ":caption: How to", ":hidden:", "", *names, "```", ""])}
