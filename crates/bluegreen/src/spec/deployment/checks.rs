//! The health check and the smoke tests, as a part of the file.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::super::{FilePath, Name, Span};
use crate::{
    check::{CheckSuite, ConnectTo, SpecError},
    problem::Problem,
};

/// The place of the health check and the smoke tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Checks {
    /// A file of their own, in TOML; [`CheckSuite`] has every key.
    File(FilePath),
    /// This table.
    Here(Box<ChecksSpec>),
}

/// Health check and smoke tests, as [`CheckSuite`] has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub(crate) struct ChecksSpec {
    /// The base URL, without user and password, which would stand in the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The `Host` header. Default: the URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The host that requests are sent to, if not the URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_to: Option<ConnectTo>,
    /// Headers of every request, such as the header of the test route. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<Name, HeaderValue>,
    /// The health check: asked until it has passed `successes` times in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheckSpec>,
    /// The smoke tests: each is asked once, after the health check.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub smoke: Vec<SmokeTestSpec>,
}

/// The value of a header. A secret comes from the environment, and every report leaves it out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum HeaderValue {
    /// A text.
    Text(String),
    /// The value of a variable of the environment when the checks run.
    Secret(Variable),
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "a text",
            Self::Secret(_) => "a secret of the environment",
        })
    }
}

/// A variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    /// Its name.
    pub env: Name,
}

/// A condition on one header of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum WantedHeader {
    /// `true`: the header must be there.
    There(bool),
    /// The header must have this value.
    Value(String),
}

/// The good statuses: a status such as 200, a class such as `"2xx"`, or a list of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum StatusWant {
    /// One status.
    Number(i64),
    /// One status, or a class such as `2xx`.
    Text(String),
    /// Any of several statuses and classes.
    Several(Vec<StatusPart>),
}

/// A status, or a class of statuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum StatusPart {
    /// One status.
    Number(i64),
    /// One status, or a class such as `2xx`.
    Text(String),
}

/// A text, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum WantedTexts {
    /// One text.
    One(String),
    /// All of these texts.
    All(Vec<String>),
}

/// A condition on one place of an answer in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonWant {
    /// The place, by RFC 9535, such as `$.response`. It must be there.
    pub path: String,
    /// The value must be this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// The value must be at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub at_least: Option<Number>,
    /// The value must be at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub at_most: Option<Number>,
}

macro_rules! request {
    ($(#[$meta:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($own)*
            /// The path, with its query, such as `/health`.
            pub path: String,
            /// The method. Default: GET.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub method: Option<String>,
            /// Headers of this request. Default: the headers of every request.
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            pub headers: BTreeMap<Name, HeaderValue>,
            /// The body. Default: none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub body: Option<String>,
            /// The time-out of one request. Default: 5 seconds for the health check, 10 for a smoke test.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub timeout: Option<Span>,
            /// The good statuses. Default: 200.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub status: Option<StatusWant>,
            /// Headers of the answer: `true`, or the value. Default: any.
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            pub answer_headers: BTreeMap<Name, WantedHeader>,
            /// Conditions on the answer as JSON. Default: none.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub json: Vec<JsonWant>,
            /// Texts that the answer must hold. Default: none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub body_contains: Option<WantedTexts>,
            /// The longest time of an answer. Default: the time-out.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub max_latency: Option<Span>,
        }
    };
}

request! {
    /// The health check.
    HealthCheckSpec {
        /// How many good answers in a row are wanted. Default: 3, since one may be luck.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub successes: Option<i64>,
        /// The interval of the requests. Default: 10 seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub every: Option<Span>,
        /// How long the service may take to become healthy. Default: 5 minutes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub deadline: Option<Span>,
    }
}

request! {
    /// A smoke test.
    SmokeTestSpec {
        /// The name of the test for people.
        pub name: Name,
    }
}

impl ChecksSpec {
    /// Returns the suite, read by the reader of check files, so that both forms give the same problems. The
    /// fields of the problems are those of this table.
    pub(super) fn suite(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<CheckSuite, Vec<Problem>> {
        let text = toml::to_string(self);
        let text = text.map_err(|error| vec![Problem::new("", error.to_string(), "")])?;
        CheckSuite::from_toml_with_env(&text, variable).map_err(problems)
    }
}

/// Returns the problems of a check file as problems of a specification.
pub(in crate::spec) fn problems(error: SpecError) -> Vec<Problem> {
    let problems = error.problems().iter();
    problems.map(|one| one.problem.clone()).collect()
}
