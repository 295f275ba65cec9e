"""`python -m bench`: a flood through one server process, in a room of 100 and in rooms of 10.

For each: accepted messages per second, and the CPU time of server, Redis and worker apart. CPU time per delivery
is what compares; seconds on a shared machine say little.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.clients import Crowd, Room
from bench.stack import Stack

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Scene:
    """One kind of flood."""

    name: str
    rooms: int
    members: int
    messages: int
    window: int  # messages under way in a room
    content_bytes: int = 40


SCENES = (
    Scene("one room of 100", rooms=1, members=100, messages=60_000, window=600),
    Scene("ten rooms of 10", rooms=10, members=10, messages=100_000, window=120),
)


def measure(stack: Stack, scene: Scene) -> dict[str, float | str]:
    """Run a scene once against a running stack."""
    tag = f"{time.time_ns():x}"
    rooms = [Room(stack.port, f"bench-{tag}-{number}", scene.members) for number in range(scene.rooms)]
    crowd = Crowd(rooms, scene.messages, scene.window, scene.content_bytes)
    before = stack.cpu_s()
    seconds = crowd.flood(timeout_s=180)
    after = stack.cpu_s()
    confirmed_s = crowd.settle(timeout_s=180)
    settled = stack.cpu_s()
    crowd.close()
    deliveries, messages = crowd.deliveries, crowd.messages
    return {
        "scene": scene.name,
        "messages": messages,
        "deliveries": deliveries,
        "accepted_per_s": round(messages / seconds),
        "deliveries_per_s": round(deliveries / seconds),
        "server_us_per_delivery": round((after["web"] - before["web"]) / deliveries * 1e6, 3),
        "server_us_per_message": round((after["web"] - before["web"]) / messages * 1e6, 2),
        "redis_us_per_message": round((settled["redis"] - before["redis"]) / messages * 1e6, 2),
        "worker_us_per_message": round((settled["worker"] - before["worker"]) / messages * 1e6, 2),
        "all_confirmed_after_s": round(confirmed_s, 2),
    }


def main() -> None:
    """Measure, print the table, keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each scene; the best is told")
    parser.add_argument("--messages", type=int, help="messages of each scene")
    options = parser.parse_args()
    rows = []
    for scene in SCENES:
        chosen = Scene(**asdict(scene) | ({"messages": options.messages} if options.messages else {}))
        with Stack() as stack:
            runs = [measure(stack, chosen) for _ in range(options.repeat)]
        rows.append(min(runs, key=lambda run: run["server_us_per_delivery"]))
    for name in rows[0]:
        print(f"{name:26}" + "".join(f"{row[name]!s:>20}" for row in rows))
    RESULTS.mkdir(exist_ok=True)
    told = {"machine": platform.machine(), "python": platform.python_version(), "rows": rows}
    (RESULTS / "flood.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
