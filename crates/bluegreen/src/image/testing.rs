//! A scripted runner of commands.

use std::{collections::VecDeque, sync::Mutex};

use async_trait::async_trait;

use super::{Command, CommandRunner, Finished, LineSink, Stream};
use crate::error::{Error, ErrorKind, Result};

/// Answers the commands that are expected, in order, and records them.
#[derive(Debug)]
pub(crate) struct Script {
    expected: Mutex<VecDeque<(String, Result<Finished>)>>,
    seen: Mutex<Vec<Command>>,
}

impl Script {
    pub(crate) fn new<S: Into<String>>(
        expected: impl IntoIterator<Item = (S, Result<Finished>)>,
    ) -> Self {
        Self {
            expected: Mutex::new(expected.into_iter().map(|(c, a)| (c.into(), a)).collect()),
            seen: Mutex::default(),
        }
    }

    pub(crate) fn assert_done(&self) {
        let left = self.expected.lock().unwrap();
        assert!(left.is_empty(), "not run: {left:?}");
    }

    pub(crate) fn seen(&self) -> Vec<Command> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl CommandRunner for Script {
    async fn run(&self, command: Command, lines: LineSink) -> Result<Finished> {
        let (expected, answer) = self
            .expected
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| panic!("not expected: {command}"));
        assert_eq!(command.to_string(), expected);
        self.seen.lock().unwrap().push(command);
        if let Ok(finished) = &answer {
            finished
                .out
                .iter()
                .for_each(|line| lines(Stream::Out, line));
            finished
                .err
                .iter()
                .for_each(|line| lines(Stream::Err, line));
        }
        answer
    }
}

pub(crate) fn ended(code: i32, out: &[&str], err: &[&str]) -> Result<Finished> {
    let owned = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
    Ok(Finished {
        code: Some(code),
        out: owned(out),
        err: owned(err),
    })
}

pub(crate) fn missing(program: &str) -> Result<Finished> {
    Err(
        Error::new(ErrorKind::NotFound, format!("start program `{program}`"))
            .with_hint("install it"),
    )
}
