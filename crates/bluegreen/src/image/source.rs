//! What a source is called: its commit.

use std::{path::Path, sync::Arc};

use super::{Command, CommandRunner, ImageTag};
use crate::error::{Error, ErrorKind, Result};

/// The tag of a source: its commit, twelve digits, with `-dirty` where the tree holds what no
/// commit does.
///
/// # Errors
///
/// `NotFound` where there is no `git`, no repository, or no commit yet.
///
/// # Cancel safety
///
/// Only reads: dropping it leaves nothing behind.
pub async fn git_tag(commands: &dyn CommandRunner, folder: &Path) -> Result<ImageTag> {
    let attempted = format!("find the commit of {}", folder.display());
    let hint = "build from a git work tree with a commit, or give the tag yourself";
    let git = |arguments: &[&str]| {
        Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(arguments.iter().copied())
    };
    let silent: super::LineSink = Arc::new(|_, _| {});
    let head = git(&["rev-parse", "--short=12", "HEAD"]);
    let head = commands.run(head, Arc::clone(&silent)).await?;
    let commit = head.out.first().filter(|_| head.is_success());
    let Some(commit) = commit else {
        let why = std::io::Error::other(head.err.join("; "));
        return Err(Error::new(ErrorKind::NotFound, attempted)
            .with_hint(hint)
            .with_source(why));
    };
    let status = commands
        .run(git(&["status", "--porcelain"]), silent)
        .await?;
    let is_dirty = !status.is_success() || status.out.iter().any(|line| !line.is_empty());
    let text = format!("{}{}", commit.trim(), if is_dirty { "-dirty" } else { "" });
    text.parse()
        .map_err(|error| Error::new(ErrorKind::Invalid, attempted).with_source(error))
}
