"""Who trains the tasks; a new peer joins by a file with a builder and a line here."""

from __future__ import annotations

from common import MINI_BATCH, MOMENTUM, WEIGHT_DECAY, Peer

# Tasks A-E. `learn_one` is timed on its own.
DENSE = {
    "ebp": Peer("ebp_engine:build_sgd", "ebp, train_online with SGD"),
    "ebp-streaming": Peer(
        "ebp_engine:build_sgd", "ebp, SGD, engine 'streaming'", options={"engine": "streaming"}
    ),
    "ebp-blocked": Peer("ebp_engine:build_sgd", "ebp, SGD, engine 'blocked'", options={"engine": "blocked"}),
    "ebp-sdlm": Peer(
        "ebp_engine:build_sdlm", "ebp, train_online with SDLM, rates frozen for a pass", method="sdlm"
    ),
    "ebp-sdlm-unit": Peer(
        "ebp_engine:build_sdlm",
        "ebp, SDLM, one rate a unit, frozen for a pass",
        method="sdlm, one rate a unit",
        options={"granularity": "unit"},
    ),
    "ebp-momentum": Peer(
        "ebp_engine:build_sgd",
        f"ebp, SGD with momentum {MOMENTUM}",
        method="momentum",
        options={"momentum": MOMENTUM},
    ),
    "ebp-decay": Peer(
        "ebp_engine:build_sgd",
        f"ebp, SGD with weight decay {WEIGHT_DECAY}",
        method="weight decay",
        options={"weight_decay": WEIGHT_DECAY},
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

# Only on task D, and no online training: what updates after every sample are to keep up with. It goes through
# Python once a batch, and takes as many rows as compiled code, whole batches of them.
MINI_BATCH_SGD = {
    "torch-256": Peer(
        "torch_mini_batch:build",
        f"PyTorch by hand, one update for {MINI_BATCH} samples: addmm_ in place, no autograd",
        method="mini-batch",
    ),
}

# Task F.
LENET = {
    "ebp": Peer("ebp_lenet:build_sgd", "ebp, train_online"),
    "jax": Peer("lenet_jax:build", "JAX lax.scan, im2col, gradients of convolution and maximum by hand"),
    "jax-grad": Peer("lenet_jax:build_grad", "JAX lax.scan of jax.grad, im2col"),
    "torch": Peer(
        "lenet_torch:build", "PyTorch nn.Sequential, autograd, optim.SGD, without mkldnn", compiled=False
    ),
    "c": Peer("lenet_c:build", "plain C, naive loops"),
}

# LeNet-5 itself, timed without competitors (tasks G and H).
LENET5_DENSE = {"ebp": Peer("ebp_lenet:build_lenet5", "ebp, train_online")}
LENET5_MAP = {"ebp": Peer("ebp_lenet:build_lenet5_map", "ebp, train_online", method="sdlm")}

# Second derivatives and batch optimisation, by the key of the task (d: three of them).
SECOND_ORDER = {
    "a": {
        "ebp": Peer("ebp_second_order:build_hessian", "curvature.hessian"),
        "jax": Peer("jax_hessian:build", "jax.jit(jax.hessian)"),
        "torch": Peer("torch_curvature:build_hessian", "torch.func.hessian"),
    },
    "b": {
        "ebp": Peer("ebp_second_order:build_diagonal", "curvature.hessian_diagonal, gauss_newton"),
        "backpack": Peer("backpack_diagonal:build", "DiagGGNExact, with the gradient it comes with"),
    },
    "c1": {
        "ebp": Peer("ebp_second_order:build_lanczos", "curvature.principal_eigenvalue, Lanczos, tol 1e-4"),
        "ebp-power": Peer("ebp_second_order:build_power", "curvature.principal_eigenvalue, power, tol 1e-4"),
        "curvlinops": Peer("curvlinops_eigenvalue:build", "HessianLinearOperator in SciPy's eigsh, tol 1e-4"),
        "torch": Peer("torch_curvature:build_power", "power iteration, double backward on one graph"),
    },
    "c2": {
        "ebp": Peer("ebp_second_order:build_product", "curvature.hessian_vector_product"),
        "torch": Peer("torch_curvature:build_product", "double backward, graph built each time"),
    },
    "c3": {
        "ebp": Peer("ebp_second_order:build_product_kept", "curvature.hessian_operator, made beforehand"),
        "torch": Peer("torch_curvature:build_product_kept", "double backward, graph built beforehand"),
    },
    "d": {
        "ebp": Peer("ebp_second_order:build_levenberg_marquardt", "optimize.fit, lm"),
        "scipy": Peer("scipy_fit:build", "least_squares, trf, Jacobian by hand in NumPy"),
        "torch-lm": Peer("torch_fit:build_levenberg_marquardt", "Cholesky, at most 300 steps"),
    },
    "e": {
        "ebp": Peer("ebp_second_order:build_lbfgs", "optimize.fit, lbfgs"),
        "sklearn": Peer("sklearn_lbfgs:build", "MLPRegressor(solver='lbfgs')"),
        "torch": Peer("torch_fit:build_lbfgs", "optim.LBFGS, strong_wolfe"),
    },
}
