//! The result of a test as the journal's store keeps it, and whether a migration may rely on it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::{MigrationSpec, Span, Target};
use crate::{
    ServiceDeployer as _,
    aws::{Aws, alb::TargetGroupArn, ecs::EcsServiceDeployer},
    check::load::TestReport,
    error::{Error, ErrorKind, Failure, Result},
    preflight::{Acceptance, Finding},
    store::{JournalStore, Kept},
};

/// The version of what is kept.
const VERSION: u32 = 1;

/// A result, and what it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptTest {
    version: u32,
    subject: Subject,
    /// When the test ended, by AWS's clock.
    ended: Timestamp,
    /// Who ran it.
    by: String,
    report: TestReport,
}

/// What a test is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subject {
    group: TargetGroupArn,
    /// The task definition of the service, if the file names the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
}

impl Subject {
    /// Reads what the new side runs now.
    pub(super) async fn of(aws: &Aws, target: &Target) -> Result<Self> {
        let green = &target.sides.green;
        let revision = match &green.service {
            Some(service) => {
                let deployer = EcsServiceDeployer::new(aws, &service.cluster, &service.name);
                let observed = deployer.observe().await?;
                observed.map(|observed| observed.revision.to_string())
            }
            None => None,
        };
        Ok(Self {
            group: green.group.clone(),
            revision,
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.group.name())?;
        match &self.revision {
            Some(revision) => write!(f, " with {revision}"),
            None => Ok(()),
        }
    }
}

/// Keeps a result beside the journal of the rule.
pub(super) async fn keep(
    store: &JournalStore,
    rule: &str,
    subject: Subject,
    ended: Timestamp,
    by: &str,
    report: &TestReport,
) -> Result<()> {
    let kept = KeptTest {
        version: VERSION,
        subject,
        ended,
        by: by.to_owned(),
        report: report.clone(),
    };
    let bytes = serde_json::to_vec(&kept).map_err(|error| {
        Error::new(ErrorKind::Invalid, "write the result of the test").with_source(error)
    })?;
    store.keep(Kept::Test, rule, bytes).await
}

impl MigrationSpec {
    /// Returns why a migration must not begin yet, if the file requires a test: there is no result beside the
    /// journal, the test did not pass, the result has expired, or it is of another target group or task
    /// definition. Reads only; what cannot be read is a reason, too.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn untested(
        &self,
        aws: &Aws,
        store: &JournalStore,
        target: &Target,
    ) -> Option<Finding> {
        let required = self.test.require?;
        let why = match self.kept(aws, store, target).await {
            Ok((kept, subject)) => why_not(kept.as_ref(), &subject, aws.time_there(), required)?,
            Err(error) => format!(
                "whether green was tested is not known: {}",
                Failure::from(&error)
            ),
        };
        let hint = format!(
            "run `bluegreen test`; or accept `{}`, if you know that green serves well",
            Acceptance::Untested
        );
        Some(Finding::refusal_unless(Acceptance::Untested, why).with_hint(hint))
    }

    async fn kept(
        &self,
        aws: &Aws,
        store: &JournalStore,
        target: &Target,
    ) -> Result<(Option<KeptTest>, Subject)> {
        let rule = self.locate(aws).await?;
        let kept = match store.kept(Kept::Test, rule.as_str()).await? {
            Some(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| {
                Error::new(ErrorKind::Refused, "read the result of the test").with_source(error)
            })?),
            None => None,
        };
        Ok((kept, Subject::of(aws, target).await?))
    }
}

/// Returns why a result does not let a migration begin; `None` if it does.
fn why_not(
    kept: Option<&KeptTest>,
    subject: &Subject,
    now: Timestamp,
    required: Span,
) -> Option<String> {
    let Some(kept) = kept else {
        return Some("green was not tested".to_owned());
    };
    if kept.version != VERSION {
        return Some("the test of green is of another version of this program".to_owned());
    }
    if kept.subject != *subject {
        return Some(format!(
            "the newest test is of {}, and green is {subject}",
            kept.subject
        ));
    }
    if !kept.report.is_passed() {
        let reason = kept.report.reasons.first();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        return Some(format!(
            "green's newest test, at {:.0}, did not pass{reason}",
            kept.ended
        ));
    }
    let age = now.duration_since(kept.ended);
    let most = SignedDuration::try_from(required.0).unwrap_or(SignedDuration::MAX);
    // A result from the future is dated by a clock that was wrong.
    let is_fresh = age <= most && age >= SignedDuration::from_mins(-5);
    (!is_fresh).then(|| {
        format!(
            "green's newest test ended at {:.0}, and may be at most {required} old",
            kept.ended
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(verdict: &str, ended: &str) -> KeptTest {
        let group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/green/0011223344556677";
        let report = json!({
            "verdict": verdict, "reasons": ["too slow"], "began": ended, "seconds": 120.0,
            "planned": 600, "sent": 600, "late": 0, "unsent": 0, "rate": 5.0, "held": 5.0,
            "behind_ms": 0.0,
            "errors": {"failed": 0, "of": 600, "at_most": 0.007, "limit": 0.05, "confidence": 0.99},
            "latency": [], "compared": 5, "varying": 0,
        });
        KeptTest {
            version: VERSION,
            subject: Subject {
                group: group.parse().unwrap(),
                revision: Some("web:7".to_owned()),
            },
            ended: ended.parse().unwrap(),
            by: "ann".to_owned(),
            report: serde_json::from_value(report).unwrap(),
        }
    }

    #[test]
    fn a_result_counts_for_its_subject_and_its_time_if_it_passed() {
        let now: Timestamp = "2030-01-02T00:00:00Z".parse().unwrap();
        let day = Span::minutes(24 * 60);
        let good = kept("passed", "2030-01-01T00:00:00Z");
        let subject = good.subject.clone();
        let other = Subject {
            revision: Some("web:8".to_owned()),
            ..subject.clone()
        };
        for (kept, subject, wanted) in [
            (Some(good.clone()), &subject, None),
            (None, &subject, Some("green was not tested")),
            (
                Some(good),
                &other,
                Some("the newest test is of green with web:7, and green is green with web:8"),
            ),
            (
                Some(kept("passed", "2029-12-31T23:59:59Z")),
                &subject,
                Some(
                    "green's newest test ended at 2029-12-31T23:59:59Z, and may be at most 24h old",
                ),
            ),
            (
                Some(kept("passed", "2030-01-02T01:00:00Z")),
                &subject,
                Some(
                    "green's newest test ended at 2030-01-02T01:00:00Z, and may be at most 24h old",
                ),
            ),
            (
                Some(kept("failed", "2030-01-01T23:00:00Z")),
                &subject,
                Some("green's newest test, at 2030-01-01T23:00:00Z, did not pass: too slow"),
            ),
            (
                Some(kept("inconclusive", "2030-01-01T23:00:00Z")),
                &subject,
                Some("green's newest test, at 2030-01-01T23:00:00Z, did not pass: too slow"),
            ),
        ] {
            let why = why_not(kept.as_ref(), subject, now, day);
            assert_eq!(why.as_deref(), wanted);
        }
        let mut newer = self::kept("passed", "2030-01-01T23:00:00Z");
        newer.version = 2;
        assert!(why_not(Some(&newer), &subject, now, day).is_some());
    }
}
