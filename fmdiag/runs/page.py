"""Page of a run: one HTML file that shows itself in a notebook."""

import html
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Page:
    """What `Run.report`, `Run.audit` and `Run.save` return.

    Parameters
    ----------
    folder : Path or None
        Run folder; None where nothing was written.
    html : str
        The page, self-contained; empty where the run has none.
    document : dict or None
        The audit, as audit.json holds it.
    """

    folder: Path | None
    html: str
    document: dict | None = None

    @classmethod
    def of(cls, folder, document, keep=True):
        """Return the Page of a run folder."""
        file = Path(folder) / "index.html"
        return cls(Path(folder) if keep else None, file.read_text(encoding="utf-8") if file.is_file() else "", document)

    def __repr__(self):
        return f"<Page of {len(self.html)} characters in {self.folder or 'memory'}>"

    def _repr_html_(self):
        """Show the page in a frame of its own."""
        return f'<iframe srcdoc="{html.escape(self.html)}" width="100%" height="800" style="border:0"></iframe>'
