# owncache as a program of its own.  The README shows how to run it.
FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links=/wheels twisted-kv \
    && rm -rf /wheels \
    && useradd --system --no-create-home --uid 10001 owncache \
    && install --directory --owner=owncache /data
USER owncache
WORKDIR /tmp
# Nothing is written there unless `--dir /data` and `--appendonly yes`, or `--save`, say so.
VOLUME /data
EXPOSE 6379/tcp 6379/udp
# An error reply (status 1: a password is asked for) is a sign of life too; no answer is status 2.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD ["sh", "-c", "owncache-cli -t 2 --address-file /tmp/owncache.address PING; test $? -lt 2"]
# It listens on all addresses of the container, so it refuses strangers (protected mode) and datagrams until it is told
# otherwise by the options that follow the image's name.
ENTRYPOINT ["twistd", "--nodaemon", "--pidfile=", "owncache", "--bind", "*", "--address-file", "/tmp/owncache.address"]
CMD ["--no-udp"]
