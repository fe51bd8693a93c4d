"""Does online learning follow a target that moves, at a constant, annealed or adaptive rate? Section 4.1.

    python bench/experiments/drift.py --out drift.png
    python bench/experiments/drift.py --full               # longer streams, 5 seeds, more rates
    python bench/experiments/drift.py --streams digits --samples 4000

Streams whose target rotates (a hyperplane), switches (digits whose labels are exchanged) or changes slowly (a
plant to be identified), each predicted before it is learnt (`ebp.evaluation.prequential`), by

- constant: `partial_fit` as it is, at its automatic rate;
- annealed: the same with `schedules.InverseTime(1000)`;
- batch: `fit` on the first tenth, nothing after it;
- Murata: the same network with `rules.Murata`, whose rate may rise again up to `largest`.

The same at multiples of the automatic rate tells whether that one tracks. Further streams have inputs whose
scales drift, which the normalisation of `partial_fit`, fixed after 1,000 samples, does not follow; statistics
that forget do. Errors are those of the second half of a stream, of classifiers in percent. Default: three
seeds, some two minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import ebp
import experiment
import numpy as np
from ebp.evaluation import PrequentialResult, prequential
from ebp.layers import Dense
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from tqdm import tqdm

CHUNK = 20  # samples between two predictions, far fewer than any target takes to move
HIDDEN = 20
LEARNERS = {"constant": "tab:blue", "annealed": "tab:orange", "batch": "tab:grey", "Murata": "tab:green"}
T0 = 1000  # of the annealing
MULTIPLES = (0.25, 4.0)
FINE_MULTIPLES = (0.1, 0.25, 0.5, 2.0, 4.0, 8.0)
FORGETTING = 1 / 500  # of statistics that follow the inputs
RESPONSE = 30  # presentations in which Murata's rate can follow the mean gradient
GAIN = 4.0  # a rate in balance with the first gradient is too small for all that follow, which are shorter
SCALES = {"scale to 10": 10.0, "scale to 0.1": 0.1}


# Streams


@dataclass
class Stream:
    """Samples in order; the switch is where the target changes at once."""

    X: np.ndarray
    y: np.ndarray
    classes: np.ndarray | None
    switch: int | None = None


def hyperplane(n: int, rng: np.random.Generator) -> Stream:
    """Ten inputs; the normal of the boundary turns once, 5 % of the labels are wrong."""
    X = rng.standard_normal((n, 10)).astype(np.float32)
    angle = 2 * np.pi * np.arange(n) / n
    side = X[:, 0] * np.cos(angle) + X[:, 1] * np.sin(angle) > 0
    return Stream(X, (side ^ (rng.random(n) < 0.05)).astype(int), np.arange(2))


def digits(n: int, rng: np.random.Generator) -> Stream:
    """scikit-learn's digits; from the middle on, every digit has the label of the next one."""
    X, y = ebp.datasets.load_digits()
    rows = rng.integers(len(X), size=n)
    labels = y[rows].copy()
    labels[n // 2 :] = (labels[n // 2 :] + 1) % 10
    return Stream(X[rows].astype(np.float32), labels, np.arange(10), n // 2)


def plant(n: int, rng: np.random.Generator) -> Stream:
    """y(t + 1) = a y / (1 + y^2) + b u^3 with noise; a and b change once and back, b even its sign."""
    phase = 2 * np.pi * np.arange(n) / n
    a, b = 1 + 0.5 * np.sin(phase), np.cos(phase)
    u, noise = rng.uniform(-1.5, 1.5, n), 0.1 * rng.standard_normal(n)
    states = np.zeros(n + 1)
    for t in range(n):
        states[t + 1] = a[t] * states[t] / (1 + states[t] ** 2) + b[t] * u[t] ** 3 + noise[t]
    return Stream(np.column_stack([states[:-1], u]).astype(np.float32), states[1:], None)


def scaled(n: int, rng: np.random.Generator, factor: float) -> Stream:
    """A fixed target of ten inputs, whose scale goes to `factor` by and by after 2,000 samples."""
    Z = rng.standard_normal((n, 10))
    y = (Z[:, 0] * Z[:, 1] + Z[:, 2] > 0).astype(int)
    progress = np.clip((np.arange(n) - 2000) / (0.6 * n - 2000), 0, 1)
    return Stream((Z * factor ** progress[:, np.newaxis]).astype(np.float32), y, np.arange(2))


STREAMS: dict[str, Callable[[int, np.random.Generator], Stream]] = {
    "hyperplane": hyperplane,
    "digits": digits,
    "plant": plant,
}


# Learners


class MurataLearner(BaseEstimator):
    """The network of the estimators, trained by `rules.Murata`; started with the first chunk.

    The first rate, half of 1 / lambda_max as that of the estimators' SGD, is also the largest.
    """

    def __init__(self, classes: np.ndarray | None = None, random_state: int = 0) -> None:
        self.classes = classes
        self.random_state = random_state

    def partial_fit(self, X: np.ndarray, y: np.ndarray, classes: Any = None) -> MurataLearner:
        first = not hasattr(self, "network_")
        if first:
            self.normalizer_ = ebp.InputNormalizer("auto" if self.classes is None else "global")
        if first or self.n_seen_ < 1000:
            self.normalizer_.partial_fit(X)
        Z, T = self.normalizer_.transform(X).astype(np.float32), self._code(y)
        if first:
            self._start(Z, T)
        self.n_seen_ += len(X)
        self.network_.train_online(Z, T, self.rule_)
        self.rates_ += [float(self.rule_.learning_rates[0])] * len(X)
        return self

    def _start(self, Z: np.ndarray, T: np.ndarray) -> None:
        output = "identity" if self.classes is None else "scaled_tanh"
        layers = [Dense(HIDDEN), Dense(T.shape[1], output)]
        self.network_ = ebp.Network(layers, Z.shape[1], random_state=self.random_state)
        rate = 0.5 * ebp.curvature.principal_eigenvalue(self.network_, Z, T).learning_rate
        length = float(np.linalg.norm(self.network_.gradient(Z, T)))
        options = {"beta": GAIN * rate / length, "alpha": 1 / (RESPONSE * rate), "largest": rate}
        self.rule_ = ebp.rules.Murata(rate, **options)
        self.rates_: list[float] = []
        self.n_seen_ = 0

    def _code(self, y: np.ndarray) -> np.ndarray:
        if self.classes is None:
            return y[:, np.newaxis].astype(np.float32)
        if len(self.classes) == 2:
            return (2 * y[:, np.newaxis] - 1).astype(np.float32)
        return experiment.plus_minus_one(y)

    def predict(self, X: np.ndarray) -> np.ndarray:
        outputs = self.network_.forward(self.normalizer_.transform(X).astype(np.float32))
        if self.classes is None:
            return outputs[:, 0].astype(np.float64)
        return (outputs[:, 0] > 0).astype(int) if outputs.shape[1] == 1 else outputs.argmax(axis=1)


class MurataClassifier(ClassifierMixin, MurataLearner):
    """For labels 0, 1, ..."""


class MurataRegressor(RegressorMixin, MurataLearner):
    """For single values."""


class Fixed(BaseEstimator):
    """An estimator that has learnt, and learns no more."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        return self.estimator.__sklearn_tags__()

    def partial_fit(self, X: np.ndarray, y: np.ndarray) -> Fixed:
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.estimator.predict(X)


def estimator(stream: Stream, seed: int, **options: Any) -> Any:
    kind = ebp.MLPRegressor if stream.classes is None else ebp.MLPClassifier
    return kind((HIDDEN,), random_state=seed, **options)


def automatic_rate(stream: Stream, seed: int) -> float:
    """The rate that the estimator chooses."""
    model = estimator(stream, seed)
    options = {} if stream.classes is None else {"classes": stream.classes}
    return model.partial_fit(stream.X[:CHUNK], stream.y[:CHUNK], **options).eta_


def follow(model: Any, stream: Stream) -> PrequentialResult:
    """Errors, of classifiers in percent."""
    wrong = None if stream.classes is None else error_in_percent
    classes = None if isinstance(model, Fixed) else stream.classes
    return prequential(model, (stream.X, stream.y), chunk_size=CHUNK, classes=classes, metric=wrong)


def error_in_percent(y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    return 100.0 * (y != predictions)


def learner(name: str, stream: Stream, seed: int) -> Any:
    if name == "constant":
        return estimator(stream, seed)
    if name == "annealed":
        return estimator(stream, seed, learning_rate=ebp.schedules.InverseTime(T0))
    if name == "batch":
        first = len(stream.y) // 10
        return Fixed(estimator(stream, seed).fit(stream.X[:first], stream.y[:first]))
    kind = MurataRegressor if stream.classes is None else MurataClassifier
    return kind(stream.classes, random_state=seed)


def forgetful(X: np.ndarray) -> np.ndarray:
    """Inputs standardised by exponentially forgetting statistics of those before."""
    first = X[:CHUNK].astype(np.float64)
    centre, power = first.mean(axis=0), first.var(axis=0)
    found = np.empty_like(X)
    for t, x in enumerate(X):
        found[t] = (x - centre) / np.sqrt(power + 1e-12)
        leak = max(FORGETTING, 1 / (CHUNK + t + 1))
        power += leak * ((x - centre) ** 2 - power)
        centre += leak * (x - centre)
    return found


# What is measured


@dataclass
class Measured:
    """Of every stream, one result a seed."""

    learners: dict[str, dict[str, list[PrequentialResult]]]
    rates: dict[str, list[np.ndarray]]  # Murata's, one a presentation
    multiples: dict[str, dict[float, list[PrequentialResult]]]  # of the automatic rate
    scales: dict[str, dict[str, list[PrequentialResult]]]


def measure(names: list[str], n: int, seeds: list[int], multiples: tuple[float, ...]) -> Measured:
    scales = SCALES if "scales" in names else {}
    names = [name for name in names if name in STREAMS]
    found = Measured({name: {key: [] for key in LEARNERS} for name in names}, {}, {}, {})
    total = len(seeds) * (len(names) * (len(LEARNERS) + len(multiples)) + 3 * len(scales))
    with tqdm(total=total, unit="stream", leave=False) as bar:
        for seed in seeds:
            for name in names:
                stream = STREAMS[name](n, np.random.default_rng(seed))
                for key in LEARNERS:
                    model = learner(key, stream, seed)
                    found.learners[name][key].append(follow(model, stream))
                    bar.update()
                found.rates.setdefault(name, []).append(np.array(model.rates_))
                rate = automatic_rate(stream, seed)
                for multiple in multiples:
                    model = estimator(stream, seed, learning_rate_init=multiple * rate)
                    by_rate = found.multiples.setdefault(name, {1.0: found.learners[name]["constant"]})
                    by_rate.setdefault(multiple, []).append(follow(model, stream))
                    bar.update()
            for name, factor in scales.items():
                for key, result in followed_scales(n, factor, seed):
                    found.scales.setdefault(name, {}).setdefault(key, []).append(result)
                    bar.update()
    return found


def followed_scales(n: int, factor: float, seed: int) -> Iterator[tuple[str, PrequentialResult]]:
    """`partial_fit` on inputs whose scale drifts, with statistics that forget, and without drift."""
    stream, same = (scaled(n, np.random.default_rng(seed), goal) for goal in (factor, 1.0))
    yield "fixed after 1,000", follow(estimator(stream, seed), stream)
    forgotten = Stream(forgetful(stream.X), stream.y, stream.classes)
    yield "forgetting", follow(estimator(forgotten, seed, normalize=None), forgotten)
    yield "scale without drift", follow(estimator(same, seed), same)


def late(results: list[PrequentialResult]) -> float:
    """Mean score of the second half of the stream, mean over the seeds."""
    return mean(float(result.scores[len(result.scores) // 2 :].mean()) for result in results)


def recovery(results: list[PrequentialResult], switch: int) -> float:
    """Samples after the switch until 200 of them have at most twice the errors of before plus 2 %; median."""
    counts = []
    for result in results:
        recent = result.windowed(200)
        now = switch - result.n_first
        low = recent[now + 200 :] <= 2 * recent[now - 1] + 2
        counts.append(200.0 + float(np.argmax(low)) if low.any() else np.inf)
    return median(counts)


def raised(rates: list[np.ndarray], switch: int) -> float:
    """Largest rate in the 1,000 presentations after the switch over that before it, median."""
    return median(float(one[switch : switch + 1000].max() / one[switch - 1]) for one in rates)


def claim(found: Measured, n: int) -> experiment.Claims:
    claims = experiment.Claims()
    for name, by_learner in found.learners.items():
        errors = {key: late(results) for key, results in by_learner.items()}
        for key, error in errors.items():
            claims.number(f"{name}: error, {key}", error)
        ratio = errors["batch"] / errors["constant"]
        claims.number(f"{name}: batch / constant", ratio, "does not follow", "P", (2, np.inf))
        ratio = errors["annealed"] / errors["constant"]
        claims.number(f"{name}: annealed / constant", ratio, "follows less", within=(1, np.inf))
        by_rate = {multiple: late(results) for multiple, results in found.multiples[name].items()}
        best = min(by_rate, key=lambda multiple: by_rate[multiple])
        ratio = by_rate[1.0] / by_rate[best]
        claims.number(f"{name}: automatic rate / best, {best:g} of it", ratio, "near 1", within=(1, 1.5))
    if "digits" in found.learners:
        for key, results in found.learners["digits"].items():
            claims.number(f"digits: samples until recovered, {key}", recovery(results, n // 2))
        rise = raised(found.rates["digits"], n // 2)
        claims.number("digits: Murata's rate, after / before the switch", rise, "rises", within=(2, np.inf))
    for name, by_kind in found.scales.items():
        still = late(by_kind["scale without drift"])
        claims.number(f"{name}: error without drift", still)
        fixed, forgetting = (late(by_kind[key]) / still for key in ("fixed after 1,000", "forgetting"))
        claims.number(f"{name}: statistics fixed / without drift", fixed)
        claims.number(f"{name}: forgetting / without drift", forgetting, "near 1", within=(0.7, 1.3))
    return claims


# The picture


def draw(figure: Any, found: Measured) -> None:
    """Errors over the stream (first seed), Murata's rates, errors over rates, and drifting scales."""
    names = list(found.learners)
    axes = figure.subplots(2, 3)
    for ax, name in zip(axes[0], names, strict=False):
        for key, colour in LEARNERS.items():
            draw_errors(ax, found.learners[name][key][0], color=colour, label=key)
        bottom = 0.008 if name == "plant" else 0.5
        ax.set(title=name, yscale="log", xlabel="samples", ylabel=unit(name), ylim=(bottom, None))
    for name in names:
        first = found.rates[name][0]
        axes[1, 0].plot(first / first[0], label=name, lw=1)
        by_rate = sorted((multiple, late(results)) for multiple, results in found.multiples[name].items())
        multiples, errors = zip(*by_rate, strict=True)
        axes[1, 1].plot(multiples, np.array(errors) / min(errors), "o-", label=name)
    axes[1, 0].set(title="Murata's rate", yscale="log", xlabel="samples", ylabel="of the first rate")
    axes[1, 1].set(title="Errors over multiples of the automatic rate, second half", xscale="log")
    axes[1, 1].set(xlabel="multiple", ylabel="of the least error", ylim=(0.9, 3))
    ticks = sorted({multiple for by_rate in found.multiples.values() for multiple in by_rate})
    axes[1, 1].set_xticks(ticks, [f"{multiple:g}" for multiple in ticks])
    axes[1, 1].minorticks_off()
    for (name, by_kind), line in zip(found.scales.items(), ("-", "--"), strict=False):
        colours = ("tab:red", "tab:green", "black")
        for (key, results), colour in zip(by_kind.items(), colours, strict=True):
            draw_errors(axes[1, 2], results[0], color=colour, ls=line, label=f"{name}: {key}")
    axes[1, 2].set(title="Inputs whose scale drifts", xlabel="samples", ylabel=unit("scales"))
    for ax in axes.ravel():
        ax.grid(alpha=0.3)
        if ax.lines:
            ax.legend(fontsize="small")


def draw_errors(ax: Any, result: PrequentialResult, **style: Any) -> None:
    window = len(result.scores) // 40
    recent = result.windowed(window)[window:]
    ax.plot(result.n_first + window + np.arange(len(recent)), recent, lw=1.2, **style)


def unit(name: str) -> str:
    return "squared error" if name == "plant" else "error, %"


def main() -> None:
    parser = experiment.parser(__doc__, seeds=3)
    names = [*STREAMS, "scales"]
    parser.add_argument("--streams", nargs="+", choices=names, default=names)
    parser.add_argument("--samples", type=int, help="of a stream; default 20,000, with --full 60,000")
    options = parser.parse_args()
    n = options.samples or (60_000 if options.full else 20_000)
    seeds = list(range(5)) if options.full else options.seeds
    found = measure(options.streams, n, seeds, FINE_MULTIPLES if options.full else MULTIPLES)
    figure = experiment.new_figure((18, 10), f"A target that moves: {n:,} samples, predicted, then learnt")
    draw(figure, found)
    print(f"{n:,} samples, means of {len(seeds)} seeds over the second half; classifiers in percent")
    claim(found, n).print()
    experiment.save(figure, options.out, "drift")


if __name__ == "__main__":
    main()
