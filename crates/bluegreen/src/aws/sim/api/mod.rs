//! The answers of the simulated AWS, of the machine's programs and of the services.

pub(super) mod cloudwatch;
pub(super) mod ecr;
pub(super) mod ecs;
pub(super) mod elb;
pub(super) mod http;
pub(super) mod iam;
mod native;
pub(super) mod programs;
pub(super) mod scaling;
pub(super) mod scheduler;
pub(super) mod shared;
pub(super) mod sns;
