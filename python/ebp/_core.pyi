from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array = NDArray[np.float32] | NDArray[np.float64]
module: ModuleType
level: str
version: str
compiler: str
blas: str

def supported_levels() -> list[str]: ...
def install_blas(sgemm: object, dgemm: object, ssyrk: object, dsyrk: object) -> bool: ...

class SgdOptions:
    def __init__(self, scale: str) -> None: ...

class SdlmOptions:
    def __init__(
        self, mu: float, hessian_samples: int, running: bool, gamma: float, per_unit: bool
    ) -> None: ...

class MurataOptions:
    def __init__(self, delta: float, alpha: float, beta: float, smallest: float, largest: float) -> None: ...

class AdaGradOptions:
    def __init__(self, initial: float, floor: float) -> None: ...

class RmsPropOptions:
    def __init__(self, leak: float, floor: float) -> None: ...

class AdamOptions:
    def __init__(self, leak: float, second_leak: float, floor: float) -> None: ...

class RpropOptions:
    def __init__(self, increase: float, decrease: float, smallest: float, largest: float) -> None: ...

class DeltaBarDeltaOptions:
    def __init__(self, increase: float, decrease: float, leak: float, largest: float) -> None: ...

_Method = (
    SgdOptions
    | SdlmOptions
    | MurataOptions
    | AdaGradOptions
    | RmsPropOptions
    | AdamOptions
    | RpropOptions
    | DeltaBarDeltaOptions
)

class RuleOptions:
    def __init__(
        self,
        *,
        learning_rate: float,
        momentum: float,
        momentum_form: str,
        weight_decay: float,
        centring_leak: float,
        method: _Method,
    ) -> None: ...

class Module32:
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_parameters(self) -> int: ...
    def forward(self, theta: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def backward(
        self, theta: NDArray[np.float32], x: NDArray[np.float32], gy: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
    def backward_curvature(
        self, theta: NDArray[np.float32], x: NDArray[np.float32], hy: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
    def forward_tangent(
        self,
        theta: NDArray[np.float32],
        dtheta: NDArray[np.float32],
        x: NDArray[np.float32],
        dx: NDArray[np.float32],
    ) -> NDArray[np.float32]: ...
    def backward_tangent(
        self,
        theta: NDArray[np.float32],
        dtheta: NDArray[np.float32],
        x: NDArray[np.float32],
        dx: NDArray[np.float32],
        gy: NDArray[np.float32],
        dgy: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...

class Dense32(Module32):
    def __init__(self, n_inputs: int, n_outputs: int, bias: bool = True) -> None: ...

class Conv2D32(Module32):
    def __init__(
        self,
        maps_in: int,
        height: int,
        width: int,
        maps_out: int,
        kernel_height: int,
        kernel_width: int,
        stride: int,
        padding: str,
        sources: Sequence[Sequence[int]],
        bias: bool = True,
    ) -> None: ...

class WindowSum2D32(Module32):
    def __init__(self, maps: int, height: int, width: int, size: int, factor: float = 1.0) -> None: ...

class MapScale32(Module32):
    def __init__(self, maps: int, units: int, fan_in: int) -> None: ...

class MaxPool2D32(Module32):
    def __init__(self, maps: int, height: int, width: int, size: int) -> None: ...

class GaussianRBF32(Module32):
    def __init__(self, n_inputs: int, n_outputs: int) -> None: ...

class EuclideanRBF32(Module32):
    @overload
    def __init__(self, n_inputs: int, n_outputs: int) -> None: ...
    @overload
    def __init__(self, codes: NDArray[np.float32]) -> None: ...

class Activation32(Module32):
    def __init__(self, width: int, name: str, twist: float = 0.0) -> None: ...

class Loss32:
    def __init__(
        self, name: str, *, delta: float = 1.0, j: float = 1.0, exact_curvature: bool = False
    ) -> None: ...
    def value(self, o: NDArray[np.float32], t: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def gradient(self, o: NDArray[np.float32], t: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def curvature(self, o: NDArray[np.float32], t: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def curvature_product(
        self, o: NDArray[np.float32], t: NDArray[np.float32], v: NDArray[np.float32]
    ) -> NDArray[np.float32]: ...

class Network32:
    def __init__(self, n_inputs: int, layers: Sequence[Sequence[Module32]], loss: Loss32) -> None: ...
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_parameters(self) -> int: ...
    @property
    def parameters(self) -> NDArray[np.float32]: ...
    def parameter_blocks(self) -> list[tuple[str, int, list[int], list[int], list[int]]]: ...
    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def predict_one(self, x: ArrayLike) -> NDArray[np.float32]: ...
    def activations(self, x: NDArray[np.float32]) -> list[NDArray[np.float32]]: ...
    def losses(self, x: NDArray[np.float32], t: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def gradient(
        self, x: NDArray[np.float32], t: NDArray[np.float32], weights: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]: ...
    def curvature(
        self, x: NDArray[np.float32], t: NDArray[np.float32], weights: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]: ...
    def jacobian(self, x: NDArray[np.float32]) -> NDArray[np.float32]: ...

class Trainer32:
    def __init__(self, network: Network32, options: RuleOptions) -> None: ...
    def train(
        self,
        x: NDArray[np.float32],
        t: NDArray[np.float32],
        order: NDArray[np.intp],
        batches: int | NDArray[np.intp] = 1,
        rates: NDArray[np.float64] | None = None,
        weights: NDArray[np.float32] | None = None,
        shift: NDArray[np.float32] | None = None,
        factor: NDArray[np.float32] | None = None,
        engine: str = "auto",
        n_threads: int = 1,
        callback: Callable[[int, float], object] | None = None,
    ) -> tuple[NDArray[np.float64], int, str]: ...
    def engine(self, engine: str) -> str: ...
    def learn_one(self, x: ArrayLike, t: ArrayLike, largest_loss: float = ...) -> float: ...
    def set_learning_rate(self, learning_rate: float) -> None: ...
    def memory(self) -> dict[str, Any]: ...
    def resume(self, memory: dict[str, Any]) -> None: ...
    @property
    def rates(self) -> NDArray[np.float32]: ...
    @property
    def curvature(self) -> NDArray[np.float32]: ...

class Module64:
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_parameters(self) -> int: ...
    def forward(self, theta: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def backward(
        self, theta: NDArray[np.float64], x: NDArray[np.float64], gy: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def backward_curvature(
        self, theta: NDArray[np.float64], x: NDArray[np.float64], hy: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def forward_tangent(
        self,
        theta: NDArray[np.float64],
        dtheta: NDArray[np.float64],
        x: NDArray[np.float64],
        dx: NDArray[np.float64],
    ) -> NDArray[np.float64]: ...
    def backward_tangent(
        self,
        theta: NDArray[np.float64],
        dtheta: NDArray[np.float64],
        x: NDArray[np.float64],
        dx: NDArray[np.float64],
        gy: NDArray[np.float64],
        dgy: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...

class Dense64(Module64):
    def __init__(self, n_inputs: int, n_outputs: int, bias: bool = True) -> None: ...

class Conv2D64(Module64):
    def __init__(
        self,
        maps_in: int,
        height: int,
        width: int,
        maps_out: int,
        kernel_height: int,
        kernel_width: int,
        stride: int,
        padding: str,
        sources: Sequence[Sequence[int]],
        bias: bool = True,
    ) -> None: ...

class WindowSum2D64(Module64):
    def __init__(self, maps: int, height: int, width: int, size: int, factor: float = 1.0) -> None: ...

class MapScale64(Module64):
    def __init__(self, maps: int, units: int, fan_in: int) -> None: ...

class MaxPool2D64(Module64):
    def __init__(self, maps: int, height: int, width: int, size: int) -> None: ...

class GaussianRBF64(Module64):
    def __init__(self, n_inputs: int, n_outputs: int) -> None: ...

class EuclideanRBF64(Module64):
    @overload
    def __init__(self, n_inputs: int, n_outputs: int) -> None: ...
    @overload
    def __init__(self, codes: NDArray[np.float64]) -> None: ...

class Activation64(Module64):
    def __init__(self, width: int, name: str, twist: float = 0.0) -> None: ...

class Loss64:
    def __init__(
        self, name: str, *, delta: float = 1.0, j: float = 1.0, exact_curvature: bool = False
    ) -> None: ...
    def value(self, o: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def gradient(self, o: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def curvature(self, o: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def curvature_product(
        self, o: NDArray[np.float64], t: NDArray[np.float64], v: NDArray[np.float64]
    ) -> NDArray[np.float64]: ...

class Network64:
    def __init__(self, n_inputs: int, layers: Sequence[Sequence[Module64]], loss: Loss64) -> None: ...
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_parameters(self) -> int: ...
    @property
    def parameters(self) -> NDArray[np.float64]: ...
    def parameter_blocks(self) -> list[tuple[str, int, list[int], list[int], list[int]]]: ...
    def forward(self, x: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def predict_one(self, x: ArrayLike) -> NDArray[np.float64]: ...
    def activations(self, x: NDArray[np.float64]) -> list[NDArray[np.float64]]: ...
    def losses(self, x: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def gradient(
        self, x: NDArray[np.float64], t: NDArray[np.float64], weights: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]: ...
    def curvature(
        self, x: NDArray[np.float64], t: NDArray[np.float64], weights: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]: ...
    def jacobian(self, x: NDArray[np.float64]) -> NDArray[np.float64]: ...

class Trainer64:
    def __init__(self, network: Network64, options: RuleOptions) -> None: ...
    def train(
        self,
        x: NDArray[np.float64],
        t: NDArray[np.float64],
        order: NDArray[np.intp],
        batches: int | NDArray[np.intp] = 1,
        rates: NDArray[np.float64] | None = None,
        weights: NDArray[np.float64] | None = None,
        shift: NDArray[np.float64] | None = None,
        factor: NDArray[np.float64] | None = None,
        engine: str = "auto",
        n_threads: int = 1,
        callback: Callable[[int, float], object] | None = None,
    ) -> tuple[NDArray[np.float64], int, str]: ...
    def engine(self, engine: str) -> str: ...
    def learn_one(self, x: ArrayLike, t: ArrayLike, largest_loss: float = ...) -> float: ...
    def set_learning_rate(self, learning_rate: float) -> None: ...
    def memory(self) -> dict[str, Any]: ...
    def resume(self, memory: dict[str, Any]) -> None: ...
    @property
    def rates(self) -> NDArray[np.float64]: ...
    @property
    def curvature(self) -> NDArray[np.float64]: ...

class HessianProduct32:
    def __init__(
        self,
        network: Network32,
        x: NDArray[np.float32],
        t: NDArray[np.float32],
        weights: NDArray[np.float32] | None,
        method: str,
        n_threads: int,
    ) -> None: ...
    def apply(self, v: NDArray[np.float32]) -> NDArray[np.float32]: ...

class HessianProduct64:
    def __init__(
        self,
        network: Network64,
        x: NDArray[np.float64],
        t: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        method: str,
        n_threads: int,
    ) -> None: ...
    def apply(self, v: NDArray[np.float64]) -> NDArray[np.float64]: ...

def fit_minimize(
    network: Network32 | Network64,
    theta: _Array,
    x: _Array,
    t: _Array,
    weights: _Array | None,
    *,
    method: str,
    solver: str,
    callback: Callable[..., object] | None,
    weight_decay: float,
    n_threads: int,
    gradient_tolerance: float,
    step_tolerance: float,
    decrease_tolerance: float,
    max_iter: int,
    c1: float,
    c2: float,
    max_line_search: int,
    beta: str,
    memory: int,
    initial_scaling: bool,
) -> dict[str, object]: ...
def fit_least_squares(
    network: Network32 | Network64,
    theta: _Array,
    x: _Array,
    t: _Array,
    weights: _Array | None,
    *,
    method: str,
    solver: str,
    callback: Callable[..., object] | None,
    weight_decay: float,
    n_threads: int,
    gradient_tolerance: float,
    step_tolerance: float,
    decrease_tolerance: float,
    max_iter: int,
    damping: float | None,
    smallest_eigenvalue: float,
) -> dict[str, object]: ...
def hessian(
    network: Network32 | Network64,
    x: _Array,
    t: _Array,
    weights: _Array | None,
    method: str,
    n_threads: int,
) -> _Array: ...
def hessian_diagonal(
    network: Network32 | Network64,
    x: _Array,
    t: _Array,
    weights: _Array | None,
    method: str,
    n_threads: int,
) -> _Array: ...
def loss_and_gradient(
    network: Network32 | Network64,
    x: _Array,
    t: _Array,
    weights: _Array | None,
    n_threads: int,
) -> tuple[float, _Array]: ...
def fit_summed_squares(
    x0: NDArray[np.float64],
    n_parts: int,
    norms: Callable[..., object],
    linearize: Callable[..., object],
    *,
    total_weight: float,
    method: str,
    callback: Callable[..., object] | None,
    gradient_tolerance: float,
    step_tolerance: float,
    decrease_tolerance: float,
    max_iter: int,
    damping: float | None,
    smallest_eigenvalue: float,
) -> dict[str, object]: ...
def minimize(
    fun: Callable[..., object],
    x0: NDArray[np.float64],
    *,
    method: str,
    hess: Callable[..., object] | None,
    hessp: Callable[..., object] | None,
    callback: Callable[..., object] | None,
    gradient_tolerance: float,
    step_tolerance: float,
    decrease_tolerance: float,
    max_iter: int,
    c1: float,
    c2: float,
    max_line_search: int,
    beta: str,
    memory: int,
    initial_scaling: bool,
    rounding: float | None = None,
) -> dict[str, object]: ...
def least_squares(
    fun: Callable[..., object],
    x0: NDArray[np.float64],
    m: int,
    jac: Callable[..., object],
    *,
    method: str,
    solver: str,
    callback: Callable[..., object] | None,
    gradient_tolerance: float,
    step_tolerance: float,
    decrease_tolerance: float,
    max_iter: int,
    damping: float,
    products: bool,
) -> dict[str, object]: ...
def online_eigenvalue(
    network: Network64,
    x: NDArray[np.float64],
    t: NDArray[np.float64],
    order: NDArray[np.intp],
    psi: NDArray[np.float64],
    gammas: NDArray[np.float64],
    *,
    alpha: float,
    shift: float = 0.0,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]: ...
