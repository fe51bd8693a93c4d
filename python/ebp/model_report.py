"""A page about a model: how it was trained, what it learnt, how well it does."""

from __future__ import annotations

import html as html_texts
import os
from collections.abc import Mapping
from typing import Any

from sklearn.utils.validation import check_is_fitted

from . import _report_data as with_data
from . import _report_html as html
from . import _report_model as of_model
from ._analysis import double_copy
from ._arrays import as_rows
from ._checks import check_number
from ._estimator import OnlineEstimator
from ._extras import require_extra
from ._files import write_atomically
from ._initialization import generator
from ._measurements import hessian_eigenvalues
from ._report_html import Section
from .diagnosis import diagnose
from .network import Network

__all__ = ["Report", "report"]


class Report:
    """A page of HTML in one piece, with no scripts and nothing to fetch: what `report` returns.

    A notebook shows it where it is the value of a cell.

    Parameters
    ----------
    title : str
    html : str
        The document.

    Attributes
    ----------
    title, html : str
        As given.
    """

    def __init__(self, title: str, html: str) -> None:
        self.title = title
        self.html = html

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, in UTF-8; an existing file is replaced once the new one is complete.

        Letters that UTF-8 has no code for, halves of surrogate pairs, become question marks.

        Parameters
        ----------
        path : str or path-like
        """
        write_atomically(path, self.html.encode("utf-8", errors="replace"))

    def __repr__(self) -> str:
        return f"Report({self.title!r}, {len(self.html):,} characters)"

    def _repr_html_(self) -> str:
        # In a frame, for its style is not meant for the notebook around it.
        return (
            f'<iframe srcdoc="{html_texts.escape(self.html)}" '
            'style="width: 100%; height: 40em; border: 0"></iframe>'
        )


def report(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    path: str | os.PathLike[str] | None = None,
    title: str | None = None,
    date: Any = None,
    details: Mapping[str, Any] | None = None,
    feature_names: Any = None,
    max_samples: int = 500,
    random_state: Any = 0,
) -> Report:
    """Make a page about a model: training curves, rates, weights, and with data predictions and curvature.

    Parameters
    ----------
    model : fitted MLPClassifier, MLPRegressor, NetworkClassifier or NetworkRegressor, or Network
        Of an estimator the page shows the training curves, the learning rates per layer, the layers and the
        weights; of a bare network, which knows nothing of its training, the last two.
    X : array-like of shape (n_samples, n_features) or (n_samples, \\*input_shape), default=None
        Data, such as a test set, for the rest of the page: confusion matrix or predictions, spectrum of the
        Hessian and `diagnose`; for a bare network the spectrum alone. None leaves them out.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Labels or values; targets for a bare network.
    path : str or path-like, default=None
        File to write the page to, in a folder that exists; None writes none.
    title : str, default=None
        None: the class of the model.
    date : object, default=None
        What stands under the title, as its `str`. None: no date, so that the same model and the same data
        give the same page.
    details : dict, default=None
        Further rows for the table at the head, such as the names of files.
    feature_names : sequence of str of shape (n_features,), default=None
        Names of the inputs, for the picture of the weights. None: `feature_names_in_`, if there are any.
    max_samples : int, default=500
        The curvature is measured on so many samples at most, see `diagnose`.
    random_state : None, int, numpy.random.Generator or RandomState, default=0
        Draws these samples.

    Returns
    -------
    Report
        With the attribute `html` and the method `save`.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, NotFittedError
        For another model, or one that is not fitted.
    ValueError
        For X without y, y without X, or data that do not suit the model.
    FileNotFoundError
        If there is no folder for `path`.

    Examples
    --------
    >>> import ebp
    >>> X, y = ebp.datasets.load_digits()
    >>> model = ebp.MLPClassifier((10,), max_iter=3, random_state=0).fit(X[:1500], y[:1500])
    >>> page = ebp.report(model, X[1500:], y[1500:], title="Digits")
    >>> "Confusion matrix" in page.html
    True
    """
    require_extra("matplotlib", "plot", "report")
    estimator = _checked(model)
    if (X is None) != (y is None):
        raise ValueError(f"[report] X and y must be given together; got {'y' if X is None else 'X'} alone")
    check_number("report", "max_samples", max_samples, 2, integer=True)
    if path is not None and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise FileNotFoundError(
            f"[report] path must name a file in a folder that exists; got {os.fspath(path)!r}"
        )
    title = type(model).__name__ if title is None else str(title)
    parts: list[Section] = []
    if estimator is not None:
        parts += [of_model.curves(model), of_model.rates(model)]
    if X is not None:
        parts += _parts_with_data(model, estimator, X, y, max_samples, random_state)
    net = model if estimator is None else estimator.network_
    parts += [of_model.weights(model, feature_names), of_model.layers(net)]
    if X is None:
        parts.append(_left_out(estimator is not None))
    head = [html.tag("p", str(date))] if date is not None else []
    head.append(of_model.facts(model, details or {}))
    page = Report(title, html.page(title, head, parts, f"Made by ebp {_version()}, efficient-backprop."))
    if path is not None:
        page.save(path)
    return page


def _checked(model: Any) -> OnlineEstimator | None:
    """The model if it is an estimator, None if it is a network."""
    if isinstance(model, Network):
        return None
    if not isinstance(model, OnlineEstimator):
        raise TypeError(
            "[report] model must be an MLP or Network classifier or regressor of ebp, or an ebp.Network; "
            f"got {type(model).__name__}"
        )
    check_is_fitted(model)
    return model


def _parts_with_data(
    model: Any, estimator: OnlineEstimator | None, X: Any, y: Any, max_samples: int, random_state: Any
) -> list[Section]:
    if estimator is None:
        net = double_copy(model, "report")
        X = as_rows(X, net.n_inputs, net.dtype, "report", "X", net.input_shape)
        T = as_rows(y, net.n_outputs, net.dtype, "report", "y")
        if len(X) != len(T):
            raise ValueError(
                f"[report] X and y must have the same number of samples; got {len(X)} and {len(T)}"
            )
        some = generator(random_state).permutation(len(X))[:max_samples]
        eigenvalues = hessian_eigenvalues(net, X[some], T[some])
        return [with_data.spectrum(eigenvalues, net.n_parameters, len(some))]
    found = diagnose(X, y, estimator=estimator, max_samples=max_samples, random_state=random_state)
    hessian = found["hessian"]
    spectrum = with_data.spectrum(found.eigenvalues, hessian["n_parameters"], hessian["n_samples"])
    return [with_data.predictions(estimator, X, y), spectrum, with_data.diagnosis(found)]


def _left_out(fitted: bool) -> Section:
    """What data would add, and how to give them."""
    what = "confusion matrix or predictions, spectrum of the Hessian, diagnosis" if fitted else "spectrum"
    code = [html.tag("code", "ebp.report(model, X, y)"), " in Python"]
    if fitted:
        code = [html.tag("code", "ebp report MODEL --data FILE.csv"), " on the command line, ", *code]
    return html.section("left-out", "Left out", html.tag("p", f"For want of data: {what}. ", *code, "."))


def _version() -> str:
    from . import __version__

    return str(__version__)
