"""Fixtures and the report header."""

import importlib
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from bench_scripts import BENCH
from joblib import cpu_count

MOST_PROCESSES = 4  # what they need of memory is for small machines too


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Share all tests out among processes; of a file or two, those would only take time to start."""
    options, plugins = config.option, config.pluginmanager
    is_worker = hasattr(config, "workerinput")  # one of the processes, which come by here, too
    is_all = config.args_source is config.ArgsSource.TESTPATHS
    if is_worker or not is_all or not plugins.hasplugin("xdist"):
        return
    interactive = options.usepdb or options.trace or options.capture == "no"
    if options.numprocesses is None and not interactive:
        options.numprocesses = min(cpu_count(), MOST_PROCESSES)


def pytest_report_header(config):
    """Names the code under test, so that a run on the wrong build is seen at once."""
    try:
        import ebp
    except ImportError as error:
        return f"ebp: not importable ({error})"
    return f"ebp {ebp.__version__}, level {ebp._core.level}: {ebp._core.module.__file__}"


@pytest.fixture
def rng():
    return np.random.default_rng(1998)


@pytest.fixture(scope="session")
def data_dir():
    """The folder with `mnist/` and `digits480/`."""
    named = os.environ.get("EBP_DATA_DIR")
    if not named:
        pytest.skip("EBP_DATA_DIR is not set: no MNIST, no digits480")
    path = Path(named)
    if not path.is_dir():
        pytest.skip(f"EBP_DATA_DIR names no folder: {path}")
    return path


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Lets Ctrl-C, which some tests send, through: what a shell starts in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def bench():
    """Imports a module of bench/ by its name, and forgets all of them in the end."""
    before = set(sys.modules)
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module
    sys.path.remove(str(BENCH))
    for name in set(sys.modules) - before:
        if BENCH in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
            del sys.modules[name]
