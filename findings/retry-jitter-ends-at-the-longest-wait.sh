#!/usr/bin/env bash
# Retry libraries with jitter: once the delay has grown to its maximum, four popular libraries wait exactly that
# long, each client alike, and two of Rust wait up to 50 % or 100 % longer than the maximum.
#
# Jitter is there so that clients that failed together do not come back together, and an outage that lasts puts
# all of them at the longest wait. tenacity's `wait_exponential_jitter`, urllib3's `backoff_jitter`, npm's retry
# (`randomize`) and cockatiel's default, decorrelated jitter, apply the random part first and cut the result at the
# maximum. So of 1,000 clients, all or nearly all retry in the same millisecond, in each round. The crates backon
# 1.6.0 and backoff 0.4.0 cut first and apply it then: a maximum of 60 s is no maximum.
#
# tenacity's `wait_random_exponential`, backoff's (PyPI) `full_jitter` and cockatiel's `fullJitterGenerator` keep
# both promises.
#
# Seen: the lines under SEEN, for the twelfth retry of 1,000 clients, from 1 s on, at a maximum of 60 s. The
# documentation of tenacity and urllib3 has the formula. The same was reported, and changed, elsewhere:
# https://github.com/ferd/backoff/issues/8. Not found in the other trackers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check tenacity==9.2.1 urllib3==2.8.0 backoff==2.2.1
npm install --silent --no-audit --no-fund --prefix "$work" retry@0.13.1 cockatiel@3.2.1 > "$work/npm"
cat > "$work/probe.py" <<'PY'
import backoff
import tenacity
from urllib3.util.retry import Retry


def show(name, delay):
    delays = [delay() for _ in range(1000)]
    same = delays.count(60) >= 950
    assert max(delays) <= 60
    print(f"{name}: {'all wait 60 s' if same else 'spread below 60 s'}")


state = tenacity.RetryCallState(None, None, (), {})
state.attempt_number = 12
jitter = tenacity.wait_exponential_jitter(initial=1, max=60, jitter=1)
show("tenacity, wait_exponential_jitter", lambda: jitter(state))
jitter = tenacity.wait_exponential_jitter(initial=1, max=60, jitter=30)
show("tenacity, wait_exponential_jitter with 30 s of it", lambda: jitter(state))
full = tenacity.wait_random_exponential(multiplier=1, max=60)
show("tenacity, wait_random_exponential", lambda: full(state))

retry = Retry(20, backoff_factor=1, backoff_max=60, backoff_jitter=1)
for _ in range(12):
    retry = retry.increment("GET", "/", error=Exception())
show("urllib3, backoff_jitter", retry.get_backoff_time)
show("backoff of Python, full_jitter", lambda: backoff.full_jitter(60))
PY
cat > "$work/probe.js" <<'JS'
const retry = require("retry");
const cockatiel = require("cockatiel");

function show(name, delay) {
  const delays = Array.from({ length: 1000 }, delay);
  const same = delays.filter((one) => one === 60000).length >= 950;
  if (Math.max(...delays) > 60000) throw new Error("above the maximum");
  console.log(`${name}: ${same ? "all wait 60 s" : "spread below 60 s"}`);
}

function twelfth(options) {
  let backoff = new cockatiel.ExponentialBackoff({ initialDelay: 1000, maxDelay: 60000, ...options }).next();
  for (let attempt = 1; attempt < 12; attempt++) backoff = backoff.next({});
  return backoff.duration;
}

const options = { retries: 12, randomize: true, minTimeout: 1000, maxTimeout: 60000 };
show("retry, randomize", () => retry.timeouts(options)[11]);
show("cockatiel, default", () => twelfth({}));
show("cockatiel, fullJitterGenerator", () => twelfth({ generator: cockatiel.fullJitterGenerator }));
JS
mkdir -p "$work/probe/src"
cat > "$work/probe/Cargo.toml" <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2024"

[dependencies]
backoff = "=0.4.0"
backon = { version = "=1.6.0", default-features = false, features = ["std"] }

[workspace]
TOML
cat > "$work/probe/src/main.rs" <<'RS'
use std::time::Duration;

use backoff::{ExponentialBackoffBuilder, backoff::Backoff};
use backon::{BackoffBuilder, ExponentialBuilder};

const MAXIMUM: Duration = Duration::from_secs(60);

fn show(name: &str, delay: impl Fn() -> Duration) {
    let longest = (0..1000).map(|_| delay()).max().expect("delays");
    let above = match longest.as_secs() {
        110..=120 => "up to 120 s",
        85..90 => "up to 90 s",
        _ => "otherwise",
    };
    println!("{name}: {above}");
}

fn main() {
    show("backon, with_jitter", || {
        let builder = ExponentialBuilder::default().with_jitter().with_max_times(20);
        let mut delays = builder.with_min_delay(Duration::from_secs(1)).with_max_delay(MAXIMUM).build();
        delays.nth(11).expect("a delay")
    });
    show("backoff of Rust", || {
        let mut builder = ExponentialBackoffBuilder::new();
        builder.with_initial_interval(Duration::from_secs(1)).with_multiplier(2.0);
        let mut delays = builder.with_max_interval(MAXIMUM).with_max_elapsed_time(None).build();
        (0..12).filter_map(|_| delays.next_backoff()).last().expect("a delay")
    });
}
RS
cd "$work"
{
    venv/bin/python probe.py
    node probe.js
    cargo run --quiet --manifest-path probe/Cargo.toml
} > seen
cat seen
diff seen - <<'SEEN'
tenacity, wait_exponential_jitter: all wait 60 s
tenacity, wait_exponential_jitter with 30 s of it: all wait 60 s
tenacity, wait_random_exponential: spread below 60 s
urllib3, backoff_jitter: all wait 60 s
backoff of Python, full_jitter: spread below 60 s
retry, randomize: all wait 60 s
cockatiel, default: all wait 60 s
cockatiel, fullJitterGenerator: spread below 60 s
backon, with_jitter: up to 120 s
backoff of Rust: up to 90 s
SEEN
echo "as stated: at the longest wait there is no jitter, or no maximum"
