"""`fmdiag audit`: the whole memorisation audit of a checkpoint or of samples, as one page and one JSON document."""

from dataclasses import dataclass

import click

from fmdiag.diagnostics.audit.parts import PARTS, WITHIN
from fmdiag.diagnostics.groups import Judged, Spaces
from fmdiag.diagnostics.parameters import parameter, replaced

from .grouped import GroupedCommand
from .measuring import check_data, opened
from .options import CONVENTION, DATA, DECODER, MISMATCHES, RUN, added
from .options_of import options_of


@dataclass(frozen=True)
class Parameters(Spaces, Judged):
    """What an audit may be asked."""

    n_samples: int | None = replaced(Judged, "n_samples", None, minimum=8)
    canaries: str | None = parameter(None, "Folder that `fmdiag canaries` wrote and the model was trained on.",
                                     kind="path")
    n_images: int = parameter(256, "Images of each kind in the membership test.", minimum=2)
    n_noises: int = parameter(8, "Initial noises per image there.", minimum=1)
    without: tuple = parameter((), "Part to leave out, several may be given.", kind="str", many=True,
                               choices=(*PARTS, *WITHIN))


@click.command(cls=GroupedCommand)
@click.argument("checkpoint", required=False, type=click.Path())
def command(checkpoint, **options):
    """Audit a model for memorisation: copies among samples, metrics, membership, provenance, canaries.

    Writes audit.json (schema fmdiag-audit/1: verdicts, controls, tests with corrected p-values, definitions, intervals,
    provenance, and what the evidence does not show; --json prints it), tables, figures and index.html. It needs
    held-out rows: two at least, 72 for a null that is known to 5 %.

    \b
    Examples:
      fmdiag audit ckpt.pt
      fmdiag audit ckpt.pt --canaries planted/ --json
      fmdiag audit ckpt.pt --without uturn --without provenance
      fmdiag audit --samples generated/ --dataset fashion-mnist
    """
    own = {one.name: options.pop(one.name) for one in PARAMETERS}
    check_data(checkpoint, own, options)
    with opened("audit", checkpoint, options) as run:
        run.audit(**own)


PARAMETERS = options_of(Parameters)
command.params.extend(PARAMETERS)
added([*DATA, *MISMATCHES, *RUN, DECODER, *CONVENTION], command)
