"""The guide's `deploy/traffic_router.py` on top of bluegreen: change the import, and keep your script.

    from traffic_router import TrafficRouter         # this file beside your script

    router = TrafficRouter()
    router.listener_arn = "arn:aws:elasticloadbalancing:…:listener/app/chatbot-alb/…"
    router.blue_target_group = "arn:aws:…:targetgroup/chatbot-flask-tg/…"
    router.green_target_group = "arn:aws:…:targetgroup/chatbot-fastapi-tg/…"
    router.gradual_migration([10, 50, 100], wait_minutes=10)

Constructor, methods, arguments and returns are the guide's. What differs:

- `True` means that green has everything, and `False` that blue has everything, both read back. Any other end
  raises: `TrafficDivided` if the traffic was left divided, `bluegreen.UnresolvedError` if the split is not known or
  blue could not be restored. The guide's script returned `False` then, and said that blue had everything.
- `get_current_traffic_weights` returns percent, as its caller prints it, and raises if the rule is not found.
- `complete_migration` needs healthy targets for all traffic, and watches green afterwards.
- Green is watched all the time, not once after the wait; no data never passes; a throttled call is tried again.
- `gradual_migration` takes steps that end with 100.

Without arguments it runs on a simulated AWS, which nothing real is touched by:

    python traffic_router.py                          # green is healthy: half an hour in a second
    python traffic_router.py --scenario green-errors  # rolled back
    python traffic_router.py --spec bluegreen.toml    # the real AWS, as the file says

The exit code is 0 with the scenario `healthy` or a promoted green, 10 after a rollback, otherwise that of
`bluegreen.Outcome.exit_code`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import bluegreen

__all__ = ["TrafficDivided", "TrafficRouter", "execute_migration"]


class TrafficDivided(bluegreen.BluegreenError):
    """A migration ended, and traffic is divided. `outcome` says how, and why. A person decides what is next."""

    exit_code = 12

    def __init__(self, outcome: bluegreen.Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


class TrafficRouter:
    """Manage traffic routing for blue-green deployment."""

    #: Risks that a run takes on, since the guide's script has no dead-man switch and no journal in S3. Give
    #: `spec` a `[safety] dead_man` and a `journal = "s3://…"`, and take them out.
    accept: Sequence[str] = ("no-dead-man", "single-host")
    #: The folder of the journal, from which a killed run is resumed or put back.
    journal = "bluegreen-journal"
    #: The priority of the rule that divides the traffic.
    priority = 100

    def __init__(
        self,
        region: str = "us-east-1",
        *,
        spec: bluegreen.Spec | None = None,
        aws: bluegreen.Aws | bluegreen.Simulation | None = None,
        blue: str | None = None,
    ) -> None:
        """Takes the guide's one argument; `spec` instead of the three ARNs below, with the name of its side that
        is `blue`, and `aws` instead of the environment's credentials, such as a simulated one."""
        self.region = region
        self.listener_arn = (
            "arn:aws:elasticloadbalancing:us-east-1:ACCOUNT:listener/app/chatbot-alb/1234567890123456/1234567890123456"
        )
        self.blue_target_group = (
            "arn:aws:elasticloadbalancing:us-east-1:ACCOUNT:targetgroup/chatbot-flask-tg/1234567890123456"
        )
        self.green_target_group = (
            "arn:aws:elasticloadbalancing:us-east-1:ACCOUNT:targetgroup/chatbot-fastapi-tg/1234567890123456"
        )
        #: How the last migration ended.
        self.outcome: bluegreen.Outcome | None = None
        self._spec = spec
        self._aws = aws
        # With a spec, the side that serves is blue, and while traffic is divided the journal knows.
        self._blue = "flask" if spec is None else blue

    # ---- the guide's methods -----------------------------------------------------------------------

    def get_current_traffic_weights(self) -> dict[str, float]:
        """Returns the percent of the traffic that each side gets, as read now.

        Raises `bluegreen.CallError` if it could not be read: no split is made up.
        """
        green = round(self.spec().observe(self.aws(), blue=self._blue).green_share * 100, 1)
        return {"blue": _whole(round(100 - green, 1)), "green": _whole(green)}

    def update_traffic_weights(self, blue_weight: float, green_weight: float) -> bool:
        """Writes one split, in percent, and reads it back. `False` if it was refused: nothing was written.

        This is one guarded write, without a gate and without a rollback: prefer `gradual_migration`. Raises
        `bluegreen.OutcomeUnknownError` if the write may have happened.
        """
        if blue_weight + green_weight != 100:
            print("Failed to update traffic weights: weights must sum to 100")
            return False
        try:
            traffic = self.spec().shift(self.aws(), green_weight, blue=self._blue)
        except bluegreen.OutcomeUnknownError:
            raise
        except bluegreen.BluegreenError as error:
            print(f"Failed to update traffic weights: {_words(error)}")
            return False
        print(f"Traffic updated: {traffic}")
        return True

    def gradual_migration(self, steps: Sequence[float], wait_minutes: float = 10) -> bool:
        """Moves traffic to green by these percents, each watched for `wait_minutes` at least.

        Returns `True` if green has everything, and `False` if blue has everything; raises otherwise.
        """
        if not steps or steps[-1] != 100:
            hint = "let the last step be 100, so that the traffic is not left divided"
            return self._refused(bluegreen.SpecError("the steps end below 100", hint=hint))
        print("Starting gradual traffic migration...")
        wait = timedelta(minutes=wait_minutes)
        # Time for each step to wait four times as long, and for one more that keeps a tenth on blue.
        deadline = max(timedelta(hours=2), 4 * wait * (len(steps) + 1))
        try:
            spec = self.spec().with_(plan={"steps": list(steps), "bake": wait, "deadline": deadline})
        except bluegreen.SpecError as error:
            return self._refused(error)
        return self._run(spec, "migrate")

    def complete_migration(self) -> bool:
        """Moves everything to green at once, and watches it. `False` if blue has everything again."""
        return self._run(self.spec(), "complete")

    def rollback_migration(self) -> bool:
        """Puts everything back on blue, from any split. Raises if that was not possible: never `False`."""
        self._run(self.spec(), "restore")
        return True

    # ---- what is below -----------------------------------------------------------------------------

    def aws(self) -> bluegreen.Aws | bluegreen.Simulation:
        """Returns the AWS of this router: by default as the environment says, in its region."""
        if self._aws is None:
            self._aws = bluegreen.Aws.from_env(self.region)
        return self._aws

    def spec(self) -> bluegreen.Spec:
        """Returns the specification: the one that was given, or made from the three ARNs."""
        if self._spec is not None:
            return self._spec
        if ":ACCOUNT:" in self.listener_arn + self.blue_target_group + self.green_target_group:
            raise bluegreen.SpecError(
                "the ARNs are still the guide's",
                hint="set listener_arn, blue_target_group and green_target_group, or give a spec",
            )
        return bluegreen.Spec(
            name="chatbot",
            region=self.region,
            journal=self.journal,
            traffic={"rules": [{"listener": self.listener_arn, "priority": self.priority}]},
            side={
                "flask": {"target_group": self.blue_target_group},
                "fastapi": {"target_group": self.green_target_group},
            },
            safety={"accept": list(self.accept)},
        )

    def migration(self, spec: bluegreen.Spec, act: Any) -> bluegreen.Migration:
        """Returns the migration that is to run: the place to add gates, or a monitor of your own."""
        return bluegreen.Migration(spec, self.aws(), act=act, blue=self._blue)

    def _run(self, spec: bluegreen.Spec, act: str) -> bool:
        try:
            self.outcome = self.migration(spec, act).on_event(_show).run()
        except (bluegreen.SpecError, bluegreen.RefusedError, bluegreen.HeldError) as refused:
            return self._refused(refused)
        print(self.outcome)
        if self.outcome.is_promoted:
            return True
        # A run that ended before its first read tells no split: read and not assumed.
        traffic = self.outcome.traffic or self.spec().observe(self.aws(), blue=self._blue)
        if traffic.is_all_blue and self.outcome.kind != "held":
            return False
        raise TrafficDivided(self.outcome)

    def _refused(self, error: bluegreen.BluegreenError) -> bool:
        """Nothing was changed. `False` if blue has everything, which is read and not assumed; else it raises."""
        print(f"Nothing was changed: {_words(error)}")
        if self.spec().observe(self.aws(), blue=self._blue).is_all_blue:
            return False
        raise error


def _whole(percent: float) -> int | float:
    return int(percent) if percent == int(percent) else percent


def _words(error: bluegreen.BluegreenError) -> str:
    return f"{error}\n  hint: {error.hint}" if error.hint else str(error)


_QUIET = {"looked", "accepted", "shifted", "controlled"}


def _show(event: bluegreen.Event) -> None:
    """Prints what happens; of the looks nothing, since there are four a minute."""
    if event.name not in _QUIET and event.name != "ended":
        print(event.line(100))


# Migration execution script
def execute_migration(router: TrafficRouter | None = None, wait_minutes: float = 10) -> int:
    """Execute the complete blue-green migration. Returns the exit code."""
    router = router or TrafficRouter()

    # Migration steps: 10% -> 50% -> 100%
    migration_steps = [10, 50, 100]

    print("Current traffic distribution:")
    current_weights = router.get_current_traffic_weights()
    print(f"Blue (Flask): {current_weights.get('blue', 0)}%")
    print(f"Green (FastAPI): {current_weights.get('green', 0)}%")

    # Perform gradual migration
    if router.gradual_migration(migration_steps, wait_minutes=wait_minutes):
        print("\nMigration completed successfully!")
        print("FastAPI is now handling 100% of traffic")
        print("Keep the Flask environment until you are sure: it is the way back")
    else:
        print("\nMigration did not complete")
        print("Flask is handling 100% of traffic, as read back")
    return router.outcome.exit_code if router.outcome else 3


def _main() -> int:
    parser = argparse.ArgumentParser(description="Moves traffic from blue to green, on a simulated AWS by default.")
    parser.add_argument("--scenario", default="healthy", help="a world of bluegreen.scenarios() (default: healthy)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of that world (default: 1)")
    parser.add_argument("--spec", metavar="FILE", help="the real AWS, as this file says")
    parser.add_argument("--wait-minutes", type=float, default=10, help="how long each step is watched (default: 10)")
    options = parser.parse_args()
    try:
        if options.spec:
            return execute_migration(TrafficRouter(spec=bluegreen.Spec.from_file(options.spec)), options.wait_minutes)
        print("A simulated AWS: nothing real is touched.\n")
        world = bluegreen.Simulation(options.scenario, seed=options.seed)
        return execute_migration(TrafficRouter(spec=world.spec, aws=world, blue="flask"), options.wait_minutes)
    except bluegreen.BluegreenError as error:
        print(f"error: {_words(error)}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(_main())
