"""A function run by the two processes of a distributed group."""

import multiprocessing


def run_two_processes(function, *arguments):
    """Call ``function(rank, *arguments)`` in two forks of this process, and wait for both to end well."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=function, args=(rank, *arguments)) for rank in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
