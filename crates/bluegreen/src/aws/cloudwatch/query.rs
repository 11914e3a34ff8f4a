//! One batched GetMetricData with all its pages, and a check of its answer.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_cloudwatch::{
    operation::get_metric_data::builders::GetMetricDataInputBuilder,
    types::{
        Dimension, MessageData, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy,
        StatusCode,
    },
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use crate::{
    aws::Aws,
    error::{Error, ErrorKind, Result},
};

/// The datapoints of one query, by the start of their bucket.
pub(super) type Series = BTreeMap<Timestamp, f64>;

/// One metric and one statistic of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// Names the answer: a lower-case letter, then letters, digits and underscores.
    pub(super) id: String,
    pub(super) namespace: String,
    pub(super) metric: String,
    pub(super) dimensions: Vec<(String, String)>,
    pub(super) statistic: String,
}

/// The most pages that are read: everything that is ever asked for fits into one or two.
const MOST_PAGES: usize = 50;

/// Reads all queries over `from..to` in one batch, page by page.
///
/// Every query must be answered `Complete` in the end: half an answer counts as none. No unit is
/// sent, since a unit that does not fit finds nothing, and CloudWatch does not say so.
pub(super) async fn read(
    aws: &Aws,
    queries: &[Query],
    period: Duration,
    from: Timestamp,
    to: Timestamp,
) -> Result<BTreeMap<String, Series>> {
    let request = request(queries, period, from, to);
    let mut answers: BTreeMap<&str, Answer> = BTreeMap::new();
    let mut messages: Vec<MessageData> = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let page = request.clone().set_next_token(token.clone());
        let page = aws
            .cloudwatch
            .get_metric_data(page)
            .await
            .map_err(|error| error.into_error(attempted(queries)))?;
        messages.extend(page.messages.unwrap_or_default());
        for result in page.metric_data_results.unwrap_or_default() {
            let id = result.id.as_deref().unwrap_or_default();
            let Some(query) = queries.iter().find(|query| query.id == id) else {
                return Err(refused(
                    queries,
                    format!("an answer to `{id}`, which was not asked"),
                ));
            };
            let answer = answers.entry(&query.id).or_default();
            answer.add(query, result, from..to, period)?;
        }
        let next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return finish(queries, answers, &messages);
        }
        if next == token {
            return Err(refused(
                queries,
                "the same page token twice in a row".into(),
            ));
        }
        token = next;
    }
    Err(refused(queries, format!("more than {MOST_PAGES} pages")))
}

fn request(
    queries: &[Query],
    period: Duration,
    from: Timestamp,
    to: Timestamp,
) -> GetMetricDataInputBuilder {
    let period = i32::try_from(period.as_secs()).unwrap_or(i32::MAX);
    let queries = queries.iter().map(|query| {
        let dimensions = query.dimensions.iter();
        let dimensions =
            dimensions.map(|(name, value)| Dimension::builder().name(name).value(value).build());
        let metric = Metric::builder()
            .namespace(&query.namespace)
            .metric_name(&query.metric)
            .set_dimensions(Some(dimensions.collect()))
            .build();
        let stat = MetricStat::builder()
            .metric(metric)
            .period(period)
            .stat(&query.statistic)
            .build();
        MetricDataQuery::builder()
            .id(&query.id)
            .metric_stat(stat)
            .return_data(true)
            .build()
    });
    GetMetricDataInputBuilder::default()
        .set_metric_data_queries(Some(queries.collect()))
        .start_time(DateTime::from_secs(from.as_second()))
        .end_time(DateTime::from_secs(to.as_second()))
        .scan_by(ScanBy::TimestampAscending)
}

/// The answer to one query, from the pages so far.
#[derive(Debug, Default)]
struct Answer {
    series: Series,
    status: Option<StatusCode>,
    messages: Vec<MessageData>,
}

impl Answer {
    /// Adds a page. Datapoints may come in any order; if two are for the same bucket, the later
    /// page counts.
    fn add(
        &mut self,
        query: &Query,
        result: MetricDataResult,
        window: std::ops::Range<Timestamp>,
        period: Duration,
    ) -> Result<()> {
        self.messages.extend(result.messages.unwrap_or_default());
        match result.status_code {
            Some(StatusCode::Complete | StatusCode::PartialData) => {}
            status => return Err(failed(query, status.as_ref(), &self.messages)),
        }
        self.status = result.status_code;
        let times = result.timestamps.unwrap_or_default();
        let values = result.values.unwrap_or_default();
        let wrong = |what: String| refused(std::slice::from_ref(query), what);
        if times.len() != values.len() {
            let (times, values) = (times.len(), values.len());
            return Err(wrong(format!("{times} times for {values} values")));
        }
        for (time, value) in times.into_iter().zip(values) {
            if !value.is_finite() || value < 0.0 {
                return Err(wrong(format!("a value of {value}")));
            }
            let time = Timestamp::from_second(time.secs())
                .map_err(|error| wrong(format!("a time of {time:?}")).with_source(error))?;
            if !window.contains(&time) {
                continue;
            }
            let offset = (time.as_second() - window.start.as_second()).unsigned_abs();
            if !offset.is_multiple_of(period.as_secs().max(1)) {
                return Err(wrong(format!("a bucket that begins at {time}")));
            }
            self.series.insert(time, value);
        }
        Ok(())
    }
}

/// All answers, if all are complete.
fn finish(
    queries: &[Query],
    mut answers: BTreeMap<&str, Answer>,
    messages: &[MessageData],
) -> Result<BTreeMap<String, Series>> {
    let mut all = BTreeMap::new();
    for query in queries {
        let answer = answers.remove(query.id.as_str()).unwrap_or_default();
        if answer.status != Some(StatusCode::Complete) {
            let said = [answer.messages.as_slice(), messages].concat();
            return Err(failed(query, answer.status.as_ref(), &said));
        }
        all.insert(query.id.clone(), answer.series);
    }
    if !messages.is_empty() {
        tracing::warn!(
            messages = say(messages),
            "CloudWatch answered with a message"
        );
    }
    Ok(all)
}

/// A query that was not answered completely.
fn failed(query: &Query, status: Option<&StatusCode>, messages: &[MessageData]) -> Error {
    let kind = match status {
        Some(StatusCode::Forbidden) => ErrorKind::Denied,
        _ => ErrorKind::Unavailable,
    };
    let said = match (status, messages) {
        (Some(status), []) => format!("CloudWatch answered {status}"),
        (Some(status), messages) => format!("CloudWatch answered {status}: {}", say(messages)),
        (None, []) => "CloudWatch gave no answer".to_owned(),
        (None, messages) => format!("CloudWatch gave no answer: {}", say(messages)),
    };
    Error::new(kind, attempted(std::slice::from_ref(query))).with_source(said)
}

/// An answer that makes no sense.
fn refused(queries: &[Query], what: String) -> Error {
    Error::new(ErrorKind::Unavailable, attempted(queries))
        .with_source(format!("CloudWatch answered with {what}"))
}

fn say(messages: &[MessageData]) -> String {
    let messages = messages.iter().map(|message| {
        let code = message.code.as_deref().unwrap_or("message");
        format!("{code}: {}", message.value.as_deref().unwrap_or_default())
    });
    messages.collect::<Vec<_>>().join("; ")
}

fn attempted(queries: &[Query]) -> String {
    match queries {
        [query] => {
            let dimensions = query.dimensions.iter();
            let dimensions: Vec<String> = dimensions
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!(
                "read metric {} {} of {} ({})",
                query.namespace,
                query.metric,
                dimensions.join(", "),
                query.statistic
            )
        }
        [first, ..] => format!("read {} metrics of {}", queries.len(), first.namespace),
        [] => "read no metrics".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
    use mockall::{Sequence, predicate::eq};

    use super::*;
    use crate::aws::{
        api::{ApiError, MockCloudWatchApi},
        cloudwatch::testing::{START, at, aws, page, result},
    };

    const MINUTE: Duration = Duration::from_secs(60);

    fn query(id: &str) -> Query {
        Query {
            id: id.to_owned(),
            namespace: "Acme/App".to_owned(),
            metric: "Requests".to_owned(),
            dimensions: vec![("Endpoint".to_owned(), "/chat".to_owned())],
            statistic: "Sum".to_owned(),
        }
    }

    async fn answer(pages: Vec<GetMetricDataOutput>) -> Result<BTreeMap<String, Series>> {
        let mut api = MockCloudWatchApi::new();
        let mut order = Sequence::new();
        for page in pages {
            api.expect_get_metric_data()
                .times(1)
                .in_sequence(&mut order)
                .return_once(|_| Ok(page));
        }
        read(&aws(api), &[query("a"), query("b")], MINUTE, at(0), at(300)).await
    }

    fn with_token(mut page: GetMetricDataOutput, token: &str) -> GetMetricDataOutput {
        page.next_token = Some(token.to_owned());
        page
    }

    fn complete(id: &str) -> MetricDataResult {
        result(id, StatusCode::Complete, &[(0, 1.0)])
    }

    #[tokio::test]
    async fn sends_the_whole_request_and_the_token_of_each_page() {
        let stat = MetricStat::builder()
            .metric(
                Metric::builder()
                    .namespace("Acme/App")
                    .metric_name("Requests")
                    .dimensions(Dimension::builder().name("Endpoint").value("/chat").build())
                    .build(),
            )
            .period(60)
            .stat("Sum")
            .build();
        let expected = GetMetricDataInputBuilder::default()
            .metric_data_queries(
                MetricDataQuery::builder()
                    .id("a")
                    .metric_stat(stat)
                    .return_data(true)
                    .build(),
            )
            .start_time(DateTime::from_secs(START))
            .end_time(DateTime::from_secs(START + 120))
            .scan_by(ScanBy::TimestampAscending);
        let mut api = MockCloudWatchApi::new();
        let mut order = Sequence::new();
        api.expect_get_metric_data()
            .with(eq(expected.clone()))
            .times(1)
            .in_sequence(&mut order)
            .returning(|_| {
                let first = result("a", StatusCode::PartialData, &[(0, 3.0)]);
                Ok(with_token(page(vec![first]), "2"))
            });
        api.expect_get_metric_data()
            .with(eq(expected.next_token("2")))
            .times(1)
            .in_sequence(&mut order)
            .returning(|_| Ok(page(vec![result("a", StatusCode::Complete, &[(60, 4.0)])])));
        let answers = read(&aws(api), &[query("a")], MINUTE, at(0), at(120))
            .await
            .expect("complete");
        assert_eq!(answers["a"], Series::from([(at(0), 3.0), (at(60), 4.0)]));
    }

    /// The newest datapoint may be listed first; a reader that takes the last of the list for the
    /// newest takes the oldest.
    #[tokio::test]
    async fn order_is_not_trusted_and_the_later_word_counts() {
        let newest_first = result(
            "a",
            StatusCode::PartialData,
            &[(240, 9.0), (0, 1.0), (120, 5.0)],
        );
        let again = result("a", StatusCode::Complete, &[(240, 10.0), (900, 7.0)]);
        let pages = vec![
            with_token(page(vec![newest_first, complete("b")]), "2"),
            page(vec![again]),
        ];
        let answers = answer(pages).await.expect("complete");
        let series = Series::from([(at(0), 1.0), (at(120), 5.0), (at(240), 10.0)]);
        assert_eq!(
            answers["a"], series,
            "sorted, and nothing outside the window"
        );
    }

    #[tokio::test]
    async fn an_empty_answer_is_an_answer() {
        let none = |id| result(id, StatusCode::Complete, &[]);
        let answers = answer(vec![page(vec![none("a"), none("b")])]).await;
        assert!(answers.expect("complete").values().all(BTreeMap::is_empty));
    }

    #[tokio::test]
    async fn anything_but_complete_is_an_error_that_names_the_metric() {
        let cases = [
            (StatusCode::Forbidden, ErrorKind::Denied),
            (StatusCode::InternalError, ErrorKind::Unavailable),
            (StatusCode::PartialData, ErrorKind::Unavailable),
            (StatusCode::from("Novel"), ErrorKind::Unavailable),
        ];
        for (status, kind) in cases {
            let mut bad = result("b", status.clone(), &[(0, 1.0)]);
            bad.messages = Some(vec![
                MessageData::builder().code("Why").value("because").build(),
            ]);
            let error = answer(vec![page(vec![complete("a"), bad])])
                .await
                .expect_err("not complete");
            assert_eq!(error.kind(), kind, "{status}");
            assert_eq!(
                error.message(),
                "read metric Acme/App Requests of Endpoint=/chat (Sum)"
            );
            let source = std::error::Error::source(&error).expect("a cause");
            assert_eq!(
                source.to_string(),
                format!("CloudWatch answered {status}: Why: because")
            );
        }
    }

    #[tokio::test]
    async fn a_query_without_answer_is_an_error_with_the_messages_of_the_call() {
        let mut short = page(vec![complete("a")]);
        let message = MessageData::builder().code("MaxMetricsExceeded").build();
        short.messages = Some(vec![message]);
        let error = answer(vec![short]).await.expect_err("b is missing");
        let source = std::error::Error::source(&error).expect("a cause");
        assert!(
            source.to_string().contains("MaxMetricsExceeded"),
            "{source}"
        );
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_meant() {
        let status = StatusCode::Complete;
        let mut uneven = complete("a");
        uneven.values = Some(vec![]);
        let wrong = [
            result("a", status.clone(), &[(0, f64::NAN)]),
            result("a", status.clone(), &[(0, f64::INFINITY)]),
            result("a", status.clone(), &[(0, -1.0)]),
            result("a", status.clone(), &[(30, 1.0)]),
            complete("never_asked"),
            uneven,
        ];
        for wrong in wrong {
            let error = answer(vec![page(vec![wrong.clone(), complete("b")])])
                .await
                .expect_err("cannot be meant");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn pages_that_do_not_end_are_an_error() {
        let same = || with_token(page(vec![complete("a"), complete("b")]), "same");
        let error = answer(vec![same(), same()]).await.expect_err("endless");
        assert_eq!(error.kind(), ErrorKind::Unavailable);

        let mut api = MockCloudWatchApi::new();
        let mut token = 0;
        api.expect_get_metric_data()
            .times(MOST_PAGES)
            .returning(move |_| {
                token += 1;
                Ok(with_token(page(vec![complete("a")]), &token.to_string()))
            });
        let error = read(&aws(api), &[query("a")], MINUTE, at(0), at(60)).await;
        assert_eq!(error.expect_err("endless").kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn a_throttled_call_is_throttled() {
        let mut api = MockCloudWatchApi::new();
        api.expect_get_metric_data().times(1).returning(|_| {
            let kind = ErrorKind::Throttled;
            Err(ApiError::new(
                kind,
                "GetMetricData",
                "Throttling",
                "Rate exceeded",
            ))
        });
        let error = read(&aws(api), &[query("a"), query("b")], MINUTE, at(0), at(60))
            .await
            .expect_err("throttled");
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert_eq!(error.message(), "read 2 metrics of Acme/App");
    }
}
