//! The test of the new side, as a part of the file.

mod blue;
mod green;
mod kept;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::green::GreenTest;
use super::{FilePath, Name, Span, deployment::problems_of_file, values::Share, written::As};
use crate::{
    check::{ConnectTo, load::TestSettings},
    problem::Problem,
    traffic::Percent,
};

/// How the new side is tested before it gets traffic. What stands here goes before the table `[test]` in the
/// file of the requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TestSpec {
    /// The file of the requests, in TOML; [`TestSuite`](crate::check::load::TestSuite) has every key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FilePath>,
    /// A migration begins only if a test of the same target group and task definition has passed, and is
    /// not older than this. Default: no test is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require: Option<Span>,
    /// The base URL, instead of the base URL of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Name>,
    /// The `Host` header, instead of the `Host` header of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Name>,
    /// The host that requests are sent to, if not the host of the URL, such as the balancer's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_to: Option<ConnectTo>,
    /// Requests a second. Default: what the new side gets in the first step, by the requests of the last
    /// hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// The time in which the rate rises from zero. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Span>,
    /// How long requests are sent. Default: 2 minutes, or as long as the bounds need, up to 30 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// How many requests may wait for their answers at once. Default: 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// The highest error rate. Default: 5 %.
    #[serde(with = "As::<Option<Share>>", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Share>")]
    pub max_error_rate: Option<Percent>,
    /// The highest latencies, by percentile: `{ p50 = "300ms", p99 = "2s" }`. Default: 3 seconds for p99.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_latency: Option<BTreeMap<String, Span>>,
    /// The confidence of each bound. Default: 99 %.
    #[serde(with = "As::<Option<Share>>", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Share>")]
    pub confidence: Option<Percent>,
    /// The header that leads to the new side. Default: `X-Bluegreen-Test: green`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_header: Option<String>,
    /// How often each request is compared with the old side's answer; 0 for no comparison. Default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<u32>,
    /// JSON paths that are not compared, beside those of the file. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Headers that are not compared, beside those of the file. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_headers: Vec<String>,
    /// How far numbers may differ, beside the tolerances of the file. Default: not at all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tolerances: Vec<ToleranceSpec>,
    /// Kinds of differences that do not fail the test, such as `error-body`. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<String>,
}

/// How far numbers at a place may differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToleranceSpec {
    /// The place, by RFC 9535, such as `$.score`.
    pub path: String,
    /// The difference that does not count.
    pub within: f64,
}

/// The fields that are no settings of the test itself.
const OTHERS: [&str; 5] = ["file", "require", "url", "host", "connect_to"];

impl TestSpec {
    /// Returns the settings, read by the reader of request files, so that both forms give the same problems.
    /// The fields of the problems are those of this table.
    pub(super) fn settings(&self) -> Result<TestSettings, Vec<Problem>> {
        let told = |error: &dyn std::fmt::Display| vec![Problem::new("", error.to_string(), "")];
        let mut table = toml::Table::try_from(self).map_err(|error| told(&error))?;
        for other in OTHERS {
            table.remove(other);
        }
        let text = toml::to_string(&table).map_err(|error| told(&error))?;
        TestSettings::from_toml(&text).map_err(problems_of_file)
    }
}
