"""The libraries measured by `online.py`; a new one joins by a file with a `build` and a line here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from common import Problem, Training


@dataclass(frozen=True)
class Peer:
    """One way to train online.

    `builder` is "module:function" in this folder, a function from Problem to Training. `compiled`: the whole
    pass runs outside Python. `method` names the oracle of `common.reference_parameters`.
    """

    builder: str
    description: str
    compiled: bool = True
    method: str = "sgd"

    def build(self, problem: Problem) -> Training:
        """Set up the training; ImportError where the library is absent."""
        module, function = self.builder.split(":")
        return getattr(importlib.import_module(f"peers.{module}"), function)(problem)


PEERS = {
    "ebp": Peer("ebp_engine:build_sgd", "ebp, train_online with SGD"),
    "ebp-sdlm": Peer(
        "ebp_engine:build_sdlm", "ebp, train_online with SDLM, rates frozen for a pass", method="sdlm"
    ),
    "learn_one": Peer("ebp_engine:build_learn_one", "ebp, one learn_one call from Python per sample"),
    "jax": Peer("jax_scan:build", "JAX lax.scan, backward by hand, donated parameters"),
    "c": Peer("plain_c:build", "plain C, restructured: vector tanh, 4 rows at once, fused backward"),
    "torch": Peer("torch_manual:build", "PyTorch by hand: addmv/addr_ in place, no autograd", compiled=False),
    "torch-nn": Peer("torch_idiomatic:build", "PyTorch nn.Sequential, autograd, optim.SGD", compiled=False),
    "sklearn": Peer(
        "sklearn_mlp:build",
        "scikit-learn MLPRegressor(batch_size=1), linear output",
        compiled=False,
        method="sgd, linear output",
    ),
    "numba": Peer("numba_loops:build", "numba loops, fastmath, fused backward"),
}

# What a name of the command line stands for; ebp is always measured.
OWN = ("ebp", "ebp-sdlm")
SELECTION = {
    "jax": ["jax"],
    "c": ["c"],
    "torch": ["torch", "torch-nn"],
    "sklearn": ["sklearn"],
    "numba": ["numba"],
}
