//! Asking the holder of a log for a control, from another process.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::{Holder, LeaseState, log::JournalLog};
use crate::{
    engine::{
        LARGEST_REQUEST, Operator, Reply, Request, RequestAnswer, RequestName, RequestStorage,
        RunId, Verb,
    },
    error::{Error, ErrorKind, Result},
};

/// A control to ask for: of the newest run of a log, or of a run that is named.
///
/// # Examples
///
/// See [`JournalLog::ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    verb: Verb,
    by: Operator,
    run: Option<RunId>,
}

impl Ask {
    /// Asks for `verb`. The journal and the outcome name who asks, and why.
    pub fn new(verb: Verb, by: impl Into<Operator>) -> Self {
        Self {
            verb,
            by: by.into(),
            run: None,
        }
    }

    /// Asks this run, and no later run. Default: the newest run.
    #[must_use]
    pub fn of_run(self, run: RunId) -> Self {
        Self {
            run: Some(run),
            ..self
        }
    }
}

/// A request that was made.
#[derive(Debug)]
#[must_use = "the answer says whether the request was carried out"]
pub struct Asked {
    request: Request,
    holder: LeaseState,
    storage: Arc<dyn RequestStorage>,
}

/// The interval of reads of the answer.
const AGAIN: Duration = Duration::from_millis(200);

impl Asked {
    /// The request as it stands in the store.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The holder of the log when the request was made.
    #[must_use]
    pub fn holder(&self) -> &LeaseState {
        &self.holder
    }

    /// Waits for the answer; `None` if there is no answer within `wait`. The request may still be taken after
    /// that, until it [expires](Request::expires).
    ///
    /// # Errors
    ///
    /// If the last read within `wait` failed, or the object is not an answer.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn answer(&self, wait: Duration) -> Result<Option<RequestAnswer>> {
        let end = Instant::now() + wait;
        let name = self.request.name().answer();
        let mut failed = None;
        loop {
            match timeout_at(end, self.storage.read(&name)).await {
                Ok(Ok(bytes)) => {
                    let answer = RequestAnswer::from_json(&bytes);
                    return answer.map(Some).map_err(|error| {
                        let message = format!("read the answer `{name}`: {}", error.message());
                        Error::new(ErrorKind::Refused, message)
                    });
                }
                // S3 answers 403 for an object that is not there, if the right to list is bound to a prefix.
                Ok(Err(error))
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) =>
                {
                    failed = None;
                }
                Ok(Err(error)) => failed = Some(error),
                Err(_) => {}
            }
            if Instant::now() + AGAIN >= end {
                return failed.map_or(Ok(None), Err);
            }
            sleep(AGAIN).await;
        }
    }
}

impl JournalLog {
    /// Asks the run that holds this log for a control. The request is stored when this returns; the
    /// holder lists requests each second while green gets traffic, and each 5 s while it gets none.
    ///
    /// Needs no lock, and writes no record: a request stands beside the log. In S3 the caller needs the right
    /// to write this one kind of request, and to read the journal:
    /// [`IamPolicy::asks`](crate::aws::iam::IamPolicy::asks).
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no run, or the log is free, or the holder is known to have ended: no run is
    /// under way that could be controlled. `Invalid` if [`Verb::Leave`] has no reason, or the request is too
    /// large. Other kinds if the store cannot be read or written.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have stored the request, and the run may carry it out.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> bluegreen::Result<()> {
    /// use bluegreen::{ErrorKind, engine::Verb, store::{Ask, JournalStore}};
    ///
    /// let log = JournalStore::memory().log("rule 7");
    /// let refused = log.ask(Ask::new(Verb::Abort, "ann")).await.unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::NotFound, "no run is under way");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ask(&self, ask: Ask) -> Result<Asked> {
        let attempted = || {
            format!(
                "ask for {} in the journal of `{}`",
                ask.verb.kind(),
                self.subject()
            )
        };
        let failed = |kind, why: &str| Error::new(kind, format!("{}: {why}", attempted()));
        let storage = self
            .requests()
            .ok_or_else(|| failed(ErrorKind::Invalid, "the journal takes no requests"))?;
        if ask.verb == Verb::Leave && ask.by.reason().is_none_or(|text| text.trim().is_empty()) {
            let why = "`leave` needs a reason";
            return Err(failed(ErrorKind::Invalid, why));
        }
        let tail = self.tail().await?;
        let (standing, opening) =
            futures_util::try_join!(self.lease_state_of(&tail), self.opening_of(&tail))?;
        let holder = standing.filter(|standing| standing.holder.is_some());
        let holder = holder.ok_or_else(|| {
            failed(
                ErrorKind::NotFound,
                "no controller holds it, so no run is under way",
            )
        })?;
        if let Some(dead) = holder.holder.as_ref().filter(|one| one.has_ended()) {
            let why = format!("its holder is {dead}, and that process has ended");
            return Err(failed(ErrorKind::NotFound, &why));
        }
        if let Some(hint) = holder.holder.as_ref().and_then(Holder::hint) {
            let why = "the run that holds it hears no requests beside its journal";
            return Err(failed(ErrorKind::NotFound, why).with_hint(hint));
        }
        let newest = opening.and_then(|opening| opening.run());
        let run = ask.run.clone().or(newest);
        let run = run.ok_or_else(|| failed(ErrorKind::NotFound, "the journal holds no run"))?;
        let nonce = uuid::Uuid::new_v4().to_string();
        let request = Request::new(run, nonce, ask.verb.clone(), &ask.by, holder.last);
        let bytes = serde_json::to_vec_pretty(&request)
            .map_err(|error| failed(ErrorKind::Invalid, "write it as JSON").with_source(error))?;
        if bytes.len() as u64 > LARGEST_REQUEST {
            let why =
                format!("the request has more than {LARGEST_REQUEST} bytes: shorten the reason");
            return Err(failed(ErrorKind::Invalid, &why));
        }
        storage.create(&request.name().to_string(), bytes).await?;
        Ok(Asked {
            request,
            holder,
            storage: Arc::clone(storage),
        })
    }

    /// Returns the requests to the newest run that are not answered yet, at most 20, in no order. Unreadable
    /// requests are left out.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn open_requests(&self) -> Result<Vec<Request>> {
        /// More than a person reads.
        const MOST: usize = 1_000;
        const SHOWN: usize = 20;
        let Some(storage) = self.requests() else {
            return Ok(Vec::new());
        };
        let tail = self.tail().await?;
        let Some(run) = self.opening_of(&tail).await?.and_then(|one| one.run()) else {
            return Ok(Vec::new());
        };
        let names = storage.names(&RequestName::folder_of(&run), MOST).await?;
        let names: Vec<_> = names
            .iter()
            .filter_map(|name| RequestName::parsed(name))
            .collect();
        let is_open = |name: &RequestName| !names.contains(&(name.clone(), true));
        let open = names
            .iter()
            .filter(|(name, is_answer)| !is_answer && is_open(name));
        let mut requests = Vec::new();
        for (name, _) in open.take(SHOWN) {
            if let Ok(bytes) = storage.read(&name.to_string()).await {
                requests.extend(Request::from_json(&bytes));
            }
        }
        Ok(requests)
    }

    /// Asks the holder to abort, and waits for its reply for `wait` in all; `None` if no
    /// holder answers.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask) and [`Asked::answer`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have stored the request, and the run may carry it out.
    pub async fn ask_to_abort(&self, by: Operator, wait: Duration) -> Result<Option<Reply>> {
        let end = Instant::now() + wait;
        let ask = Ask::new(Verb::Abort, by);
        let Ok(asked) = timeout_at(end, self.ask(ask)).await else {
            return Ok(None);
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let answer = asked
            .answer(end.saturating_duration_since(Instant::now()))
            .await?;
        Ok(answer.map(|answer| answer.reply))
    }
}
