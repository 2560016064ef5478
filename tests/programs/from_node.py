"""Programs of Node: each is a script in `node/`."""

from __future__ import annotations

import json

from tests.programs.declaring import NODE, Programs, node

program = Programs()

VERSIONS = json.loads((NODE / "package.json").read_text())["dependencies"]


def script(name: str, package: str, tried: str, installed_as: str = "", file: str = "") -> None:
    """Declare a case; its script has its name and its package is installed by its own, unless told otherwise."""
    installed_as = installed_as or package

    def run(port: int) -> None:
        node(file or name, port, installed_as)

    run.__name__ = name
    program(package, tried, version=VERSIONS[installed_as].rsplit("@")[-1])(run)


JOBS = "jobs, delays, priorities, retries, schedules, stalled jobs, limits of the rate and of how many run at once"
FLOWS = "flows: jobs that wait for their children"

script("ioredis", "ioredis", "publish and subscribe, pipelines, transactions, MONITOR, commands made of scripts")
script(
    "node_redis",
    "node-redis",
    "publish and subscribe, transactions, scripts, streams, its cache, RESP2 and RESP3",
    installed_as="redis",
)
script("socketio_adapter", "@socket.io/redis-adapter", "two servers of socket.io with a room in common")
script("bullmq", "bullmq", JOBS)
script("bullmq_flow", "bullmq", FLOWS)
script("bullmq_6", "bullmq", JOBS, installed_as="bullmq-6", file="bullmq")
script("bullmq_6_flow", "bullmq", FLOWS, installed_as="bullmq-6", file="bullmq_flow")
script("bull", "bull", "jobs, delays, priorities, retries, repeated and stalled jobs, a limit of the rate")
script("bee_queue", "bee-queue", "jobs, delays, retries, progress, stalled jobs")
script("bottleneck", "bottleneck", "a limit that several processes share: how many at once, how often, of a reservoir")
script("redlock", "redlock", "locks that are waited for, extended, refused and lost")
script(
    "rate_limiter_flexible",
    "rate-limiter-flexible",
    "points, penalties, blocks, bursts, a queue, a union",
)
script("rate_limit_redis", "rate-limit-redis", "the store of express-rate-limit")
