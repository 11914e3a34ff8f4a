//! [`AlbTrafficSplitter`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::operation::{
    modify_listener::ModifyListenerInput, modify_rule::ModifyRuleInput,
};
use tokio::sync::OnceCell;

use super::{
    AlbRule, RuleArn, TargetGroupArn, preflight,
    rule::{
        locate,
        routing::Routing,
        weights::{AlbWeight, weights_of},
    },
    targets::targets_of,
};
use crate::{
    aws::{
        Aws, ServerDates,
        api::{ElbApi, after_read},
    },
    clock::Clock,
    error::{Error, ErrorKind, Result},
    preflight::Finding,
    traffic::{Over, Shift, Shifted, Sides, TargetCounts, TrafficObservation, TrafficSplitter},
};

/// Divides traffic by the weights of two target groups in one listener rule of an Application
/// Load Balancer.
///
/// Both groups must already be in the rule's forward action: attach green at weight 0 first, since a
/// group that no rule uses is not health-checked. A missing group is an error that names the command;
/// nothing is made silently.
///
/// # What a write changes
///
/// Two weights. `ModifyRule` replaces the whole list of actions
/// ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyRule.html)),
/// so the list is sent as it was read a moment before: log-in and token checks, order, stickiness
/// and other groups at weight 0 included. Conditions and transforms are not sent, and so stay. The
/// default rule is written with
/// [`ModifyListener`](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyListener.html).
/// The client secret of an OIDC action is never read; the write says `UseExistingClientSecret`.
///
/// A rule that an edit could damage is refused ([`ErrorKind::Refused`]): an action of unknown type,
/// a third group with weight, a group listed twice, no forward action or several.
///
/// Whole percents are written as weights of 100, tenths as weights of 1,000. The weights are never
/// both 0.
///
/// # Limits
///
/// - The API has no version to write against. A third party's change between the re-read and the
///   write can be overwritten; the fingerprint detects changes, it does not prevent them.
/// - A field that AWS added to known actions after this crate's SDK was made is not seen: it is not
///   in the fingerprint, and a write loses it.
/// - A weight that the API leaves out is read as 1, which AWS shows for a group without one.
/// - Stickiness is read, reported and left alone. A change of its duration while it is disabled
///   does not count as a change.
///
/// # Calls
///
/// [`observe`](TrafficSplitter::observe) makes one `DescribeRules` by ARN and two
/// `DescribeTargetHealth`; [`shift`](TrafficSplitter::shift) one `DescribeRules`, one write, and
/// those three once more. Unless the rule is named by its ARN, the first call of all lists the
/// listener's rules once.
///
/// # IAM
///
/// `elasticloadbalancing:` `DescribeRules`, `DescribeListeners`, `DescribeTargetGroups`,
/// `DescribeTargetHealth`, `ModifyRule`; `ModifyListener` for a default rule.
#[derive(Debug)]
pub struct AlbTrafficSplitter {
    elb: Arc<dyn ElbApi>,
    clock: Arc<dyn Clock>,
    /// Findings of a preflight on the endpoints.
    endpoints: Vec<Finding>,
    /// The dates of answers, by which a preflight judges the clock.
    dates: ServerDates,
    rule: AlbRule,
    groups: Sides<TargetGroupArn>,
    located: OnceCell<RuleArn>,
    /// The rule as this splitter last read it, for a restore while reads fail.
    held: Mutex<Option<Routing>>,
}

impl AlbTrafficSplitter {
    /// Returns a splitter for `rule`, which forwards to the target groups `blue` and `green`. Calls
    /// nothing yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] with all problems: one group for both sides, ARNs of different
    /// partitions, regions or accounts, a region that is not the one of `aws`, a priority out of
    /// 1 to 50,000.
    pub fn new(
        aws: &Aws,
        rule: AlbRule,
        blue: TargetGroupArn,
        green: TargetGroupArn,
    ) -> Result<Self> {
        let mut problems = Vec::new();
        let mut hint = None;
        if blue == green {
            problems.push(format!("blue and green are the same target group {blue}"));
        }
        let listener = rule.listener();
        let here = place(listener.as_str());
        for (side, group) in [("blue", &blue), ("green", &green)] {
            let there = place(group.as_str());
            if there != here {
                problems.push(format!(
                    "{side}'s target group is in {there}, the rule in {here}"
                ));
            }
        }
        if let Some(region) = aws.region()
            && region != listener.region()
        {
            problems.push(format!(
                "the rule is in region {}, the configuration in use is for {region}",
                listener.region()
            ));
            hint = Some(format!(
                "set AWS_REGION={}, or name the rule of {region}",
                listener.region()
            ));
        }
        if let AlbRule::Priority { priority, .. } = &rule
            && !(1..=50_000).contains(priority)
        {
            problems.push(format!("priority {priority} is not between 1 and 50000"));
        }
        if !problems.is_empty() {
            let message = format!("divide traffic by {rule}: {}", problems.join("; "));
            let error = Error::new(ErrorKind::Invalid, message);
            return Err(match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            });
        }
        Ok(Self {
            elb: Arc::clone(&aws.elb),
            clock: aws.clock(),
            endpoints: aws.endpoint_notes(),
            dates: aws.dates(),
            rule,
            groups: Sides { blue, green },
            located: OnceCell::new(),
            held: Mutex::default(),
        })
    }

    /// The rule as the caller named it.
    #[must_use]
    pub fn rule(&self) -> &AlbRule {
        &self.rule
    }

    /// The target groups.
    #[must_use]
    pub fn target_groups(&self) -> &Sides<TargetGroupArn> {
        &self.groups
    }

    /// Returns the ARN of the rule. It is looked up once, on the first call of any method, and
    /// remembered from then on, since a third party may reorder priorities.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if no rule matches, with the rules that were seen instead;
    /// [`ErrorKind::Refused`] if several match.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn locate(&self) -> Result<RuleArn> {
        self.located
            .get_or_try_init(|| locate::locate(&*self.elb, &self.rule, &self.groups))
            .await
            .cloned()
    }

    pub(super) async fn routing(&self, arn: &RuleArn) -> Result<Routing> {
        let rule = locate::rule_of(&*self.elb, arn).await?;
        let routing = Routing::read(arn, rule, &self.groups)?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(routing.clone());
        Ok(routing)
    }

    /// The routing that a change is written from: read now, or read before for a [held](Over::Held)
    /// one.
    async fn basis(&self, arn: &RuleArn, over: &Over) -> Result<Routing> {
        let failed = |kind, why: &str| Err(Error::new(kind, format!("shift rule {arn}: {why}")));
        if *over == Over::Held {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            return match held.clone() {
                Some(routing) => Ok(routing),
                None => failed(
                    ErrorKind::Invalid,
                    "it was never read, so nothing was written",
                ),
            };
        }
        match tokio::time::timeout(STEP_LIMIT, self.routing(arn)).await {
            Ok(routing) => routing,
            Err(_) => failed(
                ErrorKind::Unavailable,
                "it could not be read in 10 s, so nothing was written",
            ),
        }
    }

    async fn targets(&self) -> Result<Sides<TargetCounts>> {
        let (blue, green) = tokio::join!(
            targets_of(&*self.elb, &self.groups.blue),
            targets_of(&*self.elb, &self.groups.green)
        );
        Ok(Sides {
            blue: blue?,
            green: green?,
        })
    }

    /// Makes all reads of an observation at the same time.
    async fn look(&self, arn: &RuleArn) -> Result<TrafficObservation> {
        let (routing, targets) = tokio::join!(self.routing(arn), self.targets());
        Ok(routing?.observation(targets?))
    }

    async fn write(&self, routing: &Routing, weights: Sides<AlbWeight>) -> Result<()> {
        let arn = routing.arn();
        let actions = Some(routing.actions_with(weights));
        let sent = if routing.is_default() {
            let input = ModifyListenerInput::builder()
                .listener_arn(arn.listener().as_str())
                .set_default_actions(actions);
            self.elb.modify_listener(input).await.map(drop)
        } else {
            let input = ModifyRuleInput::builder()
                .rule_arn(arn.as_str())
                .set_actions(actions);
            self.elb.modify_rule(input).await.map(drop)
        };
        sent.map_err(|error| error.into_error(format!("change the weights of rule {arn}")))
    }
}

#[async_trait]
impl TrafficSplitter for AlbTrafficSplitter {
    /// Surveys all rules of all listeners of the load balancer for others that forward to blue or
    /// green, and reads both target groups.
    ///
    /// Reasons against an edit of the rule itself are refusals among these findings, not an error.
    ///
    /// # Errors
    ///
    /// `NotFound` if the rule or a target group does not exist.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn preflight(&self) -> Result<Vec<Finding>> {
        let arn = self.locate().await?;
        let balancer = arn.listener().load_balancer();
        let rule = locate::rule_of(&*self.elb, &arn).await?;
        let mut findings = match Routing::read(&arn, rule, &self.groups) {
            Ok(routing) => routing
                .stickiness()
                .map(preflight::stickiness)
                .into_iter()
                .collect(),
            Err(problems) => problems.into_findings(),
        };
        findings.extend(self.endpoints.iter().cloned());
        findings.extend(preflight::shared_targets(&*self.elb, &arn, &self.groups).await?);
        findings.extend(preflight::target_groups(&*self.elb, &balancer, &self.groups).await?);
        // After the reads, since their answers tell the time.
        findings.extend(self.dates.finding());
        Ok(findings)
    }

    async fn observe(&self) -> Result<TrafficObservation> {
        let arn = self.locate().await?;
        self.look(&arn).await
    }

    /// Changes two weights, or nothing. A [held](Over::Held) restore writes without a read before.
    ///
    /// # Errors
    ///
    /// Before the write, with nothing written: `Conflict` if the shift may not replace the routing;
    /// `NotFound` and `Refused` as from `observe`. From the write: the error that AWS answers, or
    /// `OutcomeUnknown` if no answer came.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have written. Observe afterwards.
    async fn shift(&self, shift: &Shift) -> Result<Shifted> {
        let to = shift.to;
        let arn = self.locate().await?;
        let read_at = self.clock.uptime();
        let routing = self.basis(&arn, &shift.over).await?;
        let current = routing.observation(shift.from.targets);
        if !shift.may_replace(&current) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "shift rule {arn} to {to}: {}",
                    current.drift_from(&shift.from).join("; ")
                ),
            )
            .with_hint("find out which third party changes this rule before anything else"));
        }
        if current.is_at(to) && !shift.restores() {
            return Ok(Shifted::Seen(routing.observation(self.targets().await?)));
        }

        let weights = weights_of(to);
        tracing::debug!(
            rule = %arn,
            from = %current,
            to = %to,
            blue = u32::from(weights.blue),
            green = u32::from(weights.green),
            "writing weights"
        );
        after_read(read_at, self.write(&routing, weights)).await?;
        let mut accepted = current;
        accepted.weights = weights.map(u32::from);
        if shift.over == Over::Held {
            return Ok(Shifted::Accepted(accepted));
        }
        let read = tokio::time::timeout(STEP_LIMIT, self.look(&arn)).await;
        Ok(match read.unwrap_or_else(|_| Err(unread(&arn))) {
            Ok(seen) if seen.is_same_routing(&accepted) => {
                tracing::debug!(rule = %arn, split = %seen, "read back");
                Shifted::Seen(seen)
            }
            Ok(seen) => {
                tracing::debug!(rule = %arn, split = %seen, "not seen yet");
                Shifted::Accepted(accepted)
            }
            Err(error) => {
                tracing::debug!(rule = %arn, %error, "not read back");
                Shifted::Accepted(accepted)
            }
        })
    }

    /// 30 seconds: a sent call may still take effect for 10, the limit of a changing call, and three
    /// times that leaves room for late reads. ELB documents no bound.
    fn propagation(&self) -> Duration {
        PROPAGATION
    }
}

/// The limit of the read before a write, and of the read after it: one try of a call. The caller has
/// a limit of its own, and needs to know the outcome.
const STEP_LIMIT: Duration = Duration::from_secs(10);

fn unread(arn: &RuleArn) -> Error {
    let message = format!("read rule {arn} back: no answer in 10 s");
    Error::new(ErrorKind::Unavailable, message)
}

/// See [`AlbTrafficSplitter::propagation`].
const PROPAGATION: Duration = Duration::from_secs(30);

/// Partition, region and account of an ARN: resources that work together have them in common.
fn place(arn: &str) -> String {
    let fields: Vec<&str> = arn.split(':').collect();
    match fields[..] {
        [_, partition, _, region, account, ..] => format!("{partition}/{region}/{account}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
