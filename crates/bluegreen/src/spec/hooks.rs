//! The hooks of a specification.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MigrationSpec, Name, Span, deployment::Variable, is_default};
use crate::{
    aws::{Aws, alb::TopicArn},
    error::{Error, ErrorKind, Failure, Result},
    migration::{HOOK_LIMITS, Hook, Migration},
    preflight::Finding,
    problem::Problem,
};

/// What is called around a run: when the run starts, before each step, when the old side has been restored, when
/// a person is needed, and at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HooksSpec {
    /// A program and its arguments, which gets JSON on its standard input: see
    /// [`Hook`](crate::migration::Hook). Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<Name>,
    /// The program is asked before each step: exit code 0 allows the step, 10 refuses it, and without an
    /// answer the step waits. Default: no, so that the program is only told.
    #[serde(skip_serializing_if = "is_default")]
    pub may_refuse: bool,
    /// How long one call may take, 1 second to 10 minutes. Default: 30 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Span>,
    /// A webhook that gets the same JSON, signed. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) webhook: Option<WebhookSpec>,
    /// A topic of SNS that gets the same JSON, in the region of everything in this file. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicArn>,
}

/// A webhook. Its URL and its secret come from the environment, so that neither is in a file or a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookSpec {
    /// The variable that holds the URL.
    pub url: Variable,
    /// The variable that holds the secret of the signature, at least 16 bytes.
    pub secret: Variable,
}

impl HooksSpec {
    fn limited(&self, hook: Hook) -> Hook {
        match self.limit {
            Some(limit) => hook.with_limit(limit.0),
            None => hook,
        }
    }

    /// Adds the hooks to a migration.
    pub(super) fn added_to(&self, mut migration: Migration, aws: &Aws) -> Migration {
        let (hooks, unmade) = self.all(aws);
        for hook in hooks {
            migration = migration.hook(hook);
        }
        match unmade {
            Some(finding) => migration.finds(finding),
            None => migration,
        }
    }

    /// All hooks, and the finding about a webhook that cannot be made: it refuses a new run, and stops no
    /// restore.
    pub(super) fn all(&self, aws: &Aws) -> (Vec<Hook>, Option<Finding>) {
        let mut hooks = Vec::new();
        if !self.command.is_empty() {
            let hook = Hook::command(self.command.iter().map(Name::as_str));
            let hook = self.limited(hook);
            hooks.push(match self.may_refuse {
                true => hook.asked_before_steps(),
                false => hook,
            });
        }
        if let Some(topic) = &self.topic {
            hooks.push(self.limited(Hook::topic(aws, topic.clone())));
        }
        let webhook = self.webhook.as_ref().map(WebhookSpec::hook);
        match webhook {
            None => (hooks, None),
            Some(Ok(hook)) => {
                hooks.push(self.limited(hook));
                (hooks, None)
            }
            Some(Err(error)) => {
                let message = format!("hooks.webhook: {}", Failure::from(&error));
                let hint = error.hint().unwrap_or_default().to_owned();
                (hooks, Some(Finding::refusal(message).with_hint(hint)))
            }
        }
    }
}

impl WebhookSpec {
    fn hook(&self) -> Result<Hook> {
        Hook::webhook(&value(&self.url)?, value(&self.secret)?)
    }
}

/// The value of a variable of the environment.
fn value(variable: &Variable) -> Result<String> {
    let name = variable.env.as_str();
    std::env::var(name).map_err(|_| {
        let message = format!("the variable `{name}` is not set");
        Error::new(ErrorKind::Invalid, message).with_hint("set it, or take the webhook out")
    })
}

impl MigrationSpec {
    pub(super) fn of_hooks(&self, found: &mut Vec<Problem>) {
        let hooks = &self.hooks;
        if hooks.may_refuse && hooks.command.is_empty() {
            found.push(Problem::new(
                "hooks.may_refuse",
                "there is no program that could refuse",
                "name it: hooks.command = [\"./ask\"]",
            ));
        }
        let region = self.region_of_all();
        let of_topic = hooks.topic.as_ref().map(TopicArn::region);
        if let (Some(region), Some(own)) = (&region, of_topic)
            && region != own
        {
            let message = format!("is in {own}, and everything here in {region}");
            let hint = "name a topic of that region: it may tell a topic elsewhere";
            found.push(Problem::new("hooks.topic", message, hint));
        }
        let (least, most): (Duration, Duration) = HOOK_LIMITS;
        if let Some(limit) = hooks.limit
            && !(least..=most).contains(&limit.0)
        {
            let message = format!("{limit} is not between 1s and 10m");
            let hint = "30s is enough for a chat service; a question to a person needs minutes";
            found.push(Problem::new("hooks.limit", message, hint));
        }
    }
}
