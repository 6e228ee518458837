"""A job worker: one process that does queued and timed work (`python -m cityloom.worker`)."""

import asyncio
import time

from cityloom import app
from cityloom.kernel import log, processes
from cityloom.kernel.jobs import Queue
from cityloom.kernel.settings import load

logger = log.logger("worker")


def main() -> None:
    """Work until told to stop; waits for a database that is away."""
    processes.die_with_parent()
    settings = load()
    log.configure(settings.log_level, settings.logs, "worker")
    while not app.database_answers(settings):
        time.sleep(0.5)
    parts = app.open_parts(settings)
    queue = Queue(parts, app.MODULES, app.role_url(settings, app.admin_url(settings), "cityloom_app"))
    timers = queue.timers()
    timers.start()
    logger.info("started")
    try:
        asyncio.run(queue.work(concurrency=1))
    finally:
        timers.stop()
        app.close_parts(parts)
        logger.info("stopped")


if __name__ == "__main__":
    main()
