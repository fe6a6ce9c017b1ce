"""Evaluations that take long: accepted at once, worked off one after the other, and never lost.

    store.py     what is remembered of each job, in SQLite, shared by all workers
    desk.py      what a worker does: accept, tell, cancel, and see to it that somebody works
    runner.py    the work: a process of its own with the lowest priority, one per folder of jobs
    answers.py   the addresses under /evaluate/jobs

Why a process: a thread of low priority may hold the interpreter's lock while the threads of /predict wait for it. The
kernel gives it WEIGHBRIDGE_JOB_SHARE of a core that /predict wants, by default only what is left over.

Whoever holds the lock on `runner.lock` is the runner; the kernel takes it away from a process that dies, so a job that
is marked as running while nobody holds the lock has lost its runner. It is resumed where it stopped, and marked failed
after ATTEMPTS. A runner ends when the worker that started it does; another worker, or the next start, goes on.
"""
