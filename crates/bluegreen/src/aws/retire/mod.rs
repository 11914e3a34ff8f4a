//! Retires blue after a migration: scales it to zero, and deletes it on request.
//!
//! [`Retirement`] looks, plans, and takes one step after the other; [`Retired`] is the way back.

mod owner;
mod quiet;
mod retired;
mod standing;
mod step;
#[cfg(all(test, feature = "sim", feature = "store"))]
mod tests;

use std::{collections::BTreeSet, fmt, pin::Pin, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

pub use self::{retired::Retired, step::RetireStep};
use self::{
    standing::Standing,
    step::{steps, waits_for},
};
use super::{
    Aws,
    alb::{
        AlbDeadManSwitch, RuleArn, TargetGroupArn,
        retire::{Place, delete_group, delete_rule},
    },
    cloudwatch::AlbMetrics,
    ecs::{EcsCapacityKeeper, retire::OneService},
};
use crate::{
    engine::APART,
    error::{Error, ErrorKind, Result},
    migration::QUIET_MINUTES,
    preflight::{Acceptance, Finding},
    traffic::{CapacityKeeper as _, Kept, Released, Sides},
};

/// How long reads may show the state before a change, as for the splitter.
const PROPAGATION: Duration = Duration::from_secs(30);
/// The interval of looks while tasks finish their requests.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long tasks may finish their requests: the longest deregistration delay is an hour, and the usual one
/// five minutes.
const STOPS_WITHIN: Duration = Duration::from_secs(20 * 60);
/// The least number of tries of a step whose outcome is unknown, within at least [`PROPAGATION`].
const TRIES: u32 = 5;

/// Retires the side that served before a migration, blue: the reversible form scales its service to zero, and
/// a [deletion](Self::deleting) removes what is left.
///
/// | step | how |
/// |---|---|
/// | record | a tag of the service keeps how many tasks it ran, for a rollback |
/// | minimum | the minimum of its scaling that the migration has raised is put back |
/// | zero | its desired count is set to 0; the reversible form ends here |
/// | test routes | rules with the tag of a test route of this rule are deleted |
/// | rule | blue's target group leaves the rule; nothing else of the rule changes |
/// | service, target group | are deleted, once no task and no target is left |
///
/// # When it is refused
///
/// Before each step it looks twice, 3 s apart, and the second look must want the same step. Every look must show
/// that blue has no weight and green has all, that green has a healthy target, that no other rule, listener or
/// load balancer sends requests to blue's group, that no dead-man switch is armed, and that CloudWatch shows
/// no request on blue. Before the first step 15 settled minutes without a request on blue are needed; a
/// minute counts only if the same answer has green's requests. A deletion is refused besides if other
/// services register tasks with the group, or if a tag says that infrastructure code owns a part, unless
/// that is accepted.
///
/// It never takes a step that its first plan did not have, and never deletes a journal, a task definition or an
/// image.
///
/// # After a crash
///
/// What is done is seen by the next look, so another call continues from there, on any machine.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use bluegreen::{ErrorKind, aws::{retire::Retirement, sim::Simulation}, traffic::Sides};
///
/// let simulation = Simulation::builder().weights(Sides { blue: 0, green: 100 }).build();
/// simulation.start_paused();
/// let aws = simulation.aws();
/// let sides = Sides { blue: simulation.blue(), green: simulation.green() };
/// let (cluster, service) = simulation.blue_service();
/// let ended = aws.clock().now();
/// let retirement = Retirement::new(&aws, simulation.rule_arn(), sides, cluster, service, ended);
///
/// let report = retirement.run().await?;
/// assert_eq!(report.done.len(), 2, "recorded, and scaled to zero");
/// assert_eq!(simulation.targets().blue.healthy, 0);
///
/// // Blue serves again: nothing more is done.
/// simulation.third_party_write(Sides { blue: 100, green: 0 });
/// let error = retirement.run().await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Refused);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Retirement {
    aws: Aws,
    rule: RuleArn,
    sides: Sides<TargetGroupArn>,
    service: OneService,
    keeper: EcsCapacityKeeper,
    kept: Option<Kept>,
    /// When the migration ended: minutes from then on count.
    ended: Timestamp,
    deletes: bool,
    accepted: BTreeSet<Acceptance>,
    told: Told,
}

/// Called with each step before the step is taken, and with each wait.
struct Told {
    step: Box<dyn Fn(&RetireStep) + Send + Sync>,
    wait: Box<dyn Fn(&str) + Send + Sync>,
    stage: Box<dyn Fn(Stage) -> Written<'static> + Send + Sync>,
}

/// The result of keeping a stage.
pub(crate) type Written<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A stage of a call, for what keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stage {
    /// Some step is missing, and blue's quiet minutes are waited for.
    Began,
    /// This step is next.
    Step(RetireStep),
    /// Every step is done, or why not.
    Ended(Option<String>),
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// What was done, or would be done.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RetireReport {
    /// The rule that divides the traffic.
    pub rule: RuleArn,
    /// The steps, in order.
    pub done: Vec<RetireStep>,
    /// Notes for the operator, and accepted risks.
    pub notes: Vec<Finding>,
}

/// The progress of one call.
#[derive(Debug, Default)]
struct Run {
    /// The steps that AWS accepted, and when, as the uptime of the machine.
    done: Vec<(RetireStep, Duration)>,
    /// How often the next step failed, and since when.
    failed: Option<(u32, Duration)>,
    /// Since when tasks finish their requests, and what was told of that.
    waits: Option<(Duration, String)>,
    /// What the steps have shown beside their success, and accepted risks.
    notes: Vec<Finding>,
    /// The notes of the newest look.
    of_look: Vec<Finding>,
}

impl Run {
    /// Whether reads may still miss a change of this run.
    fn is_recent(&self, now: Duration) -> bool {
        let last = self.done.last();
        last.is_some_and(|(_, at)| now.saturating_sub(*at) < PROPAGATION)
    }

    /// Keeps the notes of a look, and every risk that any look has accepted.
    fn heard(&mut self, found: Vec<Finding>) {
        let (accepted, notes): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|one| one.is_accepted);
        self.of_look = notes;
        for risk in accepted {
            if !self.notes.contains(&risk) {
                self.notes.push(risk);
            }
        }
    }

    /// Since when a read should show a step, if this run has taken it.
    fn awaits(&self, step: &RetireStep) -> Option<Duration> {
        let done = self.done.iter().rev().find(|(done, _)| done.is_again(step));
        done.map(|(_, at)| *at)
    }
}

impl Retirement {
    /// Retires the service that runs blue's targets: the target groups of both sides in `rule`, the service by
    /// its cluster and name, and when the migration ended. Calls nothing yet.
    #[must_use]
    pub fn new(
        aws: &Aws,
        rule: RuleArn,
        sides: Sides<TargetGroupArn>,
        cluster: &str,
        service: &str,
        ended: Timestamp,
    ) -> Self {
        Self {
            aws: aws.clone(),
            rule,
            sides,
            service: OneService::new(aws, cluster, service),
            keeper: EcsCapacityKeeper::new(aws, cluster, service),
            kept: None,
            ended,
            deletes: false,
            accepted: BTreeSet::new(),
            told: Told {
                step: Box::new(|_| {}),
                wait: Box::new(|_| {}),
                stage: Box::new(|_| Box::pin(std::future::ready(Ok(())))),
            },
        }
    }

    /// The service, as `CLUSTER/SERVICE`.
    #[must_use]
    pub fn service(&self) -> String {
        format!("{}/{}", self.service.cluster(), self.service.name())
    }

    /// Puts this minimum back, which the migration has raised.
    #[must_use]
    pub(crate) fn with_kept(mut self, kept: Option<Kept>) -> Self {
        self.kept = kept;
        self
    }

    /// Deletes blue after it is scaled to zero.
    #[must_use]
    pub fn deleting(mut self) -> Self {
        self.deletes = true;
        self
    }

    /// Accepts a risk by name.
    #[must_use]
    pub fn accept(mut self, risk: Acceptance) -> Self {
        self.accepted.insert(risk);
        self
    }

    /// Calls `told` with each step before the step is taken.
    #[must_use]
    pub fn on_step(mut self, told: impl Fn(&RetireStep) + Send + Sync + 'static) -> Self {
        self.told.step = Box::new(told);
        self
    }

    /// Calls `told` with a sentence when there is something to wait for.
    #[must_use]
    pub fn on_wait(mut self, told: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.told.wait = Box::new(told);
        self
    }

    /// Keeps each stage by `keep`, before the step of that stage is taken.
    #[must_use]
    pub(crate) fn with_stages(
        mut self,
        keep: impl Fn(Stage) -> Written<'static> + Send + Sync + 'static,
    ) -> Self {
        self.told.stage = Box::new(keep);
        self
    }

    /// The time from which minutes count.
    pub(crate) fn ended(&self) -> Timestamp {
        self.ended
    }

    pub(crate) fn deletes(&self) -> bool {
        self.deletes
    }

    pub(crate) fn aws(&self) -> &Aws {
        &self.aws
    }

    pub(crate) fn rule(&self) -> &RuleArn {
        &self.rule
    }

    /// Returns the steps that [`run`](Self::run) would take now, without waiting for settled minutes: a note
    /// says how many there are.
    ///
    /// # Errors
    ///
    /// As `run`, as far as reads show.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn preview(&self) -> Result<RetireReport> {
        let standing = self.whole_look().await?;
        let mut notes = self.judged(&standing)?;
        let done = steps(&standing);
        if standing.group.is_some() && !done.is_empty() {
            let counted = quiet::glance(&self.aws, &self.metrics(), self.ended).await?;
            notes.push(Finding::note(format!(
                "{counted} of {} settled minutes without a request on blue",
                QUIET_MINUTES
            )));
        }
        let rule = self.rule.clone();
        Ok(RetireReport { rule, done, notes })
    }

    /// Takes every step that is missing, and confirms by reads that none is missing.
    ///
    /// # Errors
    ///
    /// `Refused` with every reason if blue may still be in use; `Conflict` if the world has changed so that a
    /// step is needed that the first plan did not have; else as AWS answers. Completed steps stay; another
    /// call continues from there.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe, but harmless: a dropped call leaves a part done, and another call continues from there.
    pub async fn run(&self) -> Result<RetireReport> {
        let first = self.whole_look().await?;
        self.judged(&first)?;
        let planned = steps(&first);
        if planned.is_empty() {
            return self.carried_out(&first, planned).await;
        }
        (self.told.stage)(Stage::Began).await?;
        let ended = self.carried_out(&first, planned).await;
        let why = ended.as_ref().err().map(|error| error.message().to_owned());
        let kept = (self.told.stage)(Stage::Ended(why)).await;
        let report = ended?;
        kept.map(|()| report)
    }

    async fn carried_out(
        &self,
        first: &Standing,
        planned: Vec<RetireStep>,
    ) -> Result<RetireReport> {
        let proven = match first.group.is_some() && !planned.is_empty() {
            true => {
                let told = &*self.told.wait;
                Some(quiet::prove(&self.aws, &self.metrics(), self.ended, told).await?)
            }
            false => None,
        };
        let mut run = Run::default();
        loop {
            let Some((_, announced)) = self.next(&planned, proven, &mut run).await? else {
                return Ok(self.reported(run));
            };
            (self.told.step)(&announced);
            tokio::time::sleep(APART).await;
            // What has changed between the plan and the act stops the step.
            let again = self.next(&planned, proven, &mut run).await?;
            let Some((standing, step)) = again.filter(|(_, step)| step.is_again(&announced)) else {
                continue;
            };
            (self.told.stage)(Stage::Step(step.clone())).await?;
            let began = self.uptime();
            match self.carry_out(&step, &standing, &mut run).await {
                Ok(()) => {
                    run.failed = None;
                    run.done.push((step, self.uptime()));
                }
                Err(error) if is_worth_a_look(error.kind()) => {
                    let (tries, since) = run.failed.unwrap_or((0, began));
                    if tries + 1 >= TRIES && self.since(since) >= PROPAGATION {
                        return Err(error);
                    }
                    tracing::debug!(%step, %error, "looking again");
                    run.failed = Some((tries + 1, since));
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Looks until the next step is known and nothing has to be waited for; `None` if no step is missing.
    async fn next(
        &self,
        planned: &[RetireStep],
        proven: Option<Timestamp>,
        run: &mut Run,
    ) -> Result<Option<(Standing, RetireStep)>> {
        loop {
            let standing = self.whole_look().await?;
            match self.judged(&standing) {
                // A refusal may come from a read that is older than this run's changes.
                Err(_) if run.is_recent(self.uptime()) => {
                    tokio::time::sleep(APART).await;
                    continue;
                }
                judged => run.heard(judged?),
            }
            let step = steps(&standing).into_iter().next();
            if let (Some(proven), true) = (proven, standing.group.is_some()) {
                quiet::still(&self.aws, &self.metrics(), proven).await?;
            }
            let Some(step) = step else {
                return Ok(None);
            };
            if let Some(since) = run.awaits(&step) {
                if self.since(since) >= PROPAGATION {
                    return Err(not_seen(&step));
                }
                tokio::time::sleep(APART).await;
                continue;
            }
            if !planned.iter().any(|one| one.is_again(&step)) {
                let message =
                    format!("the world has changed: {step} is needed now, which was not planned");
                let hint = "look at the new plan with `--dry-run`, then run it again";
                return Err(Error::new(ErrorKind::Conflict, message).with_hint(hint));
            }
            let Some(why) = waits_for(&standing, &step) else {
                run.waits = None;
                return Ok(Some((standing, step)));
            };
            self.wait(run, why).await?;
        }
    }

    /// Waits a moment for what `why` says, and tells that once.
    async fn wait(&self, run: &mut Run, why: String) -> Result<()> {
        let waits = run.waits.as_ref();
        let since = waits.map_or_else(|| self.uptime(), |(since, _)| *since);
        if self.since(since) >= STOPS_WITHIN {
            let minutes = STOPS_WITHIN.as_secs() / 60;
            let message = format!("after {minutes} minutes {why}");
            let hint = "run it again later: it continues from here";
            return Err(Error::new(ErrorKind::Unavailable, message).with_hint(hint));
        }
        if run.waits.as_ref().is_none_or(|(_, told)| *told != why) {
            (self.told.wait)(&why);
        }
        run.waits = Some((since, why));
        tokio::time::sleep(LOOK_AGAIN).await;
        Ok(())
    }

    /// Looks until all reads show the same world: for a while after a deletion one read still shows what
    /// another read does not find.
    async fn whole_look(&self) -> Result<Standing> {
        let began = self.uptime();
        loop {
            match self.look().await {
                Err(error)
                    if error.kind() == ErrorKind::NotFound && self.since(began) < PROPAGATION =>
                {
                    tokio::time::sleep(APART).await;
                }
                looked => return looked,
            }
        }
    }

    async fn look(&self) -> Result<Standing> {
        let place = Place::look(&self.aws, &self.rule, &self.sides).await?;
        let service = self.service.look().await?;
        let minimum = match &service {
            Some(_) => self
                .keeper
                .observe()
                .await?
                .range
                .map(|range| range.minimum),
            None => None,
        };
        let fires = AlbDeadManSwitch::fires(&self.aws, &self.rule).await?;
        let others = match self.deletes && place.group.is_some() {
            true => self.service.others_at(&self.sides.blue).await?,
            false => Vec::new(),
        };
        let mut owned = Vec::new();
        for (arn, tags) in &place.tags {
            let what = match *arn == self.sides.blue.as_str() {
                true => format!("target group {}", self.sides.blue.name()),
                false => format!("test route {arn}"),
            };
            owned.extend(owner::owner(tags).map(|owner| (what, owner)));
        }
        if let Some(service) = &service {
            let what = format!("service {}", self.service.name());
            owned.extend(owner::owner(&service.tags).map(|owner| (what, owner)));
        }
        Ok(Standing {
            rule: place.arn.clone(),
            blue: self.sides.blue.clone(),
            service_name: self.service.name().to_owned(),
            deletes: self.deletes,
            weights: place.weights,
            green_healthy: place.green_healthy,
            group: place.group,
            test_routes: place.test_routes,
            owned,
            unwritable: place.unwritable,
            service,
            kept: self.kept.clone(),
            minimum,
            fires,
            others,
        })
    }

    /// Returns the notes and the accepted risks, or one error for everything that stops a step.
    fn judged(&self, standing: &Standing) -> Result<Vec<Finding>> {
        let accepted = |risk: Acceptance| self.accepted.contains(&risk);
        let found = standing.findings().into_iter();
        let (stops, notes): (Vec<Finding>, Vec<Finding>) = found
            .map(|finding| finding.marked(accepted))
            .partition(|finding| finding.stops(&self.accepted));
        if stops.is_empty() {
            return Ok(notes);
        }
        let said: Vec<&str> = stops.iter().map(|one| one.message.as_str()).collect();
        let hints: BTreeSet<&str> = stops.iter().filter_map(|one| one.hint.as_deref()).collect();
        let hints: Vec<&str> = hints.into_iter().collect();
        let message = format!("retire blue: {}", said.join("; "));
        Err(Error::new(ErrorKind::Refused, message).with_hint(hints.join("; ")))
    }

    async fn carry_out(&self, step: &RetireStep, standing: &Standing, run: &mut Run) -> Result<()> {
        let what = step.to_string();
        match step {
            RetireStep::Record { tasks, .. } => {
                let service = standing.service.as_ref();
                let arn = service.map(|service| service.arn.as_str());
                let gone = || Error::new(ErrorKind::Conflict, what.clone());
                let arn = arn.ok_or_else(gone)?;
                self.service.record(&what, arn, *tasks).await
            }
            RetireStep::ReleaseMinimum { .. } => {
                let Some(kept) = &self.kept else {
                    return Ok(());
                };
                if let Released::Changed { minimum } = self.keeper.release(kept).await? {
                    let minimum = minimum.map_or("none".to_owned(), |minimum| minimum.to_string());
                    let message =
                        format!("{what}: a third party has set it to {minimum}; it stays");
                    run.notes.push(Finding::note(message));
                }
                Ok(())
            }
            RetireStep::ScaleToZero { .. } => self.service.scale(&what, 0).await,
            RetireStep::DeleteRoute { rule } => delete_rule(&self.aws, &what, rule).await,
            RetireStep::Detach { group, .. } => {
                let place = Place::look(&self.aws, &self.rule, &self.sides).await?;
                if place.weights != standing.weights {
                    let message = format!("{what}: a third party changed the rule meanwhile");
                    return Err(Error::new(ErrorKind::Conflict, message));
                }
                place.detach(&self.aws, &what, group).await
            }
            RetireStep::DeleteService { .. } => self.service.delete(&what).await,
            RetireStep::DeleteGroup { group } => delete_group(&self.aws, &what, group).await,
        }
    }

    /// Reports what was done, and what the last look has shown.
    fn reported(&self, run: Run) -> RetireReport {
        let mut notes = run.of_look;
        notes.extend(run.notes);
        RetireReport {
            rule: self.rule.clone(),
            done: run.done.into_iter().map(|(step, _)| step).collect(),
            notes,
        }
    }

    fn uptime(&self) -> Duration {
        self.aws.clock().uptime()
    }

    fn since(&self, then: Duration) -> Duration {
        self.uptime().saturating_sub(then)
    }

    fn metrics(&self) -> AlbMetrics {
        let balancer = self.rule.listener().load_balancer();
        let Sides { blue, green } = self.sides.clone();
        AlbMetrics::new(&self.aws, balancer, blue, green)
    }
}

fn not_seen(step: &RetireStep) -> Error {
    let time = PROPAGATION.as_secs();
    let message = format!("{step}: AWS accepted it, but no read has shown it for {time} s");
    Error::new(ErrorKind::OutcomeUnknown, message).with_hint("look at it, then try again")
}

/// Whether the next look can resolve an error: the outcome is unknown, a third party was faster, or the call
/// must be repeated later.
fn is_worth_a_look(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::OutcomeUnknown | ErrorKind::Conflict | ErrorKind::Throttled
    )
}
