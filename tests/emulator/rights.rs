//! The rights that each verb prints, held by moto's IAM: each verb runs with them, and with a right less it says
//! which right is missing.
//!
//! moto asks IAM by action alone. It looks neither at resources and conditions of these policies, nor at the second
//! right that some calls need on AWS, such as `iam:PassRole`. It does not know the signatures of Scheduler and the
//! actions of CloudWatch, so both are on `ministack`, which asks nothing.
//!
//! On moto a deployment is complete at once, so `deploy` never reads failed tasks or goes back here; and it has no
//! service revisions. `tests/stories` compare the rights to these with the calls on the simulated AWS.

mod before;
mod guarded;

use self::{
    before::{Before, Before::*},
    guarded::Guarded,
};

/// A verb in this world.
struct Case {
    words: &'static [&'static str],
    before: Before,
    /// The exit code with all rights.
    exit: i32,
    /// Rights without which the verb stops and names the right. The absence of another right stops nothing here:
    /// its call is not needed in this world, or what it would tell is left out.
    needs: &'static [&'static str],
}

const READ_LISTENERS: &str = "elasticloadbalancing:DescribeListeners";
const READ_RULES: &str = "elasticloadbalancing:DescribeRules";
const READ_TAGS: &str = "elasticloadbalancing:DescribeTags";
const READ_GROUPS: &str = "elasticloadbalancing:DescribeTargetGroups";
const READ_TARGETS: &str = "elasticloadbalancing:DescribeTargetHealth";
const CREATE_RULE: &str = "elasticloadbalancing:CreateRule";
const WRITE_RULES: &str = "elasticloadbalancing:ModifyRule";
const DELETE_RULE: &str = "elasticloadbalancing:DeleteRule";
const DELETE_GROUP: &str = "elasticloadbalancing:DeleteTargetGroup";
const READ_SCALING: &str = "application-autoscaling:DescribeScalableTargets";
const READ_SERVICES: &str = "ecs:DescribeServices";
const UPDATE_SERVICE: &str = "ecs:UpdateService";
const TAG: &str = "ecs:TagResource";
const READ_REVISIONS: &str = "ecs:DescribeTaskDefinition";
const LIST_REVISIONS: &str = "ecs:ListTaskDefinitions";
const REGISTER_REVISION: &str = "ecs:RegisterTaskDefinition";
const READ_OBJECTS: &str = "s3:GetObject";
const WRITE_OBJECTS: &str = "s3:PutObject";
const LIST_OBJECTS: &str = "s3:ListBucket";

/// The exit code of a verb that lacks a right: nothing was changed, or not everything was done.
const DENIED: i32 = 3;

/// Makes a test of each case.
macro_rules! cases {
    ($($name:ident: $case:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                held(&$case).await;
            }
        )*
    };
}

cases! {
    plan_needs_its_rights: Case {
        words: &["plan"],
        before: Weights(100, 0),
        exit: 0,
        needs: &[READ_SCALING, READ_SERVICES, READ_RULES, READ_TARGETS],
    };
    diff_needs_its_rights: Case {
        words: &["diff"],
        before: Weights(100, 0),
        exit: 4,
        needs: &[READ_RULES, READ_TARGETS],
    };
    status_needs_its_rights: Case {
        words: &["status"],
        before: Weights(100, 0),
        exit: 0,
        needs: &[READ_RULES, READ_TARGETS],
    };
    monitor_needs_its_rights: Case {
        words: &["monitor", "--plain", "--watch-for", "3s"],
        before: Weights(100, 0),
        exit: 0,
        needs: &[READ_RULES, READ_TARGETS],
    };
    prepare_needs_its_rights: Case {
        words: &["prepare"],
        before: Alone,
        exit: 0,
        needs: &[CREATE_RULE, "elasticloadbalancing:CreateTargetGroup", WRITE_RULES],
    };
    the_undo_of_prepare_needs_its_rights: Case {
        words: &["prepare", "--undo"],
        before: Prepared,
        exit: 0,
        needs: &[DELETE_RULE, DELETE_GROUP, WRITE_RULES],
    };
    migrate_needs_its_rights: Case {
        words: &["migrate", "--full"],
        before: Weights(100, 0),
        exit: 11,
        needs: &[
            READ_SCALING,
            READ_SERVICES,
            READ_LISTENERS,
            READ_RULES,
            READ_GROUPS,
            READ_TARGETS,
            WRITE_RULES,
            READ_OBJECTS,
            WRITE_OBJECTS,
            LIST_OBJECTS,
        ],
    };
    rollback_needs_its_rights: Case {
        words: &["rollback", "--to", "flask"],
        before: Weights(50, 50),
        exit: 0,
        needs: &[READ_RULES, READ_TARGETS, WRITE_RULES],
    };
    test_needs_its_rights: Case {
        words: &["test", "--requests", "requests.toml"],
        before: Routed,
        exit: 0,
        needs: &[READ_SERVICES, READ_RULES, READ_TAGS, READ_GROUPS, WRITE_OBJECTS],
    };
    deploy_needs_its_rights_to_create_a_service: Case {
        words: &["deploy"],
        before: Undeployed,
        exit: 0,
        needs: &[
            "ecs:CreateService",
            READ_SERVICES,
            READ_REVISIONS,
            LIST_REVISIONS,
            REGISTER_REVISION,
            READ_RULES,
            READ_TARGETS,
            READ_OBJECTS,
            WRITE_OBJECTS,
            LIST_OBJECTS,
        ],
    };
    deploy_needs_its_rights_to_update_a_service: Case {
        words: &["deploy"],
        before: Deployed,
        exit: 0,
        needs: &[
            READ_SERVICES,
            READ_REVISIONS,
            LIST_REVISIONS,
            REGISTER_REVISION,
            TAG,
            UPDATE_SERVICE,
            READ_RULES,
            READ_TARGETS,
            READ_OBJECTS,
            WRITE_OBJECTS,
            LIST_OBJECTS,
        ],
    };
    cleanup_needs_its_rights_to_scale_blue_to_zero: Case {
        words: &["cleanup", "--keep", "0s"],
        before: Promoted,
        exit: 0,
        needs: &[
            READ_SCALING,
            READ_SERVICES,
            TAG,
            UPDATE_SERVICE,
            READ_LISTENERS,
            READ_RULES,
            READ_TAGS,
            READ_GROUPS,
            READ_TARGETS,
            READ_OBJECTS,
            WRITE_OBJECTS,
            LIST_OBJECTS,
        ],
    };
    cleanup_needs_its_rights_to_delete_blue: Case {
        words: &["cleanup", "--keep", "0s", "--delete", "flask"],
        before: Emptied,
        exit: 0,
        needs: &["ecs:ListServices", "ecs:DeleteService", DELETE_RULE, WRITE_RULES, DELETE_GROUP],
    };
}

/// Runs a case with the rights that its verb prints, and without each right that the case needs.
async fn held(case: &Case) {
    let Some(mut guarded) = Guarded::new(case.before).await else {
        return;
    };
    guarded.reset(case.before).await;
    let rights = guarded.printed(case.words);
    guarded.allow(&rights);
    guarded.is_asked(true);
    let whole = guarded.run(case.words);
    let mut wrong = Vec::new();
    if whole.code != Some(case.exit) || rights.iter().any(|right| whole.said.contains(right)) {
        wrong.push(format!("with all of its rights: {whole:?}"));
    }
    for right in case.needs {
        guarded.reset(case.before).await;
        let mut less = rights.clone();
        assert!(less.remove(*right), "{:?} prints no {right}", case.words);
        guarded.allow(&less);
        guarded.is_asked(true);
        let ended = guarded.run(case.words);
        if ended.code != Some(DENIED) || !ended.said.contains(right) {
            wrong.push(format!("without {right}: {ended:?}"));
        }
    }
    let wrong = wrong.join("\n\n");
    assert!(wrong.is_empty(), "{:?}\n{wrong}", case.words);
}
