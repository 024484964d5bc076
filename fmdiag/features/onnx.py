"""ONNX feature: a network run by onnxruntime; the first output, flattened.

A network whose declared input has its channels last, as TensorFlow exports it, is given them there.
"""

import torch

from fmdiag.errors import FmdiagError
from fmdiag.features.feature import Feature
from fmdiag.features.onnx_content import check_onnx
from fmdiag.features.program import in_batches_of, preparation
from fmdiag.features.weights import existing
from fmdiag.files.hashing import file_sha256, text_sha256
from fmdiag.files.names import spelt

DTYPES = {"tensor(float)": torch.float32, "tensor(uint8)": torch.uint8, "tensor(double)": torch.float64,
          "tensor(float16)": torch.float16}


FREE = 1 << 30  # bytes that running a model may take beside its weights, as it is laid out and unpacked
REFUSED = ("Available memory of", "Failed to allocate memory", "bad allocation")  # onnxruntime, of memory


def load(*, weights=None, training_set=None, device="cpu", size=None, normalisation=None, trust_code=False):
    """Return the Feature of an ONNX file with one input; parameters as in `fmdiag.features.program.load`."""
    if weights is None:
        raise FmdiagError("feature onnx needs a file: give its path as weights (--feature-weights onnx=FILE)")
    try:
        import onnxruntime
    except ImportError as error:
        raise FmdiagError("feature onnx needs the package onnxruntime: pip install 'fmdiag[features]'") from error
    file = existing("onnx", weights)
    outside = check_onnx(file, trust_code=trust_code)
    _bound_memory(onnxruntime, FREE + 3 * sum(one.stat().st_size for one in (file, *outside)))
    try:
        with spelt(file) as name:
            # A small model may hold constants of any size: they are computed where memory is bounded, not before.
            session = onnxruntime.InferenceSession(str(name), _settings(onnxruntime), providers=_providers(device),
                                                   disabled_optimizers=["ConstantFolding"])
    except Exception as error:  # onnxruntime has a dozen errors of its own
        raise FmdiagError(f"{file}: onnxruntime cannot run this file ({str(error).splitlines()[0]})") from error
    prepare = preparation(training_set, size, normalisation)
    return Feature("onnx", _network(session, prepare), prepare.describe(), weights=_hash(file, outside),
                   facts={"onnxruntime": onnxruntime.__version__})


def _bound_memory(onnxruntime, n_bytes):
    """Let onnxruntime's sessions of this process, those made from now on, take at most so many bytes on the CPU."""
    info = onnxruntime.OrtMemoryInfo("Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0,
                                     onnxruntime.OrtMemType.DEFAULT)
    as_asked = 1  # the arena grows by what is asked for, not by powers of two
    onnxruntime.create_and_register_allocator(info, onnxruntime.OrtArenaCfg({"max_mem": n_bytes,
                                                                             "arena_extend_strategy": as_asked}))


def _settings(onnxruntime):
    settings = onnxruntime.SessionOptions()
    settings.add_session_config_entry("session.use_env_allocators", "1")
    settings.intra_op_num_threads = torch.get_num_threads()
    settings.log_severity_level = 3
    settings.add_session_config_entry("session.load_model_format", "ONNX")  # whatever the suffix: the one checked
    return settings


def _hash(file, outside):
    """Return the SHA-256 (hex) of a model, or of those of the model and its outside files."""
    hashes = [file_sha256(one) for one in (file, *outside)]
    return hashes[0] if not outside else text_sha256(" ".join(hashes))


def _channels_last(shape):
    """Return whether a declared input is of pictures, shape (b, h, w, c): 1 or 3 at the end, and not in front."""
    return len(shape or ()) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3) and isinstance(shape[1], int)


def _providers(device):
    return ["CUDAExecutionProvider", "CPUExecutionProvider"] if "cuda" in str(device) else ["CPUExecutionProvider"]


def _network(session, prepare):
    entry = session.get_inputs()[0]
    output = session.get_outputs()[0].name
    batch = entry.shape[0] if entry.shape and isinstance(entry.shape[0], int) else None
    last = _channels_last(entry.shape)

    def run(x):
        try:
            return torch.from_numpy(session.run([output], {entry.name: x.numpy()})[0])
        except Exception as error:
            kind = MemoryError if any(words in str(error) for words in REFUSED) else RuntimeError
            # One line: onnxruntime ends with advice on the model, after which sizes were got and expected.
            raise kind(" ".join(str(error).partition("Please fix")[0].split())) from error

    def network(images):
        x = prepare(images.cpu()).to(DTYPES.get(entry.type, torch.float32))
        x = (x.permute(0, 2, 3, 1) if last and x.ndim == 4 else x).contiguous()
        return run(x) if batch is None else in_batches_of(batch, x, run)

    return network
