//! An alarm over metrics, read from the request that makes one
//! ([PutMetricAlarm](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html)).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    evaluation::{Missing, Needed},
    expression::Term,
};
use crate::aws::sim::state::series::Series;

/// The seconds of a day, and of a week.
const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;
/// What a request may have without any effect here.
const WITHOUT_EFFECT: [&str; 6] = [
    "AlarmDescription",
    "ActionsEnabled",
    "AlarmActions",
    "OKActions",
    "InsufficientDataActions",
    "Tags",
];
const KNOWN: [&str; 12] = [
    "AlarmName",
    "ComparisonOperator",
    "Threshold",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "TreatMissingData",
    "Metrics",
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "ExtendedStatistic",
];

/// An alarm over metrics.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) needed: Needed,
    pub(super) term: Term,
    /// The metrics of the expression, by name.
    pub(super) statistics: BTreeMap<String, Statistic>,
    /// Seconds: a multiple of 60.
    pub(super) period: i64,
    comparison: Comparison,
    threshold: f64,
}

/// One statistic of one metric.
#[derive(Debug, Clone)]
pub(super) struct Statistic {
    /// `None` for a metric that this world does not have: CloudWatch takes an alarm on such a metric.
    pub(super) series: Option<Series>,
    pub(super) name: String,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Setting {
    /// Reads a request. Refuses what CloudWatch refuses, and what this world cannot evaluate.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let fields = value.as_object().ok_or("an alarm is an object")?;
        let is_known = |field: &&String| {
            let field = field.as_str();
            field == "Period" || KNOWN.contains(&field) || WITHOUT_EFFECT.contains(&field)
        };
        if let Some(field) = fields.keys().find(|field| !is_known(field)) {
            return Err(format!(
                "the simulation does not know `{field}` of an alarm"
            ));
        }
        let text = |field: &str| value[field].as_str().ok_or(format!("{field} is required"));
        let periods = whole(value, "EvaluationPeriods")?.ok_or("EvaluationPeriods is required")?;
        let to_alarm = whole(value, "DatapointsToAlarm")?.unwrap_or(periods);
        if to_alarm > periods {
            return Err("DatapointsToAlarm must not be greater than EvaluationPeriods".to_owned());
        }
        let comparison = match text("ComparisonOperator")? {
            "GreaterThanThreshold" => Comparison::Greater,
            "GreaterThanOrEqualToThreshold" => Comparison::GreaterOrEqual,
            "LessThanThreshold" => Comparison::Less,
            "LessThanOrEqualToThreshold" => Comparison::LessOrEqual,
            other => {
                return Err(format!(
                    "the simulation does not know the comparison {other}"
                ));
            }
        };
        let missing = match value["TreatMissingData"].as_str() {
            None | Some("missing") => Missing::Unknown,
            Some("ignore") => Missing::Ignore,
            Some("breaching") => Missing::Breaching,
            Some("notBreaching") => Missing::NotBreaching,
            Some(other) => return Err(format!("{other} is no value of TreatMissingData")),
        };
        let (term, statistics, period) = match value.get("Metrics") {
            Some(metrics) => of_metrics(metrics)?,
            None => {
                let (statistic, period) = of_request(value)?;
                let name = "m".to_owned();
                let statistics = BTreeMap::from([(name.clone(), statistic)]);
                (Term::Name(name), statistics, period)
            }
        };
        let span = period.saturating_mul(i64::try_from(periods).unwrap_or(i64::MAX));
        if span > WEEK || (period < 3_600 && span > DAY) {
            return Err("Period times EvaluationPeriods is too long".to_owned());
        }
        Ok(Self {
            name: text("AlarmName")?.to_owned(),
            needed: Needed {
                periods,
                to_alarm,
                missing,
            },
            term,
            statistics,
            period,
            comparison,
            threshold: value["Threshold"].as_f64().ok_or("Threshold is required")?,
        })
    }

    pub(super) fn breaches(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Greater => value > self.threshold,
            Comparison::GreaterOrEqual => value >= self.threshold,
            Comparison::Less => value < self.threshold,
            Comparison::LessOrEqual => value <= self.threshold,
        }
    }
}

/// A whole number from 1 on, if the field is there.
fn whole(value: &Value, field: &str) -> Result<Option<usize>, String> {
    let Some(value) = value.get(field) else {
        return Ok(None);
    };
    let number = value.as_u64().filter(|number| *number > 0);
    let number = number.and_then(|number| usize::try_from(number).ok());
    let number = number.ok_or_else(|| format!("{field} must be a whole number from 1 on"))?;
    Ok(Some(number))
}

fn period_of(value: &Value) -> Result<i64, String> {
    let period = value["Period"].as_i64();
    let period = period.filter(|period| *period > 0 && period % 60 == 0);
    period.ok_or_else(|| "Period must be a multiple of 60 here".to_owned())
}

fn series(metric: &Value) -> Result<Option<Series>, String> {
    let text = |field: &str| metric[field].as_str().ok_or(format!("{field} is required"));
    let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
    let dimensions =
        dimensions.filter_map(|one| Some((one["Name"].as_str()?, one["Value"].as_str()?)));
    Ok(Series::of(
        text("Namespace")?,
        text("MetricName")?,
        dimensions.collect(),
    ))
}

fn statistic(metric: &Value, name: &str) -> Result<Statistic, String> {
    let is_known = ["Sum", "SampleCount", "Average", "Minimum", "Maximum"].contains(&name)
        || name
            .strip_prefix('p')
            .is_some_and(|percent| percent.parse::<f64>().is_ok())
        || name.starts_with("TC(:");
    if !is_known {
        return Err(format!("the simulation does not know the statistic {name}"));
    }
    Ok(Statistic {
        series: series(metric)?,
        name: name.to_owned(),
    })
}

/// An alarm over one metric, whose fields stand in the request itself.
fn of_request(value: &Value) -> Result<(Statistic, i64), String> {
    let name = value["Statistic"]
        .as_str()
        .or(value["ExtendedStatistic"].as_str());
    let name = name.ok_or("Statistic or ExtendedStatistic is required")?;
    Ok((statistic(value, name)?, period_of(value)?))
}

/// An alarm over several metrics and an expression.
fn of_metrics(metrics: &Value) -> Result<(Term, BTreeMap<String, Statistic>, i64), String> {
    let all = metrics.as_array().ok_or("Metrics is a list")?;
    let mut expressions = BTreeMap::new();
    let mut statistics = BTreeMap::new();
    let mut periods = Vec::new();
    let mut returned = Vec::new();
    for one in all {
        let id = one["Id"].as_str().ok_or("Id is required")?;
        if expressions.contains_key(id) || statistics.contains_key(id) {
            return Err(format!("Id {id} is there twice"));
        }
        // A metric returns its data unless it says otherwise.
        if one["ReturnData"] != false {
            returned.push(id);
        }
        match one["Expression"].as_str() {
            Some(text) => {
                expressions.insert(id.to_owned(), Term::read(text)?);
            }
            None => {
                let stat = &one["MetricStat"];
                let name = stat["Stat"].as_str().ok_or("MetricStat.Stat is required")?;
                statistics.insert(id.to_owned(), statistic(&stat["Metric"], name)?);
                periods.push(period_of(stat)?);
            }
        }
    }
    let [returned] = returned[..] else {
        return Err("exactly one of Metrics must have ReturnData true".to_owned());
    };
    let term = Term::Name(returned.to_owned()).resolved(&expressions, 0)?;
    if let Some(name) = term
        .names()
        .into_iter()
        .find(|name| !statistics.contains_key(*name))
    {
        return Err(format!("there is no metric with the Id {name}"));
    }
    periods.dedup();
    match periods[..] {
        [period] => Ok((term, statistics, period)),
        _ => Err("the metrics of an alarm have one Period".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alarm(change: impl FnOnce(&mut Value)) -> Result<Setting, String> {
        let mut alarm = json!({
            "AlarmName": "errors", "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:on-call"],
            "Namespace": "AWS/ApplicationELB", "MetricName": "HTTPCode_Target_5XX_Count",
            "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 3, "DatapointsToAlarm": 2,
            "Threshold": 5.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold"
        });
        change(&mut alarm);
        Setting::read(&alarm)
    }

    #[test]
    fn a_request_is_read_with_the_defaults_of_cloudwatch() {
        let read = alarm(|_| {}).expect("valid");
        assert_eq!((read.needed.periods, read.needed.to_alarm), (3, 2));
        assert_eq!(read.needed.missing, Missing::Unknown);
        assert_eq!([4.9, 5.0].map(|value| read.breaches(value)), [false, true]);
        let all = alarm(|alarm| {
            alarm
                .as_object_mut()
                .expect("an object")
                .remove("DatapointsToAlarm");
        });
        assert_eq!(all.expect("valid").needed.to_alarm, 3);
    }

    #[test]
    fn what_cloudwatch_refuses_and_what_cannot_be_evaluated_is_refused() {
        type Wrong = (&'static str, Value);
        let wrong: [Wrong; 10] = [
            ("EvaluationPeriods", json!(0)),
            ("DatapointsToAlarm", json!(4)),
            ("Period", json!(90)),
            ("Period", json!(86_400)),
            ("TreatMissingData", json!("bad")),
            ("ComparisonOperator", json!("LessThanLowerThreshold")),
            ("Threshold", json!("five")),
            ("Statistic", json!("Median")),
            ("Unit", json!("Count")),
            ("Metrics", json!([{"Id": "e", "Expression": "x"}])),
        ];
        for (field, value) in wrong {
            let read = alarm(|alarm| {
                alarm[field] = value.clone();
                if field == "Period" && value == 86_400 {
                    alarm["EvaluationPeriods"] = json!(8);
                }
            });
            assert!(read.is_err(), "{field}: {value}");
        }
    }

    #[test]
    fn an_expression_names_its_metrics_and_one_of_them_is_returned() {
        let stat = |id: &str, period: u32| {
            json!({"Id": id, "ReturnData": false, "MetricStat": {
                "Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount"},
                "Period": period, "Stat": "Sum"}})
        };
        let share = json!({"Id": "share", "Expression": "100 * a / b"});
        let good = json!([stat("a", 60), stat("b", 60), share]);
        let read = alarm(|alarm| alarm["Metrics"] = good).expect("valid");
        assert_eq!(read.term.names(), ["a", "b"]);
        for wrong in [
            json!([stat("a", 60), stat("b", 120), share]),
            json!([stat("a", 60), share]),
            json!([stat("a", 60), stat("a", 60), share]),
            json!([stat("a", 60), stat("b", 60)]),
        ] {
            assert!(
                alarm(|alarm| alarm["Metrics"] = wrong.clone()).is_err(),
                "{wrong}"
            );
        }
    }
}
