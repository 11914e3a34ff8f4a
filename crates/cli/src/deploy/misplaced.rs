//! Options that have no meaning in this command, so the operator probably meant another command.

use bluegreen::problem::Problem;

use super::args::{Cli, Verb};

/// The acts for which an option has a meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// Only a deployment and its dry run.
    Deploying,
    /// Every act that runs the checks.
    Checking,
    /// Every act that changes the service.
    Changing,
    /// Every act but `--resume`, which takes the value from the journal.
    Plan,
}

pub(super) fn problems(cli: &Cli) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |field: &str, message: &str, hint: &str| {
        problems.push(Problem::new(field, message, hint));
    };
    let verbs = [
        ("--only", cli.only.is_some()),
        ("--undo", cli.undo),
        ("--resume", cli.resume),
        ("--dry-run", cli.dry_run),
    ];
    let asked: Vec<&str> = verbs
        .into_iter()
        .filter(|one| one.1)
        .map(|one| one.0)
        .collect();
    if let [first, second, ..] = asked[..] {
        add(
            second,
            &format!("cannot be used with {first}"),
            "leave one of them out",
        );
    }
    if cli.to.is_some() && !cli.undo {
        add(
            "--to",
            "names the revision of an undo",
            "add --undo, or leave it out",
        );
    }
    if cli.speed.is_some() && cli.sim.is_none() {
        add(
            "--speed",
            "is only for a simulated AWS",
            "add --sim, or leave it out",
        );
    }
    if cli.resume && cli.sim.is_some() {
        let hint = "name the service: a file, or --cluster C --service S, and its --journal";
        add(
            "--resume",
            "cannot be used with --sim: the simulated AWS ended with its process",
            hint,
        );
    }
    if cli.sim.is_some() {
        for (field, given) in [
            ("--cluster", &cli.service.cluster),
            ("--service", &cli.service.service),
            ("--repository", &cli.service.repository),
        ] {
            if given.is_some() {
                add(
                    field,
                    "cannot be used with --sim: the simulated AWS has its own",
                    "leave this option out, or leave --sim out",
                );
            }
        }
    }
    let verb = cli.verb();
    for (field, purpose, is_given) in given(cli) {
        let says_something = match (&verb, purpose) {
            (Verb::Deploy | Verb::DryRun, _) => true,
            (Verb::Only(_), purpose) => purpose == For::Checking,
            (Verb::Undo { .. }, purpose) => matches!(purpose, For::Plan | For::Changing),
            (Verb::Resume, purpose) => purpose == For::Changing,
        };
        if is_given && !says_something {
            let by = asked.first().copied().unwrap_or_default();
            let hint = match verb {
                Verb::Resume => "leave it out: the run keeps the value that it was started with",
                _ => "leave it out",
            };
            add(field, &format!("has no meaning with {by}"), hint);
        }
    }
    problems
}

fn given(cli: &Cli) -> Vec<(&'static str, For, bool)> {
    let (service, checks, rare) = (&cli.service, &cli.checks, &cli.rare);
    vec![
        (
            "--task-definition",
            For::Deploying,
            service.task_definition.is_some(),
        ),
        (
            "--service-definition",
            For::Deploying,
            service.service_definition.is_some(),
        ),
        ("--repository", For::Deploying, service.repository.is_some()),
        ("--context", For::Deploying, service.context.is_some()),
        ("--platform", For::Deploying, service.platform.is_some()),
        ("--tag", For::Deploying, service.tag.is_some()),
        ("--image", For::Deploying, service.image.is_some()),
        ("--container", For::Deploying, rare.container.is_some()),
        (
            "--accept-unknown",
            For::Deploying,
            !rare.accept_unknown.is_empty(),
        ),
        (
            "--create-repository",
            For::Deploying,
            rare.create_repository,
        ),
        ("--dockerfile", For::Deploying, rare.dockerfile.is_some()),
        ("--build-arg", For::Deploying, !rare.build_arg.is_empty()),
        ("--rebuild", For::Deploying, rare.rebuild),
        ("--also-tag", For::Deploying, rare.also_tag.is_some()),
        ("--checks", For::Checking, checks.checks.is_some()),
        ("--url", For::Checking, checks.url.is_some()),
        ("--connect-to", For::Checking, checks.connect_to.is_some()),
        ("--host", For::Checking, rare.host.is_some()),
        ("--header", For::Checking, !rare.header.is_empty()),
        ("--in-place", For::Plan, checks.in_place),
        ("--accept", For::Plan, !checks.accept.is_empty()),
        ("--without-test-route", For::Plan, rare.without_test_route),
        ("--poll-every", For::Plan, rare.poll_every.is_some()),
        (
            "--rollout-deadline",
            For::Deploying,
            rare.rollout_deadline.is_some(),
        ),
        (
            "--rollback-deadline",
            For::Plan,
            rare.rollback_deadline.is_some(),
        ),
        ("--on-cancel", For::Plan, rare.on_cancel.is_some()),
        ("--grace", For::Changing, rare.grace.is_some()),
        ("--single-host", For::Changing, cli.journal.single_host),
        ("--steal", For::Changing, cli.journal.steal),
    ]
}
