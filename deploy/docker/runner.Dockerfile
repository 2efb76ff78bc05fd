# The image that agents run in: a Python, uv, and the harness as the first process. Nothing of ours beside it.
#
#   docker build -f deploy/docker/runner.Dockerfile -t assay-runner .
#
# It needs no write access but to /tmp, no capability, no user of its own, and knows no secret: the harness fetches its
# context by a pre-signed URL and sends its result by another (deploy/docker/README.md).

# Any image with Python 3.9 or later as `python3` and pip. What it brings along is there for agents to import.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS tools
COPY requirements.lock /tmp/
# By its hash, and the version that everything else here is tested with. --target: no rule of the base's pip applies.
RUN sed -n '/^uv==/,/[^\\]$/p' /tmp/requirements.lock >/tmp/uv.lock \
 && python3 -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
      --target /opt/tools -r /tmp/uv.lock
COPY services/orchestrator/harness/test_runner.py services/orchestrator/harness/test_runner_rest.py /opt/assay/
# Compiling takes twice as long as running it, and every test would pay for it: the root may be read-only.
# optimize=2: without docstrings, which cost time to read.
RUN for file in test_runner test_runner_rest; do \
      python3 -c "import py_compile; py_compile.compile('/opt/assay/$file.py', '/opt/assay/$file.pyc', doraise=True, optimize=2)" || exit; \
    done \
 && chmod 0555 /opt/assay && chmod 0444 /opt/assay/*

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Assay runner" \
      org.opencontainers.image.description="Runs one AI agent under test: the Assay harness with Python and uv." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=tools /opt/tools/bin/uv /usr/local/bin/uv
COPY --from=tools /opt/assay /opt/assay
# Agents start their tools by either name, and Debian's own Python has only one.
RUN command -v python >/dev/null || ln -s "$(command -v python3)" /usr/local/bin/python
# Agents find and leave files in /work/in and /work/out, here as everywhere; the harness makes what the links lead to.
# The one place that is written to. As a VOLUME it stays writable under a read-only root, and ECS keeps its mode: a
# volume that it mounts at a path without VOLUME belongs to root and is closed to others.
RUN chmod 1777 /tmp \
 && mkdir /work && ln -s /tmp/work/in /work/in && ln -s /tmp/work/out /work/out
VOLUME ["/tmp"]
# Not writable: the harness makes a folder of its own below /tmp.
WORKDIR /
USER 65534:65534
# As PID 1 the harness cannot be ended from inside and gets SIGTERM from outside; so no shell and no init around it.
STOPSIGNAL SIGTERM
ENTRYPOINT ["python3", "-S", "-I", "/opt/assay/test_runner.pyc"]
