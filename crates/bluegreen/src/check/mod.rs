//! Checks: ask a service, and compare the answer with what it should be.
//!
//! [`ServiceCheck`] is the role. `CheckSuite` reads health checks and smoke tests from a file, and makes
//! them over [`HttpClient`], the seam of one request. `CheckSuite` comes with the feature `check`, as do `ReqwestClient`, which sends real requests, and `load`, which tests a service
//! under load and compares its answers.

#[cfg(feature = "check")]
mod body;
mod connect_to;
#[cfg(feature = "check")]
mod expect;
mod http;
#[cfg(feature = "check")]
mod http_check;
#[cfg(feature = "check")]
pub mod load;
#[cfg(feature = "check")]
mod number;
#[cfg(feature = "check")]
mod path;
mod report;
#[cfg(feature = "check")]
mod reqwest_client;
mod role;
#[cfg(feature = "check")]
mod spec;

pub use self::{
    connect_to::ConnectTo,
    http::{HttpClient, HttpFailure, HttpRequest, HttpResponse},
    report::{Answer, CheckFailure, CheckReport},
    role::{ServiceCheck, check_fn},
};
#[cfg(feature = "check")]
pub(crate) use self::{
    expect::{Expect, ExpectJson, StatusSet},
    path::JsonPath,
};
#[cfg(feature = "check")]
pub use self::{
    http_check::HttpCheck,
    reqwest_client::ReqwestClient,
    spec::{CheckSuite, HealthSpec, SmokeSpec},
};
#[cfg(feature = "check")]
pub use crate::problem::{SpecError, SpecProblem};
