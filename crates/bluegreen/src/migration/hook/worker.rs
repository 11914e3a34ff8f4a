//! The thread on which a hook is called, one call after the other.

use std::{
    fmt,
    sync::{Arc, mpsc},
    time::Duration,
};

use super::{answer::Answer, message::Message};
use crate::{
    error::Failure,
    image::{Command, Finished, SystemCommands},
    text::visible,
};

/// What is called.
#[derive(Debug)]
pub(super) enum Target {
    Program(Command),
    #[cfg(feature = "check")]
    Webhook(Box<super::webhook::Webhook>),
    #[cfg(feature = "aws")]
    Service(Box<dyn super::deliver::Deliver>),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Arguments may be private.
            Self::Program(command) => write!(f, "`{}`", command.program.to_string_lossy()),
            #[cfg(feature = "check")]
            Self::Webhook(_) => f.write_str("the webhook"),
            #[cfg(feature = "aws")]
            Self::Service(service) => write!(f, "{service}"),
        }
    }
}

type Reply = Box<dyn FnOnce(Answer) + Send>;

enum Job {
    Call(Box<Message>, Reply),
    After(Box<dyn FnOnce() + Send>),
}

/// The calls of a hook that are to be made. The thread ends when the queue is dropped.
#[derive(Debug)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Job>,
}

impl Queue {
    pub(super) fn new(target: Target, limit: Duration) -> Self {
        let (jobs, taken) = mpsc::channel::<Job>();
        // Without a thread the receiver is gone, and each call says so.
        let _ = std::thread::Builder::new()
            .name("bluegreen-hook".to_owned())
            .spawn(move || work(&target, limit, &taken));
        Self { jobs }
    }

    /// Makes a call after those that wait.
    pub(super) fn call(&self, message: Message, reply: Reply) {
        let job = Job::Call(Box::new(message), reply);
        if let Err(mpsc::SendError(Job::Call(_, reply))) = self.jobs.send(job) {
            reply(Answer::None("the thread of the hook has ended".to_owned()));
        }
    }

    /// Makes a call, and blocks until its answer is there.
    pub(super) fn call_now(&self, message: Message) -> Answer {
        let (sender, receiver) = mpsc::channel();
        self.call(message, Box::new(move |answer| drop(sender.send(answer))));
        let lost = |_| Answer::None("the thread of the hook has ended".to_owned());
        receiver.recv().unwrap_or_else(lost)
    }

    /// Calls `then` when the calls that wait are made.
    pub(super) fn after_all(&self, then: Box<dyn FnOnce() + Send>) {
        if let Err(mpsc::SendError(Job::After(then))) = self.jobs.send(Job::After(then)) {
            then();
        }
    }
}

/// Takes jobs until the queue is dropped. The runtime is the thread's own, so its clock is never paused.
fn work(target: &Target, limit: Duration, jobs: &mpsc::Receiver<Job>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return;
    };
    for job in jobs {
        match job {
            Job::Call(message, reply) => reply(runtime.block_on(call(target, limit, &message))),
            Job::After(then) => then(),
        }
    }
}

async fn call(target: &Target, limit: Duration, message: &Message) -> Answer {
    let called = async {
        match target {
            Target::Program(command) => run(command, message).await,
            #[cfg(feature = "check")]
            Target::Webhook(webhook) => webhook.send(message, limit).await,
            #[cfg(feature = "aws")]
            Target::Service(service) => delivered(service.deliver(message.letter()).await),
        }
    };
    let late = |_| Answer::None(format!("no answer within {} s", limit.as_secs()));
    tokio::time::timeout(limit, called)
        .await
        .unwrap_or_else(late)
}

#[cfg(feature = "aws")]
fn delivered(ended: crate::error::Result<()>) -> Answer {
    let Err(error) = ended else {
        return Answer::Ended {
            code: 0,
            line: String::new(),
        };
    };
    let failure = Failure::from(&error);
    Answer::None(match &failure.hint {
        Some(hint) => format!("{failure}; {hint}"),
        None => failure.to_string(),
    })
}

async fn run(command: &Command, message: &Message) -> Answer {
    let command = command.clone().with_input(message.json());
    match SystemCommands::default()
        .runner()
        .run(command, Arc::new(|_, _| {}))
        .await
    {
        Ok(Finished { code, out, err }) => {
            let line = out.iter().chain(&err).find(|line| !line.trim().is_empty());
            let line = line.map(|line| shown(line)).unwrap_or_default();
            match code {
                Some(code) => Answer::Ended { code, line },
                None => Answer::None(format!("a signal ended the program: {line}")),
            }
        }
        Err(error) => Answer::None(Failure::from(&error).to_string()),
    }
}

/// The longest line that is kept of a program's output.
const LONGEST: usize = 200;

fn shown(line: &str) -> String {
    let line: String = line.trim().chars().take(LONGEST).collect();
    visible(&line).into_owned()
}
