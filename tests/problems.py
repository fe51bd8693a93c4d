"""Test problems of Moré, Garbow and Hillstrom (1981), sums of squares with their starts and known minima.

Every problem is written once, as a function that returns residuals (m,) and Jacobian (m, n); the numbers in
the comments are those of the collection.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy import exp, sqrt


@dataclass(frozen=True)
class Problem:
    name: str
    model: Callable  # x -> residuals (m,), Jacobian (m, n)
    start: tuple
    minima: tuple  # published local minima of the sum of squares, the global one first

    @property
    def x0(self):
        return np.array(self.start, dtype=float)

    def residuals(self, x):
        return self.model(np.asarray(x, float))[0]

    def jacobian(self, x):
        return self.model(np.asarray(x, float))[1]

    def value_and_gradient(self, x):
        """The sum of squares (not halved) and its gradient."""
        r, J = self.model(np.asarray(x, float))
        return r @ r, 2 * (r @ J)

    def hessian(self, x):
        """By central differences of the gradient."""
        H = np.empty((x.size, x.size))
        for i, step in enumerate(np.finfo(float).eps ** (1 / 3) * np.maximum(np.abs(x), 1e-3)):
            e = np.zeros(x.size)
            e[i] = step
            H[i] = (self.value_and_gradient(x + e)[1] - self.value_and_gradient(x - e)[1]) / (2 * step)
        return (H + H.T) / 2

    def solved(self, value):
        """Whether a value of the sum of squares has four digits of a published minimum."""
        return any(abs(value - minimum) <= 1e-4 * minimum + 1e-8 for minimum in self.minima)


PROBLEMS = []


def problem(name, start, *minima):
    def add(model):
        PROBLEMS.append(Problem(name, model, tuple(start), minima))
        return model

    return add


def columns(*parts):
    return np.stack(np.broadcast_arrays(*parts), axis=1)


@problem("rosenbrock", (-1.2, 1), 0)  # 1
def rosenbrock(x):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]), np.array([[-20 * x[0], 10], [-1, 0]])


@problem("freudenstein_roth", (0.5, -2), 0, 48.98425)  # 2
def freudenstein_roth(x):
    a, b = x
    r = [-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b]
    return np.array(r), np.array([[1, 10 * b - 3 * b**2 - 2], [1, 3 * b**2 + 2 * b - 14]])


@problem("powell_badly_scaled", (0, 1), 0)  # 3
def powell_badly_scaled(x):
    r = np.array([1e4 * x[0] * x[1] - 1, exp(-x[0]) + exp(-x[1]) - 1.0001])
    return r, np.array([[1e4 * x[1], 1e4 * x[0]], [-exp(-x[0]), -exp(-x[1])]])


@problem("brown_badly_scaled", (1, 1), 0)  # 4
def brown_badly_scaled(x):
    return np.array([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2]), np.array([[1, 0], [0, 1], [x[1], x[0]]])


@problem("beale", (1, 1), 0)  # 5
def beale(x):
    i = np.arange(1, 4)
    r = np.array([1.5, 2.25, 2.625]) - x[0] * (1 - x[1] ** i)
    return r, columns(x[1] ** i - 1, x[0] * i * x[1] ** (i - 1))


@problem("jennrich_sampson", (0.3, 0.4), 124.3622)  # 6
def jennrich_sampson(x):
    i = np.arange(1, 11)
    return 2 + 2 * i - exp(i * x[0]) - exp(i * x[1]), columns(-i * exp(i * x[0]), -i * exp(i * x[1]))


@problem("helical_valley", (-1, 0, 0), 0)  # 7
def helical_valley(x):
    a, b, c = x
    angle = np.arctan(b / a) / (2 * np.pi) + (0.5 if a < 0 else 0)
    rho2 = a**2 + b**2
    J = [
        [100 * b / (2 * np.pi * rho2), -100 * a / (2 * np.pi * rho2), 10],
        [10 * a / sqrt(rho2), 10 * b / sqrt(rho2), 0],
        [0, 0, 1],
    ]
    return np.array([10 * (c - 10 * angle), 10 * (sqrt(rho2) - 1), c]), np.array(J)


BARD = (0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39)


@problem("bard", (1, 1, 1), 8.214877e-3, 17.42869)  # 8
def bard(x):
    u = np.arange(1, 16)
    v, w = 16 - u, np.minimum(u, 16 - u)
    d = v * x[1] + w * x[2]
    return np.array(BARD) - x[0] - u / d, columns(-1, u * v / d**2, u * w / d**2)


GAUSSIAN = (0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989)


@problem("gaussian", (0.4, 1, 0), 1.12793e-8)  # 9
def gaussian(x):
    t = (8 - np.arange(1, 16)) / 2
    bell = exp(-x[1] * (t - x[2]) ** 2 / 2)
    r = x[0] * bell - np.array(GAUSSIAN + GAUSSIAN[-2::-1])
    return r, columns(bell, -x[0] * bell * (t - x[2]) ** 2 / 2, x[0] * bell * x[1] * (t - x[2]))


MEYER = (34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744)
MEYER += (8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872)


@problem("meyer", (0.02, 4000, 250), 87.94586)  # 10
def meyer(x):
    d = 45 + 5 * np.arange(1, 17) + x[2]
    e = exp(x[1] / d)
    return x[0] * e - np.array(MEYER), columns(e, x[0] * e / d, -x[0] * e * x[1] / d**2)


@problem("gulf", (5, 2.5, 0.15), 0)  # 11
def gulf(x):
    t = np.arange(1, 100) / 100
    distance = 25 + (-50 * np.log(t)) ** (2 / 3) - x[1]
    power = np.abs(distance) ** x[2]
    e = exp(-power / x[0])
    J = columns(
        e * power / x[0] ** 2,
        e * power * x[2] / (distance * x[0]),
        -e * power * np.log(np.abs(distance)) / x[0],
    )
    return e - t, J


@problem("box_3d", (0, 10, 20), 0)  # 12
def box_3d(x):
    t = np.arange(1, 11) / 10
    c = exp(-t) - exp(-10 * t)
    return exp(-t * x[0]) - exp(-t * x[1]) - x[2] * c, columns(-t * exp(-t * x[0]), t * exp(-t * x[1]), -c)


@problem("powell_singular", (3, -1, 0, 1), 0)  # 13
def powell_singular(x):
    a, b, c, d = x
    r = [a + 10 * b, sqrt(5) * (c - d), (b - 2 * c) ** 2, sqrt(10) * (a - d) ** 2]
    inner, outer = 2 * (b - 2 * c), 2 * sqrt(10) * (a - d)
    J = [[1, 10, 0, 0], [0, 0, sqrt(5), -sqrt(5)], [0, inner, -2 * inner, 0], [outer, 0, 0, -outer]]
    return np.array(r), np.array(J)


@problem("wood", (-3, -1, -3, -1), 0)  # 14
def wood(x):
    a, b, c, d = x
    r = [10 * (b - a**2), 1 - a, sqrt(90) * (d - c**2), 1 - c, sqrt(10) * (b + d - 2), (b - d) / sqrt(10)]
    J = [
        [-20 * a, 10, 0, 0],
        [-1, 0, 0, 0],
        [0, 0, -2 * sqrt(90) * c, sqrt(90)],
        [0, 0, -1, 0],
        [0, sqrt(10), 0, sqrt(10)],
        [0, 1 / sqrt(10), 0, -1 / sqrt(10)],
    ]
    return np.array(r), np.array(J)


KOWALIK_Y = (0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246)
KOWALIK_U = (4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625)


@problem("kowalik_osborne", (0.25, 0.39, 0.415, 0.39), 3.075056e-4, 1.027346e-3)  # 15
def kowalik_osborne(x):
    u = np.array(KOWALIK_U)
    top, bottom = u**2 + u * x[1], u**2 + u * x[2] + x[3]
    q = x[0] * top / bottom**2
    return np.array(KOWALIK_Y) - x[0] * top / bottom, columns(-top / bottom, -x[0] * u / bottom, q * u, q)


@problem("brown_dennis", (25, 5, -5, -1), 85822.20)  # 16
def brown_dennis(x):
    t = np.arange(1, 21) / 5
    a, b = x[0] + t * x[1] - exp(t), x[2] + x[3] * np.sin(t) - np.cos(t)
    return a**2 + b**2, columns(2 * a, 2 * a * t, 2 * b, 2 * b * np.sin(t))


OSBORNE = (0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751)
OSBORNE += (0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490)
OSBORNE += (0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406)


@problem("osborne_1", (0.5, 1.5, -1, 0.01, 0.02), 5.464895e-5)  # 17
def osborne_1(x):
    t = 10.0 * np.arange(33)
    a, b = exp(-t * x[3]), exp(-t * x[4])
    J = columns(-np.ones(33), -a, -b, x[1] * t * a, x[2] * t * b)
    return np.array(OSBORNE) - x[0] - x[1] * a - x[2] * b, J


@problem("biggs_exp6", (1, 2, 1, 1, 1, 1), 0, 5.65565e-3, 0.30636677)  # 18
def biggs_exp6(x):
    t = np.arange(1, 14) / 10
    y = exp(-t) - 5 * exp(-10 * t) + 3 * exp(-4 * t)
    a, b, c = exp(-t * x[0]), exp(-t * x[1]), exp(-t * x[4])
    J = columns(-t * x[2] * a, t * x[3] * b, a, -b, -t * x[5] * c, c)
    return x[2] * a - x[3] * b + x[5] * c - y, J


@problem("watson", [0] * 6, 2.287670e-3)  # 20
def watson(x):
    t, j = np.arange(1, 30)[:, None] / 29, np.arange(6)
    powers = t**j
    slopes = np.where(j > 0, j * t ** np.maximum(j - 1, 0), 0)
    r = np.concatenate([slopes @ x - (powers @ x) ** 2 - 1, [x[0], x[1] - x[0] ** 2 - 1]])
    last = np.zeros((2, 6))
    last[0, 0], last[1, :2] = 1, [-2 * x[0], 1]
    return r, np.vstack([slopes - 2 * (powers @ x)[:, None] * powers, last])


@problem("penalty_1", range(1, 11), 7.08765e-5)  # 23
def penalty_1(x):
    r = np.append(sqrt(1e-5) * (x - 1), x @ x - 0.25)
    return r, np.vstack([sqrt(1e-5) * np.eye(x.size), 2 * x])


@problem("variably_dimensioned", 1 - np.arange(1, 11) / 10, 0)  # 25
def variably_dimensioned(x):
    j = np.arange(1, x.size + 1)
    s = j @ (x - 1)
    return np.concatenate([x - 1, [s, s**2]]), np.vstack([np.eye(x.size), j, 2 * s * j])


@problem("trigonometric", [0.1] * 10, 0, 2.79506e-5)  # 26
def trigonometric(x):
    n, i = x.size, np.arange(1, x.size + 1)
    r = n - np.cos(x).sum() + i * (1 - np.cos(x)) - np.sin(x)
    return r, np.sin(x) + np.diag(i * np.sin(x) - np.cos(x))


@problem("brown_almost_linear", [0.5] * 10, 0, 1)  # 27
def brown_almost_linear(x):
    n = x.size
    r = np.append(x[:-1] + x.sum() - (n + 1), np.prod(x) - 1)
    products = [np.prod(np.delete(x, i)) for i in range(n)]
    return r, np.vstack([np.eye(n)[:-1] + 1, products])


@problem("discrete_boundary_value", np.arange(1, 11) / 11 * (np.arange(1, 11) / 11 - 1), 0)  # 28
def discrete_boundary_value(x):
    h = 1 / (x.size + 1)
    inner = x + h * np.arange(1, x.size + 1) + 1
    second = 2 * np.eye(x.size) - np.eye(x.size, k=1) - np.eye(x.size, k=-1)
    return second @ x + h**2 * inner**3 / 2, second + np.diag(1.5 * h**2 * inner**2)


@problem("broyden_tridiagonal", [-1] * 10, 0)  # 30
def broyden_tridiagonal(x):
    beside = -np.eye(x.size, k=-1) - 2 * np.eye(x.size, k=1)
    return (3 - 2 * x) * x + beside @ x + 1, np.diag(3 - 4 * x) + beside


@problem("linear_full_rank", [1] * 5, 5)  # 32, m = 10
def linear_full_rank(x):
    A = np.eye(10, x.size) - 0.2
    return A @ x - 1, A


@problem("linear_rank_1", [1] * 5, 10 * 9 / (2 * 21))  # 33, m = 10
def linear_rank_1(x):
    A = np.outer(np.arange(1.0, 11), np.arange(1.0, x.size + 1))
    return A @ x - 1, A
