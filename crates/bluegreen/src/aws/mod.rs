//! The AWS-backed implementations of the roles.
//!
//! Everything here is made from one [`Aws`] handle: from the environment, from your own
//! `SdkConfig`, or from the simulation of feature `sim`. Behind the handle the code is the same for
//! all three.

use std::{fmt, sync::Arc, time::Duration};

use aws_config::{
    BehaviorVersion, ConfigLoader, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;

pub(crate) use self::server_time::{DateReader, ServerDates, ServerTime, SigningTime};
pub use self::{api::CallCounts, credentials::CredentialLife};
use self::{
    api::{
        Clients, CloudWatchApi, Counter, Counting, EcrApi, EcsApi, ElbApi, Guard, IamApi,
        RealCloudWatch, RealEcr, RealEcs, RealElb, RealIam, RealScaling, RealScheduler, RealSns,
        ScalingApi, SchedulerApi, SnsApi,
    },
    endpoints::{Endpoints, Service},
};
#[cfg(feature = "spec")]
use crate::{
    check::{HttpClient, ReqwestClient},
    image::SystemCommands,
};
use crate::{
    clock::{Clock, SystemClock},
    engine::Fence,
    preflight::Finding,
};

pub mod alb;
pub(crate) mod api;
mod caller;
pub mod cloudwatch;
mod conversions;
mod credentials;
mod document;
pub mod ecr;
pub mod ecs;
mod endpoints;
pub mod iam;
#[cfg(feature = "store")]
mod journals;
mod model;
pub mod retire;
mod server_time;
#[cfg(feature = "sim")]
pub mod sim;
mod sns;

/// A handle to AWS: cheap to clone and opaque. The only type of the SDK on its surface is the
/// configuration that it may be made from.
///
/// # Retries and time-outs
///
/// Reads keep the SDK's standard retries (three attempts, exponential back-off with jitter) under a
/// time limit of 30 seconds an operation. Mutations go through a second client without any retry
/// and a limit of 10 seconds: a resent `ModifyRule` could overwrite a third party's change in
/// between. If a mutation's outcome is not known, the engine observes before it acts again.
///
/// # Time
///
/// The `Date` of every answer tells AWS's time; [`clock_offset`](Self::clock_offset) says what it corrects, and which
/// offset AWS refuses.
#[derive(Clone)]
pub struct Aws {
    pub(crate) elb: Arc<dyn ElbApi>,
    pub(crate) cloudwatch: Arc<dyn CloudWatchApi>,
    pub(crate) ecs: Arc<dyn EcsApi>,
    pub(crate) ecr: Arc<dyn EcrApi>,
    pub(crate) scheduler: Arc<dyn SchedulerApi>,
    pub(crate) scaling: Arc<dyn ScalingApi>,
    pub(crate) iam: Arc<dyn IamApi>,
    pub(crate) sns: Arc<dyn SnsApi>,
    parts: Parts,
    region: Option<String>,
    counter: Counter,
    /// The configuration that it was made from, if any, by which S3 is reached.
    config: Option<SdkConfig>,
    endpoints: Endpoints,
    /// The identity behind the credentials, once STS has said it.
    caller: Arc<OnceCell<String>>,
    /// The programs and the network of the machine, if they are simulated too.
    #[cfg(feature = "spec")]
    machine: Option<(SystemCommands, Arc<dyn HttpClient>)>,
}

/// The parts of a handle: who answers each service's calls.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) elb: Arc<dyn ElbApi>,
    pub(crate) cloudwatch: Arc<dyn CloudWatchApi>,
    pub(crate) ecs: Arc<dyn EcsApi>,
    pub(crate) ecr: Arc<dyn EcrApi>,
    pub(crate) scheduler: Arc<dyn SchedulerApi>,
    pub(crate) scaling: Arc<dyn ScalingApi>,
    pub(crate) iam: Arc<dyn IamApi>,
    pub(crate) sns: Arc<dyn SnsApi>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The dates of the answers.
    pub(crate) dates: ServerDates,
}

#[cfg(test)]
impl Parts {
    /// Parts that expect no call at all; a test puts its own parts in their place.
    pub(crate) fn untouched() -> Self {
        Self {
            elb: Arc::new(api::MockElbApi::new()),
            cloudwatch: Arc::new(api::MockCloudWatchApi::new()),
            ecs: Arc::new(api::MockEcsApi::new()),
            ecr: Arc::new(api::MockEcrApi::new()),
            scheduler: Arc::new(api::MockSchedulerApi::new()),
            scaling: Arc::new(api::MockScalingApi::new()),
            iam: Arc::new(api::MockIamApi::new()),
            sns: Arc::new(api::MockSnsApi::new()),
            clock: Arc::new(SystemClock),
            dates: ServerDates::default(),
        }
    }
}

/// The limit of a read, its retries included.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// The limit of one attempt of a read.
const READ_ATTEMPT_LIMIT: Duration = Duration::from_secs(10);
/// The limit of a mutation; after it the mutation's outcome is unknown.
const MUTATION_LIMIT: Duration = Duration::from_secs(10);

impl Aws {
    /// Makes a handle from the environment, as every AWS tool finds it: variables, profiles, single
    /// sign-on, `aws login`, credential processes, container and instance roles.
    ///
    /// `AWS_ENDPOINT_URL`, its per-service forms and the same settings of the profile, its
    /// `[services]` section included, point services elsewhere, the journals' S3 among them;
    /// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` or `ignore_configured_endpoint_urls` turns all of that
    /// off. [`endpoint_notes`](Self::endpoint_notes) shows the result. Retry settings are not read:
    /// the ones above hold.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn from_env() -> Self {
        Self::from_config(&loader().load().await)
    }

    /// Makes the same handle for this region, even if the environment names another.
    ///
    /// # Cancel safety
    ///
    /// As [`from_env`](Self::from_env).
    pub async fn from_env_in(region: impl Into<String>) -> Self {
        let region = aws_config::Region::new(region.into());
        Self::from_config(&loader().region(region).load().await)
    }

    /// Makes a handle from your own configuration. The retry and time-out settings above replace
    /// those of the configuration. User and password in an endpoint's URL are left out; an endpoint
    /// that is not a URL is never asked.
    #[must_use]
    pub fn from_config(config: &SdkConfig) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let dates = ServerDates::default();
        let reader = DateReader {
            dates: dates.clone(),
            clock: Arc::clone(&clock),
        };
        let signs = SigningTime {
            reader: reader.clone(),
            here: config.time_source().unwrap_or_default(),
        };
        let reads = config
            .to_builder()
            .retry_config(RetryConfig::standard())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_timeout(READ_LIMIT)
                    .operation_attempt_timeout(READ_ATTEMPT_LIMIT)
                    .build(),
            )
            .build();
        let mutations = config
            .to_builder()
            .retry_config(RetryConfig::disabled())
            // Since changes have no retry, the SDK's own correction would come one change too late,
            // and then be added to this one.
            .time_source(signs)
            .disable_clock_skew_correction(true)
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_timeout(MUTATION_LIMIT)
                    .build(),
            )
            .build();
        let endpoints = Endpoints::of(config);
        let at = |service| endpoints.get(service);
        let to = Clients {
            reads: &reads,
            mutations: &mutations,
            reader: &reader,
        };
        let parts = Parts {
            elb: Arc::new(RealElb::new(to, at(Service::ElasticLoadBalancing))),
            cloudwatch: Arc::new(RealCloudWatch::new(to, at(Service::CloudWatch))),
            ecs: Arc::new(RealEcs::new(to, at(Service::Ecs))),
            ecr: Arc::new(RealEcr::new(to, at(Service::Ecr))),
            scheduler: Arc::new(RealScheduler::new(to, at(Service::Scheduler))),
            scaling: Arc::new(RealScaling::new(to, at(Service::ApplicationAutoScaling))),
            iam: Arc::new(RealIam::new(to, at(Service::Iam))),
            sns: Arc::new(RealSns::new(to, at(Service::Sns))),
            clock,
            dates,
        };
        let region = config.region().map(ToString::to_string);
        Self {
            config: Some(config.clone()),
            endpoints,
            ..Self::from_parts(parts, region)
        }
    }

    /// Creates a handle from parts: of the real AWS, of the simulation or of unit tests.
    pub(crate) fn from_parts(parts: Parts, region: Option<String>) -> Self {
        Self::assemble(parts, region, Counter::default(), None)
    }

    fn assemble(
        parts: Parts,
        region: Option<String>,
        counter: Counter,
        fence: Option<Arc<dyn Fence>>,
    ) -> Self {
        let clock = Arc::clone(&parts.clock);
        let guard = fence.map(|fence| Guard { fence, clock });
        let Parts {
            elb,
            cloudwatch,
            ecs,
            ecr,
            scheduler,
            scaling,
            iam,
            sns,
            ..
        } = parts.clone();
        Self {
            elb: Arc::new(Counting::new(counter.clone(), guard.clone(), elb)),
            cloudwatch: Arc::new(Counting::new(counter.clone(), None, cloudwatch)),
            ecs: Arc::new(Counting::new(counter.clone(), guard.clone(), ecs)),
            ecr: Arc::new(Counting::new(counter.clone(), guard.clone(), ecr)),
            scheduler: Arc::new(Counting::new(counter.clone(), guard.clone(), scheduler)),
            scaling: Arc::new(Counting::new(counter.clone(), guard, scaling)),
            iam: Arc::new(Counting::new(counter.clone(), None, iam)),
            sns: Arc::new(Counting::new(counter.clone(), None, sns)),
            parts,
            region,
            counter,
            config: None,
            endpoints: Endpoints::default(),
            caller: Arc::default(),
            #[cfg(feature = "spec")]
            machine: None,
        }
    }

    /// Makes the handle use programs and a network that are simulated too.
    #[cfg(all(feature = "spec", feature = "sim"))]
    pub(crate) fn on_machine(
        mut self,
        commands: SystemCommands,
        http: Arc<dyn HttpClient>,
    ) -> Self {
        self.machine = Some((commands, http));
        self
    }

    /// The runner of the programs of the machine.
    #[cfg(feature = "spec")]
    pub(crate) fn commands(&self) -> SystemCommands {
        match &self.machine {
            Some((commands, _)) => commands.clone(),
            None => SystemCommands::default(),
        }
    }

    /// The client that sends HTTP requests from the machine.
    #[cfg(feature = "spec")]
    pub(crate) fn http(&self) -> crate::Result<Arc<dyn HttpClient>> {
        Ok(match &self.machine {
            Some((_, http)) => Arc::clone(http),
            None => Arc::new(ReqwestClient::new()?),
        })
    }

    /// A handle whose every change asks `fence` first, and again in the last hook before the
    /// request leaves the process, which is 3 s after the change began at the latest. Give it the
    /// run's [`Lease`](crate::store::Lease), and make the adapters of that run from the fenced
    /// handle.
    #[must_use]
    pub fn fenced(&self, fence: impl Fence + 'static) -> Self {
        let parts = self.parts.clone();
        let fence: Arc<dyn Fence> = Arc::new(fence);
        let counter = self.counter.clone();
        Self {
            config: self.config.clone(),
            endpoints: self.endpoints.clone(),
            caller: Arc::clone(&self.caller),
            #[cfg(feature = "spec")]
            machine: self.machine.clone(),
            ..Self::assemble(parts, self.region.clone(), counter, Some(fence))
        }
    }

    /// How many calls were made through this handle and its clones.
    #[must_use]
    pub fn calls(&self) -> CallCounts {
        self.counter.counts()
    }

    /// The clock that goes with this AWS: give it to the migration.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.parts.clock)
    }

    /// How far AWS's clock is ahead of the clock here, as the `Date` of the newest answer to this handle and its
    /// clones showed it; negative if it is behind, and `None` before the first answer. A time here plus the offset
    /// is AWS's time, give or take a second and the time that the answer took. An answer with the status of a
    /// failed server, or from a cache, shows nothing.
    ///
    /// # What it corrects
    ///
    /// A run keeps its own time, which may be wrong, and AWS keeps another. Everything that AWS dates
    /// is therefore asked for in AWS's time: the windows of CloudWatch metrics, and the time of a
    /// dead-man switch's schedule. AWS's time is the newest of the last three dates plus the
    /// [`uptime`](Clock::uptime) since, so a wall clock that is set does not touch it. A difference of
    /// less than 5 s is not corrected: a date is cut to whole seconds and has aged on its way, and
    /// these requests have more slack than that.
    ///
    /// # Which offset AWS refuses
    ///
    /// AWS refuses a request that is signed more than five minutes before or after its time
    /// ([Signature Version 4](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html)).
    /// Reads correct such an offset themselves: the SDK (`aws-runtime` 1.10) takes the offset from the
    /// refusal's own `Date`, repeats the request signed with it if the offset is more than four
    /// minutes, and signs later requests with it. The SDK does so client by client, and only if it may
    /// repeat a request, which it may not for a change. So changes are signed by the time that the
    /// answers to reads have shown. The journal's store in S3 has a client of its own that corrects
    /// nothing: with an offset of more than 15 minutes, S3 refuses its requests
    /// (`RequestTimeTooSkewed`), and no run starts.
    /// An offset of 5 s or more in three answers in a row is reported once to `tracing`, as a warning,
    /// and as a note of each preflight: [`clock_note`](Self::clock_note).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen::{TrafficSplitter, aws::{alb::AlbTrafficSplitter, sim::Simulation}};
    /// use jiff::SignedDuration;
    ///
    /// let ten_minutes = SignedDuration::from_mins(10);
    /// let simulation = Simulation::builder().clock_off_by(ten_minutes).build();
    /// simulation.start_paused();
    /// let aws = simulation.aws();
    /// assert!(aws.clock_offset().is_none(), "AWS has answered nothing yet");
    ///
    /// let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
    /// AlbTrafficSplitter::new(&aws, rule, blue, green)?.observe().await?;
    /// assert_eq!(aws.clock_offset(), Some(-ten_minutes), "AWS is behind the clock here");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        self.server_time().map(|time| time.offset())
    }

    /// AWS's clock as its newest answer showed it.
    pub(crate) fn server_time(&self) -> Option<ServerTime> {
        self.parts.dates.newest()
    }

    /// A note if the wall clock of this machine is 5 s or more off, as each of the last three
    /// answers showed it. The preflights of this crate's adapters report it, even if a run has
    /// corrected the offset for itself.
    #[must_use]
    pub fn clock_note(&self) -> Option<Finding> {
        self.parts.dates.finding()
    }

    /// The dates of AWS's answers.
    pub(crate) fn dates(&self) -> ServerDates {
        self.parts.dates.clone()
    }

    /// How far AWS's clock is ahead of the clock of the run whose time is `at`: see
    /// [`ServerDates::ahead`].
    pub(crate) fn ahead(&self, at: Timestamp) -> Option<SignedDuration> {
        self.parts.dates.ahead(&*self.parts.clock, at)
    }

    /// AWS's time now, as far as it is known.
    pub(crate) fn time_there(&self) -> Timestamp {
        let clock = &self.parts.clock;
        let known = self.parts.dates.time_at(clock.uptime());
        known.unwrap_or_else(|| clock.now())
    }

    /// The region of the configuration that this handle was made from.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Whether this is the handle of a simulation: its calls touch nothing real.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.config.is_none()
    }

    /// One note for each endpoint that is not one of AWS's, with the services that are asked there.
    /// A URL is shown without user and password. Show the notes at the start of a run: its calls go
    /// there.
    #[must_use]
    pub fn endpoint_notes(&self) -> Vec<Finding> {
        self.endpoints.notes()
    }
}

/// The loader of the environment. It is given retries: otherwise it would read the shared retry
/// settings, and end the process over a setting that it does not know.
fn loader() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest()).retry_config(RetryConfig::standard())
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_config::profile::ProfileFileCredentialsProvider;
    use aws_credential_types::provider::ProvideCredentials as _;

    use super::endpoints::testing::{loader_of, profile};

    #[tokio::test]
    async fn shared_retry_settings_are_not_read() {
        let config = loader_of("retry_mode = adaptive")
            .no_credentials()
            .load()
            .await;
        let mode = config.retry_config().map(super::RetryConfig::mode);
        assert_eq!(mode, Some(super::RetryConfig::standard().mode()));
    }

    /// The session does not exist in this machine's cache; that the cache is asked at all shows
    /// that the feature of `aws-config` is on.
    #[tokio::test]
    async fn a_profile_of_aws_login_is_known() {
        let session = "login_session = arn:aws:iam::123456789012:user/of-a-test";
        let provider = ProfileFileCredentialsProvider::builder()
            .profile_files(profile(session))
            .profile_name("p")
            .build();
        let error = provider.provide_credentials().await.unwrap_err();
        let cause = aws_smithy_types::error::display::DisplayErrorContext(error).to_string();
        assert!(cause.contains("login/cache"), "{cause}");
    }
}
