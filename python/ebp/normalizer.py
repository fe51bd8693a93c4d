"""Input transformation of S4.3: remove the mean, decorrelate, equalise the variances.

All statistics come from the rows given to `fit` or `partial_fit` and are reused unchanged on every later row.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ._callbacks import CallbackSupportMixin, FitTasks, with_callbacks
from ._inputs import checked_sample_weight
from ._moments import Moments, chunks, principal_directions, shift_and_scale

METHODS = ("auto", "center", "standard", "global", "decorrelate", "zca", "minmax")
_ROTATIONS = ("decorrelate", "zca")
_INTEGERS = (int, np.integer)
# The smallest pictures in use are 8 by 8. A table of fewer columns whose ranges agree has most likely been
# scaled column by column, so that the ranges tell nothing: bench/defaults.py, thyroid and building (21 and 14
# columns), where "standard" is better by 3.3 points of accuracy and 2.6 of R^2; census_house, where it is
# worse by 2.2, is the exception. Columns of about equal spread have no relative scale to keep, but means,
# all but one of which "global" leaves them: gene, 120 zeros and ones, 90.1 % by "standard", 87.2 by "global".
FEWEST_PIXELS = 64
_NUMBERS = (int, float, np.integer, np.floating)


class InputNormalizer(CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Shift, scale and rotate inputs so that gradient descent finds them well conditioned.

    Inputs with a mean give the Hessian one very large eigenvalue, correlated inputs and inputs of different
    variance spread the others; each slows training down (S4.3, S5.3). The variances divide by the number of
    samples, as (13) does.

    Parameters
    ----------
    method : str, default="standard"
        - "center": subtract each column's mean.
        - "standard": also divide by each column's standard deviation, (13) = 1. The default, because
          columns of a table seldom share a unit.
        - "global": one mean and one scale for all values, so that the overall standard deviation is 1. Keeps
          the relative scale of columns that share a unit, as pixels do.
        - "decorrelate": project on the principal directions of the covariance (Karhunen-Loève expansion) and
          scale each to variance 1, (34). Covariance of the output: identity.
        - "zca": as "decorrelate", then rotate back, so that each output stays close to its own column.
        - "minmax": map the range of each column to [-1, 1].
        - "auto": "global" for what may be a picture, 64 columns or more, if more than half of those that vary
          have a range of at least half of the overall range (largest minus smallest value of all), and the
          smallest of their standard deviations is less than half of the largest, as at the rim of pictures;
          else "standard". Decided at the first `fit` or `partial_fit`.
    eps : float, default=1e-8
        What counts as zero. A column is constant if its range is at most `eps` times its largest absolute
        value (never less than a few roundings of the data type); it gets scale 1, hence output 0. A
        principal direction whose variance is at most `eps` times the largest is dropped by "decorrelate"
        and set to 0 by "zca". The default is far above rounding and keeps directions down to 1e-4 of the
        largest standard deviation; scale columns of very different units before rotating them, or lower
        `eps`.
    n_components : int, float or None, default=None
        How many directions "decorrelate" keeps, those of the largest variance first; ignored by the other
        methods. A fraction in (0, 1) keeps the fewest that explain this part of the variance; None keeps all
        that are not dropped by `eps`, because the paper discards no information. An int may give fewer if the
        data lack the rank.

    Attributes
    ----------
    method_ : str
        The method in use; differs from `method` for "auto".
    mean_ : ndarray of shape (n_features,)
        What is subtracted: the means, for "minmax" the middle of each range.
    scale_ : ndarray of shape (n_features,) or (n_components,)
        What is divided by: of each column, or of each principal direction for "decorrelate" and "zca".
    components_ : ndarray of shape (n_components, n_features) or None
        Orthonormal principal directions as rows, largest variance first, the first of the largest entries
        positive; None for the methods that work column by column.
    n_samples_seen_ : int or float
        Number of rows, or their total weight as soon as weights were given.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of str
        Column names, if all are strings.

    Notes
    -----
    Sparse matrices are read a chunk of rows at a time. What `transform` returns is a dense array, since a
    mean that is subtracted leaves no zeros; the estimators, which normalise inside, never make one of all
    rows.

    "decorrelate" and "zca" hold an (n_features, n_features) matrix and take O(n_features³) per `partial_fit`.
    If nothing varies, "decorrelate" keeps the first column as its one direction, with scale 1.
    While more rows arrive, `partial_fit` can change the number of directions that "decorrelate" keeps.

    Examples
    --------
    >>> import numpy as np
    >>> from ebp import InputNormalizer
    >>> X = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    >>> InputNormalizer("minmax").fit_transform(X)
    array([[-1.,  0.],
           [ 0.,  0.],
           [ 1.,  0.]])
    >>> X = np.random.default_rng(0).normal(size=(100, 3)) @ [[1, 2, 0], [0, 1, 0], [3, 0, 1]]
    >>> Z = InputNormalizer("decorrelate").fit_transform(X)
    >>> bool(np.allclose(Z.T @ Z / 100, np.eye(3)))
    True
    """

    method_: str
    _moments: Moments

    def __init__(self, method="standard", *, eps=1e-8, n_components=None):
        self.method = method
        self.eps = eps
        self.n_components = n_components

    @with_callbacks
    def fit(self, X, y=None, sample_weight=None):
        """Learn the transformation from `X` alone, forgetting what was learned before.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Finite numbers; read in chunks, without a copy if it is a numeric array or a CSR matrix.
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; a whole weight k counts as k copies of the row, a row of weight 0 is ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For parameters outside the listed values, inputs that are not a finite numeric matrix, weights
            that are negative or all zero, and data so large that their variance overflows.
        """
        tasks = FitTasks(self, X, y, sample_weight)
        self._learn(X, sample_weight, reset=True)
        tasks.end()
        return self

    def partial_fit(self, X, y=None, sample_weight=None):
        """Add rows to the statistics: the result is that of one `fit` on all rows, up to rounding.

        Parameters and errors are those of `fit`; weights may be all zero once something was learned, and the
        number of columns and the method must not change. After an error the statistics are unchanged.

        Returns
        -------
        self
        """
        return self._learn(X, sample_weight, reset=not hasattr(self, "_moments"))

    def transform(self, X):
        """Apply the learned transformation.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features) or (n_samples, n_components)
            float32 if `X` is float32, else float64; calculated in float64.

        Raises
        ------
        ValueError
            If `X` is not a finite numeric matrix with the columns of `fit`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", accept_sparse="csr", reset=False)
        shift, factor = self._affine()
        Z = np.empty((X.shape[0], len(factor)), dtype=_output_dtype(X))
        for rows in chunks(X):
            centered = np.subtract(_dense(X[rows]), shift, dtype=np.float64)
            Z[rows] = centered * factor if factor.ndim == 1 else centered @ factor.T
        return Z

    def inverse_transform(self, X):
        """Undo `transform`; where directions were dropped, give the least-squares reconstruction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_components)
            Rows as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            float32 if `X` is float32, else float64.

        Raises
        ------
        ValueError
            If `X` is not a finite numeric matrix with as many columns as `transform` returns.
        """
        check_is_fitted(self)
        X = check_array(X, dtype="numeric", input_name="X")
        n_outputs = len(self.scale_) if self.method_ == "decorrelate" else self.n_features_in_
        if X.shape[1] != n_outputs:
            raise ValueError(
                f"[InputNormalizer.inverse_transform] X must have {n_outputs} columns; got {X.shape[1]}"
            )
        original = np.empty((X.shape[0], self.n_features_in_), dtype=_output_dtype(X))
        for rows in chunks(X):
            Z = X[rows].astype(np.float64)
            if self.method_ == "zca":
                Z = Z @ self.components_.T
            Z *= self.scale_
            original[rows] = (Z if self.components_ is None else Z @ self.components_) + self.mean_
        return original

    def get_feature_names_out(self, input_features=None):
        """Names of the output columns: those of the input, or "inputnormalizer0", ... for "decorrelate".

        Parameters
        ----------
        input_features : array-like of str, default=None
            Must agree with the names seen in `fit`, if there were any.

        Returns
        -------
        names : ndarray of str objects
        """
        names = super().get_feature_names_out(input_features)
        if self.method_ != "decorrelate":
            return names
        return np.array([f"inputnormalizer{i}" for i in range(len(self.scale_))], dtype=object)

    def _affine(self) -> tuple[np.ndarray, np.ndarray]:
        """Shift and factor of the transformation, float64.

        z = (x - shift) * factor if the factor is 1-D, else z = factor @ (x - shift).
        """
        check_is_fitted(self)
        if self.components_ is None:
            return self.mean_, 1.0 / self.scale_
        factor = self.components_ / self.scale_[:, None]
        return self.mean_, self.components_.T @ factor if self.method_ == "zca" else factor

    def _learn(self, X: Any, sample_weight: Any, *, reset: bool) -> InputNormalizer:
        where = "InputNormalizer.fit" if reset else "InputNormalizer.partial_fit"
        self._check_parameters(where)
        # "numeric" keeps integers as they are: a chunk at a time becomes float64, never the whole array.
        X = validate_data(self, X, dtype="numeric", accept_sparse="csr", reset=reset)
        self._check_components(where, X.shape[1])
        weight = checked_sample_weight(where, sample_weight, X.shape[0])
        if not reset and self.method not in ("auto", self.method_):
            raise ValueError(f"[{where}] method must stay {self.method_!r}; got {self.method!r}")
        if weight is not None and not weight.any():
            if not reset:
                return self
            raise ValueError(f"[{where}] some sample weight must not be zero; got all zero")

        # Work on a copy, so that an error or an interrupt leaves the statistics as they were.
        with_scatter = self.method in _ROTATIONS
        moments = Moments(X.shape[1], with_scatter) if reset else copy.deepcopy(self._moments)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in chunks(X):
                moments.add(_dense(X[rows]), None if weight is None else weight[rows])
            method = self._resolve(moments) if reset else self.method_
            mean, scale = shift_and_scale(moments, method, self.eps)
        if not np.isfinite([moments.weight, *moments.variance, *scale]).all():
            raise ValueError(f"[{where}] variances must be below the largest float64; got an overflow")
        components = None
        if method in _ROTATIONS:
            n_components = self.n_components if method == "decorrelate" else None
            components, scale = principal_directions(moments, self.eps, n_components)

        self.method_, self._moments, self.n_samples_seen_ = method, moments, moments.weight
        self.mean_, self.scale_, self.components_ = mean, scale, components
        return self

    def _resolve(self, moments: Moments) -> str:
        """The method in use; "auto" counts the columns and compares their ranges."""
        if self.method != "auto":
            return self.method
        varying = ~moments.constant(self.eps)
        if len(varying) < FEWEST_PIXELS or not varying.any():
            return "standard"
        ranges = (moments.high - moments.low)[varying]
        overall = moments.high.max() - moments.low.min()
        if np.mean(ranges >= 0.5 * overall) <= 0.5:
            return "standard"
        spreads = np.sqrt(moments.variance[varying])
        return "global" if spreads.min() < 0.5 * spreads.max() else "standard"

    def _settle(self) -> None:
        """Decide again on "auto", by all rows so far."""
        self.method_ = self._resolve(self._moments)
        if self.components_ is None:
            self.mean_, self.scale_ = shift_and_scale(self._moments, self.method_, self.eps)

    def _check_parameters(self, where: str) -> None:
        if not isinstance(self.method, str) or self.method not in METHODS:
            raise ValueError(f"[{where}] method must be one of {', '.join(METHODS)}; got {self.method!r}")
        if not isinstance(self.eps, _NUMBERS) or isinstance(self.eps, bool) or not 0 <= self.eps < 1:
            raise ValueError(f"[{where}] eps must be a number in [0, 1); got {self.eps!r}")

    def _check_components(self, where: str, n_features: int) -> None:
        k = self.n_components
        valid = k is None
        if isinstance(k, _NUMBERS) and not isinstance(k, bool):
            valid = bool(1 <= k <= n_features if isinstance(k, _INTEGERS) else 0 < k < 1)
        if not valid:
            raise ValueError(
                f"[{where}] n_components must be an int from 1 to n_features = {n_features}, "
                f"a fraction in (0, 1) or None; got {k!r}"
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _dense(rows: Any) -> np.ndarray:
    return rows.toarray() if issparse(rows) else rows


def _output_dtype(X: Any) -> type[np.floating]:
    return np.float32 if X.dtype == np.float32 else np.float64
