"""A callback that kills its process. Processes of dask import it from here."""

import os
import signal


class KillOnce:
    """Of an estimator: notes the process of each training, and kills the first one in its second epoch."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __call__(self, estimator, epoch, logs):
        pid = os.getpid()
        with open(os.path.join(self.folder, f"worker-{pid}"), "a"):
            pass
        if epoch == 1:
            try:
                os.close(os.open(os.path.join(self.folder, "killed"), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os.kill(pid, signal.SIGKILL)
