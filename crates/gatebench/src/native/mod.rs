//! Deployments whose traffic ECS moves itself: under alarms alone, under the judge, and under both.
//!
//! The whole of it is driven: the simulated ECS and CloudWatch of the library behind its real adapters, gates and
//! machine, in virtual time.

mod drive;
mod table;

pub(crate) use self::table::table;
