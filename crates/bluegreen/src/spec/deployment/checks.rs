//! Health check and smoke tests as a part of the file.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::super::{FilePath, Name, Span};
use crate::{
    check::{CheckSuite, ConnectTo, SpecError},
    problem::Problem,
};

/// Where health check and smoke tests stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Checks {
    /// In a file of their own, in TOML; [`CheckSuite`] has every key.
    File(FilePath),
    /// Here.
    Here(Box<ChecksSpec>),
}

/// Health check and smoke tests, as [`CheckSuite`] has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub(crate) struct ChecksSpec {
    /// The base URL, without user and password: they would stand in the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The `Host` header. Default: the URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where requests are sent, if not to the URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_to: Option<ConnectTo>,
    /// Headers of every request, such as that of the test route. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<Name, HeaderValue>,
    /// Asked until it is good so many times in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheckSpec>,
    /// Each is asked once, after the health check.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub smoke: Vec<SmokeTestSpec>,
}

/// The value of a header. A secret comes from the environment, and is taken out of every report.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum HeaderValue {
    /// A text.
    Text(String),
    /// What a variable of the environment holds when the checks run.
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

/// A want of one header of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum WantedHeader {
    /// `true`: it is there.
    There(bool),
    /// It has this value.
    Value(String),
}

/// The statuses that are good: 200, `"2xx"`, or a list of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum StatusWant {
    /// One.
    Number(i64),
    /// One, or a class such as `2xx`.
    Text(String),
    /// Any of several.
    Several(Vec<StatusPart>),
}

/// A status, or a class of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum StatusPart {
    /// One.
    Number(i64),
    /// One, or a class such as `2xx`.
    Text(String),
}

/// A text, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum WantedTexts {
    /// One.
    One(String),
    /// All of these.
    All(Vec<String>),
}

/// A want of one place of an answer in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonWant {
    /// The place, by RFC 9535, such as `$.response`. It must be there.
    pub path: String,
    /// It must be this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// It must be at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub at_least: Option<Number>,
    /// It must be at most this.
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
            /// Headers of this request. Default: those of all.
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            pub headers: BTreeMap<Name, HeaderValue>,
            /// The body. Default: none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub body: Option<String>,
            /// The time of one try. Default: 5 seconds for health, 10 for a smoke test.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub timeout: Option<Span>,
            /// The statuses that are good. Default: 200.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub status: Option<StatusWant>,
            /// Headers of the answer: `true`, or the value. Default: any.
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            pub answer_headers: BTreeMap<Name, WantedHeader>,
            /// What the answer must hold as JSON. Default: anything.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub json: Vec<JsonWant>,
            /// Texts that the answer must hold. Default: any.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub body_contains: Option<WantedTexts>,
            /// The answer may take so long. Default: the time-out.
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
        /// From one try to the next. Default: 10 seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub every: Option<Span>,
        /// When it is given up. Default: 5 minutes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub deadline: Option<Span>,
    }
}

request! {
    /// A smoke test.
    SmokeTestSpec {
        /// What people call it.
        pub name: Name,
    }
}

impl ChecksSpec {
    /// The suite, read by the reader of its own files, so that both say the same. The problems' fields are
    /// those of this table.
    pub(super) fn suite(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<CheckSuite, Vec<Problem>> {
        let text = toml::to_string(self);
        let text = text.map_err(|error| vec![Problem::new("", error.to_string(), "")])?;
        CheckSuite::from_toml_with_env(&text, variable).map_err(problems)
    }
}

/// The same problems under their fields.
pub(super) fn problems(error: SpecError) -> Vec<Problem> {
    let problems = error.problems().iter();
    let problem = |one: &crate::check::SpecProblem| {
        Problem::new(one.field.as_str(), one.message.as_str(), one.hint.as_str())
    };
    problems.map(problem).collect()
}
