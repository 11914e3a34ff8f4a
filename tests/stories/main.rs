//! Stories: whole migrations on the simulated AWS, in virtual time.

mod capacity;
mod cleanup;
mod clocks;
#[path = "../common/mod.rs"]
mod common;
mod control;
mod credentials;
mod guide;
mod journals;
mod kept;
mod lag;
mod limits;
mod native;
mod native_rule;
mod refused;
mod release;
mod release_lag;
mod requests;
mod rights;
mod scenarios;
mod sequential;
mod shrunk;
mod spec;
mod store;
mod tested;
mod thrift;
mod topic;
mod twice;
mod uses;
