"""The life of a worker process, from the fork on.

The main thread opens the first executor lane and serves it until the core says Exit or is gone. Other threads exist only when the
core asks for lanes of an actor (`threads`, `loop`), besides the one helper thread of `_core`.
"""

from __future__ import annotations

import traceback
from typing import NoReturn

from mobula._core.process import Process
from mobula._env.enter import run_hook
from mobula._worker import exiting, printing
from mobula._worker.assembly import prepare
from mobula._worker.config import WorkerConfig
from mobula._worker.interrupts import Interrupts
from mobula.exceptions import RuntimeEnvSetupError


def run_worker(config: WorkerConfig) -> NoReturn:
    """Be a worker until the core has no more use for this process.

    Called once, on the main thread of a freshly forked or executed process. Exit status: 0 when the core said so or the
    actor left, 71 when the core is gone, 70 when the shim itself failed (with a traceback on stderr), else what user code
    asked for.
    """
    printing.mark_output()
    interrupts = Interrupts()
    interrupts.install()
    printing.asks(interrupts.check_print)
    try:
        process = Process.attach_worker(config)
        # Before the first executor lane, so that no task has come yet and the core can tell a failure as what it is.
        run_hook(config.session_dir)
        worker, executor = prepare(process, config.ticket_fd, interrupts)
        farewell = executor.serve()
    except RuntimeEnvSetupError:
        raise
    except exiting.LANE_LOST:
        exiting.leave_at_once(exiting.EXIT_CORE_LOST)
    except BaseException:  # noqa: BLE001 - the last line of defence
        traceback.print_exc()
        exiting.leave_at_once(exiting.EXIT_FAULT)
    exiting.obey(farewell, worker)
