//! The seam to AWS: one small trait per service with only the calls in use. A call takes the SDK's
//! input builder and returns the SDK's output or [`ApiError`]; ECS speaks JSON (see `ecs`). All
//! that can go wrong with paging, the form of requests and the meaning of fields is above this
//! seam, so that mocks and the simulation exercise it; below the seam a call is one line.

#[macro_use]
mod client;
#[macro_use]
mod service;
#[cfg_attr(test, expect(dead_code, reason = "a mock has more than the tests use"))]
mod cloudwatch;
mod counting;
#[cfg_attr(test, expect(dead_code, reason = "a mock has more than the tests use"))]
mod ecr;
mod ecs;
#[cfg_attr(test, expect(dead_code, reason = "a mock has more than the tests use"))]
mod elb;
mod error;
#[cfg_attr(test, expect(dead_code, reason = "a mock has more than the tests use"))]
mod iam;
mod last_check;
#[cfg_attr(test, expect(dead_code, reason = "a mock has more than the tests use"))]
mod scaling;
#[cfg_attr(test, expect(dead_code, reason = "a mock has more than the tests use"))]
mod scheduler;
#[cfg_attr(test, expect(dead_code, reason = "a mock has more than the tests use"))]
mod sns;
mod whole;

pub use self::counting::CallCounts;
#[cfg(test)]
pub(crate) use self::{
    cloudwatch::MockCloudWatchApi, ecr::MockEcrApi, ecs::MockEcsApi, elb::MockElbApi,
    iam::MockIamApi, scaling::MockScalingApi, scheduler::MockSchedulerApi, sns::MockSnsApi,
};
pub(crate) use self::{
    cloudwatch::{CloudWatchApi, RealCloudWatch},
    counting::{Counter, Counting},
    ecr::{EcrApi, RealEcr},
    ecs::{EcsApi, EcsCall, RealEcs},
    elb::{ElbApi, RealElb},
    error::ApiError,
    iam::{IamApi, RealIam},
    last_check::{Guard, after_read},
    scaling::{RealScaling, ScalingApi},
    scheduler::{RealScheduler, SchedulerApi},
    sns::{RealSns, SnsApi},
};

use aws_config::SdkConfig;

use super::DateReader;

/// The settings that the clients of the services are made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clients<'a> {
    pub(crate) reads: &'a SdkConfig,
    pub(crate) mutations: &'a SdkConfig,
    /// Reads the dates of all answers.
    pub(crate) reader: &'a DateReader,
}
