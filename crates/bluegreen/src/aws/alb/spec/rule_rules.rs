//! What AWS checks of a listener rule beyond its model.
//!
//! If no other page is named, a rule's source is the text of
//! [CreateRule](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html)
//! and of the types that it names.

use std::net::IpAddr;

use serde_json::Value;

use crate::aws::{
    alb::{ListenerArn, TargetGroupArn},
    document::{Told, is_said, list, placeholders, strings, tags, text, unwise, wrong},
};

/// Each condition, its own configuration, and whether that takes regular expressions.
const CONDITIONS: [(&str, &str, bool); 6] = [
    ("host-header", "HostHeaderConfig", true),
    ("path-pattern", "PathPatternConfig", true),
    ("http-header", "HttpHeaderConfig", true),
    ("http-request-method", "HttpRequestMethodConfig", false),
    ("query-string", "QueryStringConfig", false),
    ("source-ip", "SourceIpConfig", false),
];
/// Each action and its own configuration.
const ACTIONS: [(&str, &str); 6] = [
    ("forward", "ForwardConfig"),
    ("redirect", "RedirectConfig"),
    ("fixed-response", "FixedResponseConfig"),
    ("authenticate-cognito", "AuthenticateCognitoConfig"),
    ("authenticate-oidc", "AuthenticateOidcConfig"),
    ("jwt-validation", "JwtValidationConfig"),
];
const TRANSFORMS: [(&str, &str); 2] = [
    ("host-header-rewrite", "HostHeaderRewriteConfig"),
    ("url-rewrite", "UrlRewriteConfig"),
];
/// [Quotas](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html).
const MOST_VALUES: usize = 5;
const MOST_WILDCARDS: usize = 5;
const MOST_GROUPS: usize = 5;
const LONGEST_VALUE: usize = 128;
const LONGEST_NAME: usize = 40;
const CONTENT_TYPES: [&str; 5] = [
    "text/plain",
    "text/css",
    "text/html",
    "application/javascript",
    "application/json",
];

/// Returns every problem of a rule beyond the model.
pub(super) fn rule(document: &Value, green: Option<&TargetGroupArn>) -> Vec<Told> {
    let mut told = Vec::new();
    placeholders("", document, &mut told);
    told.extend(tags(document, "Tags", "Key"));
    let listener = text(document, "ListenerArn");
    if !listener.is_empty() && listener.parse::<ListenerArn>().is_err() {
        let message = format!("`{listener}` is not a listener's ARN");
        told.push(wrong(
            "ListenerArn",
            message,
            "aws elbv2 describe-listeners",
        ));
    }
    conditions(document, &mut told);
    actions(document, green, &mut told);
    for (place, one) in list(document, "/Transforms") {
        let path = format!("Transforms[{place}]");
        part_of(&path, one, text(one, "Type"), &TRANSFORMS, &mut told);
        let same = |(_, other): (usize, &Value)| text(other, "Type") == text(one, "Type");
        if list(document, "/Transforms").take(place).any(same) {
            let message = format!("{} stands twice", text(one, "Type"));
            told.push(wrong(&path, message, "each type once"));
        }
    }
    told
}

/// Tells of configurations that belong to another type, and of a missing own one.
fn part_of(path: &str, one: &Value, kind: &str, known: &[(&str, &str)], told: &mut Vec<Told>) {
    for (other, config) in known {
        let is_there = one.get(config).is_some_and(|config| !config.is_null());
        if *other != kind && is_there {
            let message = format!("it is for {other}, and this is {kind}");
            told.push(wrong(&format!("{path}.{config}"), message, "leave it out"));
        } else if *other == kind && !is_there && kind != "forward" {
            let message = format!("{kind} needs it");
            told.push(wrong(
                &format!("{path}.{config}"),
                message,
                "say what it does",
            ));
        }
    }
}

fn conditions(document: &Value, told: &mut Vec<Told>) {
    let (mut sum, mut wildcards) = (0, 0);
    for (place, one) in list(document, "/Conditions") {
        let path = format!("Conditions[{place}]");
        let at = |field: &str| format!("{path}.{field}");
        let field = text(one, "Field");
        let known = CONDITIONS.iter().find(|(name, ..)| *name == field);
        let Some((_, config, has_regex)) = known else {
            let names: Vec<&str> = CONDITIONS.iter().map(|(name, ..)| *name).collect();
            let message = format!("there is no condition `{field}`");
            told.push(wrong(&at("Field"), message, &names.join(", ")));
            continue;
        };
        for (_, other, _) in CONDITIONS.iter().filter(|(name, ..)| *name != field) {
            if one.get(other).is_some_and(is_said) {
                let message = format!("it is for another condition than {field}");
                told.push(wrong(&at(other), message, "leave it out"));
            }
        }
        let own = one.get(config).unwrap_or(&Value::Null);
        let of_query = list(own, "/Values").map(|(_, pair)| text(pair, "Value").to_owned());
        let mut values = match field {
            "query-string" => of_query.collect(),
            _ => strings(own, "Values"),
        };
        values.extend(strings(one, "Values"));
        let mut patterns = strings(own, "RegexValues");
        patterns.extend(strings(one, "RegexValues"));
        sum += values.len() + patterns.len();
        wildcards += values
            .iter()
            .flat_map(|one| one.chars())
            .filter(|c| matches!(c, '*' | '?'))
            .count();
        let is_short = own.is_null();
        if field == "source-ip" && !text(own, "IpAddressType").is_empty() {
            let message = "it is for Network Load Balancers, not for Application Load Balancers";
            let hint = "name addresses in Values, such as 10.0.0.0/8";
            told.push(wrong(&at("SourceIpConfig.IpAddressType"), message, hint));
        } else if values.is_empty() && patterns.is_empty() {
            told.push(wrong(&path, "it has no values", "write at least one"));
        }
        if !values.is_empty() && !patterns.is_empty() {
            let message = "Values and RegexValues exclude each other";
            told.push(wrong(&path, message, "leave one of them out"));
        }
        if !patterns.is_empty() && !has_regex {
            let message = format!("{field} takes no regular expressions");
            told.push(wrong(&path, message, "write Values"));
        }
        let has_short = is_said(&one["Values"]);
        if is_short && has_short && !["host-header", "path-pattern"].contains(&field) {
            let message = format!(
                "`Values` outside of a config is only for hosts and paths; this needs {config}"
            );
            let hint = "see `aws elbv2 create-rule help`";
            told.push(wrong(&at("Values"), message, hint));
        } else if !is_short && has_short {
            let message = format!("it stands beside {config}");
            told.push(wrong(&at("Values"), message, "leave one of them out"));
        } else if is_short && values.len() > 1 {
            let message = format!("AWS documents a single value here: write several in {config}");
            told.push(unwise(&at("Values"), message));
        }
        if field == "http-header" {
            let at = at("HttpHeaderConfig.HttpHeaderName");
            match text(own, "HttpHeaderName") {
                "" => told.push(wrong(&at, "the header has no name", "name it")),
                name if name.eq_ignore_ascii_case("host") => {
                    let message = "hosts have a condition of their own";
                    told.push(wrong(&at, message, "write host-header"));
                }
                name if name.len() > LONGEST_NAME => {
                    let message = format!("{} characters", name.len());
                    told.push(wrong(&at, message, "40 at most"));
                }
                _ => {}
            }
        }
        for value in values.iter().chain(&patterns) {
            if value.chars().count() > LONGEST_VALUE {
                let message = format!("{} characters", value.chars().count());
                told.push(wrong(&path, message, "128 at most"));
            }
        }
        for value in &values {
            if let Some((why, hint)) = unfit(field, value) {
                told.push(wrong(&path, format!("`{value}`: {why}"), hint));
            }
        }
    }
    if list(document, "/Conditions").next().is_none() {
        let message = "a rule without conditions would take every request";
        told.push(wrong("Conditions", message, "name hosts, paths or headers"));
    } else if sum > MOST_VALUES {
        let message = format!("{sum} values in all, and a rule may have {MOST_VALUES}");
        told.push(wrong("Conditions", message, "split the rule in two"));
    }
    if wildcards > MOST_WILDCARDS {
        let message = format!("{wildcards} wildcards in all, and a rule may have {MOST_WILDCARDS}");
        told.push(wrong(
            "Conditions",
            message,
            "split the rule in two, or write RegexValues",
        ));
    }
}

/// Why a value can match nothing, or is not valid, and a hint.
fn unfit(field: &str, value: &str) -> Option<(&'static str, &'static str)> {
    let all = |also: &str| {
        let mut chars = value.chars();
        chars.all(|c| c.is_ascii_alphanumeric() || also.contains(c))
    };
    match field {
        "host-header" if !all("-.*?_") => Some((
            "not a host: a host has letters, digits, `-`, `.` and the wildcards `*` and `?`",
            "leave out scheme, port and path; for a host with a port write RegexValues",
        )),
        "http-request-method"
            if !value
                .chars()
                .all(|c| c.is_ascii_uppercase() || "-_".contains(c)) =>
        {
            Some((
                "not a method: methods are compared in capitals",
                "such as GET",
            ))
        }
        "source-ip" if !is_block(value) => Some(("not a block of addresses", "such as 10.0.0.0/8")),
        _ => None,
    }
}

fn is_block(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        let most = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    })
}

fn actions(document: &Value, green: Option<&TargetGroupArn>, told: &mut Vec<Told>) {
    let all: Vec<&Value> = list(document, "/Actions").map(|(_, one)| one).collect();
    let ends = |one: &&&Value| {
        let kind = text(one, "Type");
        kind != "jwt-validation" && !kind.starts_with("authenticate-")
    };
    let order = |one: &Value| one.get("Order").and_then(Value::as_i64);
    let count = all.iter().filter(ends).count();
    if count != 1 {
        let message = format!("{count} actions that end the request, and a rule has one");
        let hint = "one of forward, redirect, fixed-response";
        told.push(wrong("Actions", message, hint));
    } else if all.len() > 1 {
        let orders: Vec<i64> = all.iter().filter_map(|one| order(one)).collect();
        let mut distinct = orders.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let end = all.iter().find(ends).and_then(|one| order(one));
        if distinct.len() < all.len() {
            let message = "each of several actions needs an Order of its own";
            told.push(wrong(
                "Actions",
                message,
                "1, 2, …; the lowest is done first",
            ));
        } else if end != distinct.last().copied() {
            let message = "the action that ends the request is not the last";
            told.push(wrong("Actions", message, "give it the highest Order"));
        }
    }
    for (place, one) in all.into_iter().enumerate() {
        let path = format!("Actions[{place}]");
        let kind = text(one, "Type");
        part_of(&path, one, kind, &ACTIONS, told);
        match kind {
            "forward" => in_forward(&path, one, green, told),
            "redirect" => in_redirect(&path, &one["RedirectConfig"], told),
            "fixed-response" => in_response(&path, &one["FixedResponseConfig"], told),
            "authenticate-oidc" => {
                let message = "the file would hold its client secret";
                let hint =
                    "make the rule with the tool that keeps the secret, then name it by its ARN";
                told.push(wrong(&path, message, hint));
            }
            _ => {}
        }
    }
}

fn in_redirect(path: &str, config: &Value, told: &mut Vec<Told>) {
    let at = |field: &str| format!("{path}.RedirectConfig.{field}");
    if !is_said(config) {
        return;
    }
    // A component that is absent, or holds only its own placeholder, stays as in the request.
    let kept = [
        ("Protocol", "#{protocol}"),
        ("Host", "#{host}"),
        ("Port", "#{port}"),
        ("Path", "/#{path}"),
    ];
    if kept
        .iter()
        .all(|(field, own)| ["", *own].contains(&text(config, field)))
    {
        let message = "it redirects to itself: protocol, host, port and path all stay";
        told.push(wrong(
            &format!("{path}.RedirectConfig"),
            message,
            "change one of them",
        ));
    }
    let protocol = text(config, "Protocol");
    if !["", "HTTP", "HTTPS", "#{protocol}"].contains(&protocol) {
        let message = format!("there is no `{protocol}` here");
        told.push(wrong(
            &at("Protocol"),
            message,
            "HTTP, HTTPS or #{protocol}",
        ));
    }
    let port = text(config, "Port");
    if !["", "#{port}"].contains(&port) && !is_port(port) {
        let message = format!("`{port}` is not a port");
        told.push(wrong(&at("Port"), message, "1 to 65535, or #{port}"));
    }
    let target = text(config, "Path");
    if !target.is_empty() && !target.starts_with('/') {
        let message = format!("`{target}` is not a path");
        told.push(wrong(&at("Path"), message, "it begins with `/`"));
    }
}

/// Whether a text is a port's number.
pub(super) fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn in_response(path: &str, config: &Value, told: &mut Vec<Told>) {
    let at = |field: &str| format!("{path}.FixedResponseConfig.{field}");
    let code = text(config, "StatusCode");
    let is_code = code.len() == 3
        && code.starts_with(['2', '4', '5'])
        && code.bytes().all(|byte| byte.is_ascii_digit());
    if !code.is_empty() && !is_code {
        let message = format!("a fixed response has no code {code}");
        told.push(wrong(&at("StatusCode"), message, "2XX, 4XX or 5XX"));
    }
    let kind = text(config, "ContentType");
    if !kind.is_empty() && !CONTENT_TYPES.contains(&kind) {
        let message = format!("there is no `{kind}` here");
        told.push(wrong(
            &at("ContentType"),
            message,
            &CONTENT_TYPES.join(", "),
        ));
    }
}

/// The groups of a forward, with their weights.
fn groups(action: &Value) -> Vec<(String, Option<i64>)> {
    let listed: Vec<_> = list(action, "/ForwardConfig/TargetGroups")
        .map(|(_, group)| {
            let weight = group.get("Weight").and_then(Value::as_i64);
            (text(group, "TargetGroupArn").to_owned(), weight)
        })
        .collect();
    let sole = text(action, "TargetGroupArn");
    if listed.is_empty() && !sole.is_empty() {
        return vec![(sole.to_owned(), Some(1))];
    }
    listed
}

fn in_forward(path: &str, action: &Value, green: Option<&TargetGroupArn>, told: &mut Vec<Told>) {
    let groups = groups(action);
    let at = format!("{path}.ForwardConfig.TargetGroups");
    if groups.is_empty() || groups.len() > MOST_GROUPS {
        let message = format!("{} target groups", groups.len());
        told.push(wrong(&at, message, "one to five"));
        return;
    }
    let sole = text(action, "TargetGroupArn");
    if is_said(&action["ForwardConfig"])
        && !sole.is_empty()
        && (groups.len() > 1 || groups[0].0 != sole)
    {
        let message = "it is allowed only beside a single target group, and must name the same";
        let at = format!("{path}.TargetGroupArn");
        told.push(wrong(&at, message, "leave it out"));
    }
    for (place, (arn, weight)) in groups.iter().enumerate() {
        let is_sole = list(action, "/ForwardConfig/TargetGroups").next().is_none();
        let of_group = |field: &str| match is_sole {
            true => format!("{path}.{field}"),
            false => format!("{at}[{place}].{field}"),
        };
        let field = of_group("TargetGroupArn");
        // A placeholder was reported already.
        let is_told = told.iter().any(|told| told.field == field);
        if arn.parse::<TargetGroupArn>().is_err() && !is_told {
            let message = format!("`{arn}` is not a target group's ARN");
            told.push(wrong(&field, message, "aws elbv2 describe-target-groups"));
        }
        if groups[..place].iter().any(|(other, _)| other == arn) {
            told.push(wrong(
                &field,
                format!("{arn} stands twice"),
                "name each once",
            ));
        }
        match weight {
            Some(weight) if !(0..=999).contains(weight) => {
                let message = format!("{weight} is not a weight");
                told.push(wrong(
                    &of_group("Weight"),
                    message,
                    "weights go from 0 to 999",
                ));
            }
            None if groups.len() > 1 => {
                let message = "it is missing, and AWS then uses 1";
                told.push(wrong(
                    &of_group("Weight"),
                    message,
                    "write each group's weight",
                ));
            }
            _ => {}
        }
    }
    let sticky = &action["ForwardConfig"]["TargetGroupStickinessConfig"];
    let seconds = sticky.get("DurationSeconds").and_then(Value::as_i64);
    let is_span = seconds.is_some_and(|seconds| (1..=604_800).contains(&seconds));
    if sticky.get("Enabled") == Some(&Value::Bool(true)) && !is_span {
        let field = format!("{path}.ForwardConfig.TargetGroupStickinessConfig.DurationSeconds");
        let message = "stickiness without a duration";
        told.push(wrong(&field, message, "1 to 604800 seconds"));
    }
    shares(path, &at, &groups, green, told);
}

/// The effect of the weights once the rule exists.
fn shares(
    path: &str,
    at: &str,
    groups: &[(String, Option<i64>)],
    green: Option<&TargetGroupArn>,
    told: &mut Vec<Told>,
) {
    let weighted = || {
        groups
            .iter()
            .map(|(arn, weight)| (arn, weight.unwrap_or(1)))
    };
    let sum: i64 = weighted().map(|(_, weight)| weight.clamp(0, 999)).sum();
    if sum == 0 {
        let message = "all weights are 0: every request fails";
        told.push(wrong(at, message, "give blue the weight"));
        return;
    }
    let served: Vec<_> = weighted().filter(|(_, weight)| *weight > 0).collect();
    let to_green = served
        .iter()
        .find(|(arn, _)| green.is_some_and(|green| green.as_str() == arn.as_str()));
    match served.as_slice() {
        [_] if to_green.is_some() => told.push(wrong(
            path,
            "it sends everything to green at once",
            "name both target groups, blue with all the weight and green with 0, and migrate",
        )),
        [_] if groups.len() == 1 => told.push(unwise(
            path,
            "one target group gets everything: for a migration name both, green at weight 0",
        )),
        [_] | [] => {}
        several if to_green.is_some_and(|(_, weight)| weight * 2 > sum) => {
            let message = format!("it sends {} at once", shares_of(several, sum));
            let hint = "begin with all the weight on blue and 0 on green, and migrate";
            told.push(wrong(at, message, hint));
        }
        several => {
            let message = format!("it sends {} at once", shares_of(several, sum));
            told.push(unwise(at, message));
        }
    }
}

fn shares_of(served: &[(&String, i64)], sum: i64) -> String {
    let share = |(arn, weight): &(&String, i64)| {
        let tenths = (weight.clamp(&0, &999) * 1000 + sum / 2) / sum;
        let name = arn.rsplit('/').nth(1).unwrap_or(arn);
        format!("{}.{} % to {name}", tenths / 10, tenths % 10)
    };
    let shares: Vec<String> = served.iter().map(share).collect();
    shares.join(", ")
}
