"""The lists of convolutions and of all other modules that the tests run over, and data for the losses."""

from dataclasses import dataclass

import numpy as np
from checks import module_inputs
from reference import ACTIVATIONS, Activation, Dense
from reference_grid import (
    AveragePool2D,
    Conv2D,
    EuclideanRBF,
    GaussianRBF,
    MapScale,
    MaxPool2D,
    WindowSum2D,
)

# Sources of each map of LeNet-5's C3, from LeCun, Bottou, Bengio and Haffner (1998), table I.
LENET_C3 = [
    [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5],
    [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5],
    [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5],
    [0, 1, 2, 3, 4, 5],
]  # fmt: skip


def full(maps_in, maps_out):
    return [list(range(maps_in))] * maps_out


def one_to_one(maps):
    return [[m] for m in range(maps)]


def partial(maps_in, maps_out, seed):
    """A random table in which every map has at least one source."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, maps_in + 1, maps_out)
    return [sorted(rng.choice(maps_in, size, replace=False).tolist()) for size in sizes]


@dataclass(frozen=True)
class ConvCase:
    """A convolution; `image` is (maps, height, width), `kernel` (height, width)."""

    image: tuple
    kernel: tuple
    stride: int
    padding: str
    sources: list
    table: str = "full"
    bias: bool = True

    def __str__(self):
        image, kernel = ("x".join(map(str, size)) for size in (self.image, self.kernel))
        bias = "" if self.bias else "-unbiased"
        return f"{image}-{kernel}-s{self.stride}-{self.padding}-{self.table}-{len(self.sources)}{bias}"

    @property
    def arguments(self):
        """What both the oracle and the core's module are made from."""
        return (
            *self.image,
            len(self.sources),
            *self.kernel,
            self.stride,
            self.padding,
            self.sources,
            self.bias,
        )

    def oracle(self):
        return Conv2D(*self.arguments)

    def core(self, bits):
        import ebp  # here, so that the oracle's own tests run without the package

        return getattr(ebp._core, f"Conv2D{bits}")(*self.arguments)

    def inputs(self, n, rng, dtype=float):
        oracle = self.oracle()
        return module_inputs(oracle, n, oracle.n_in, oracle.n_out, rng, dtype)


def _grid():
    """Every kernel with every stride and padding, over odd images and changing tables."""
    images = [(1, 5, 7), (3, 7, 6), (2, 9, 5), (5, 6, 11)]
    cases = []
    for kernel in [(1, 1), (2, 3), (3, 3), (5, 5)]:
        for stride in (1, 2, 3):
            for padding in ("valid", "same", "wrap"):
                image = images[len(cases) % len(images)]
                maps_out = (1, 2, 3, 4, 5, 7)[len(cases) % 6]
                table, sources = ("full", full(image[0], maps_out))
                if len(cases) % 3 == 1:
                    table, sources = "partial", partial(image[0], maps_out, seed=len(cases))
                bias = len(cases) % 5 != 4
                cases.append(ConvCase(image, kernel, stride, padding, sources, table, bias))
        # A diagonal walk: the next kernel begins with another image.
        images = images[1:] + images[:1]
    return cases


CASES = [
    *_grid(),
    ConvCase((1, 1, 1), (1, 1), 1, "valid", full(1, 1)),
    ConvCase((1, 1, 1), (1, 1), 3, "same", full(1, 1)),
    ConvCase((2, 3, 3), (3, 3), 1, "valid", full(2, 3)),
    ConvCase((2, 3, 3), (3, 3), 1, "wrap", full(2, 3)),
    ConvCase((1, 1, 17), (1, 5), 2, "same", full(1, 3)),
    ConvCase((3, 17, 1), (5, 1), 1, "wrap", full(3, 2)),
    ConvCase((2, 33, 35), (3, 3), 1, "same", full(2, 2)),
    ConvCase((17, 8, 8), (3, 3), 1, "valid", partial(17, 17, 7), "partial"),
    ConvCase((17, 6, 5), (2, 3), 2, "same", full(17, 1)),
    ConvCase((1, 6, 5), (3, 3), 1, "same", full(1, 17)),
    ConvCase((7, 7, 7), (3, 3), 2, "wrap", one_to_one(7), "one_to_one"),
    ConvCase((4, 9, 8), (5, 5), 3, "valid", one_to_one(4), "one_to_one", bias=False),
    ConvCase((5, 6, 6), (1, 1), 2, "same", one_to_one(5), "one_to_one"),
    ConvCase((1, 32, 32), (5, 5), 1, "valid", full(1, 6)),
    ConvCase((6, 14, 14), (5, 5), 1, "valid", LENET_C3, "lenet_c3"),
    ConvCase((16, 5, 5), (5, 5), 1, "valid", full(16, 12)),
    ConvCase((1, 16, 16), (3, 3), 2, "wrap", full(1, 2)),
    ConvCase((2, 8, 8), (3, 3), 2, "wrap", full(2, 4)),
]

# Few enough inputs and parameters for differences.
SMALL_CASES = [
    case
    for case in CASES
    if (oracle := case.oracle()).n_in * oracle.n_out <= 6000 and oracle.n_parameters <= 200
]


def inputs_of(module, n, rng):
    """`module_inputs`, with widths of Gaussian units that are away from zero."""
    inputs = module_inputs(module, n, module.n_in, module.n_out, rng)
    if isinstance(module, GaussianRBF):
        inputs[0][-module.n_out :] = rng.uniform(0.7, 2.0, module.n_out)
    return inputs


@dataclass(frozen=True)
class ModuleCase:
    """A module of the core, by its name and arguments, and the oracle of it."""

    oracle_module: object
    kind: str
    arguments: tuple

    def __str__(self):
        oracle = self.oracle_module
        detail = getattr(oracle, "name", "-fixed" if getattr(oracle, "codes", None) is not None else "")
        return f"{type(oracle).__name__}-{oracle.n_in}-{oracle.n_out}{detail}"

    def oracle(self):
        return self.oracle_module

    def core(self, bits):
        import ebp  # here, so that the oracle's own tests run without the package

        dtype = np.float32 if bits == 32 else np.float64
        arguments = [a.astype(dtype) if isinstance(a, np.ndarray) else a for a in self.arguments]
        return getattr(ebp._core, f"{self.kind}{bits}")(*arguments)

    def inputs(self, n, rng):
        return inputs_of(self.oracle_module, n, rng)


def _same(make, *arguments):
    """A module whose oracle takes the same arguments."""
    return ModuleCase(make(*arguments), make.__name__, arguments)


CODES = np.array([[1.0, -1, 1, 1], [-1, -1, 1, -1]])

# Every module but convolution, and one line of that.
MODULES = [
    *[_same(Dense, *arguments) for arguments in [(1, 1, True), (5, 3, True), (3, 7, False)]],
    *[_same(Activation, 6, name, twist) for name in ACTIVATIONS for twist in (0.0, 0.1)],
    _same(Conv2D, 2, 5, 6, 3, 3, 2, 1, "valid", full(2, 3), True),
    *[_same(WindowSum2D, *arguments) for arguments in [(2, 4, 6, 2), (1, 3, 3, 3), (5, 1, 7, 1)]],
    ModuleCase(WindowSum2D(3, 2, 6, 2, 0.3), "WindowSum2D", (3, 2, 6, 2, 0.3)),
    ModuleCase(AveragePool2D(3, 6, 3, 3), "WindowSum2D", (3, 6, 3, 3, 1 / 9)),
    ModuleCase(AveragePool2D(1, 2, 2, 1), "WindowSum2D", (1, 2, 2, 1, 1.0)),
    ModuleCase(MapScale(1, 1), "MapScale", (1, 1, 4)),
    ModuleCase(MapScale(3, 5), "MapScale", (3, 5, 9)),
    *[_same(MaxPool2D, *arguments) for arguments in [(2, 4, 6, 2), (1, 3, 6, 3), (3, 5, 1, 1)]],
    *[_same(EuclideanRBF, *arguments) for arguments in [(1, 1), (5, 3), (2, 17)]],
    ModuleCase(EuclideanRBF(4, 2, codes=CODES), "EuclideanRBF", (CODES,)),
    ModuleCase(EuclideanRBF(1, 4, codes=CODES[:1].T / 3), "EuclideanRBF", (CODES[:1].T / 3,)),
    *[_same(GaussianRBF, *arguments) for arguments in [(1, 1), (3, 4), (7, 2)]],
]


def loss_data(name, rng):
    """Outputs away from the kinks, targets and a direction."""
    outputs, targets, V = rng.standard_normal((3, 9, 5))
    if name == "hinge":
        targets = np.where(targets < 0, -1.0, 1.0)
    if name == "map":
        outputs, targets = 3 * outputs**2, np.eye(5)[rng.integers(0, 5, 9)]
    return outputs, targets, V
