"""Names of the package for type checkers and completion; `__init__.py` imports each on first use."""

from fmdiag.checkpoints import load_checkpoint as load_checkpoint
from fmdiag.datasets import TrainingSet as TrainingSet
from fmdiag.datasets import load_dataset as load_dataset
from fmdiag.diagnostics import Diagnostic as Diagnostic
from fmdiag.diagnostics import Figure as Figure
from fmdiag.diagnostics import parameter as parameter
from fmdiag.diagnostics import register as register
from fmdiag.diagnostics.alignment.measure import measure as alignment
from fmdiag.diagnostics.duplicates.measure import measure as duplicates
from fmdiag.diagnostics.error.measure import measure as approximation_error
from fmdiag.diagnostics.error.measure import measure as error
from fmdiag.diagnostics.geometry.measure import measure as geometry
from fmdiag.diagnostics.hybrid.measure import measure as hybrid
from fmdiag.diagnostics.membership.measure import measure as membership
from fmdiag.diagnostics.memorization.measure import measure as memorization
from fmdiag.diagnostics.patches.measure import measure as patches
from fmdiag.diagnostics.provenance.measure import measure as provenance
from fmdiag.diagnostics.quality.measure import measure as quality
from fmdiag.diagnostics.symmetry.measure import measure as symmetry
from fmdiag.diagnostics.theories.measure import measure as theories
from fmdiag.diagnostics.uturn.measure import measure as uturn
from fmdiag.errors import FmdiagError as FmdiagError
from fmdiag.fields import ClosedFormField as ClosedFormField
from fmdiag.fields import HybridField as HybridField
from fmdiag.fields import NetworkField as NetworkField
from fmdiag.monitoring import Monitor as Monitor
from fmdiag.monitoring.watch import watch as watch
from fmdiag.neighbors import nearest as nearest
from fmdiag.paths import CosinePath as CosinePath
from fmdiag.paths import CustomPath as CustomPath
from fmdiag.paths import LinearPath as LinearPath
from fmdiag.paths import VPPath as VPPath
from fmdiag.posterior import Posterior as Posterior
from fmdiag.results import Result as Result
from fmdiag.results import Verdict as Verdict
from fmdiag.runs import Run as Run
from fmdiag.sampling import sample as sample
from fmdiag.training import train as train

__version__: str

__all__ = [
    "__version__", "TrainingSet", "load_dataset", "LinearPath", "CosinePath", "VPPath", "CustomPath", "Posterior",
    "ClosedFormField", "HybridField", "NetworkField", "load_checkpoint", "train", "sample", "nearest", "alignment",
    "approximation_error", "hybrid", "memorization", "quality", "membership", "provenance", "uturn", "error",
    "theories", "symmetry", "duplicates", "geometry", "patches", "watch", "Run", "Monitor", "Result", "Verdict",
    "Diagnostic", "Figure", "parameter", "register", "FmdiagError",
]
