"""What did a diagnostic add to a run? Files, facts, parameters, cautions, and the warnings that it gave."""

import warnings
from pathlib import Path

RECORD = "part.json"


class Hearing:
    """Collects the texts of our warnings while it is entered; they are shown as ever."""

    def __enter__(self):
        from fmdiag.errors import FmdiagWarning

        self.texts, self.before = [], warnings.showwarning

        def hear(message, category, *place, **options):
            if issubclass(category, FmdiagWarning):
                self.texts.append(str(message))
            self.before(message, category, *place, **options)

        warnings.showwarning = hear
        return self.texts

    def __exit__(self, *error):
        warnings.showwarning = self.before


def state(session):
    """Return what a session holds before a diagnostic."""
    return {"files": set(files_of(session.folder.path)), "summaries": len(session.folder.summaries),
            "parameters": set(session.parameters), "facts": dict(session.facts), "warnings": len(cautions(session))}


def added(session, before):
    """Return what was added to a session since `state`, as plain values."""
    return {"parameters": {k: v for k, v in session.parameters.items() if k not in before["parameters"]},
            "facts": {k: v for k, v in session.facts.items() if before["facts"].get(k, ...) != v},
            "warnings": cautions(session)[before["warnings"]:]}


def files_of(folder):
    """Return the files below a folder, relative to it, sorted."""
    return sorted(path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())


def sums(folder):
    """Return {file: its SHA-256} of a part."""
    from fmdiag.checkpoints.file import file_sha256

    return {str(file): file_sha256(Path(folder) / file) for file in files_of(folder) if file.name != RECORD}


def cautions(session):
    """Return the list of what the session's checkpoint is to be read with, which diagnostics add to."""
    return session.checkpoint.description.setdefault("warnings", []) if session.checkpoint is not None else []
