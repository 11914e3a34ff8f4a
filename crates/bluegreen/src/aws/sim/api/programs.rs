//! The programs of the simulated machine: `docker` and `git`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::shared::Shared;
use crate::{
    aws::sim::state::programs::Programs,
    error::{Error, ErrorKind, Result},
    image::{Command, CommandRunner, Finished, LineSink, Stream},
};

/// Simulates `docker` and `git`; a push lands in the simulated registry.
#[derive(Debug)]
pub(in crate::aws::sim) struct SimPrograms(pub(in crate::aws::sim) Arc<Shared>);

/// How long a build and a push take.
const BUILD: Duration = Duration::from_secs(40);
const PUSH: Duration = Duration::from_secs(15);

#[async_trait]
impl CommandRunner for SimPrograms {
    async fn run(&self, command: Command, lines: LineSink) -> Result<Finished> {
        let words: Vec<String> = command
            .arguments
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let has = |word: &str| words.iter().any(|one| one == word);
        let program = command.program.to_string_lossy().into_owned();
        let programs = self.0.programs();
        if program == "git" {
            return Ok(match words.last().map(String::as_str) {
                Some("--porcelain") => finished(0, &[], &[]),
                _ => finished(0, &["0123456789ab"], &[]),
            });
        }
        if programs == Programs::Missing {
            let error = Error::new(ErrorKind::NotFound, format!("run `{program}`"));
            return Err(error.with_hint(format!("install {program}, or put it on the PATH")));
        }
        let say = |stream, line: &str| lines(stream, line);
        if has("version") && !has("buildx") {
            return Ok(match programs {
                Programs::EngineDown => finished(
                    1,
                    &[],
                    &[
                        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
                    ],
                ),
                _ => finished(0, &["28.0.0"], &[]),
            });
        }
        if has("inspect") {
            return Ok(finished(0, &[&self.0.platform()], &[]));
        }
        if has("build") {
            say(
                Stream::Err,
                "#1 [internal] load build definition from Dockerfile",
            );
            tokio::time::sleep(BUILD).await;
            if programs == Programs::BuildFails {
                let words = [
                    "#5 [3/4] RUN pip install -r requirements.txt",
                    "ERROR: No matching distribution found for fastapi==9.9.9",
                ];
                for word in words {
                    say(Stream::Err, word);
                }
                return Ok(finished(1, &[], &words));
            }
            say(Stream::Err, "#7 exporting to image");
            return Ok(finished(0, &[], &[]));
        }
        if has("push") {
            tokio::time::sleep(PUSH).await;
            let reference = words.last().cloned().unwrap_or_default();
            let tag = reference.rsplit(':').next().unwrap_or_default();
            let pushed = match programs {
                Programs::PushRefused => {
                    Err("denied: User is not authorized to perform: ecr:PutImage".to_owned())
                }
                _ => self.0.push(tag, &reference),
            };
            return Ok(match pushed {
                Ok(digest) => {
                    let line = format!("{tag}: digest: {digest} size: 1570");
                    say(Stream::Out, &line);
                    finished(0, &[&line], &[])
                }
                Err(why) => {
                    say(Stream::Err, &why);
                    finished(1, &[], &[&why])
                }
            });
        }
        // A log-in, or any other command.
        Ok(finished(0, &["ok"], &[]))
    }
}

fn finished(code: i32, out: &[&str], err: &[&str]) -> Finished {
    let owned = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
    Finished {
        code: Some(code),
        out: owned(out),
        err: owned(err),
    }
}
