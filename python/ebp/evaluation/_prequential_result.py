"""Scores of a stream's samples, their means, and the picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ebp._checks import check_number
from ebp.plotting._figure import axes_and_figure

from ._means import faded_mean, grouped_mean, running_mean, windowed_mean


@dataclass(eq=False, repr=False)
class PrequentialResult:
    """Scores of a stream's samples, each predicted before it was learnt.

    Attributes
    ----------
    scores : ndarray of shape (n_samples,)
        Of every predicted sample, in the order of the stream.
    chunk_sizes : ndarray of shape (n_chunks,)
        Samples of each predicted chunk.
    n_first : int
        Samples of the first chunk, if it was only learnt; else 0.
    metric : str
        Name of the score.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the predicted samples, by which all means are weighted; None if there were none.
    predictions, targets : ndarray of shape (n_samples, ...) or None
        None with `keep_predictions=False`.
    mean : float
        Mean score of all samples: the prequential error (or accuracy).
    running_mean : ndarray of shape (n_samples,)
        Mean score of the samples up to each.
    chunk_scores : ndarray of shape (n_chunks,)
        Mean score of each chunk.
    ax_, figure_ : matplotlib Axes and Figure
        Where the last `plot` was drawn.

    Examples
    --------
    >>> result = PrequentialResult(
    ...     np.array([0.0, 0.0, 1.0, 1.0]), np.array([3, 1]), n_first=3, metric="accuracy"
    ... )
    >>> result
    PrequentialResult(accuracy 0.5 over 4 samples)
    >>> result.running_mean.round(2), result.chunk_scores.round(2)
    (array([0.  , 0.  , 0.33, 0.5 ]), array([0.33, 1.  ]))
    >>> result.windowed(2), result.faded(0.5).round(2)
    (array([0. , 0. , 0.5, 1. ]), array([0.  , 0.  , 0.57, 0.8 ]))
    """

    scores: np.ndarray
    chunk_sizes: np.ndarray
    n_first: int
    metric: str
    sample_weight: np.ndarray | None = None
    predictions: np.ndarray | None = None
    targets: np.ndarray | None = None
    ax_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    @property
    def mean(self) -> float:
        return float(self.running_mean[-1]) if len(self.scores) else np.nan

    @property
    def running_mean(self) -> np.ndarray:
        return running_mean(self.scores, self._weights)

    @property
    def chunk_scores(self) -> np.ndarray:
        return grouped_mean(self.scores, self._weights, self.chunk_sizes)

    def windowed(self, window: int) -> np.ndarray:
        """Mean score (n_samples,) of the last `window` samples up to each: how well things go now.

        In the beginning, of the samples there are.

        Raises
        ------
        ValueError
            For a window that is no integer of at least 1.
        """
        check_number("PrequentialResult.windowed", "window", window, 1, integer=True)
        return windowed_mean(self.scores, self._weights, int(window))

    def faded(self, factor: float = 0.999) -> np.ndarray:
        """Mean score (n_samples,) in which a sample counts by `factor` less with each that follows.

        The fading factors of Gama, Sebastião and Rodrigues (2013), On evaluating stream learning algorithms,
        Machine Learning 90. It looks back over about 1 / (1 - factor) samples, 1,000 by default, and needs no
        memory of them.

        Raises
        ------
        ValueError
            For a factor outside of (0, 1].
        """
        check_number("PrequentialResult.faded", "factor", factor, 0, 1, open_low=True)
        return faded_mean(self.scores, self._weights, float(factor))

    def plot(self, ax: Any = None, *, window: int | None = None, **kwargs: Any) -> PrequentialResult:
        """Draw the mean score of a window over the samples presented, and dashed that of all until then.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        window : int, default=None
            Samples of the window; None: a twentieth of all, which leaves 20 independent values.
        **kwargs
            For both calls of `Axes.plot`, such as color.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            For a window that is no integer of at least 1.
        """
        window = max(1, len(self.scores) // 20) if window is None else window
        recent = self.windowed(window)
        self.ax_, self.figure_ = axes_and_figure(ax, "PrequentialResult.plot")
        presented = self.n_first + 1 + np.arange(len(self.scores))
        style = {"label": f"last {window:,} samples", **kwargs}
        (line,) = self.ax_.plot(presented, recent, **style)
        style = {
            "color": line.get_color(),
            "linewidth": 1,
            **kwargs,
            "linestyle": "--",
            "label": "all samples",
        }
        self.ax_.plot(presented, self.running_mean, **style)
        name = self.metric.replace("_", " ")
        self.ax_.set(xlabel="samples presented", ylabel=f"{name}, before learning")
        self.ax_.legend(fontsize="small")
        return self

    def __repr__(self) -> str:
        return f"PrequentialResult({self.metric} {self.mean:.4g} over {len(self.scores):,} samples)"

    @property
    def _weights(self) -> np.ndarray:
        return np.ones(len(self.scores)) if self.sample_weight is None else self.sample_weight
