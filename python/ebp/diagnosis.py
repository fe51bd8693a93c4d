"""A look at data and network before or after training: conditioning, rates, saturation, advice."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.multiclass import type_of_target

from . import _advice
from ._analysis import checked_estimator, network_data
from ._batch import chosen_solver
from ._diagnosis_text import diagnosis_text
from ._initialization import generator
from ._measurements import (
    conditioning,
    curvature_spread,
    hessian_eigenvalues,
    hessian_summary,
    layer_states,
    n_dependent,
    rows_for_eigenvalues,
    varying,
)
from .classifier import MLPClassifier
from .regressor import MLPRegressor
from .table import task_of

__all__ = ["Diagnosis", "diagnose"]


class Diagnosis(Mapping[str, Any]):
    """What `diagnose` found: a mapping of numbers, strings, None, lists and dicts, which prints as a table.

    Attributes
    ----------
    eigenvalues : ndarray of shape (n_eigenvalues,)
        Those of the Hessian that "hessian" tells of, ascending: for `plotting.SpectrumDisplay`, say.

    Notes
    -----
    estimator : str
        Class, and whether it was analysed as fitted or as `fit` would start it.
    task : {"classification", "regression"}
        What the targets are.
    fitted : bool
        Whether the estimator had been fitted.
    data : dict
        "n_samples", "n_features", "n_classes" (None for regression and indicator matrices),
        "n_labels" (None except for these), "same_class_neighbours" (share of rows
        whose next row has the same class, None for regression).
    inputs : dict
        "normalizer": the method in use. "n_rows" looked at: all, or a random part of large data. "n_constant"
        columns of all rows. "n_dependent": columns that are linear combinations of others. "raw" and
        "normalised", each with "largest_mean_over_std", "std_ratio" (largest to smallest), "share_small" (of
        the columns, below a tenth of the largest standard deviation), "lambda_max_covariance",
        "condition_covariance", "n_zero_covariance", and of the second moments (29), with the bias's input of
        1, "lambda_max_with_bias" and "condition_with_bias". Condition numbers leave out eigenvalues that are
        zero up to rounding.
    hessian : dict
        Of the mean loss, biases included: "method", "n_parameters", "n_samples", "n_eigenvalues" known,
        "lambda_max", "lambda_min", "n_negative", "n_zero", "smallest_positive" (None where only the largest
        eigenvalues are known), "eta_opt" = 1 / λ_max, (39), "eta_max" = 2 / λ_max, (38), and
        "time_constants": 1 / (η λ) updates at η = 1 / λ_max, for the tenth largest eigenvalue, the median and
        the smallest of the positive ones.
    layers : list of dict
        "layer", "activation", "n_units", "total_input_std", "saturated" (share of units and samples with a
        slope below a tenth of that at 0; of 0, for relu), "n_stuck" (units saturated for all samples), and
        "mean_curvature", the mean over parameters of (54)-(56).
    curvature_spread : float or None
        Largest to smallest mean curvature of a layer.
    advice : list of dict
        The recipe of section 10: "step", "section", "ok", "text".
    """

    def __init__(self, values: Mapping[str, Any], eigenvalues: np.ndarray) -> None:
        self._values = dict(values)
        self.eigenvalues = eigenvalues

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def to_dict(self) -> dict[str, Any]:
        """A copy of everything, ready for `json.dumps`."""
        return copy.deepcopy(self._values)

    def __str__(self) -> str:
        return diagnosis_text(self._values)

    __repr__ = __str__


def diagnose(
    X: Any, y: Any, *, estimator: Any = None, max_samples: int = 500, random_state: Any = 0
) -> Diagnosis:
    """Tell how well conditioned a problem is for gradient descent, and which step of the recipe would help.

    Measures the conditioning of the inputs before and after normalisation (section 4.3), the extreme
    eigenvalues of the Hessian with the rates and time constants that follow (section 5.1), the saturation of
    the units (4.4) and the curvature of each layer (4.7), and goes through the recipe of section 10.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, \\*input_shape)
        Inputs as for `fit`.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Labels or values; an indicator matrix of several labels may be sparse.
    estimator : MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor or None, default=None
        A fitted one is analysed as it stands. One that is not fitted is cloned and prepared up to the point
        where `fit` begins to train: normalisation, coded targets, initial weights. None: a classifier of
        default parameters if scikit-learn's `type_of_target` calls `y` binary, multiclass or an indicator of
        several labels, a regressor if it is continuous, or has so many different whole numbers that `ebp
        train` takes it for a quantity.
    max_samples : int, default=500
        The Hessian and the layers are measured on so many samples at most, drawn at random; 500 as the
        authors used for their curvatures.
    random_state : None, int, numpy.random.Generator or RandomState, default=0
        Draws these samples, and the initial weights of an estimator that is not fitted and has none itself.

    Returns
    -------
    Diagnosis
        Prints as a table; a mapping, see there.

    Raises
    ------
    ValueError
        For data that are not finite, no matrix, of one class or of no variation, fewer than two samples, or
        that do not suit a fitted estimator.
    TypeError
        For another estimator.

    Notes
    -----
    Of more than 1,500 parameters only the 20 largest eigenvalues are calculated. 2 / λ_max describes the
    neighbourhood of a minimum: at initial weights there are negative eigenvalues, and λ_max moves during
    training. The mean curvatures are those of the recursion, an estimate below the last two layers.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal([0, 100], [1, 20], size=(300, 2))
    >>> report = ebp.diagnose(X, X[:, 0] > 0, estimator=ebp.MLPClassifier((3,)))
    >>> round(report["inputs"]["raw"]["condition_with_bias"], -5) > 1e5
    True
    >>> report["inputs"]["normalised"]["condition_with_bias"] < 2
    True
    >>> report["hessian"]["eta_max"] == 2 / report["hessian"]["lambda_max"]
    True
    >>> [one["step"] for one in report["advice"] if not one["ok"]]
    ['method']
    """
    y = y.toarray() if issparse(y) else y
    inputs, targets = _checked_data(X, y)
    if not isinstance(max_samples, (int, np.integer)) or isinstance(max_samples, bool) or max_samples < 2:
        raise ValueError(f"[diagnose] max_samples must be an integer >= 2; got {max_samples!r}")
    rng = generator(random_state)
    if estimator is None:
        estimator = default_estimator(targets, "diagnose")
    fitted = hasattr(checked_estimator(estimator, "diagnose"), "network_")
    if not fitted:
        estimator = _prepared(estimator, X, y, rng)
    rows = rows_for_eigenvalues(len(inputs), estimator.n_features_in_, rng)
    net, Z, T = network_data(estimator, _safe_indexing(X, rows), _safe_indexing(y, rows), "diagnose")
    some = rng.permutation(len(Z))[:max_samples]
    layers = layer_states(net, Z[some], T[some])
    eigenvalues = hessian_eigenvalues(net, Z[some], T[some])
    classify = hasattr(estimator, "classes_")
    name = type(estimator).__name__
    values: dict[str, Any] = {
        "estimator": f"{name}, as fitted" if fitted else f"{name}, as fit would start it",
        "task": "classification" if classify else "regression",
        "fitted": fitted,
        "data": {
            "n_samples": len(inputs),
            "n_features": estimator.n_features_in_,
            "n_classes": len(estimator.classes_) if classify and not estimator.multilabel_ else None,
            "n_labels": len(estimator.classes_) if classify and estimator.multilabel_ else None,
            "same_class_neighbours": _advice.same_class_neighbours(targets) if classify else None,
        },
        "inputs": {
            "normalizer": None if estimator.normalizer_ is None else estimator.normalizer_.method_,
            "n_rows": len(rows),
            "n_constant": int((~varying(inputs)).sum()),
            "n_dependent": n_dependent(inputs[rows].reshape(len(rows), -1)),
            "raw": conditioning(inputs[rows].reshape(len(rows), -1)),
            "normalised": conditioning(Z),
        },
        "hessian": hessian_summary(eigenvalues, net.n_parameters, len(some)),
        "layers": layers,
        "curvature_spread": curvature_spread(layers),
    }
    values["advice"] = _advice.recipe(estimator, T, values)
    return Diagnosis(values, eigenvalues)


def _checked_data(X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Arrays of the same length, with finite inputs that vary."""
    arrays = []
    for name, values in (("X", X), ("y", y)):
        try:
            arrays.append(np.asarray(values))
        except ValueError as error:
            raise ValueError(
                f"[diagnose] {name} must be a rectangular array; got {type(values).__name__}"
            ) from error
    inputs, targets = arrays
    if inputs.dtype == object:
        try:
            inputs = inputs.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"[diagnose] X must be real numbers; got {error}") from error
    if inputs.dtype.kind not in "fiub" or inputs.ndim < 2:
        raise ValueError(
            "[diagnose] X must be real numbers of shape (n_samples, n_features); "
            f"got {inputs.dtype} {inputs.shape}"
        )
    if len(inputs) != (len(targets) if targets.ndim else 0) or len(inputs) < 2 or not inputs.size:
        raise ValueError(
            f"[diagnose] X and y must have the same number of samples, at least 2; "
            f"got shapes {inputs.shape} and {targets.shape}"
        )
    if inputs.dtype.kind == "f" and not np.isfinite(inputs).all():
        row = int(np.argmin(np.isfinite(inputs.reshape(len(inputs), -1)).all(axis=1)))
        raise ValueError(f"[diagnose] X must be finite; got NaN or infinity in row {row}")
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        raise ValueError("[diagnose] y must be finite; got NaN or infinity")
    if (inputs == inputs[0]).all():
        raise ValueError("[diagnose] X must have a column that varies; got the same row in all samples")
    return inputs, targets


def default_estimator(y: np.ndarray, owner: str) -> Any:
    """The estimator that suits `y`; `owner` is the caller, for the message."""
    kind = type_of_target(y, input_name="y")
    numeric = y.dtype.kind in "iuf"
    if (
        kind == "multiclass"
        and numeric
        and task_of([str(value) for value in y.ravel().tolist()]) == "regression"
    ):
        return MLPRegressor()
    if kind in ("binary", "multiclass", "multilabel-indicator"):
        return MLPClassifier()
    if kind in ("continuous", "continuous-multioutput"):
        return MLPRegressor()
    raise ValueError(
        f"[{owner}] y must be labels or values, one a sample, unless an estimator is given; got {kind}"
    )


def _prepared(estimator: Any, X: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Any:
    """A clone as `fit` has it before the first presentation, trained on all samples."""
    estimator = clone(estimator).set_params(early_stopping=False)
    estimator._check_options()
    own = estimator.random_state
    if own is None or isinstance(own, np.random.Generator):
        estimator._rng = rng if own is None else own
    else:
        estimator._rng = np.random.default_rng(check_random_state(own).randint(2**31 - 1))
    data, _ = estimator._prepare(X, y, None, warm=False)
    estimator.solver_ = chosen_solver(estimator, estimator.network_, data)
    return estimator
