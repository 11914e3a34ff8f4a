//! Our SDK calls over real HTTP, against emulators of AWS from other projects.
//!
//! The run sets itself up: a virtual environment under `target/emulators` (once), and servers on
//! free ports that end with the tests. If the environment cannot be made (no Python, no package
//! registry), each test is skipped and the reason printed; with `BLUEGREEN_REQUIRE_EMULATOR=1` a
//! skip is a failure.
//!
//! `moto` stands for the load balancer, since it keeps weights; `ministack` for CloudWatch, since
//! it speaks the protocol of the SDK. Neither is AWS. If an emulator differs, the test says so.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod asked;
mod canary;
mod cancelled;
mod capacity;
#[expect(deprecated, reason = "the new names are in a crate that no user names")]
mod cleanup;
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
mod rights;
mod rollback;
mod seized;
mod shift;
mod spec;
mod topology;
mod versions;
