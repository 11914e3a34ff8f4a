//! The values of a specification that people write as text: each is checked when it is read.

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use jiff::{
    SignedDuration,
    fmt::{StdFmtWrite, friendly::SpanPrinter},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::written::Written;
use crate::{
    aws::{
        Aws,
        alb::{AlbRule, ListenerArn, RoleArn, TargetGroupArn, TopicArn},
    },
    check::ConnectTo,
    error::{Error, ParseError, Result as Done},
    image::{ImageRef, ImageTag},
    store::JournalStore,
    traffic::Percent,
};

/// Text form, serde and schema of a value that has `FromStr` and `Display`.
macro_rules! as_text {
    ($name:ident, $format:literal, $example:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        schema!($name, $format, $example, "string");
    };
}

macro_rules! schema {
    ($name:ident, $format:literal, $example:literal, $type:tt) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $type, "format": $format, "examples": [$example] })
            }
        }
    };
}

/// Checks a text against a `format` of the schema; returns the message and the hint of a mistake.
pub(super) fn check(format: &str, text: &str) -> Result<(), (String, String)> {
    let checked = match format {
        "account" => text.parse::<Account>().map(drop),
        "also-tag" => text.parse::<AlsoTag>().map(drop),
        "build-arg" => text.parse::<BuildArg>().map(drop),
        "connect-to" => connect_to(text).map(drop),
        "group" => text.parse::<Group>().map(drop),
        "image" => image(text).map(drop),
        "journal" => text.parse::<Place>().map(drop),
        "name" => text.parse::<Name>().map(drop),
        "path" => text.parse::<FilePath>().map(drop),
        "percent" => percent(text).map(drop),
        "role" => text.parse::<RoleArn>().map(drop).map_err(told),
        "rule" => text.parse::<Rule>().map(drop),
        "listener" => text.parse::<ListenerArn>().map(drop),
        "service" => text.parse::<Service>().map(drop),
        "span" => text.parse::<Span>().map(drop),
        "tag" => tag(text).map(drop),
        "topic" => text.parse::<TopicArn>().map(drop).map_err(told),
        _ => Ok(()),
    };
    checked.map_err(|error| (error.to_string(), error.hint().to_owned()))
}

fn refused(message: impl Into<String>, hint: &str) -> ParseError {
    ParseError::new(message).with_hint(hint)
}

fn told(error: Error) -> ParseError {
    refused(error.message(), error.hint().unwrap_or_default())
}

/// A name: one line of text, not empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// A name from this crate, which is known to be valid.
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let is_name = !text.trim().is_empty() && !text.contains(char::is_control);
        match is_name && text.chars().count() <= 255 {
            true => Ok(Self(text.to_owned())),
            false => Err(refused(
                "is empty, too long, or more than a line",
                "give one line of text of at most 255 characters",
            )),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(Name, "name", "chatbot");

/// The number of an AWS account, 12 digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account(String);

impl Account {
    /// The digits.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Account {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => Ok(Self(text.to_owned())),
            false => Err(refused(
                format!("`{text}` is not an account of AWS"),
                "12 digits in quotes, such as \"123456789012\"",
            )),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(Account, "account", "123456789012");

/// A span of time as people write it: `10m`, `90s`, `1h 30m`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl Span {
    pub(super) const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(60 * minutes))
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Span {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let span = text.parse::<SignedDuration>().ok();
        let span = span.and_then(|span| Duration::try_from(span).ok());
        span.map(Self).ok_or_else(|| {
            refused(
                format!("`{text}` is not a span of time"),
                "write it like `10m`, `90s` or `1h 30m`",
            )
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(span) => SpanPrinter::new()
                .print_duration(&span, StdFmtWrite(f))
                .map_err(|_| fmt::Error),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

as_text!(Span, "span", "10m");

/// A share in percent, in steps of a tenth: `"10%"`, `"0.5"`, `10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Share(pub(super) Percent);

impl Written for Share {
    type Plain = Percent;

    fn of(percent: &Percent) -> Self {
        Self(*percent)
    }

    fn plain(self) -> Percent {
        self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn percent(text: &str) -> Result<Percent, ParseError> {
    let read = text.parse::<Percent>();
    read.map_err(|error| refused(error.to_string(), "such as \"10%\", 10 or 0.5"))
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(f64),
        }
        let read = match Written::deserialize(deserializer)? {
            Written::Text(text) => percent(&text).map_err(|error| error.to_string()),
            Written::Number(number) => Percent::try_from(number).map_err(|error| error.to_string()),
        };
        read.map(Self).map_err(de::Error::custom)
    }
}

schema!(Share, "percent", "10%", (["string", "number"]));

/// The listener rule that divides the traffic, as the file has it.
pub(super) struct Rule(AlbRule);

impl Written for Rule {
    type Plain = AlbRule;

    fn of(rule: &AlbRule) -> Self {
        Self(rule.clone())
    }

    fn plain(self) -> AlbRule {
        self.0
    }
}

impl FromStr for Rule {
    type Err = ParseError;

    /// The ARN of a rule; or the ARN of a listener, if only one of its rules forwards to both sides.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.contains(":listener/") {
            return Ok(Self(AlbRule::Only(text.parse()?)));
        }
        Ok(Self(AlbRule::Arn(text.parse()?)))
    }
}

/// A rule by its listener and its priority there.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ByPriority {
    /// The ARN of the listener.
    #[schemars(extend("format" = "listener"))]
    listener: String,
    /// The priority of the rule, 1 to 50,000, or `default`.
    priority: Priority,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Priority {
    /// A number.
    Number(u32),
    /// The default rule.
    Default(TheDefault),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum TheDefault {
    /// The default rule.
    Default,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum WrittenRule {
    Arn(#[schemars(with = "RuleText")] String),
    ByPriority(ByPriority),
}

struct RuleText;
schema!(
    RuleText,
    "rule",
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee",
    "string"
);

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let by_priority = |listener: &ListenerArn, priority| {
            WrittenRule::ByPriority(ByPriority {
                listener: listener.to_string(),
                priority,
            })
        };
        let written = match &self.0 {
            AlbRule::Arn(rule) => WrittenRule::Arn(rule.to_string()),
            AlbRule::Only(listener) => WrittenRule::Arn(listener.to_string()),
            AlbRule::Priority { listener, priority } => {
                by_priority(listener, Priority::Number(*priority))
            }
            AlbRule::Default(listener) => {
                by_priority(listener, Priority::Default(TheDefault::Default))
            }
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ByPriority { listener, priority } = match WrittenRule::deserialize(deserializer)? {
            WrittenRule::Arn(text) => return text.parse().map_err(de::Error::custom),
            WrittenRule::ByPriority(rule) => rule,
        };
        let listener: ListenerArn = listener.parse().map_err(de::Error::custom)?;
        Ok(Self(match priority {
            Priority::Number(priority) => AlbRule::Priority { listener, priority },
            Priority::Default(_) => AlbRule::Default(listener),
        }))
    }
}

impl JsonSchema for Rule {
    fn schema_name() -> Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        WrittenRule::json_schema(generator)
    }
}

/// A target group, by its ARN or its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Group {
    /// The group of this ARN.
    Arn(TargetGroupArn),
    /// The group of this name to which the rule forwards.
    Name(String),
}

impl Group {
    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Arn(arn) => arn.name(),
            Self::Name(name) => name,
        }
    }

    /// Whether it names `group`.
    #[must_use]
    pub(crate) fn is(&self, group: &TargetGroupArn) -> bool {
        match self {
            Self::Arn(arn) => arn == group,
            Self::Name(name) => name == group.name(),
        }
    }
}

impl From<TargetGroupArn> for Group {
    fn from(arn: TargetGroupArn) -> Self {
        Self::Arn(arn)
    }
}

impl FromStr for Group {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.starts_with("arn:") {
            return Ok(Self::Arn(text.parse()?));
        }
        // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_name = (1..=32).contains(&text.len()) && text.bytes().all(is_part);
        match is_name {
            true => Ok(Self::Name(text.to_owned())),
            false => Err(refused(
                format!("`{text}` is not a target group"),
                "its ARN, or its name, such as `chatbot-flask-tg`",
            )),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arn(arn) => arn.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

as_text!(Group, "group", "chatbot-flask-tg");

/// A service of ECS: `CLUSTER/SERVICE`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Service {
    /// The cluster's name.
    pub cluster: String,
    /// The service's name.
    pub name: String,
}

impl Service {
    /// A service by the name of its cluster and its own name.
    pub fn new(cluster: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            cluster: cluster.into(),
            name: name.into(),
        }
    }
}

impl FromStr for Service {
    type Err = ParseError;

    /// `CLUSTER/SERVICE`, or the service's ARN.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let names = match text.strip_prefix("arn:") {
            Some(arn) => arn.split_once(":service/").map_or("", |(_, names)| names),
            None => text,
        };
        let is_name = |name: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            !name.is_empty() && name.chars().all(is_part)
        };
        match names.split_once('/') {
            Some((cluster, name)) if is_name(cluster) && is_name(name) => {
                Ok(Self::new(cluster, name))
            }
            _ => Err(refused(
                format!("`{text}` is not a service of ECS"),
                "such as `shop/web`: cluster, service",
            )),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cluster, self.name)
    }
}

as_text!(Service, "service", "chatbot-cluster/chatbot-flask");

/// The place of journals: `s3://BUCKET/PREFIX`, or a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// Below a prefix of a bucket, which all machines share.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix, without a slash at either end; may be empty.
        prefix: String,
    },
    /// In a folder, which does not keep out a controller on another machine.
    Folder(PathBuf),
}

impl FromStr for Place {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |message: &str| Err(refused(message, "s3://BUCKET/PREFIX, or a folder"));
        match text.split_once("://") {
            Some(("s3", place)) => {
                let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
                if bucket.is_empty() {
                    return wrong("names no bucket");
                }
                Ok(Self::S3 {
                    bucket: bucket.to_owned(),
                    prefix: prefix.trim_matches('/').to_owned(),
                })
            }
            Some(_) => wrong(&format!("`{text}` is no place for a journal")),
            None if text.is_empty() || text.contains('\0') => wrong("is empty"),
            None => Ok(Self::Folder(text.into())),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Folder(folder) => folder.display().fmt(f),
        }
    }
}

impl Place {
    /// The journals there.
    ///
    /// # Errors
    ///
    /// If it is a folder: as [`JournalStore::local`]. A bucket is not looked at.
    pub fn open(&self, aws: &Aws) -> Done<JournalStore> {
        match self {
            Self::S3 { bucket, prefix } => aws.journals(bucket, prefix),
            Self::Folder(folder) => JournalStore::local(folder),
        }
    }
}

as_text!(Place, "journal", "s3://acme-bluegreen/prod");

as_text!(RoleArn, "role", "arn:aws:iam::123456789012:role/blue-again");
as_text!(
    TopicArn,
    "topic",
    "arn:aws:sns:us-east-1:123456789012:on-call"
);

/// The path of a file or a folder. A relative path starts at the folder of the file in which it is
/// written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePath(String);

impl FilePath {
    /// The path itself.
    #[must_use]
    pub(crate) fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl FromStr for FilePath {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.is_empty() || text.contains('\0') {
            false => Ok(Self(text.to_owned())),
            true => Err(refused("is not a path", "such as `task-definition.json`")),
        }
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(FilePath, "path", "task-definition.json");

/// The further tag of an image that has proved itself; an empty text means no tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlsoTag(pub Option<ImageTag>);

impl FromStr for AlsoTag {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "" => Ok(Self(None)),
            text => tag(text).map(|tag| Self(Some(tag))),
        }
    }
}

impl fmt::Display for AlsoTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(tag) => tag.fmt(f),
            None => Ok(()),
        }
    }
}

as_text!(AlsoTag, "also-tag", "latest");

/// An argument of a build: `NAME=VALUE`, or `NAME`, which takes the value of the environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BuildArg {
    /// Its name.
    pub name: String,
    /// Its value, if it is given.
    pub value: Option<String>,
}

impl FromStr for BuildArg {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_control());
        match is_name && !text.contains('\0') {
            true => Ok(Self {
                name: name.to_owned(),
                value,
            }),
            false => Err(refused(
                "is not an argument of a build",
                "NAME=VALUE, or NAME for the value of the environment variable",
            )),
        }
    }
}

impl fmt::Display for BuildArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.value {
            Some(value) => write!(f, "={value}"),
            None => Ok(()),
        }
    }
}

as_text!(BuildArg, "build-arg", "VERSION=1.2");

fn tag(text: &str) -> Result<ImageTag, ParseError> {
    let read = text.parse::<ImageTag>();
    read.map_err(|error| refused(error.to_string(), "a commit is best"))
}

fn image(text: &str) -> Result<ImageRef, ParseError> {
    let read = text.parse::<ImageRef>();
    let hint = "REPOSITORY@sha256:…, as a push prints it";
    read.map_err(|error| refused(error.to_string(), hint))
}

fn connect_to(text: &str) -> Result<ConnectTo, ParseError> {
    let read = text.parse::<ConnectTo>();
    let hint = "HOST, or HOST:PORT if the port is not that of the URL";
    read.map_err(|error| refused(error.to_string(), hint))
}

schema!(ImageTag, "tag", "0123456789ab", "string");
schema!(
    ImageRef,
    "image",
    "123456789012.dkr.ecr.us-east-1.amazonaws.com/chatbot@sha256:…",
    "string"
);
as_text!(
    ConnectTo,
    "connect-to",
    "chatbot-alb-1.us-east-1.elb.amazonaws.com"
);
