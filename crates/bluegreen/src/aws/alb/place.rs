//! [`GreenPlace`]: green's target group and test route, before any traffic is divided.

mod header;
mod journal;
mod look;
mod route;
mod standing;
mod step;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use aws_sdk_elasticloadbalancingv2::operation::{
    add_tags::AddTagsInput, delete_rule::DeleteRuleInput,
    delete_target_group::DeleteTargetGroupInput,
    modify_target_group_attributes::ModifyTargetGroupAttributesInput, remove_tags::RemoveTagsInput,
};
use aws_sdk_elasticloadbalancingv2::types::{Action, TargetGroupAttribute};
use serde::Serialize;
use tokio::time::Instant;

pub use self::{header::TestHeader, standing::GreenGroup, step::PlaceStep};
use self::{
    journal::{CutOff, Finished, PROPAGATION},
    standing::Standing,
};
use super::{
    AlbRule, RuleArn, TargetGroupArn,
    rule::{edit, locate, write},
    tags::{ATTACHED_TO, tag, tags_of},
};
use crate::{
    aws::{Aws, api::ApiError},
    engine::{Journal, MemoryJournal, Record},
    error::{Error, ErrorKind, Failure, Result},
    preflight::Finding,
};

/// The least number of tries, within at least [`PROPAGATION`], of a step whose outcome is unknown or
/// at which a third party was faster. Before each try a look tells whether it is still needed.
const TRIES: u32 = 5;
/// The time from such a step to the next look: AWS shows some changes a moment late.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Prepares green's place: a target group, at weight 0 in the rule that divides the traffic, and a
/// route by which tests reach green alone. Nothing of this moves traffic.
///
/// | what | how |
/// |---|---|
/// | target group | adopted if it exists and fits, else made with blue's settings and attributes |
/// | in the rule | attached at weight 0, so that its targets are health-checked; the rest of the rule stays as it is |
/// | test route | a rule before that one, with the same conditions and one header more, that forwards to green alone |
///
/// The header is not secret: **every client that sends it reaches green.** The test route keeps the
/// rule's log-in by Cognito and its token checks. For a rule with a log-in by OIDC no test route is
/// made: the API never gives the client secret, and a route without the log-in would bypass it.
///
/// # Ownership
///
/// A resource that was made carries the tag `bluegreen:made-for`, from its creation on; a resource
/// that was attached, `bluegreen:attached-to`; the value of both is the rule's ARN.
/// [`undo`](Self::undo) deletes what the first tag marks, and detaches what the second marks. So
/// `prepare` and `undo` know their work after any crash, on any machine. A read may be older than the last
/// call of a run that was killed: with a [journal](Self::journal) in a store and [`after`](Self::after), the next
/// run waits until a read must show that call.
///
/// # Calls
///
/// Each step looks first (the listener's rules, both groups, tags), then makes one change. The next
/// look confirms the change; the last look finds nothing to do. After a change without an answer the
/// next look comes before anything else.
///
/// A read may be older than a change. A run never repeats a change that AWS accepted: it waits until
/// a read shows the change, for 30 s at most. The first change of a run is made if two reads, 2 s
/// apart, ask for it, since an earlier run may have made it. A create that is sent again after a lost
/// answer has the same name or priority, so AWS refuses the second one.
///
/// An existing test route is recognised by its header and its target group; it is tagged with
/// `bluegreen:attached-to`, so that a deployment recognises it too. A route that was made for this rule, and leads
/// to blue since an earlier release, is turned round to green; `undo` deletes it then.
///
/// # IAM
///
/// `elasticloadbalancing:` `DescribeRules`, `DescribeListeners`, `DescribeTargetGroups`,
/// `DescribeTargetGroupAttributes`, `DescribeTargetHealth`, `DescribeTags`, `CreateTargetGroup`,
/// `ModifyTargetGroupAttributes`, `CreateRule`, `AddTags`, `ModifyRule` (`ModifyListener` for a default rule); to undo, `DeleteRule`, `DeleteTargetGroup`,
/// `RemoveTags`.
///
/// # Example
///
/// ```
/// use bluegreen::aws::{
///     alb::{GreenGroup, GreenPlace},
///     sim::Simulation,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let simulation = Simulation::builder().no_green_group().build();
/// simulation.start_paused();
/// let group = GreenGroup::named("chatbot-fastapi-tg").with_port(8000);
/// let place = GreenPlace::new(&simulation.aws(), simulation.rule(), simulation.blue(), group)?;
///
/// let report = place.prepare().await?;
/// assert_eq!(report.done.len(), 3);
/// // Doing it again finds nothing to do.
/// assert!(place.prepare().await?.done.is_empty());
/// place.undo().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct GreenPlace {
    aws: Aws,
    rule: AlbRule,
    blue: TargetGroupArn,
    group: GreenGroup,
    header: Option<TestHeader>,
    journal: Arc<dyn Journal>,
    cut_off: Option<CutOff>,
    on_step: Told,
}

/// Called with each step before the step is taken.
struct Told(Box<dyn Fn(&PlaceStep) + Send + Sync>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// The place as it stands, and the steps that were taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlaceReport {
    /// The rule that divides the traffic.
    pub rule: RuleArn,
    /// Green's group; `None` if it does not exist (any more).
    pub group: Option<TargetGroupArn>,
    /// The rule of the test route.
    pub route: Option<RuleArn>,
    /// The steps taken, in order.
    pub done: Vec<PlaceStep>,
    /// Notes for the operator.
    pub notes: Vec<Finding>,
}

/// The wanted state of the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Prepared,
    Undone,
}

impl GreenPlace {
    /// Returns a place beside `blue` in `rule`, with the test route of [`TestHeader::default`]. Calls
    /// nothing yet. [`AlbRule::Only`] means here the only rule that forwards to blue.
    ///
    /// # Errors
    ///
    /// `Invalid` if the group's name or settings are not valid, or the group is blue's own.
    pub fn new(aws: &Aws, rule: AlbRule, blue: TargetGroupArn, group: GreenGroup) -> Result<Self> {
        group.check(&blue)?;
        Ok(Self {
            aws: aws.clone(),
            rule,
            blue,
            group,
            header: Some(TestHeader::default()),
            journal: Arc::new(MemoryJournal::new()),
            cut_off: None,
            on_step: Told(Box::new(|_| {})),
        })
    }

    /// Sets the header of the test route. Default: `X-Bluegreen-Test: green`.
    #[must_use]
    pub fn with_test_header(mut self, header: TestHeader) -> Self {
        self.header = Some(header);
        self
    }

    /// Makes no test route.
    #[must_use]
    pub fn without_test_route(mut self) -> Self {
        self.header = None;
        self
    }

    /// Writes each step to this journal before the step is taken. Default: in memory.
    #[must_use]
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Arc::new(journal);
        self
    }

    /// Continues after the run that wrote these records: the newest run of the place's
    /// [log](Self::log_name). If that run was cut off, its last step may have been taken although no read shows
    /// it yet: this run waits for 40 s after the record of that step, and looks then. So nothing is made twice, and
    /// an undo finds everything.
    #[must_use]
    pub fn after(mut self, records: &[Record]) -> Self {
        self.cut_off = CutOff::of(records);
        self
    }

    /// Returns the step at which the run before was cut off, if it was.
    #[must_use]
    pub fn cut_off_at(&self) -> Option<&PlaceStep> {
        self.cut_off.as_ref().map(|cut| &cut.step)
    }

    /// Returns the name of the log, in a store of journals, of the places beside this rule.
    #[must_use]
    pub fn log_name(rule: &RuleArn) -> String {
        format!("place {rule}")
    }

    /// Returns whether the log that begins with this record is of a place, and not of a migration or a
    /// deployment.
    #[must_use]
    pub fn began(record: &Record) -> bool {
        journal::begins(record)
    }

    /// Finds the rule by its ARN, even if green is not in it yet. One read, or none.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such rule, `Refused` if several rules forward to blue, or as AWS answers.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn locate(&self) -> Result<RuleArn> {
        locate::with_blue(&*self.aws.elb, &self.rule, &self.blue).await
    }

    /// Calls `told` with each step before the step is taken.
    #[must_use]
    pub fn on_step(mut self, told: impl Fn(&PlaceStep) + Send + Sync + 'static) -> Self {
        self.on_step = Told(Box::new(told));
        self
    }

    /// Returns the steps that [`prepare`](Self::prepare) would take now.
    ///
    /// # Errors
    ///
    /// As `prepare`, as far as reads show.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn preview(&self) -> Result<Vec<PlaceStep>> {
        let standing = self.look(Wanted::Prepared).await?;
        step::to_prepare(&standing)
    }

    /// Returns the steps that [`undo`](Self::undo) would take now.
    ///
    /// # Errors
    ///
    /// As `undo`, as far as reads show.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn preview_undo(&self) -> Result<Vec<PlaceStep>> {
        let standing = self.look(Wanted::Undone).await?;
        step::to_undo(&standing)
    }

    /// Makes the missing parts, and confirms by a read that none is missing.
    ///
    /// # Errors
    ///
    /// `Refused` with every reason if the rule or the group does not allow a place, `NotFound` if
    /// rule or blue does not exist, or the error that AWS answers to a step. Completed steps stay;
    /// another call continues from there.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe, but harmless: a dropped call leaves a part of the place, without traffic, and
    /// another call continues from there.
    pub async fn prepare(&self) -> Result<PlaceReport> {
        self.settle(Wanted::Prepared).await
    }

    /// Removes what [`prepare`](Self::prepare) made and detaches what it attached, and confirms by a
    /// read that nothing of it is left. Older resources stay.
    ///
    /// # Errors
    ///
    /// `Refused`, and nothing is changed, if green has weight, or if a group that was made has
    /// targets or is named by another rule. Else as `prepare`.
    ///
    /// # Cancel safety
    ///
    /// As [`prepare`](Self::prepare).
    pub async fn undo(&self) -> Result<PlaceReport> {
        self.settle(Wanted::Undone).await
    }

    async fn settle(&self, wanted: Wanted) -> Result<PlaceReport> {
        if let Some(cut) = &self.cut_off {
            tokio::time::sleep(cut.wait(self.aws.clock().now())).await;
        }
        let mut run = Run::default();
        for seq in 0.. {
            let (standing, step) = self.next(wanted, &mut run).await?;
            let Some(step) = step else {
                // Nothing to do after a run that was cut off is an end too: the next run need not wait again.
                if seq > 0 || self.cut_off.is_some() {
                    self.write_down(seq, &Finished::RECORD).await?;
                }
                return Ok(report(standing, run));
            };
            self.write_down(seq, &step).await?;
            (self.on_step.0)(&step);
            let began = Instant::now();
            match self.carry_out(&step, &standing, &mut run).await {
                Ok(()) => {
                    run.failed = None;
                    run.done.push((step, Instant::now()));
                }
                Err(error) if is_worth_a_look(error.kind()) => {
                    let (tries, since) = run.failed.unwrap_or((0, began));
                    if tries + 1 >= TRIES && since.elapsed() >= PROPAGATION {
                        return Err(error);
                    }
                    tracing::debug!(%step, %error, "looking again");
                    run.failed = Some((tries + 1, since));
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(error) => return Err(error),
            }
        }
        unreachable!("the numbers do not end")
    }

    /// Looks until the state and the next step, if there is one, are known. Reads may be older than
    /// the changes of this run and of an earlier one: this run never repeats its own changes, and
    /// takes its first step if two reads ask for it.
    async fn next(&self, wanted: Wanted, run: &mut Run) -> Result<(Standing, Option<PlaceStep>)> {
        let began = Instant::now();
        loop {
            let mut standing = match self.look(wanted).await {
                // For a while, one read shows what was made or deleted and another read does not.
                Err(error)
                    if error.kind() == ErrorKind::Conflict && began.elapsed() < PROPAGATION =>
                {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
                looked => looked?,
            };
            run.not_copied.append(&mut standing.not_copied);
            if run.are_attributes_refused {
                standing.to_copy.clear();
            }
            let steps = match wanted {
                Wanted::Prepared => step::to_prepare(&standing),
                Wanted::Undone => step::to_undo(&standing),
            };
            let is_there = steps.as_ref().is_ok_and(Vec::is_empty);
            // An old read may not show yet what an earlier run made, so an undo does not believe one
            // read that finds nothing.
            let needs_two = !is_there || (wanted == Wanted::Undone && run.done.is_empty());
            if needs_two && !run.has_looked_twice {
                run.has_looked_twice = true;
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            let step = match steps {
                // A refusal may come from a read that is older than this run's changes.
                Err(_) if run.is_recent() => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
                steps => steps?.into_iter().next(),
            };
            let Some(step) = step else {
                return Ok((standing, None));
            };
            let Some(since) = run.awaits(&step) else {
                return Ok((standing, Some(step)));
            };
            if since.elapsed() >= PROPAGATION {
                let time = PROPAGATION.as_secs();
                let message =
                    format!("{step}: AWS accepted it, but no read has shown it for {time} s");
                return Err(Error::new(ErrorKind::OutcomeUnknown, message)
                    .with_hint("look at the listener's rules, then try again"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Writes an entry to the journal.
    async fn write_down(&self, seq: u64, entry: &(impl Serialize + fmt::Debug)) -> Result<()> {
        let entry = serde_json::to_value(entry).map_err(|error| {
            let message = format!("write to the journal: {entry:?}");
            Error::new(ErrorKind::Invalid, message).with_source(error)
        })?;
        let record = Record::new(seq, self.aws.clock().now(), entry);
        self.journal.append(record).await
    }

    async fn carry_out(&self, step: &PlaceStep, standing: &Standing, run: &mut Run) -> Result<()> {
        let elb = &self.aws.elb;
        let failed = |error: ApiError| error.into_error(step.to_string());
        let gone = || Error::new(ErrorKind::Conflict, step.to_string());
        let group = || {
            standing
                .group
                .as_ref()
                .map(|group| &group.arn)
                .ok_or_else(gone)
        };
        let rule = standing.arn.as_str();
        match step {
            PlaceStep::CreateGroup { .. } => {
                let input = standing::create_input(&self.group, &standing.blue, rule);
                let made = elb.create_target_group(input).await;
                made.map_err(failed)?;
                if self.group.is_copy() {
                    run.not_copied.extend(self.tags_of_blue().await);
                }
                Ok(())
            }
            PlaceStep::CopyAttributes { attributes, .. } => {
                let attributes = attributes.iter().map(|(key, value)| {
                    TargetGroupAttribute::builder()
                        .key(key)
                        .value(value)
                        .build()
                });
                let input = ModifyTargetGroupAttributesInput::builder()
                    .target_group_arn(group()?.as_str())
                    .set_attributes(Some(attributes.collect()));
                match elb.modify_target_group_attributes(input).await {
                    Ok(_) => Ok(()),
                    // Green can do without these attributes, and the operator is told.
                    Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Invalid) => {
                        run.are_attributes_refused = true;
                        let failure = Failure::from(failed(error));
                        run.not_copied.insert(failure.to_string());
                        Ok(())
                    }
                    Err(error) => Err(failed(error)),
                }
            }
            PlaceStep::TagGroup { .. } => {
                let marked = standing.group.as_ref().ok_or_else(gone)?;
                let input = AddTagsInput::builder()
                    .resource_arns(marked.arn.as_str())
                    .tags(tag(&marked.mark_for(&standing.arn), rule));
                elb.add_tags(input).await.map(drop).map_err(failed)
            }
            PlaceStep::TagRoute { rule: route } => {
                let input = AddTagsInput::builder()
                    .resource_arns(route.as_str())
                    .tags(tag(ATTACHED_TO, rule));
                elb.add_tags(input).await.map(drop).map_err(failed)
            }
            PlaceStep::UntagRoute { rule: route } => {
                let input = RemoveTagsInput::builder()
                    .resource_arns(route.as_str())
                    .tag_keys(ATTACHED_TO);
                elb.remove_tags(input).await.map(drop).map_err(failed)
            }
            PlaceStep::Attach { .. } => {
                let actions = edit::with_attached(standing.rule.actions(), group()?);
                self.write(step, standing, actions).await
            }
            PlaceStep::CreateRoute { priority, .. } => {
                let header = self.header.as_ref().ok_or_else(gone)?;
                let input = route::create_input(&standing.rule, &standing.arn, header, group()?)
                    .priority(*priority);
                let made = elb.create_rule(input).await.map_err(failed)?;
                let made = made.rules.unwrap_or_default().into_iter();
                run.made.extend(made.filter_map(|rule| rule.rule_arn));
                Ok(())
            }
            PlaceStep::TurnRoute { .. } => self.turn(step, standing, group()?).await,
            PlaceStep::DeleteRoute { rule } => {
                let input = DeleteRuleInput::builder().rule_arn(rule.as_str());
                elb.delete_rule(input).await.map(drop).map_err(failed)
            }
            PlaceStep::Detach { .. } => {
                let actions = edit::without_group(standing.rule.actions(), group()?);
                self.write(step, standing, actions).await
            }
            PlaceStep::UntagGroup { .. } => {
                let marked = standing.group.as_ref().ok_or_else(gone)?;
                let marks = marked.marks_of(&standing.arn).cloned().collect();
                let input = RemoveTagsInput::builder()
                    .resource_arns(marked.arn.as_str())
                    .set_tag_keys(Some(marks));
                elb.remove_tags(input).await.map(drop).map_err(failed)
            }
            PlaceStep::DeleteGroup { .. } => {
                let input = DeleteTargetGroupInput::builder().target_group_arn(group()?.as_str());
                elb.delete_target_group(input)
                    .await
                    .map(drop)
                    .map_err(failed)
            }
        }
    }

    /// Turns the test route of the release before round to green.
    async fn turn(
        &self,
        step: &PlaceStep,
        standing: &Standing,
        green: &TargetGroupArn,
    ) -> Result<()> {
        let gone = || Error::new(ErrorKind::Conflict, step.to_string());
        let (route, seen) = standing.to_turn.as_ref().ok_or_else(gone)?;
        let actions = edit::with_only(seen.actions(), green);
        let what = step.to_string();
        write::actions(&*self.aws.elb, &what, route, seen, actions).await
    }

    async fn write(
        &self,
        step: &PlaceStep,
        standing: &Standing,
        actions: Vec<Action>,
    ) -> Result<()> {
        let (elb, what) = (&*self.aws.elb, step.to_string());
        write::actions(elb, &what, &standing.arn, &standing.rule, actions).await
    }

    /// Names the tags of blue's own group, which are not copied.
    async fn tags_of_blue(&self) -> Option<String> {
        let blue = self.blue.as_str();
        let tags = tags_of(&*self.aws.elb, &[blue]).await.ok()?;
        let keys = tags
            .get(blue)
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str());
        let of_others = |key: &&str| !key.starts_with("aws:") && !key.starts_with("bluegreen:");
        let keys = Vec::from_iter(keys.filter(of_others));
        (!keys.is_empty()).then(|| format!("its tags {}", keys.join(", ")))
    }
}

/// The progress of one call of [`GreenPlace::prepare`] or [`GreenPlace::undo`].
#[derive(Debug, Default)]
struct Run {
    /// The steps that AWS accepted, and when.
    done: Vec<(PlaceStep, Instant)>,
    /// The rules that this run made.
    made: BTreeSet<String>,
    /// How often the next step failed, and since when.
    failed: Option<(u32, Instant)>,
    has_looked_twice: bool,
    are_attributes_refused: bool,
    not_copied: BTreeSet<String>,
}

impl Run {
    /// Whether reads may still miss a change of this run.
    fn is_recent(&self) -> bool {
        let last = self.done.last();
        last.is_some_and(|(_, at)| at.elapsed() < PROPAGATION)
    }

    /// Since when a read should show a step, if this run has taken it.
    fn awaits(&self, step: &PlaceStep) -> Option<Instant> {
        let is_it = |done: &PlaceStep| match (done, step) {
            // A group that this run made has its tags from the start.
            (PlaceStep::CreateGroup { .. }, PlaceStep::TagGroup { .. }) => true,
            (PlaceStep::CreateRoute { .. }, PlaceStep::TagRoute { rule }) => {
                self.made.contains(rule.as_str())
            }
            _ => done.is_again(step),
        };
        let done = self.done.iter().find(|(done, _)| is_it(done));
        done.map(|(_, at)| *at)
    }
}

/// Reports the state of the place and the steps of the run.
fn report(standing: Standing, run: Run) -> PlaceReport {
    let mut notes = Vec::new();
    let name = &standing.name;
    let done = Vec::from_iter(run.done.into_iter().map(|(step, _)| step));
    let made = |step: &PlaceStep| matches!(step, PlaceStep::CreateGroup { .. });
    if done.iter().any(made) && !standing.wanted.is_copy() {
        notes.push(Finding::note(format!(
            "target group {name} has AWS's default attributes: its file cannot set deregistration \
             delay, slow start, stickiness and algorithm, and blue's are not copied"
        )));
    }
    if !run.not_copied.is_empty() {
        let listed = Vec::from_iter(run.not_copied).join("; ");
        let message = format!("not copied from blue's target group to {name}: {listed}");
        notes.push(Finding::note(message));
    }
    let route = standing.routes.into_iter().find(|route| route.is_wanted);
    PlaceReport {
        rule: standing.arn,
        group: standing.group.map(|group| group.arn),
        route: route.map(|route| route.arn),
        done,
        notes,
    }
}

/// Whether the next look can resolve an error: the outcome is unknown, a third party was faster, or
/// the call must be repeated later.
fn is_worth_a_look(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::OutcomeUnknown | ErrorKind::Conflict | ErrorKind::Throttled
    )
}

#[cfg(test)]
mod tests;
