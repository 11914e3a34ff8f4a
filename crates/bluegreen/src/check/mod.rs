//! Checks: asking a service something and holding the answer against what it should be.

mod report;
mod role;

pub use self::{
    report::{Answer, CheckFailure, CheckReport},
    role::ServiceCheck,
};
