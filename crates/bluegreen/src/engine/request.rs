//! Requests: controls that another process asks for, as objects in a store beside the journal.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Control, ControlEffect, Operator, RunId};
use crate::{
    clock::later,
    error::{Error, ErrorKind, Result},
    text::file_name_of,
};

/// The version of requests and answers. A newer version is refused, with both numbers.
pub const REQUEST_VERSION: u32 = 1;
/// How long a request is valid after it was made. After that time the run may be in another state than the
/// request was made for.
pub const REQUEST_LIFE: Duration = Duration::from_secs(5 * 60);
/// The most bytes of a request or an answer.
pub const LARGEST_REQUEST: u64 = 64 << 10;

/// How far a request may be dated ahead of the holder's clock: more than a synchronized clock ever is.
const AHEAD: Duration = Duration::from_secs(60);
/// The longest name of the operator, and the longest reason, in characters.
const LONGEST_NAME: usize = 300;
const LONGEST_REASON: usize = 1_000;

/// The control that a request asks for.
///
/// Its kind is part of the request's name in the store, so that a bucket's policy can allow each kind
/// separately.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verb {
    /// [`Control::Pause`].
    Pause {
        /// For how long at most. Default: as [`Control::Pause`] says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
        length: Option<Duration>,
    },
    /// [`Control::Continue`].
    Continue,
    /// [`Control::Promote`].
    Promote,
    /// [`Control::PromoteFully`]: of the kind of `promote`.
    PromoteFully,
    /// [`Control::Leave`]. Needs a reason.
    Leave,
    /// [`Control::Abort`].
    Abort,
}

impl Verb {
    /// All kinds, as they stand in names.
    pub const KINDS: [&'static str; 5] = ["abort", "continue", "leave", "pause", "promote"];

    /// The kind, as it stands in the request's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pause { .. } => "pause",
            Self::Continue => "continue",
            Self::Promote | Self::PromoteFully => "promote",
            Self::Leave => "leave",
            Self::Abort => "abort",
        }
    }

    fn control(&self, by: Operator) -> Control {
        match self {
            Self::Pause { length } => Control::Pause {
                by,
                length: *length,
            },
            Self::Continue => Control::Continue { by },
            Self::Promote => Control::Promote { by },
            Self::PromoteFully => Control::PromoteFully { by },
            Self::Leave => Control::Leave { by },
            Self::Abort => Control::Abort { by },
        }
    }
}

/// A control that another process asks for.
///
/// # Whose clock
///
/// A request is dated by the newest record of the journal, which the holder wrote, and the holder judges the
/// request's age by the same clock. So the clocks of the two machines need not agree. A holder writes a
/// record every 20 s, so a request may look up to 20 s older than it is. If another machine resumes the run
/// in between, and its clock is more than 5 minutes ahead, it refuses the request as too old; if its clock
/// is more than a minute behind, it refuses the request as dated in the future. Ask again then: by that time
/// the journal has records of the new holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// [`REQUEST_VERSION`] of the program that made it.
    pub version: u32,
    /// The run that is asked.
    pub run: RunId,
    /// A name that no other request has: lower-case letters, digits and hyphens, at most 64. A run carries
    /// out a nonce once.
    pub nonce: String,
    /// The control that is asked for.
    #[serde(flatten)]
    pub verb: Verb,
    /// The operator who asks. The holder cannot prove the name; SECURITY.md says what does.
    pub who: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was made.
    pub at: Timestamp,
    /// When it expires: [`REQUEST_LIFE`] after `at`. A later time counts as that.
    pub expires: Timestamp,
}

impl Request {
    /// A request to `run` by `by`, made at `at`.
    #[must_use]
    pub fn new(
        run: RunId,
        nonce: impl Into<String>,
        verb: Verb,
        by: &Operator,
        at: Timestamp,
    ) -> Self {
        Self {
            version: REQUEST_VERSION,
            run,
            nonce: nonce.into(),
            verb,
            who: by.name().to_owned(),
            reason: by.reason().map(str::to_owned),
            at,
            expires: later(at, REQUEST_LIFE),
        }
    }

    /// Its name in the store.
    #[must_use]
    pub fn name(&self) -> RequestName {
        RequestName {
            run: RequestName::folder_of(&self.run),
            kind: self.verb.kind(),
            nonce: self.nonce.clone(),
        }
    }

    /// Returns the control that it asks for; or why run `run` refuses it at `now`.
    pub(super) fn judged(
        &self,
        name: &RequestName,
        run: &RunId,
        now: Timestamp,
    ) -> Result<Control, String> {
        if self.run != *run || name.run != RequestName::folder_of(run) {
            return Err(format!(
                "the request is for run {}, and this is run {run}",
                self.run
            ));
        }
        if self.name() != *name {
            return Err(format!(
                "the request stands under the name `{name}`, and its content says `{}`",
                self.name()
            ));
        }
        if self.who.trim().is_empty() || self.who.chars().count() > LONGEST_NAME {
            return Err(format!(
                "the request must say who asks, in {LONGEST_NAME} characters at most"
            ));
        }
        let reason = self
            .reason
            .as_deref()
            .filter(|text| !text.trim().is_empty());
        if reason.is_some_and(|text| text.chars().count() > LONGEST_REASON) {
            return Err(format!(
                "the request's reason has more than {LONGEST_REASON} characters"
            ));
        }
        if reason.is_none() && self.verb == Verb::Leave {
            return Err("`leave` needs a reason".to_owned());
        }
        if self.at > later(now, AHEAD) {
            return Err(format!(
                "the request is dated {:.0}, and the run's clock shows {now:.0}: that clock was set, or \
                 another machine has resumed the run; ask again",
                self.at
            ));
        }
        let expires = self.expires.min(later(self.at, REQUEST_LIFE));
        if now > expires {
            return Err(format!(
                "the request is too old: it expired at {expires:.0}, and the run's clock shows {now:.0}; \
                 ask again"
            ));
        }
        let by = Operator::new(self.who.as_str()).with_request(&self.nonce);
        Ok(self.verb.control(match reason {
            Some(reason) => by.with_reason(reason),
            None => by,
        }))
    }

    /// Reads a request from its JSON.
    ///
    /// # Errors
    ///
    /// `Refused` if `bytes` are no request, or of a newer version.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self> {
        versioned(bytes, "a request")
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = Operator::new(self.who.as_str());
        let by = match &self.reason {
            Some(reason) => by.with_reason(reason.as_str()),
            None => by,
        };
        write!(f, "{}, at {:.0}", self.verb.control(by), self.at)
    }
}

/// The reply to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reply {
    /// The control is carried out.
    Applied,
    /// The control is carried out once the change that is under way has finished.
    AfterChange,
    /// The run took the request, and the control does nothing.
    Ignored {
        /// Why.
        why: String,
    },
    /// The run did not take the request.
    Refused {
        /// Why.
        why: String,
    },
    /// The journal says that an earlier process of the run took the request. It does not say with what effect.
    TakenBefore,
}

impl Reply {
    /// Whether the control is carried out, or will be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Applied | Self::AfterChange | Self::TakenBefore)
    }
}

impl From<ControlEffect> for Reply {
    fn from(effect: ControlEffect) -> Self {
        match effect {
            ControlEffect::Applied => Self::Applied,
            ControlEffect::AfterChange => Self::AfterChange,
            ControlEffect::Ignored(why) => Self::Ignored { why },
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied => f.write_str("done"),
            Self::AfterChange => {
                f.write_str("taken: it is done once the change under way has finished")
            }
            Self::Ignored { why } => write!(f, "nothing to do: {why}"),
            Self::Refused { why } => write!(f, "refused: {why}"),
            Self::TakenBefore => f.write_str("taken before the run was resumed"),
        }
    }
}

/// The answer that the holder writes beside a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestAnswer {
    /// [`REQUEST_VERSION`] of the program that wrote it.
    pub version: u32,
    /// The run that answers, which need not be the run that was asked.
    pub run: RunId,
    /// The request's nonce.
    pub nonce: String,
    /// When.
    pub at: Timestamp,
    /// The reply.
    #[serde(flatten)]
    pub reply: Reply,
}

impl RequestAnswer {
    /// Reads an answer from its JSON.
    ///
    /// # Errors
    ///
    /// `Refused` if `bytes` are no answer, or of a newer version.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        versioned(bytes, "an answer")
    }
}

/// The name of a request in the store: `RUN/KIND/NONCE.json`, and its answer beside it.
///
/// `RUN` is the run's id with characters replaced that names may not hold, and a checksum behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestName {
    run: String,
    kind: &'static str,
    nonce: String,
}

const REQUEST: &str = ".json";
const ANSWER: &str = ".answer.json";

impl RequestName {
    /// The folder of a run's requests.
    #[must_use]
    pub(crate) fn folder_of(run: &RunId) -> String {
        file_name_of(run.as_str())
    }

    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The name of the answer.
    #[must_use]
    pub fn answer(&self) -> String {
        format!("{}/{}/{}{ANSWER}", self.run, self.kind, self.nonce)
    }

    /// Reads the name of a request, or of its answer, which comes with `true`. `None` if it is neither.
    #[must_use]
    pub(crate) fn parsed(text: &str) -> Option<(Self, bool)> {
        let mut parts = text.split('/');
        let (run, kind, file) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || run.is_empty() {
            return None;
        }
        let kind = Verb::KINDS.into_iter().find(|one| *one == kind)?;
        let (nonce, is_answer) = match file.strip_suffix(ANSWER) {
            Some(nonce) => (nonce, true),
            None => (file.strip_suffix(REQUEST)?, false),
        };
        let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = (1..=64).contains(&nonce.len()) && nonce.chars().all(is_fit);
        let name = Self {
            run: run.to_owned(),
            kind,
            nonce: nonce.to_owned(),
        };
        fits.then_some((name, is_answer))
    }
}

impl fmt::Display for RequestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}{REQUEST}", self.run, self.kind, self.nonce)
    }
}

/// Reads a value of a known version.
fn versioned<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let refused = |why: String| Error::new(ErrorKind::Refused, why);
    let unreadable =
        |error: serde_json::Error| refused(format!("the content is not {what}: {error}"));
    let Version { version } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if version > REQUEST_VERSION {
        return Err(refused(format!(
            "{what} of version {version}: this program reads versions up to {REQUEST_VERSION}"
        )));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

/// Keeps the requests to the runs of one journal, and the answers: small named objects beside
/// the log. Names are relative and have `/` between their parts.
/// [`JournalStore`](crate::store::JournalStore) has an implementation for folders, S3 and memory.
///
/// Apart from [`RecordStorage`](crate::store::RecordStorage), since others may write here: the operator that
/// asks must not be able to write records.
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait RequestStorage: fmt::Debug + Send + Sync {
    /// Returns the first `most` names below `folder` in ascending order, or below all folders if `folder` is
    /// empty. Returns no names if there is no such folder.
    ///
    /// # Errors
    ///
    /// If the names cannot be listed.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    async fn names(&self, folder: &str, most: usize) -> Result<Vec<String>>;

    /// Reads an object.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such object; `Refused`, with its size, if it has more than
    /// [`LARGEST_REQUEST`] bytes: then it is not read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    async fn read(&self, name: &str) -> Result<Vec<u8>>;

    /// Creates an object, unless the name is taken.
    ///
    /// # Errors
    ///
    /// `Conflict` if the name is taken. After any other error the object may be there or not.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have created it.
    async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<()>;

    /// Deletes objects. An object that is gone already is no error.
    ///
    /// # Errors
    ///
    /// If some objects may still be there.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have deleted some.
    async fn delete(&self, names: &[String]) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn request(verb: Verb) -> Request {
        let by = Operator::new("ann").with_reason("errors rise");
        Request::new(RunId::new("run 7"), "7-b", verb, &by, at(1_000))
    }

    fn judged(request: &Request, now: i64) -> Result<Control, String> {
        request.judged(&request.name(), &RunId::new("run 7"), at(now))
    }

    fn verbs() -> Vec<Verb> {
        let length = Some(Duration::from_secs(90));
        vec![
            Verb::Pause { length },
            Verb::Pause { length: None },
            Verb::Continue,
            Verb::Promote,
            Verb::PromoteFully,
            Verb::Leave,
            Verb::Abort,
        ]
    }

    #[test]
    fn a_request_comes_back_as_it_was_and_its_control_names_it() {
        for verb in verbs() {
            let request = request(verb);
            let bytes = serde_json::to_vec(&request).expect("plain data");
            assert_eq!(Request::from_json(&bytes).expect("a request"), request);
            let control = judged(&request, 1_000).expect("taken");
            let by = control.by().expect("a person");
            assert_eq!(by.to_string(), "ann (errors rise)");
            assert_eq!(by.request(), Some("7-b"));
            let name = request.name();
            assert_eq!(
                RequestName::parsed(&name.to_string()),
                Some((name.clone(), false))
            );
            assert_eq!(RequestName::parsed(&name.answer()), Some((name, true)));
        }
    }

    #[test]
    fn an_answer_comes_back_as_it_was() {
        let why = || "the run has ended".to_owned();
        for reply in [
            Reply::Applied,
            Reply::AfterChange,
            Reply::Ignored { why: why() },
            Reply::Refused { why: why() },
            Reply::TakenBefore,
        ] {
            let answer = RequestAnswer {
                version: REQUEST_VERSION,
                run: RunId::new("run 7"),
                nonce: "7-b".to_owned(),
                at: at(1_000),
                reply,
            };
            let bytes = serde_json::to_vec(&answer).expect("plain data");
            assert_eq!(RequestAnswer::from_json(&bytes).expect("an answer"), answer);
        }
    }

    #[test]
    fn a_request_is_taken_from_a_minute_before_its_date_to_five_minutes_after_it() {
        let request = request(Verb::Promote);
        for (now, is_taken) in [(939, false), (940, true), (1_300, true), (1_301, false)] {
            assert_eq!(judged(&request, now).is_ok(), is_taken, "{now}");
        }
        let long = Request {
            expires: at(100_000),
            ..request.clone()
        };
        let why = judged(&long, 1_301).expect_err("five minutes are the longest");
        assert!(why.contains("too old"), "{why}");
        let short = Request {
            expires: at(1_010),
            ..request
        };
        judged(&short, 1_011).expect_err("its own expiry");
    }

    #[test]
    fn what_does_not_belong_here_is_refused_with_the_reason() {
        let fine = || request(Verb::Leave);
        let other = Request {
            run: RunId::new("run 6"),
            ..fine()
        };
        let nameless = Request {
            who: " ".to_owned(),
            ..fine()
        };
        let endless = Request {
            who: "x".repeat(301),
            ..fine()
        };
        let wordy = Request {
            reason: Some("x".repeat(1_001)),
            ..fine()
        };
        let silent = Request {
            reason: Some("  ".to_owned()),
            ..fine()
        };
        for (refused, why) in [
            (other, "the request is for run run 6, and this is run run 7"),
            (nameless, "who asks"),
            (endless, "who asks"),
            (wordy, "reason has more"),
            (silent, "needs a reason"),
        ] {
            let said = judged(&refused, 1_000).expect_err(why);
            assert!(said.contains(why), "{said}");
        }
        // An operator who may only ask for a pause stores a promotion under the name of a pause.
        let name = request(Verb::Pause { length: None }).name();
        let said = request(Verb::Promote).judged(&name, &RunId::new("run 7"), at(1_000));
        assert!(
            said.expect_err("another kind")
                .contains("stands under the name")
        );
    }

    #[test]
    fn a_newer_version_is_named() {
        let text = r#"{"version":2,"run":"run 7","nonce":"7","verb":"dance"}"#;
        let why = Request::from_json(text.as_bytes()).expect_err("newer");
        let why = why.message();
        assert!(
            why.contains("version 2") && why.contains("up to 1"),
            "{why}"
        );
    }

    #[test]
    fn names_of_others_are_none() {
        for text in [
            "",
            "run/pause/7",
            "run/dance/7.json",
            "run/pause/sub/7.json",
            "/pause/7.json",
            "run/pause/.json",
            "run/pause/7_B.json",
            "run/pause/../7.json",
        ] {
            assert_eq!(RequestName::parsed(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text: String) {
            let _ = Request::from_json(&bytes);
            let _ = RequestAnswer::from_json(&bytes);
            let _ = RequestName::parsed(&text);
        }

        #[test]
        fn no_request_makes_the_judgement_panic(at: i64, expires: i64, now: i64, who: String) {
            let time = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
            let request = Request {
                at: time(at),
                expires: time(expires),
                who,
                ..request(Verb::Abort)
            };
            let _ = request.judged(&request.name(), &RunId::new("run 7"), time(now));
        }
    }
}
