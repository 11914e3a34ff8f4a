//! [`AlbDeadManSwitch`].

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use aws_sdk_scheduler::{
    error::BuildError,
    operation::{
        create_schedule::CreateScheduleInput, delete_schedule::DeleteScheduleInput,
        get_schedule::GetScheduleInput, update_schedule::UpdateScheduleInput,
    },
    types::{
        ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy,
        ScheduleState, Target,
    },
};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    AlbTrafficSplitter, RoleArn, RuleArn, TopicArn,
    dead_man_role::{Needed, check},
    rule::routing::Routing,
};
use crate::{
    aws::Aws,
    clock::{Clock as _, RunClock, moved},
    error::{Error, ErrorKind, Result},
    preflight::Finding,
    traffic::{Armed, DeadManSwitch, Sides, TrafficObservation},
};

/// A one-time schedule of EventBridge Scheduler that writes the rule's actions: everything on blue,
/// the rest as it was when the switch was armed.
///
/// # What it makes
///
/// One schedule per rule, in the group `default`, named `bluegreen-` and the ids of listener and
/// rule.
/// Its target is the API itself
/// ([universal target](https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html)):
/// `ModifyRule`, or `ModifyListener` for a default rule, with the same request that
/// [`AlbTrafficSplitter`] would send, so it needs no function and no server. Scheduler tries again at
/// most twice, within 60 seconds of the schedule's time, since a late write may overwrite a newer
/// one; then the schedule deletes itself. A schedule fires at its time or up to 60 seconds later
/// ([Schedule types](https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html)).
///
/// With [a topic](Self::with_notice) a second schedule, with `-notice` after the same name, sends a
/// message to operators at the same time: the controller that could tell them is dead.
///
/// Scheduler uses AWS's clock, so times of the run are converted to it: the run's clock may be wrong
/// ([`Aws::clock_offset`]).
///
/// # After the death of a controller
///
/// A run that is resumed with its plan renews the switch, and disarms it at its end; a rollback whose
/// plan has a switch disarms it too. A new run without a switch does not: the schedule of the dead
/// run may still put everything back on blue, which the new run sees as a third party's change.
///
/// # Role
///
/// Scheduler writes the rule with a role of yours.
/// [`MigrationSpec::dead_man_role`](crate::spec::MigrationSpec::dead_man_role) returns the role's
/// permissions and its trust policy. [`preflight`](DeadManSwitch::preflight) asks IAM's policy simulation whether the
/// role may write the rule and publish to the topic, and reads whether Scheduler may assume the role.
/// A missing permission is a refusal with the statement to add; a check that the caller may not make
/// is only a note. Not seen: conditions of service control policies, resource control policies, the
/// policies of network endpoints, and the topic's own policy. To be sure, let the switch fire once
/// for a rule that serves no users.
///
/// # Calls
///
/// [`preflight`](DeadManSwitch::preflight) makes one `DescribeRules`, one `GetRole` and one
/// `SimulatePrincipalPolicy`, with a notice two;
/// [`arm`](DeadManSwitch::arm) makes one `DescribeRules` and one `UpdateSchedule`, the first time
/// `CreateSchedule`; [`disarm`](DeadManSwitch::disarm) one `DeleteSchedule` and one `GetSchedule`. A
/// notice takes one `UpdateSchedule` or `CreateSchedule`, and one `DeleteSchedule`, more.
///
/// # IAM
///
/// `scheduler:` `CreateSchedule`, `UpdateSchedule`, `GetSchedule`, `DeleteSchedule`, `iam:PassRole`
/// for the role, and the splitter's permissions to read the rule. `iam:GetRole` and
/// `iam:SimulatePrincipalPolicy` on the role for its check; without them the preflight notes that the
/// role was not checked.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::{sync::Arc, time::Duration};
/// use bluegreen::{Migration, MigrationPlan, MigrationOutcome, health::TargetHealthGate};
/// use bluegreen::aws::{alb::{AlbDeadManSwitch, AlbTrafficSplitter}, sim::Scenario};
///
/// let simulation = Scenario::Healthy.simulation(7);
/// simulation.start_paused();
/// let aws = simulation.aws();
///
/// let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
/// let splitter = Arc::new(AlbTrafficSplitter::new(&aws, rule, blue, green)?);
/// let role = "arn:aws:iam::123456789012:role/blue-again".parse()?;
/// let switch = AlbDeadManSwitch::new(&aws, Arc::clone(&splitter), role);
/// let plan = MigrationPlan::builder().dead_man(Duration::from_secs(600)).build()?;
/// let outcome = Migration::new(plan, splitter)
///     .dead_man_switch(switch)
///     .clock(aws.clock())
///     .gate("targets", TargetHealthGate::new())
///     .run()
///     .await?;
/// assert!(matches!(outcome, MigrationOutcome::Promoted { .. }));
/// assert!(simulation.schedules().is_empty());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sim"))]
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct AlbDeadManSwitch {
    aws: Aws,
    splitter: Arc<AlbTrafficSplitter>,
    role: RoleArn,
    notice: Option<TopicArn>,
    /// Whether this process has armed it.
    is_armed: AtomicBool,
}

const DESCRIPTION: &str = "bluegreen puts everything back on blue, unless this is renewed";
/// How many times Scheduler tries again.
const RETRIES: i32 = 2;
/// For how many seconds after its time Scheduler tries.
const MAX_AGE: i32 = 60;

impl AlbDeadManSwitch {
    /// Returns a switch for the rule of `splitter`, whose schedule writes as `role`. Calls nothing
    /// yet.
    #[must_use]
    pub fn new(aws: &Aws, splitter: Arc<AlbTrafficSplitter>, role: RoleArn) -> Self {
        Self {
            aws: aws.clone(),
            splitter,
            role,
            notice: None,
            is_armed: AtomicBool::new(false),
        }
    }

    /// Sends a message to this topic when the switch fires, by a second schedule. The role needs
    /// `sns:Publish` on the topic. If the
    /// second schedule cannot be made at the first arming, the switch is not armed. A later failure
    /// is only logged: the notice may then come too early or not at all, but the switch still
    /// protects the traffic.
    #[must_use]
    pub fn with_notice(self, topic: TopicArn) -> Self {
        Self {
            notice: Some(topic),
            ..self
        }
    }

    /// Returns when the switch of a rule fires, if one is armed. Needs no role.
    ///
    /// # Errors
    ///
    /// If the schedule cannot be read, or has no time.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn fires(aws: &Aws, rule: &RuleArn) -> Result<Option<Timestamp>> {
        let what = || format!("read the dead-man switch of rule {rule}");
        let read = GetScheduleInput::builder().name(name(rule));
        let found = match aws.scheduler.get_schedule(read).await {
            Ok(found) => found.schedule_expression.unwrap_or_default(),
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(told(error, &what())),
        };
        let time = time_of(&found).ok_or_else(|| {
            Error::new(
                ErrorKind::Refused,
                format!("{}: `{found}` is not a time", what()),
            )
        })?;
        Ok(Some(time))
    }

    /// Converts a time of the run that arms the switch, or of this process's clock if there is no
    /// run, to AWS's time, which earlier reads have shown.
    fn there(&self, time: Timestamp) -> Timestamp {
        let run = RunClock::of_this_task().map(|run| run.now());
        let now = run.unwrap_or_else(|| self.aws.clock().now());
        moved(time, self.aws.ahead(now).unwrap_or_default())
    }

    fn target(&self, routing: &Routing) -> Result<Target> {
        let (operation, input) = routing.restore_request();
        let api = format!("elasticloadbalancingv2:{operation}");
        self.call(routing.arn(), &api, &input)
    }

    /// Returns the message for a topic. The message may come although nothing was written: the load
    /// balancer may have refused the write.
    fn notice_of(&self, rule: &RuleArn, topic: &TopicArn, fires: Timestamp) -> Result<Target> {
        let look = format!(
            "aws elbv2 describe-rules --region {} --rule-arns {rule}",
            rule.region()
        );
        let message = format!(
            "No controller has renewed the dead-man switch of rule {rule}, so at {fires:.0} its schedule \
             puts everything back on blue. See whether it did: {look}"
        );
        let input = serde_json::json!({
            "TopicArn": topic.as_str(),
            "Subject": "bluegreen: a dead-man switch fires",
            "Message": message,
        });
        self.call(rule, "sns:publish", &input)
    }

    /// A call of an API as a schedule makes it, by the rule's partition.
    fn call(&self, rule: &RuleArn, api: &str, input: &serde_json::Value) -> Result<Target> {
        let retry = RetryPolicy::builder()
            .maximum_retry_attempts(RETRIES)
            .maximum_event_age_in_seconds(MAX_AGE)
            .build();
        let partition = rule.as_str().split(':').nth(1).unwrap_or("aws");
        Target::builder()
            .arn(format!("arn:{partition}:scheduler:::aws-sdk:{api}"))
            .role_arn(self.role.as_str())
            .input(input.to_string())
            .retry_policy(retry)
            .build()
            .map_err(unbuilt)
    }

    async fn put(&self, name: &str, at: String, target: Target, what: &str) -> Result<()> {
        let window = FlexibleTimeWindow::builder()
            .mode(FlexibleTimeWindowMode::Off)
            .build()
            .map_err(unbuilt)?;
        let update = UpdateScheduleInput::builder()
            .name(name)
            .description(DESCRIPTION)
            .schedule_expression(&at)
            .schedule_expression_timezone("UTC")
            .state(ScheduleState::Enabled)
            .flexible_time_window(window.clone())
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(target.clone());
        let missing = match self.aws.scheduler.update_schedule(update).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => error,
            Err(error) => return Err(told(error, what)),
        };
        tracing::debug!(schedule = name, error = %missing.message, "there is none yet");
        let create = CreateScheduleInput::builder()
            .name(name)
            .description(DESCRIPTION)
            .schedule_expression(at)
            .schedule_expression_timezone("UTC")
            .state(ScheduleState::Enabled)
            .flexible_time_window(window)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(target);
        let created = self.aws.scheduler.create_schedule(create).await;
        created.map(drop).map_err(|error| told(error, what))
    }
}

#[async_trait]
impl DeadManSwitch for AlbDeadManSwitch {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        let routing = match self.splitter.locate().await {
            Ok(arn) => self.splitter.routing(&arn).await,
            Err(error) => Err(error),
        };
        let Ok(routing) = routing else {
            // The survey of the rule reports the reason, in more detail.
            return Ok(Vec::new());
        };
        let arn = routing.arn();
        let needed = match routing.is_default() {
            true => Needed {
                action: "elasticloadbalancing:ModifyListener",
                resource: arn.listener().to_string(),
            },
            false => Needed {
                action: "elasticloadbalancing:ModifyRule",
                resource: arn.to_string(),
            },
        };
        Ok(check(&*self.aws.iam, &self.role, needed, self.notice.as_ref()).await)
    }

    async fn arm(&self, traffic: &TrafficObservation, fires: Timestamp) -> Result<Armed> {
        let arn = self.splitter.locate().await?;
        let what = format!("arm the dead-man switch of rule {arn}");
        let routing = self.splitter.routing(&arn).await?;
        let current = routing.observation(Sides::default());
        if !current.is_same_routing(traffic) {
            let diff = current.drift_from(traffic).join("; ");
            return Err(Error::new(ErrorKind::Conflict, format!("{what}: {diff}")));
        }
        let name = name(&arn);
        let fires = self.there(fires);
        if let Some(topic) = &self.notice {
            // Before the switch itself: if the notice cannot be made the first time, nothing is left
            // armed.
            let message = self.notice_of(&arn, topic, fires)?;
            let noticed = self.put(&notice(&name), at(fires), message, &what).await;
            match noticed {
                Err(error) if !self.is_armed.load(Ordering::Relaxed) => return Err(error),
                Err(error) => tracing::warn!(%error, "the notice of the switch was not renewed"),
                Ok(()) => {}
            }
        }
        self.put(&name, at(fires), self.target(&routing)?, &what)
            .await?;
        self.is_armed.store(true, Ordering::Relaxed);
        let command = format!(
            "aws scheduler delete-schedule --region {} --name {name}",
            arn.region()
        );
        Ok(Armed::new(name).with_disarm_command(command))
    }

    async fn disarm(&self) -> Result<()> {
        let arn = self.splitter.locate().await?;
        let name = name(&arn);
        let what = format!("disarm the dead-man switch of rule {arn}");
        let delete = DeleteScheduleInput::builder().name(&name);
        match self.aws.scheduler.delete_schedule(delete).await {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(told(error, &what)),
        }
        let read = GetScheduleInput::builder().name(&name);
        match self.aws.scheduler.get_schedule(read).await {
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(told(error, &what)),
            Ok(_) => {
                let message = format!("{what}: the schedule {name} is still there");
                return Err(Error::new(ErrorKind::OutcomeUnknown, message));
            }
        }
        if self.notice.is_some() {
            let name = notice(&name);
            let delete = DeleteScheduleInput::builder().name(&name);
            match self.aws.scheduler.delete_schedule(delete).await {
                Err(error) if error.kind != ErrorKind::NotFound => {
                    // The notice writes nothing, and its text says where to look.
                    let error = told(error, &what);
                    tracing::warn!(%error, schedule = name, "the notice may still come");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// One per rule: the ids of listener and rule are unique in a region.
fn name(rule: &RuleArn) -> String {
    let mut ids = rule.as_str().rsplit('/');
    let (rule, listener) = (ids.next().unwrap_or_default(), ids.next());
    format!("bluegreen-{}-{rule}", listener.unwrap_or_default())
}

/// The name of the schedule that tells a topic.
fn notice(name: &str) -> String {
    format!("{name}-notice")
}

/// A time as Scheduler writes it, in UTC.
fn at(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    format!("at({})", time.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// The time of an `at(…)` expression.
fn time_of(expression: &str) -> Option<Timestamp> {
    let time = expression.strip_prefix("at(")?.strip_suffix(')')?;
    format!("{time}Z").parse().ok()
}

fn told(error: crate::aws::api::ApiError, what: &str) -> Error {
    let is_of_role = error.kind == ErrorKind::Invalid && error.message.contains("role");
    let error = error.into_error(what);
    if is_of_role {
        return error.with_hint("the role must trust scheduler.amazonaws.com");
    }
    error
}

fn unbuilt(error: BuildError) -> Error {
    Error::new(ErrorKind::Invalid, "describe the schedule").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::alb::testing::rule_arn;

    #[test]
    fn a_schedule_has_a_name_and_a_time_that_scheduler_takes() {
        let name = notice(&name(&rule_arn()));
        assert!(name.len() <= 64, "{name}");
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        assert!(name.bytes().all(is_valid), "{name}");
        let time = "2026-01-05T09:07:03Z".parse().expect("a time");
        assert_eq!(at(time), "at(2026-01-05T09:07:03)");
        assert_eq!(time_of(&at(time)), Some(time));
        assert_eq!(time_of("rate(1 minute)"), None);
    }
}
