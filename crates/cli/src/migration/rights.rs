//! `--print-iam-policy`, in one form for every verb that calls AWS.

use bluegreen::{aws::iam::IamPolicy, spec::Use};
use clap::Args;

use super::open::Opened;
use crate::common::{
    errors::{UNCHANGED, invalid},
    say::{answer, say_line},
};

/// The option that only prints a policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub(crate) struct PrintPolicy {
    /// Print the least IAM policy, and call nothing.
    #[arg(long)]
    pub(crate) print_iam_policy: bool,
}

/// Prints the least policy for a use of the migration that is named, with its journal, and returns the exit
/// code.
pub(crate) fn print(opened: &Opened, of: Use) -> Result<u8, u8> {
    let mut spec = opened.spec.clone();
    let place = opened.journal.journal.as_deref();
    spec.journal = place.and_then(|place| place.parse().ok());
    let policy = spec.iam_policy(of).map_err(|error| invalid(&error))?;
    Ok(printed(&policy))
}

/// Prints a policy, and returns the exit code.
pub(crate) fn printed(policy: &IamPolicy) -> u8 {
    match answer(&policy.to_string()) {
        Ok(()) => 0,
        Err(error) => {
            say_line!("error: the policy could not be written: {error}");
            UNCHANGED
        }
    }
}
