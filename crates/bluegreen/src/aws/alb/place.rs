//! [`GreenPlace`]: where green is to stand, before any traffic is divided.

mod header;
mod look;
mod route;
mod standing;
mod step;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use aws_sdk_elasticloadbalancingv2::operation::{
    add_tags::AddTagsInput, delete_rule::DeleteRuleInput,
    delete_target_group::DeleteTargetGroupInput, modify_listener::ModifyListenerInput,
    modify_rule::ModifyRuleInput, modify_target_group_attributes::ModifyTargetGroupAttributesInput,
    remove_tags::RemoveTagsInput,
};
use aws_sdk_elasticloadbalancingv2::types::{Action, TargetGroupAttribute};
use serde::Serialize;
use tokio::time::Instant;

use self::standing::Standing;
pub use self::{
    header::{TestHeader, TestHeaderError},
    standing::GreenGroup,
    step::PlaceStep,
};
use super::{
    AlbRule, RuleArn, TargetGroupArn,
    rule::{edit, forward, locate},
    tags::{ATTACHED_TO, tag, tags_of},
};
use crate::{
    aws::{Aws, api::ApiError},
    engine::{Journal, MemoryJournal, Record},
    error::{Error, ErrorKind, Failure, Result},
    preflight::Finding,
};

/// A step whose outcome is open, or that somebody else was quicker at, is looked at again and, if
/// it is still to be done, done again at least so often in all, and for [`PROPAGATION`].
const TRIES: u32 = 5;
/// How long after such a step the next look is: AWS shows some changes a moment late.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long reads may show what stood before a change, as for the splitter.
const PROPAGATION: Duration = Duration::from_secs(30);

/// Prepares the place where green is to stand: its target group, at weight 0 in the rule that
/// divides the traffic, and a route by which tests reach green itself. Nothing of it moves traffic.
///
/// | what | how |
/// |---|---|
/// | target group | adopted where it exists and fits, else made with blue's settings and attributes |
/// | in the rule | attached at weight 0, so that its targets are health-checked; the rest of the rule stays as it is |
/// | test route | a rule before that one, with the same conditions and a header of its own, that forwards to green alone |
///
/// Whatever a client sends is not secret: **whoever sends the header reaches green.** Log-in by
/// Cognito and token checks of the rule stand in the test route as well; with a log-in by OIDC no
/// route is made, since the API never gives its client secret, and a route without it would be a
/// door beside the door.
///
/// # Ownership
///
/// What was made carries the tag `bluegreen:made-for`, from its creation on; what was attached,
/// `bluegreen:attached-to`; the value of both is the rule's ARN. [`undo`](Self::undo) takes back
/// exactly what bears them. So both know their work after any crash, on any machine.
///
/// # Calls
///
/// Each step looks first (the listener's rules, both groups, tags), then makes one change. The next
/// look confirms it; the last look finds nothing to do. A change whose answer was lost is looked at
/// before anything else.
///
/// Reads may be older than a change. What a run did, and AWS accepted, it never does again: it waits
/// until a read shows it, for 30 s at most. The first change of a run is made if two reads, 2 s
/// apart, ask for it, since an earlier run may have made it. A create that is sent again after a lost
/// answer has the same name or priority, so AWS refuses the second one.
///
/// A test route that was there before is known by its header, and by where it leads; it is marked with
/// `bluegreen:attached-to`, so that a deployment knows it for one.
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
    on_step: Told,
}

/// Who is told of each step before it is taken.
struct Told(Box<dyn Fn(&PlaceStep) + Send + Sync>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// What stands, and what was done for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlaceReport {
    /// The rule that divides the traffic.
    pub rule: RuleArn,
    /// Green's group; `None` where it is not there (any more).
    pub group: Option<TargetGroupArn>,
    /// The rule of the test route.
    pub route: Option<RuleArn>,
    /// The steps taken, in order.
    pub done: Vec<PlaceStep>,
    /// What else an operator should know.
    pub notes: Vec<Finding>,
}

/// What is wanted of the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Prepared,
    Undone,
}

impl GreenPlace {
    /// A place beside `blue` in `rule`, with the test route of [`TestHeader::default`]. Calls
    /// nothing yet. [`AlbRule::Only`] means here the only rule that forwards to blue.
    ///
    /// # Errors
    ///
    /// `Invalid` where the group's name or settings are none, or it is blue's own.
    pub fn new(aws: &Aws, rule: AlbRule, blue: TargetGroupArn, group: GreenGroup) -> Result<Self> {
        group.check(&blue)?;
        Ok(Self {
            aws: aws.clone(),
            rule,
            blue,
            group,
            header: Some(TestHeader::default()),
            journal: Arc::new(MemoryJournal::new()),
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

    /// Keeps each step in a journal before it is taken. Default: in memory.
    #[must_use]
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Arc::new(journal);
        self
    }

    /// Tells of each step before it is taken.
    #[must_use]
    pub fn on_step(mut self, told: impl Fn(&PlaceStep) + Send + Sync + 'static) -> Self {
        self.on_step = Told(Box::new(told));
        self
    }

    /// What [`prepare`](Self::prepare) would do now.
    ///
    /// # Errors
    ///
    /// As `prepare`, as far as reading tells.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn preview(&self) -> Result<Vec<PlaceStep>> {
        let standing = self.look(Wanted::Prepared).await?;
        step::to_prepare(&standing)
    }

    /// What [`undo`](Self::undo) would do now.
    ///
    /// # Errors
    ///
    /// As `undo`, as far as reading tells.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn preview_undo(&self) -> Result<Vec<PlaceStep>> {
        let standing = self.look(Wanted::Undone).await?;
        step::to_undo(&standing)
    }

    /// Makes what is missing, and confirms by reading that nothing is.
    ///
    /// # Errors
    ///
    /// `Refused` with every reason where the rule or the group does not allow it, `NotFound` where
    /// rule or blue is not there, and whatever AWS answers to a step. What was done until then
    /// stays; doing it again goes on from there.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe, but harmless: a dropped call leaves a part of the place, without traffic,
    /// and doing it again goes on from there.
    pub async fn prepare(&self) -> Result<PlaceReport> {
        self.settle(Wanted::Prepared).await
    }

    /// Takes back what [`prepare`](Self::prepare) made and attached, and confirms by reading that
    /// nothing of it is left. What was there before stays.
    ///
    /// # Errors
    ///
    /// `Refused` while green has weight, while a made group has targets, or while another rule
    /// names it: nothing is changed then. Else as `prepare`.
    ///
    /// # Cancel safety
    ///
    /// As [`prepare`](Self::prepare).
    pub async fn undo(&self) -> Result<PlaceReport> {
        self.settle(Wanted::Undone).await
    }

    async fn settle(&self, wanted: Wanted) -> Result<PlaceReport> {
        let mut run = Run::default();
        for seq in 0.. {
            let (standing, step) = self.next(wanted, &mut run).await?;
            let Some(step) = step else {
                return Ok(report(standing, run));
            };
            self.announce(seq, &step).await?;
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

    /// Looks until it is known what stands and what is to be done next, if anything is. Reads may be
    /// older than what this run did, and than what an earlier one did: what this run did it never
    /// does again, and the first thing to do is done if two reads ask for it.
    async fn next(&self, wanted: Wanted, run: &mut Run) -> Result<(Standing, Option<PlaceStep>)> {
        let began = Instant::now();
        loop {
            let mut standing = match self.look(wanted).await {
                // What was made or deleted is shown to one read and not to another one for a while.
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
            let needs_two = !is_there || (wanted == Wanted::Undone && run.done.is_empty());
            if needs_two && !run.has_looked_twice {
                run.has_looked_twice = true;
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            let step = match steps {
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
                let message = format!("{step}: AWS accepted it, and does not show it for {time} s");
                return Err(Error::new(ErrorKind::OutcomeUnknown, message)
                    .with_hint("look at the listener's rules, then do it again"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Writes a step down and tells of it, before it is taken.
    async fn announce(&self, seq: u64, step: &PlaceStep) -> Result<()> {
        let entry = serde_json::to_value(step).map_err(|error| {
            Error::new(ErrorKind::Invalid, format!("write down: {step}")).with_source(error)
        })?;
        let record = Record::new(seq, self.aws.clock().now(), entry);
        self.journal.append(record).await?;
        (self.on_step.0)(step);
        Ok(())
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
                    // Green can do without them, and its operator is told.
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

    /// What there is to say of the tags of blue's own group, which are not copied.
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

    /// Writes the actions of the rule that divides the traffic, if it still is as it was seen.
    async fn write(
        &self,
        step: &PlaceStep,
        standing: &Standing,
        actions: Vec<Action>,
    ) -> Result<()> {
        let elb = &self.aws.elb;
        let mut now = locate::rule_of(&**elb, &standing.arn).await?;
        edit::without_secrets(now.actions.get_or_insert_default());
        if now.actions() != standing.rule.actions() {
            let message = format!("{step}: somebody else changed the rule meanwhile");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let sent = if forward::is_default(&now) {
            let input = ModifyListenerInput::builder()
                .listener_arn(standing.arn.listener().as_str())
                .set_default_actions(Some(actions));
            elb.modify_listener(input).await.map(drop)
        } else {
            let input = ModifyRuleInput::builder()
                .rule_arn(standing.arn.as_str())
                .set_actions(Some(actions));
            elb.modify_rule(input).await.map(drop)
        };
        sent.map_err(|error| error.into_error(step.to_string()))
    }
}

/// What one call of [`GreenPlace::prepare`] or [`GreenPlace::undo`] has done and seen.
#[derive(Debug, Default)]
struct Run {
    /// What AWS accepted, and when.
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
    /// Whether reads may not show yet what this run did.
    fn is_recent(&self) -> bool {
        let last = self.done.last();
        last.is_some_and(|(_, at)| at.elapsed() < PROPAGATION)
    }

    /// Since when a read should show that a step was done, if this run has done it.
    fn awaits(&self, step: &PlaceStep) -> Option<Instant> {
        let is_it = |done: &PlaceStep| match (done, step) {
            // What this run made bears its tags from the start.
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

/// What there is to say of what stands, and was done.
fn report(standing: Standing, run: Run) -> PlaceReport {
    let mut notes = Vec::new();
    let name = &standing.name;
    let done = Vec::from_iter(run.done.into_iter().map(|(step, _)| step));
    let made = |step: &PlaceStep| matches!(step, PlaceStep::CreateGroup { .. });
    if done.iter().any(made) && !standing.wanted.is_copy() {
        notes.push(Finding::note(format!(
            "target group {name} has AWS's default attributes: its file cannot say deregistration \
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

/// Whether the next look tells what to do about an error: nobody knows whether it happened, or
/// somebody was quicker, or it must be asked again later.
fn is_worth_a_look(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::OutcomeUnknown | ErrorKind::Conflict | ErrorKind::Throttled
    )
}

#[cfg(test)]
mod tests;
