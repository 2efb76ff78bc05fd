"""Runs one agent and reports what it did: the program inside every sandbox and container of Assay.

It takes a context (one JSON object), installs the requirements, runs the agent in a child process, turns every line
that the agent writes into a numbered JSON line on fd 1, and hands back one result object. It knows nothing of queues,
stores and clouds.

The agent is not trusted. It is forked *before* the context is read, so the nonce that proves our marks was never in its
memory, and this process is non-dumpable, so an agent of the same user cannot look into it (with CAP_SYS_PTRACE it
could: do not give it that). As PID 1 the harness cannot be killed from inside, and a SIGTERM from inside is ignored.

In a container (ASSAY_CONTEXT_URL is set) the environment holds addresses that are credentials, secrets and what the
platform put there. So the agent then gets an environment made of named things, see `environment_of_children`.

Speed is a feature: every test pays for a start of this file. So nothing is imported here that not every test needs
(`json` alone costs more than all of this), and the process leaves through os._exit. What a plain function with a plain
answer does not need is in test_runner_rest.py, which has to lie beside this file (see `from_the_rest`). Compiling both
costs twice as much as running them: where that matters, compile them once with py_compile and run the .pyc.

    python3 -S -I test_runner.py            context on fd 0, or from ASSAY_CONTEXT_URL
    python test_runner.py --agent IN ...    inside: the agent's process as another interpreter (see _exec_agent)
"""
