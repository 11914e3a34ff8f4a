//! Answers to compare.

use crate::check::{HttpFailure, HttpResponse};

/// An answer, or why there is none.
pub(crate) type Reply = Result<HttpResponse, HttpFailure>;

/// What both services answered to the same request. Blue is asked before green and after green.
#[derive(Debug, Clone)]
pub(crate) struct Replies {
    pub(crate) blue: [Reply; 2],
    pub(crate) green: Reply,
}
