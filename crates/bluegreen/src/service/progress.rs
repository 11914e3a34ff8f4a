//! The rules that a deployer of your own shares with the ECS deployer: the progress of a deployment, and the
//! effect of an update on a service.

use super::{
    DeploymentEnd, DeploymentId, DeploymentProgress, RollbackOwner, Rollout, ServiceObservation,
    Target, Update,
};
use crate::error::{Error, ErrorKind, Result};

impl ServiceObservation {
    /// Returns the progress of `deployment` in this observation: superseded if the service is at another
    /// deployment, completed if the service is [steady](Self::is_steady), failed if the rollout failed and
    /// the service does not go back by itself; otherwise under way.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::service::{DeploymentEnd, DeploymentId, RevisionId, ServiceObservation};
    ///
    /// let (first, second) = (DeploymentId::new("1"), DeploymentId::new("2"));
    /// let seen = ServiceObservation::steady("chat", RevisionId::new("chat:7"), second.clone(), 4);
    /// assert_eq!(seen.progress_of(&second).end, Some(DeploymentEnd::Completed));
    /// let end = seen.progress_of(&first).end;
    /// assert!(matches!(end, Some(DeploymentEnd::Superseded { by, .. }) if by == second));
    /// ```
    #[must_use]
    pub fn progress_of(&self, deployment: &DeploymentId) -> DeploymentProgress {
        let mut progress = DeploymentProgress::under_way(self.desired).with_running(self.running);
        progress.current = Some(self.deployment.clone());
        progress.end = if self.deployment != *deployment {
            Some(DeploymentEnd::Superseded {
                by: self.deployment.clone(),
                revision: self.revision.clone(),
            })
        } else if self.is_steady() {
            Some(DeploymentEnd::Completed)
        } else if self.rollout == Rollout::Failed && self.rollback_owner == RollbackOwner::Us {
            Some(DeploymentEnd::Failed {
                reason: "its rollout failed".to_owned(),
            })
        } else {
            None
        };
        progress
    }

    /// Changes this observation to the service right after an update was accepted: at the new deployment,
    /// with no copy of it running yet. `copies` is the number of copies to run, unless the update's target is
    /// [`Target::Nothing`]. For a deployer whose service is in memory, as in a test.
    pub fn begin(&mut self, update: &Update, deployment: DeploymentId, copies: u32) {
        match &update.to {
            Target::Revision(revision) => {
                self.revision = revision.clone();
                self.desired = copies;
            }
            Target::Nothing => self.desired = 0,
        }
        (self.deployment, self.rollout, self.running) = (deployment, Rollout::InProgress, 0);
        if update.rollback_point.is_some() {
            self.rollback_point.clone_from(&update.rollback_point);
        }
    }
}

impl Update {
    /// Checks that the service is still as it was when this update was decided.
    ///
    /// # Errors
    ///
    /// `Conflict` if `found`, read right before the change, is neither as `from` says nor at a deployment
    /// that `older` names: change nothing.
    pub fn check(&self, found: Option<&ServiceObservation>) -> Result<()> {
        let why = match (&self.from, found) {
            (None, None) => return Ok(()),
            (None, Some(_)) => "it exists meanwhile",
            (Some(_), None) => "it is gone meanwhile",
            (Some(from), Some(found)) => {
                let is_known =
                    found.deployment == from.deployment || self.older.contains(&found.deployment);
                if is_known {
                    return Ok(());
                }
                "another deployment has begun meanwhile"
            }
        };
        let service = [self.from.as_ref(), found].into_iter().flatten().next();
        let name = service.map_or("the service", |service| service.service.as_str());
        Err(Error::new(
            ErrorKind::Conflict,
            format!("update {name}: {why}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{RevisionId, RollbackPoint};

    fn steady(deployment: &str) -> ServiceObservation {
        let (revision, id) = (RevisionId::new("chat:7"), DeploymentId::new(deployment));
        ServiceObservation::steady("chat", revision, id, 4)
    }

    fn update(from: Option<ServiceObservation>, to: Target) -> Update {
        Update {
            from,
            to,
            rollback_point: None,
            older: vec![DeploymentId::new("older")],
        }
    }

    #[test]
    fn an_update_is_refused_if_a_third_party_was_there_in_between() {
        let stop = |from| update(from, Target::Nothing);
        let kind = |update: &Update, found: Option<&ServiceObservation>| {
            update.check(found).err().map(|error| error.kind())
        };
        let (one, other) = (steady("1"), steady("2"));
        assert_eq!(kind(&stop(None), None), None);
        assert_eq!(kind(&stop(Some(one.clone())), Some(&one)), None);
        assert_eq!(kind(&stop(Some(one.clone())), Some(&steady("older"))), None);
        for (from, found) in [
            (Some(one), Some(&other)),
            (None, Some(&other)),
            (Some(other.clone()), None),
        ] {
            assert_eq!(kind(&stop(from), found), Some(ErrorKind::Conflict));
        }
    }

    #[test]
    fn a_deployment_is_followed_by_what_the_service_shows() {
        let mut service = steady("1");
        let to = Target::Revision(RevisionId::new("chat:8"));
        let point = RollbackPoint {
            deployed: RevisionId::new("chat:8"),
            previous: Target::Revision(service.revision.clone()),
        };
        let id = DeploymentId::new("2");
        let mut change = update(Some(service.clone()), to.clone());
        change.rollback_point = Some(point.clone());
        service.begin(&change, id.clone(), 3);
        assert_eq!((service.desired, service.running), (3, 0));
        assert!(service.heads_for(&to) && !service.is_steady());
        assert_eq!(service.progress_of(&id).end, None);

        service.rollout = Rollout::Failed;
        let end = service.progress_of(&id).end;
        assert!(matches!(end, Some(DeploymentEnd::Failed { .. })), "{end:?}");
        service.rollback_owner = RollbackOwner::Service;
        assert_eq!(service.progress_of(&id).end, None, "it goes back by itself");

        (service.rollout, service.running) = (Rollout::Completed, 2);
        assert_eq!(service.progress_of(&id).end, None, "a copy is missing");
        service.running = 3;
        assert_eq!(service.progress_of(&id).end, Some(DeploymentEnd::Completed));

        // A rollback keeps the rollback point; a rollback to nothing runs no copy.
        let back = update(Some(service.clone()), Target::Nothing);
        service.begin(&back, DeploymentId::new("3"), 3);
        assert_eq!(
            (service.desired, &service.rollback_point),
            (0, &Some(point))
        );
        let end = service.progress_of(&id).end;
        assert!(
            matches!(end, Some(DeploymentEnd::Superseded { .. })),
            "{end:?}"
        );
    }
}
