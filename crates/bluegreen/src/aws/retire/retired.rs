//! [`Retired`]: the way back from a service that was scaled to zero.

use crate::{
    aws::{Aws, ecs::retire::OneService},
    error::{Error, ErrorKind, Result},
};

/// A service that a [`Retirement`](super::Retirement) has scaled to zero, and that is not back yet.
///
/// A rollback to such a side scales it up first, waits until its targets are healthy, and moves traffic
/// then.
#[derive(Debug, Clone)]
pub struct Retired {
    service: OneService,
    arn: String,
    tasks: u32,
    desired: u32,
}

impl Retired {
    /// Looks whether the service was retired and is not back yet. One read.
    ///
    /// # Errors
    ///
    /// If the service cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn of(aws: &Aws, cluster: &str, service: &str) -> Result<Option<Self>> {
        let service = OneService::new(aws, cluster, service);
        let Some(standing) = service.look().await? else {
            return Ok(None);
        };
        // A third party may have scaled the service since: then the tag says nothing more.
        let tasks = standing.retired();
        let tasks = tasks.filter(|tasks| standing.desired == 0 || standing.desired == *tasks);
        Ok(tasks.map(|tasks| Self {
            service,
            arn: standing.arn,
            tasks,
            desired: standing.desired,
        }))
    }

    /// How many tasks the service ran before, and is to run again.
    #[must_use]
    pub fn tasks(&self) -> u32 {
        self.tasks
    }

    /// The command by which a person scales the service up.
    #[must_use]
    pub fn command(&self) -> String {
        format!("{} {}", self.service.count_command(), self.tasks)
    }

    /// Scales the service up to as many tasks as it ran. A second call changes nothing more.
    ///
    /// # Errors
    ///
    /// As ECS answers. `OutcomeUnknown` if the answer was lost: call again.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe, but harmless: a dropped call may have scaled the service up.
    pub async fn wake(&self) -> Result<()> {
        if self.desired == self.tasks {
            return Ok(());
        }
        let (name, tasks) = (self.service.name(), self.tasks);
        let what = format!("scale service {name} up to {tasks}");
        let woken = self.service.scale(&what, tasks).await;
        woken.map_err(|error| match error.kind() {
            ErrorKind::Denied => Error::new(ErrorKind::Denied, error.message()).with_hint(format!(
                "allow `ecs:UpdateService`, or by hand: {}",
                self.command()
            )),
            _ => error,
        })
    }

    /// Keeps in the service's tag that it is back, so that no later rollback waits for these tasks.
    ///
    /// # Errors
    ///
    /// As ECS answers.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe, but harmless: the tag is or is not written.
    pub async fn is_back(&self) -> Result<()> {
        let what = format!("record that service {} is back", self.service.name());
        self.service.record_back(&what, &self.arn).await
    }
}
