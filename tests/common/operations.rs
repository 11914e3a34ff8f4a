//! Which operations a tier holds, compared with the operations that the code calls.

use std::{collections::BTreeSet, fs};

/// Operations without bytes in `tests/wire`, and why. The list is outside of the tier: names in there count.
#[allow(dead_code, reason = "each tier has its own list")]
pub(crate) const NOT_IN_WIRE: [(&str, &[&str]); 4] = [
    (
        "the answers of a registry are read by `tests/image`, from a real registry, and by the adapter's own tests",
        &[
            "BatchGetImage",
            "CreateRepository",
            "DescribeImages",
            "DescribeRepositories",
            "GetAuthorizationToken",
            "GetDownloadUrlForLayer",
            "PutImage",
        ],
    ),
    (
        "a deployment's own calls: the adapter's tests assert whole requests (`aws/ecs/tests`)",
        &["CreateService", "DescribeTasks", "ListTasks"],
    ),
    (
        "the dead-man switch, its role and notices: `tests/emulator/dead_man.rs`, and the adapters' own tests",
        &[
            "CreateSchedule",
            "DeleteSchedule",
            "GetRole",
            "Publish",
            "SimulatePrincipalPolicy",
            "UpdateSchedule",
        ],
    ),
    (
        "`tests/emulator`: shift.rs and cloudwatch.rs",
        &["DescribeAlarms", "ModifyListener"],
    ),
];

/// Operations without bytes in `tests/fuzz`, and why.
#[allow(dead_code, reason = "each tier has its own list")]
pub(crate) const NOT_IN_FUZZ: [(&str, &[&str]); 4] = [
    (
        "answers of a registry: the SDK reads their few fields, and digests are checked by their own types",
        &[
            "BatchGetImage",
            "CreateRepository",
            "DescribeImages",
            "DescribeRepositories",
            "GetAuthorizationToken",
            "GetDownloadUrlForLayer",
            "PutImage",
        ],
    ),
    (
        "a deployment's own calls go through the same reader of JSON as DescribeServices",
        &[
            "CreateService",
            "DescribeTasks",
            "ListTaskDefinitions",
            "ListTasks",
            "RegisterTaskDefinition",
        ],
    ),
    (
        "answers of which nothing but the success is read",
        &[
            "ContinueServiceDeployment",
            "CreateSchedule",
            "DeleteSchedule",
            "ModifyListener",
            "Publish",
            "StopServiceDeployment",
            "UpdateSchedule",
        ],
    ),
    (
        "few fields, read by the SDK alone",
        &["DescribeAlarms", "GetRole", "SimulatePrincipalPolicy"],
    ),
];

/// Asserts that the files of `tests/TIER`, or the answers that tiers share, name each operation that the code
/// calls, but for those in `without`, which have a reason.
#[track_caller]
pub(crate) fn assert_held(tier: &str, without: &[(&str, &[&str])]) {
    let root = env!("CARGO_MANIFEST_DIR");
    let read =
        |path: String| fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let table = read(format!("{root}/crates/bluegreen/src/aws/sim/fault.rs"));
    let quoted = table.lines().filter_map(|line| {
        let (_, name) = line.trim().strip_prefix("Self::")?.split_once(" => \"")?;
        name.strip_suffix("\",")
    });
    let called: BTreeSet<&str> = quoted.collect();
    assert!(called.len() > 40, "the table of calls: {called:?}");

    let mut tests = read(format!("{root}/tests/common/fleet.rs"));
    for entry in fs::read_dir(format!("{root}/tests/{tier}")).expect("a tier") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            tests += &read(path.display().to_string());
        }
    }
    let held = called
        .iter()
        .copied()
        .filter(|name| tests.contains(&format!("\"{name}\"")));
    let held: BTreeSet<&str> = held.collect();
    let missing: Vec<&str> = called.difference(&held).copied().collect();
    let mut excused: Vec<&str> = without
        .iter()
        .flat_map(|(_, names)| *names)
        .copied()
        .collect();
    excused.sort_unstable();
    assert_eq!(
        missing, excused,
        "{tier}: give each operation of the code an answer, or say here why it has none"
    );
}
