//! [`ApiError`]: why an AWS call failed, by what can be done about it.

use std::{any::Any, error::Error as StdError, fmt};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::last_check::NotSent;
use crate::error::{Error, ErrorKind};

/// The failure of one AWS call.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) kind: ErrorKind,
    /// The prefix of the service's IAM actions: `elasticloadbalancing`. The [table](super::service) of the
    /// service's calls knows it.
    pub(crate) service: Option<&'static str>,
    /// The operation: `ModifyRule`.
    pub(crate) operation: &'static str,
    /// AWS's own code: `RuleNotFound`.
    pub(crate) code: Option<Box<str>>,
    pub(crate) message: String,
    pub(crate) request_id: Option<Box<str>>,
    /// What a person can do, if nothing was sent at all, or the answer is a refusal without a code.
    pub(crate) advice: Option<Advice>,
}

/// What a person can do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Advice {
    /// Nothing was sent at all.
    Do(&'static str),
    /// The answer is a refusal without a code, so it may be of an endpoint's policy or a proxy.
    AllowOnTheWay,
}

/// Whether a lost answer may hide an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Mutation,
}

impl ApiError {
    /// An error of `kind`, as AWS would have answered: made by the simulation and by unit tests.
    #[cfg(any(feature = "sim", test))]
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        code: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            service: None,
            operation,
            code: Some(code.into()),
            message: message.into(),
            request_id: None,
            advice: None,
        }
    }

    /// Says which service was called.
    pub(crate) fn of(self, service: &'static str) -> Self {
        Self {
            service: Some(service),
            ..self
        }
    }

    /// A change that the fence has stopped.
    pub(crate) fn not_sent(operation: &'static str, why: &Error) -> Self {
        Self {
            kind: why.kind(),
            service: None,
            operation,
            code: None,
            message: why.message().to_owned(),
            request_id: None,
            advice: None,
        }
    }

    /// Sorts an error of the SDK. A mutation has an unknown outcome if its answer was lost, cut or
    /// not understood, or if it ended in a server error; a read has simply failed.
    pub(crate) fn from_sdk<E, R>(
        operation: &'static str,
        effect: Effect,
        error: SdkError<E, R>,
    ) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        if let Some(NotSent(why)) = cause_of(&error) {
            return Self::not_sent(operation, why);
        }
        let lost = match effect {
            Effect::Read => ErrorKind::Unavailable,
            Effect::Mutation => ErrorKind::OutcomeUnknown,
        };
        let kind = match &error {
            SdkError::ConstructionFailure(_) => ErrorKind::Invalid,
            SdkError::ServiceError(context) => match context.err().code() {
                Some(code) => kind_of_code(code, lost),
                None => lost,
            },
            _ => lost,
        };
        let meta = error.meta();
        let code = meta.code().map(Box::from);
        // An answer that the SDK could not read (a proxy's page, an empty one) has no metadata.
        let response = error
            .raw_response()
            .map(|raw| raw as &dyn Any)
            .and_then(|raw| raw.downcast_ref::<HttpResponse>());
        // Of an endpoint's policy or a proxy. A change may have happened all the same, if what was refused is its
        // answer; a read has not.
        let is_refused = code.is_none() && response.is_some_and(|raw| raw.status().as_u16() == 403);
        let kind = match effect {
            Effect::Read if is_refused => ErrorKind::Denied,
            _ => kind,
        };
        let request_id = meta
            .extra("aws_request_id")
            .or_else(|| response?.headers().get("x-amzn-requestid"))
            .map(Box::from);
        let message = match (meta.message(), response) {
            (Some(message), _) => message.to_owned(),
            (None, _) if is_refused => "not allowed: HTTP 403, and no reason is given".to_owned(),
            (None, Some(response)) => {
                format!("HTTP {}: {}", response.status().as_u16(), chain(&error))
            }
            (None, None) => chain(&error),
        };
        Self {
            kind,
            service: None,
            operation,
            code,
            message,
            request_id,
            advice: match is_refused {
                true => Some(Advice::AllowOnTheWay),
                false => advice(&error).map(Advice::Do),
            },
        }
    }

    /// Converts it into the error of a role trait; `attempted` says what was attempted, on what.
    pub(crate) fn into_error(self, attempted: impl Into<String>) -> Error {
        let has_expired = self
            .code
            .as_deref()
            .is_some_and(|code| code.contains("Expired"));
        let hint = match self.kind {
            ErrorKind::Denied if has_expired => {
                Some("the credentials in use have expired: log in again".to_owned())
            }
            ErrorKind::NotFound => {
                Some("check the name or ARN, the region and the account".to_owned())
            }
            kind => match self.advice {
                Some(Advice::Do(what)) => Some(what.to_owned()),
                Some(Advice::AllowOnTheWay) => Some(format!(
                    "allow {} in the IAM policy of the credentials in use, in the policy of the \
                     endpoint, and in a proxy between",
                    self.action()
                )),
                None if kind == ErrorKind::Denied => Some(format!(
                    "allow {} in the IAM policy of the credentials in use",
                    self.action()
                )),
                None => None,
            },
        };
        let error = Error::new(self.kind, attempted).with_source(self);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// The IAM action of the call: its own name, behind the prefix of its service
    /// ([actions](https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html)).
    fn action(&self) -> String {
        match self.service {
            Some(service) => format!("{service}:{}", self.operation),
            None => self.operation.to_owned(),
        }
    }
}

/// The first cause of this type.
fn cause_of<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref() {
            Some(found) => return Some(found),
            None => cause = error.source(),
        }
    }
    None
}

/// What a person can do about a request that was not sent.
fn advice<E, R>(error: &SdkError<E, R>) -> Option<&'static str>
where
    E: StdError + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    let SdkError::DispatchFailure(failure) = error else {
        return None;
    };
    let connector = failure.as_connector_error()?;
    match cause_of(connector) {
        Some(CredentialsError::CredentialsNotLoaded(_)) => {
            return Some(
                "there are no credentials: log in (`aws sso login`, `aws login`), or name a \
                 profile (AWS_PROFILE)",
            );
        }
        Some(_) => {
            return Some(
                "the credentials could not be loaded: log in again, or check the profile \
                 (AWS_PROFILE)",
            );
        }
        None => {}
    }
    let is_unreachable = connector.is_io() || connector.is_timeout();
    is_unreachable.then_some(
        "the endpoint does not answer: check the network, the proxy variables, the region and the \
         endpoint (AWS_ENDPOINT_URL)",
    )
}

/// The kind of an error code. A code that is not listed here gives `lost`, as a server error does,
/// so that a mutation's outcome stays open.
fn kind_of_code(code: &str, lost: ErrorKind) -> ErrorKind {
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "LimitExceededException"
        | "SlowDown"
        | "BandwidthLimitExceeded" => ErrorKind::Throttled,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "NotAuthorized"
        | "AuthFailure"
        | "MissingAuthenticationToken"
        | "IncompleteSignature"
        | "OptInRequired" => ErrorKind::Denied,
        "InternalFailure"
        | "InternalError"
        | "InternalServerError"
        | "InternalServiceError"
        | "InternalServiceFault"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "502"
        | "503"
        | "504" => lost,
        "NoSuchEntity" => ErrorKind::NotFound,
        code if code.ends_with("NotFound") || code.ends_with("NotFoundException") => {
            ErrorKind::NotFound
        }
        "ImageAlreadyExistsException"
        | "ImageTagAlreadyExistsException"
        | "RepositoryAlreadyExistsException"
        | "DuplicateTargetGroupName"
        | "PriorityInUse"
        | "ResourceInUse"
        | "ConcurrentUpdateException"
        | "ConflictException"
        | "UpdateInProgressException" => ErrorKind::Conflict,
        "ClientException"
        | "ServiceNotActiveException"
        | "OperationNotPermitted"
        | "ValidationError"
        | "ValidationException" => ErrorKind::Invalid,
        code if code.starts_with("Invalid")
            || code.starts_with("Missing")
            || code.starts_with("TooMany")
            || code.starts_with("Malformed")
            || code.starts_with("Unsupported")
            || code.starts_with("Incompatible") =>
        {
            ErrorKind::Invalid
        }
        _ => lost,
    }
}

/// An error and its causes in one line. The chain of credentials lists every source that it has
/// tried, a line each; its first line says enough.
///
/// A client of the credentials' chain finds its endpoint by itself, and quotes the whole endpoint,
/// user and password included, if it is not a URL.
fn chain(error: &dyn StdError) -> String {
    const QUOTES: &str = "failed to apply endpoint `";
    let line = |error: &dyn StdError| {
        let text = error.to_string();
        let first = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_end_matches(" Attempted:");
        match first.split_once(QUOTES) {
            Some((before, quoted)) => {
                let rest = quoted.rsplit_once('`').map_or("", |(_, rest)| rest);
                format!("{before}failed to apply the endpoint{rest}")
            }
            None => first.to_owned(),
        }
    };
    let mut text = line(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = line(cause);
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.operation)?;
        if let Some(code) = &self.code {
            write!(f, " answered {code}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl StdError for ApiError {}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::{
        error::ErrorMetadata, operation::modify_rule::ModifyRuleError,
    };
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    type Sdk = SdkError<ModifyRuleError, &'static str>;

    const EFFECTS: [(Effect, ErrorKind); 2] = [
        (Effect::Read, ErrorKind::Unavailable),
        (Effect::Mutation, ErrorKind::OutcomeUnknown),
    ];

    fn answered(code: &str) -> Sdk {
        let meta = ErrorMetadata::builder()
            .code(code)
            .message("what AWS says")
            .custom("aws_request_id", "request-1")
            .build();
        SdkError::service_error(ModifyRuleError::generic(meta), "raw")
    }

    #[test]
    fn codes_are_sorted_by_what_can_be_done() {
        use ErrorKind::{Conflict, Denied, Invalid, NotFound, Throttled};
        let table = [
            ("Throttling", Throttled),
            ("ThrottlingException", Throttled),
            ("RequestLimitExceeded", Throttled),
            ("TooManyRequestsException", Throttled),
            ("AccessDenied", Denied),
            ("AccessDeniedException", Denied),
            ("UnauthorizedOperation", Denied),
            ("ExpiredToken", Denied),
            ("RequestExpired", Denied),
            ("InvalidClientTokenId", Denied),
            ("InvalidSignatureException", Denied),
            ("SignatureDoesNotMatch", Denied),
            ("RuleNotFound", NotFound),
            ("ListenerNotFound", NotFound),
            ("LoadBalancerNotFound", NotFound),
            ("TargetGroupNotFound", NotFound),
            ("ResourceNotFoundException", NotFound),
            ("ValidationError", Invalid),
            ("InvalidConfigurationRequest", Invalid),
            ("InvalidLoadBalancerAction", Invalid),
            ("MissingParameter", Invalid),
            ("OperationNotPermitted", Invalid),
            ("IncompatibleProtocols", Invalid),
            ("TooManyActions", Invalid),
            ("TooManyTargets", Invalid),
            ("UnsupportedProtocol", Invalid),
            ("ServiceDeploymentNotFoundException", NotFound),
            ("UnsupportedFeatureException", Invalid),
            ("ConflictException", Conflict),
        ];
        for (code, kind) in table {
            for (effect, _) in EFFECTS {
                let error = ApiError::from_sdk("ModifyRule", effect, answered(code));
                assert_eq!(error.kind, kind, "{code} of a {effect:?}");
                assert_eq!(error.code.as_deref(), Some(code));
            }
        }
    }

    #[test]
    fn p10_a_server_error_leaves_a_mutation_open() {
        for code in [
            "InternalFailure",
            "ServiceUnavailable",
            "503",
            "NobodyKnowsThis",
        ] {
            for (effect, kind) in EFFECTS {
                let error = ApiError::from_sdk("ModifyRule", effect, answered(code));
                assert_eq!(error.kind, kind, "{code} of a {effect:?}");
            }
        }
    }

    #[test]
    fn p10_a_lost_answer_leaves_a_mutation_open() {
        let lost: [fn() -> Sdk; 5] = [
            || SdkError::timeout_error("no answer within 10 s"),
            || SdkError::dispatch_failure(ConnectorError::timeout("slow".into())),
            || SdkError::dispatch_failure(ConnectorError::io("reset".into())),
            || SdkError::response_error("not XML", "<html>"),
            || SdkError::service_error(ModifyRuleError::unhandled("no code"), "raw"),
        ];
        for make in lost {
            for (effect, kind) in EFFECTS {
                let error = ApiError::from_sdk("ModifyRule", effect, make());
                assert_eq!(error.kind, kind, "{error}");
                assert_eq!(error.code, None);
                assert!(!error.message.is_empty());
            }
        }
    }

    #[test]
    fn a_request_that_was_never_made_is_invalid() {
        for (effect, _) in EFFECTS {
            let error: Sdk = SdkError::construction_failure("no region");
            let error = ApiError::from_sdk("ModifyRule", effect, error);
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.contains("no region"), "{error}");
        }
    }

    #[test]
    fn an_answer_names_operation_code_message_and_request() {
        let error = ApiError::from_sdk("ModifyRule", Effect::Mutation, answered("RuleNotFound"));
        assert_eq!(
            error.to_string(),
            "ModifyRule answered RuleNotFound: what AWS says (request request-1)"
        );
        let error = error.into_error("change rule `r`");
        assert_eq!(error.to_string(), "change rule `r`: not found");
        assert!(error.hint().is_some_and(|hint| hint.contains("region")));
    }

    #[test]
    fn denied_names_the_action_that_is_missing() {
        let error = ApiError::from_sdk("ModifyRule", Effect::Mutation, answered("AccessDenied"));
        let error = error.of("elasticloadbalancing");
        let error = error.into_error("change rule `r`");
        let hint = error.hint().expect("a hint");
        assert!(
            hint.starts_with("allow elasticloadbalancing:ModifyRule in"),
            "{hint}"
        );
    }

    /// The hint behind a request that was not sent.
    fn hint_of(source: impl Into<Box<dyn StdError + Send + Sync>>) -> String {
        let error: Sdk = SdkError::dispatch_failure(ConnectorError::other(source.into(), None));
        let error = ApiError::from_sdk("DescribeRules", Effect::Read, error)
            .into_error("describe rule `r`");
        error.hint().unwrap_or_default().to_owned()
    }

    #[test]
    fn without_credentials_the_hint_says_how_to_get_them() {
        let none = CredentialsError::not_loaded("no credentials. Attempted:\n  Profile: no");
        assert!(hint_of(none).contains("there are no credentials"));
        let broken = CredentialsError::provider_error("the token has expired");
        assert!(hint_of(broken).contains("log in again"));
        assert_eq!(hint_of("something else"), "");

        let tried = ConnectorError::other("no credentials. Attempted:\n  Profile: no".into(), None);
        let error = ApiError::from_sdk("M", Effect::Read, Sdk::dispatch_failure(tried));
        assert!(error.message.ends_with("no credentials."), "{error}");
    }

    #[test]
    fn p12_an_endpoint_that_is_quoted_is_left_out() {
        let quoted = "failed to apply endpoint `me:hunter2@h` to request `Request { }`: no scheme";
        let error = Sdk::dispatch_failure(ConnectorError::other(quoted.into(), None));
        let error = ApiError::from_sdk("M", Effect::Read, error);
        assert!(
            error.message.ends_with("apply the endpoint: no scheme"),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn a_host_that_does_not_answer_is_told_from_a_refusal() {
        let refused = ConnectorError::io("connection refused".into());
        let error = ApiError::from_sdk("M", Effect::Read, Sdk::dispatch_failure(refused))
            .into_error("describe rule `r`");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("AWS_ENDPOINT_URL"))
        );
    }
}
