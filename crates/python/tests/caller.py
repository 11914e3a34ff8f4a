"""A script of a team that followed the guide: the public names of its `traffic_router.py`, used in its order.

Only the import says which `TrafficRouter` it is. What the team configures comes from the environment here.
"""

import os
import sys

from traffic_router import TrafficRouter


def configured() -> TrafficRouter:
    router = TrafficRouter(region=os.environ["AWS_REGION"])
    router.listener_arn, router.blue_target_group, router.green_target_group = os.environ["ARNS"].split()
    if "ACCEPT" in os.environ:
        router.accept = os.environ["ACCEPT"].split()
    return router


def main(act: str, wait_minutes: float) -> None:
    router = configured()
    weights = router.get_current_traffic_weights()
    print("before", weights.get("blue", 0), weights.get("green", 0), flush=True)
    if act == "migrate":
        done = router.gradual_migration([10, 50, 100], wait_minutes=wait_minutes)
    elif act == "complete":
        done = router.complete_migration()
    elif act == "rollback":
        done = router.rollback_migration()
    else:
        done = router.update_traffic_weights(*map(int, act.split("/")))
    print("says", "done" if done else "blue has everything", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 10)
