//! Our SDK calls over real HTTP, against emulators of AWS that others wrote.
//!
//! The run sets itself up: a virtual environment under `target/emulators` (once), and servers on
//! free ports that end with the tests. Where that cannot be had (no Python, no package registry)
//! each test is skipped and the reason printed; with `BLUEGREEN_REQUIRE_EMULATOR=1` that is a
//! failure.
//!
//! `moto` stands for the load balancer, since it keeps weights; `ministack` for CloudWatch, since
//! it speaks the protocol that the SDK does. Neither is AWS. Where one differs, the test says so.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod asked;
mod canary;
mod cancelled;
mod capacity;
mod cloudwatch;
mod conformance;
mod dead_man;
mod deploy;
mod deployment;
mod drift;
mod harness;
mod journal;
mod killed;
mod lag;
mod locate;
mod monitor;
mod patience;
mod place;
mod program;
mod proxy;
mod rollback;
mod seized;
mod shift;
mod spec;
mod topology;
mod versions;
