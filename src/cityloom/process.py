"""A process of one module (`python -m cityloom.process sensing.gateways`), as its manifest declares it."""

import signal
import sys
import time

from cityloom import app
from cityloom.kernel import log, processes
from cityloom.kernel.settings import load

logger = log.logger("process")


def main(name: str) -> None:
    """Work until told to stop; waits for a database that is away."""
    processes.die_with_parent(signal.SIGKILL)
    settings = load()
    log.configure(settings.log_level, settings.logs, name)
    while not app.database_answers(settings):
        time.sleep(0.5)
    parts = app.open_parts(settings)
    logger.info("started", process=name)
    try:
        app.PROCESSES[name].run(parts)
    finally:
        app.close_parts(parts)
        logger.info("stopped", process=name)


if __name__ == "__main__":
    main(sys.argv[1])
