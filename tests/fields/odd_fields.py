"""Velocity fields as users write them: each is the same v(x, t) as `plain`, reached in its own way."""

import dataclasses
import functools
import warnings

import numpy as np
import torch

DIM = 3
WEIGHT = torch.tensor([[0.6, -0.2, 0.1], [0.3, 0.5, -0.4], [-0.1, 0.2, 0.7]])


def plain(x, t):
    """Return W x - t, the field that all others are."""
    return x @ WEIGHT.to(x.dtype).T - t[:, None]


class Net(torch.nn.Module):
    """The plain field as a network: in training mode dropout and batch norm change it."""

    def __init__(self, training=False, dropout=0.5, norm=False):
        super().__init__()
        self.linear = torch.nn.Linear(DIM, DIM, bias=False)
        self.linear.weight.data.copy_(WEIGHT)
        self.dropout = torch.nn.Dropout(dropout)
        self.norm = torch.nn.BatchNorm1d(DIM, eps=0.0) if norm else torch.nn.Identity()
        self.register_buffer("steps", torch.zeros(2))
        self.train(training)

    def forward(self, x, t):
        return self.dropout(self.norm(self.linear(x))) - t[:, None]


class Plain(torch.nn.Module):
    """The plain field, scriptable."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(WEIGHT.clone())

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.T - t[:, None]


class Holder:
    """An object whose attribute holds the network."""

    def __init__(self, net):
        self.parts = {"net": [net]}

    def __call__(self, x, t):
        return self.parts["net"][0](x, t)

    def velocity(self, x, t):
        return self.parts["net"][0](x, t)


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("net",)

    def __init__(self, net):
        self.net = net

    def __call__(self, x, t):
        return self.net(x, t)


class Buffer:
    """A field that returns the same tensor each time."""

    def __init__(self):
        self.out = None

    def __call__(self, x, t):
        self.out = torch.empty_like(x) if self.out is None or self.out.shape != x.shape else self.out
        return self.out.copy_(plain(x, t))


@dataclasses.dataclass
class Output:
    """What libraries return."""

    sample: torch.Tensor


@dataclasses.dataclass
class Named:
    """One tensor under another name, and what is none."""

    velocity: torch.Tensor
    note: str = ""


def in_place_x(x, t):
    found = plain(x, t)
    x.mul_(0).add_(7)
    return found


def in_place_t(x, t):
    found = plain(x, t)
    t.fill_(5)
    return found


def in_place_result(x, t):
    shift = t[:, None].clone()
    return x.copy_(plain(x, t) + 0 * shift)


def enables_gradients(x, t):
    with torch.enable_grad():
        x.requires_grad_(True)
        energy = 0.5 * torch.einsum("bi,ij,bj->b", x, 0.5 * (WEIGHT + WEIGHT.T), x).sum()
        gradient, = torch.autograd.grad(energy, x)
    return gradient + x @ (0.5 * (WEIGHT - WEIGHT.T)).T - t[:, None] + 0 * x


def strided(x, t):
    return plain(x, t).T.contiguous().T


GLOBAL = Net(training=True)


def uses_a_global(x, t):
    return GLOBAL(x, t)


def made_by_a_function(net):
    def inner(x, t):
        return net(x, t)

    @functools.wraps(inner)
    def outer(*arguments):
        return inner(*arguments)

    return outer


def training_fields():
    """Return {name: (field, its network)} of networks in training mode, which must be put back."""
    def of(make, **options):
        net = Net(training=True, **options)
        return make(net), net

    return {
        "module": of(lambda net: net),
        "batch norm": of(lambda net: net, norm=True, dropout=0.0),
        "lambda": of(lambda net: lambda x, t: net(x, t)),
        "default argument": of(lambda net: lambda x, t, net=net: net(x, t)),
        "bound method": of(lambda net: net.forward),
        "partial": of(lambda net: functools.partial(lambda n, x, t: n(x, t), net)),
        "partial by name": of(lambda net: functools.partial(lambda x, t, n: n(x, t), n=net)),
        "object": of(Holder),
        "method of an object": of(lambda net: Holder(net).velocity),
        "slots": of(Slotted),
        "closure in a closure": of(made_by_a_function),
        "global": (uses_a_global, GLOBAL),
        "list": of(lambda net: (lambda nets: lambda x, t: nets[0](x, t))([net])),
    }


def compiled():
    """Return {name: field} of programs, whose makers torch calls deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        # torch 2.6 refuses a number of rows without a bound: it would have to be below the largest integer.
        script, rows = torch.jit.script(Plain().eval()), torch.export.Dim("b", max=1 << 20)
        return {"script": script, "frozen script": torch.jit.freeze(script),
                "traced": torch.jit.trace(Plain().eval(), (torch.zeros(2, DIM), torch.zeros(2))),
                "exported": torch.export.export(Plain().eval(), (torch.zeros(2, DIM), torch.zeros(2)), dynamic_shapes=(
                    {0: rows}, {0: rows})).module()}


COMPILED = compiled()


def good_fields():
    """Return {name: field}: all of them the plain one."""
    return COMPILED | {
        "in place on x": in_place_x,
        "in place on t": in_place_t,
        "returns its x": in_place_result,
        "one buffer": Buffer(),
        "float64": lambda x, t: plain(x.double(), t.double()),
        "numpy": lambda x, t: plain(x, t).numpy(),
        "numpy float64 reversed": lambda x, t: plain(x, t).numpy().astype("f8")[:, ::-1].copy()[:, ::-1],
        "numpy read-only": lambda x, t: _read_only(plain(x, t).numpy()),
        "tuple": lambda x, t: (plain(x, t),),
        "tuple with none": lambda x, t: (plain(x, t), None),
        "list": lambda x, t: [plain(x, t)],
        "dict": lambda x, t: {"out": plain(x, t), "loss": 0.0},
        "sample": lambda x, t: Output(plain(x, t)),
        "dataclass": lambda x, t: Named(plain(x, t), "v"),
        "gradient": lambda x, t: plain(x, t) + 0 * torch.ones(1, requires_grad=True),
        "enables gradients": enables_gradients,
        "strides": strided,
        "expanded": lambda x, t: plain(x, t)[:, None].expand(-1, 2, -1)[:, 0],
        "sparse": lambda x, t: plain(x, t).to_sparse(),
        "float64 module": Plain().double(),
        "float64 module in a lambda": (lambda net: lambda x, t: net(x, t))(Plain().double()),
        "requires grad": Plain().requires_grad_(True),
        "keyword": lambda x, t, scale=1.0: scale * plain(x, t),
        "a list changed": lambda x, t: torch.stack(list(plain(x, t))),
    }


def _read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def bad_fields():
    """Return {name: (field, what its one line says)}."""
    def generator(x, t):
        yield x

    return {
        "none": (lambda x, t: None, "is its return missing"),
        "nothing": (None, "is no velocity field"),
        "a name": ("net.pt", "fmdiag.load_checkpoint"),
        "shape": (lambda x, t: plain(x, t)[:, :1], "returned shape"),
        "flat": (lambda x, t: plain(x, t)[..., None], "reshape it to x.shape"),
        "length": (lambda x, t: plain(x, t)[:1], "returned shape"),
        "complex": (lambda x, t: plain(x, t) + 1j, "complex64 values: return its real part"),
        "integers": (lambda x, t: plain(x, t).long(), "int64 values"),
        "numpy objects": (lambda x, t: np.array([[None] * DIM] * len(x)), "array of object"),
        "bool": (lambda x, t: plain(x, t) > 0, "bool values"),
        "meta": (lambda x, t: plain(x, t).to("meta"), "device meta"),
        "meta module": (Plain().to("meta"), "device meta"),
        "two tensors": (lambda x, t: (plain(x, t), x), r"tuple with 2 tensors: return the velocity alone"),
        "a number": (lambda x, t: 0.0, "a float, not a tensor"),
        "generator": (generator, "a generator, not a tensor"),
        "wants one time": (lambda x, t: x * float(t), r"give lambda x, t: field\(x, t\[0\]\)"),
        "broadcasts wrongly": (lambda x, t: x.repeat(1, 2) - t, r"t.reshape\(-1, 1\) broadcasts"),
        "needs gradients": (lambda x, t: torch.autograd.grad((x**2).sum(), x)[0], "torch.enable_grad"),
        "arguments": (lambda x: x, "takes 1 positional argument"),
        "torchdiffeq's order": (lambda t, x: x, "takes .t, x.*lambda x, t: field"),
        "raises": (lambda x, t: 1 / 0, "raised ZeroDivisionError.*x of shape .*t = 0"),
        "its own file": (lambda x, t: open("/nowhere"), "raised FileNotFoundError"),
    }
