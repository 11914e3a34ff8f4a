//! CloudWatch: where requests, errors and latencies come from.
