//! Following a rollout to its end.

use jiff::Timestamp;

use super::{
    Action, Cause, DeploymentEvent, DeploymentMachine, Failure, Next, State, Target, reads::Read,
    state::Follow,
};
use crate::{
    clock::{later, span},
    engine::retry::APART,
    service::{DeploymentEnd, DeploymentProgress},
};

impl DeploymentMachine {
    pub(super) fn on_followed(
        &mut self,
        at: Timestamp,
        mut follow: Follow,
        followed: Result<DeploymentProgress, Failure>,
    ) -> Next<Action> {
        let progress = match followed {
            Ok(progress) => progress,
            Err(failure) if at >= follow.deadline => {
                let summary = format!("its end could not be read: {failure}");
                return self.stalled(at, follow, summary);
            }
            Err(failure) => {
                let retry_at = later(at, self.plan.poll_every());
                self.tell(DeploymentEvent::ReadFailed { failure, retry_at });
                self.state = State::Following(follow);
                return Next::Do(Action::Wait { until: retry_at });
            }
        };
        let shows = match &progress.end {
            Some(DeploymentEnd::Superseded { by, .. }) => Some(by),
            _ => progress.current.as_ref(),
        };
        let is_gone = progress.end == Some(DeploymentEnd::Gone);
        let is_older = match is_gone {
            true => self.is_older(at, None),
            false => shows.is_some_and(|shows| self.is_older_deployment(shows)),
        };
        let is_superseded = matches!(progress.end, Some(DeploymentEnd::Superseded { .. }));
        let read = self.read(at, !is_gone && !is_superseded, is_older);
        if !is_older {
            self.tell_progress(&mut follow, &progress);
        }
        let wait = match read {
            Read::Current | Read::ThirdParty => None,
            Read::NotSeenYet => Some(self.plan.poll_every()),
            Read::Suspect => Some(APART),
            Read::NeverSeen => {
                let deployment = follow.deployment;
                return self.take_back(at, Cause::NeverVisible { deployment });
            }
        };
        if let Some(wait) = wait {
            self.state = State::Following(follow);
            return Next::Do(Action::Wait {
                until: self.read_again(at, wait),
            });
        }
        match progress.end {
            Some(DeploymentEnd::Completed) => {
                self.tell(DeploymentEvent::RolledOut {
                    deployment: follow.deployment,
                });
                self.start_probing(at)
            }
            Some(DeploymentEnd::Failed { reason }) => {
                let stopped = follow.stopped;
                self.take_back(at, Cause::RolloutFailed { reason, stopped })
            }
            Some(DeploymentEnd::RolledBack { to, reason }) => {
                let stopped = follow.stopped;
                let cause = Cause::RolloutFailed { reason, stopped };
                self.went_back(at, cause, Target::Revision(to))
            }
            Some(DeploymentEnd::Superseded { by, revision }) => self.superseded(at, by, revision),
            Some(DeploymentEnd::Gone) => {
                let reason = "the service is gone".to_owned();
                let stopped = follow.stopped;
                self.take_back(at, Cause::RolloutFailed { reason, stopped })
            }
            None => {
                if at >= follow.deadline {
                    let summary = format!(
                        "{} of {} run after {}, {} failed",
                        progress.running,
                        progress.desired,
                        span(self.plan.rollout_deadline()),
                        progress.failed
                    );
                    return self.stalled(at, follow, summary);
                }
                if let (Some(to), false) = (progress.rolling_back_to, follow.goes_back) {
                    // Only the service acts now; it gets the time that a rollback may take.
                    follow.goes_back = true;
                    follow.deadline = later(at, self.plan.rollback_deadline());
                    self.tell(DeploymentEvent::ServiceRollsBack { to });
                }
                let until = later(at, self.plan.poll_every());
                self.state = State::Following(follow);
                Next::Do(Action::Wait { until })
            }
        }
    }

    fn stalled(&mut self, at: Timestamp, follow: Follow, summary: String) -> Next<Action> {
        let stopped = follow.stopped;
        self.take_back(at, Cause::Stalled { summary, stopped })
    }

    fn tell_progress(&mut self, follow: &mut Follow, progress: &DeploymentProgress) {
        for said in &progress.events {
            if self.said.is_new_event(said) {
                self.tell(DeploymentEvent::ServiceSaid { said: said.clone() });
            }
        }
        for task in &progress.stopped {
            if self.said.is_new_task(task) {
                follow.stopped.push(task.clone());
                self.tell(DeploymentEvent::TaskStopped { task: task.clone() });
            }
        }
        let counts = [
            progress.desired,
            progress.running,
            progress.pending,
            progress.failed,
        ];
        // Once another deployment is in its place, the counts of this deployment say nothing.
        let is_over = matches!(
            progress.end,
            Some(
                DeploymentEnd::RolledBack { .. }
                    | DeploymentEnd::Superseded { .. }
                    | DeploymentEnd::Gone
            )
        );
        if follow.told != Some(counts) && !is_over {
            follow.told = Some(counts);
            self.tell(DeploymentEvent::Rollout {
                deployment: follow.deployment.clone(),
                desired: progress.desired,
                running: progress.running,
                pending: progress.pending,
                failed: progress.failed,
            });
        }
    }
}
