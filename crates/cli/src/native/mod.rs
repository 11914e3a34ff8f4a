//! Code that the verbs share for a service whose traffic ECS moves itself: from the command line to a judge and
//! its output.

mod begin;
mod file;
mod log;
mod plan;
mod render;
mod run;
mod status;
mod wait;

pub(crate) use self::{
    begin::{after_begin, of_service, spec_of},
    file::{file, folder_of, named, no_undo, of_arn, usual},
    log::told_of,
    plan::{plan, print_plan},
    run::{Death, Judged, preview, resume, start},
    status::status,
    wait::{follow, wait},
};
