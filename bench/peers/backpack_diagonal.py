"""BackPACK: the exact diagonal of Gauss-Newton's matrix, in the backward pass of nn.MSELoss."""

import importlib.util
import sys
import types
import warnings

from common import Work
from second_order_oracle import BatchProblem
from torch import nn

from peers.torch_network import flat, prepare


def _stand_in_for_torchvision() -> dict[str, types.ModuleType]:
    """Modules named as those that BackPACK's own examples import; none where torchvision is installed."""
    if importlib.util.find_spec("torchvision") is not None:
        return {}
    names = {"torchvision": [], "torchvision.datasets": ["MNIST"]}
    names["torchvision.transforms"] = ["Compose", "Normalize", "ToTensor"]
    modules = {}
    for name, contents in names.items():
        modules[name] = types.ModuleType(name)
        vars(modules[name]).update(dict.fromkeys(contents))
    return modules


def _import_backpack():
    stand_in = _stand_in_for_torchvision()
    sys.modules.update(stand_in)
    try:
        import backpack
        import backpack.extensions
    finally:
        for name in stand_in:
            del sys.modules[name]
    return backpack


def build(problem: BatchProblem) -> Work:
    """`diag_ggn_exact` of all parameters; the mean over outputs is undone when the answer is read."""
    backpack = _import_backpack()
    net, inputs, targets = prepare(problem)
    net, loss = backpack.extend(net), backpack.extend(nn.MSELoss())

    def run():
        net.zero_grad()
        value = loss(net(inputs), targets)
        with backpack.backpack(backpack.extensions.DiagGGNExact()):
            value.backward()

    # The first layer's hook says that nobody wants a gradient of the inputs.
    warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)

    def answer():
        diagonal = flat(parameter.diag_ggn_exact for parameter in net.parameters())
        return [diagonal.numpy() * (problem.n_outputs / 2)]

    return Work(1, run, answer)
