//! The tag of a source: the commit that is checked out.

use std::{path::Path, sync::Arc};

use super::{Command, CommandRunner, Finished, ImageTag};
use crate::error::{Error, ErrorKind, Result};

/// The tag for the source in `folder`: the first 12 digits of the commit, and `-dirty` if files
/// differ from it or are not in it.
///
/// An image under a `-dirty` tag cannot be made again: refuse to build it if that matters.
///
/// # Errors
///
/// `NotFound` if there is no `git`, no repository or no commit yet; `Unavailable` if git fails
/// otherwise.
///
/// # Cancel safety
///
/// Only reads: dropping it leaves nothing behind.
pub(crate) async fn git_tag(commands: &dyn CommandRunner, folder: &Path) -> Result<ImageTag> {
    let head = git(commands, folder, &["rev-parse", "--short=12", "HEAD"]).await?;
    let commit = head.out.first().map(|line| line.trim().to_owned());
    let Some(commit) = commit.filter(|_| head.is_success()) else {
        return Err(failed(ErrorKind::NotFound, folder, &head).with_hint(
            "commit the source to a git repository, or name the tag of the image yourself",
        ));
    };
    let status = git(commands, folder, &["status", "--porcelain"]).await?;
    if !status.is_success() {
        return Err(failed(ErrorKind::Unavailable, folder, &status));
    }
    let is_clean = status.out.iter().all(|line| line.trim().is_empty());
    let suffix = if is_clean { "" } else { "-dirty" };
    format!("{commit}{suffix}")
        .parse()
        .map_err(|source| Error::new(ErrorKind::Invalid, attempt(folder)).with_source(source))
}

async fn git(commands: &dyn CommandRunner, folder: &Path, arguments: &[&str]) -> Result<Finished> {
    let command = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments.iter().copied());
    commands.run(command, Arc::new(|_, _| {})).await
}

fn failed(kind: ErrorKind, folder: &Path, finished: &Finished) -> Error {
    Error::new(kind, attempt(folder)).with_source(std::io::Error::other(finished.err.join("\n")))
}

fn attempt(folder: &Path) -> String {
    format!("read the git commit of `{}`", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::{Script, ended, missing};

    const HEAD: &str = "git -C app rev-parse --short=12 HEAD";
    const STATUS: &str = "git -C app status --porcelain";

    async fn tag(script: Script) -> Result<ImageTag> {
        let tag = git_tag(&script, Path::new("app")).await;
        script.assert_done();
        tag
    }

    #[tokio::test]
    async fn a_clean_tree_is_tagged_by_its_commit() {
        let script = Script::new([
            (HEAD, ended(0, &["0123456789ab"], &[])),
            (STATUS, ended(0, &[], &[])),
        ]);
        assert_eq!(tag(script).await.unwrap().as_str(), "0123456789ab");
    }

    #[tokio::test]
    async fn a_changed_tree_says_so() {
        let script = Script::new([
            (HEAD, ended(0, &["0123456789ab"], &[])),
            (STATUS, ended(0, &["?? new.rs"], &[])),
        ]);
        assert_eq!(tag(script).await.unwrap().as_str(), "0123456789ab-dirty");
    }

    #[tokio::test]
    async fn no_repository_and_no_git_are_not_found_with_a_hint() {
        let none = ended(128, &[], &["fatal: not a git repository"]);
        for answer in [none, missing("git")] {
            let error = tag(Script::new([(HEAD, answer)])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.hint().is_some());
        }
    }
}
