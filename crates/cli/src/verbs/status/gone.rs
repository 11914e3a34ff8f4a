//! The status of a rule that a side has left: `cleanup` has deleted it.

use bluegreen::{Error, aws::alb::AlbRule};
use serde_json::{Map, json};

use crate::{
    common::{
        data::try_json_line,
        errors::{UNCHANGED, failed},
        say::{answer, say_line},
    },
    migration::{
        open::Opened,
        retirement::{self, Retirement},
    },
};

/// Shows the rule if a side of the file is deleted; else prints the error.
pub(super) async fn shown(opened: &Opened, error: Error, json: bool) -> Result<u8, u8> {
    let Some(deleted) = opened.deleted().await else {
        return Err(failed(&error, UNCHANGED));
    };
    let told = |error: &Error| failed(error, UNCHANGED);
    let rule = opened.spec.locate_after(opened.aws()).await;
    let weights = AlbRule::Arn(rule.map_err(|error| told(&error))?)
        .weights(opened.aws())
        .await;
    let weights = weights.map_err(|error| told(&error))?;
    let (kept, standing) = (&deleted.cleanup, deleted.standing.as_ref());
    let gone = retirement::of_kept(kept, standing, false, opened.aws().clock().now());
    let gone = gone.unwrap_or_else(|| Retirement::deleted(kept));
    let written = match json {
        true => {
            let groups = weights.groups.iter();
            let groups = groups.map(|(group, weight)| (group.name().to_owned(), json!(weight)));
            try_json_line(&json!({
                "rule": weights.rule.to_string(),
                "groups": groups.collect::<Map<_, _>>(),
                "cleanup": gone,
                "restore_command": null,
                "no_restore_because": deleted.error().message(),
                "next": deleted.next(),
            }))
        }
        false => {
            let mut lines = vec![weights.to_string()];
            lines.extend(gone.lines());
            if let Retirement::Deleted { .. } = gone {
                lines.push(deleted.next());
            }
            answer(&lines.join("\n  "))
        }
    };
    written.map(|()| 0).map_err(|error| {
        say_line!("error: the answer could not be written: {error}");
        UNCHANGED
    })
}
