//! The cost of one minute for the sequential comparison, beside that of the limits for the same minute.
//!
//! ```text
//! cargo bench -p bluegreen --bench gate
//! ```

#![allow(missing_docs, reason = "criterion's macros document nothing")]

use std::{hint::black_box, time::Duration};

use bluegreen::{
    Percent,
    health::{
        Bucket, Counts, Judge as _, JudgeFactory as _, Limits, Phase, Progress, SettledBuckets,
        Tally,
        sequential::{Minute, MinuteSide, Sequential, SequentialTest, Settings, StepMargins},
    },
    traffic::Sides,
};
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;

fn side(requests: u64, errors: u64) -> MinuteSide {
    let slow = Some(Tally::exact(requests / 10));
    MinuteSide::new(requests, Tally::exact(errors), slow)
}

fn minute(c: &mut Criterion) {
    let mut group = c.benchmark_group("a minute");
    let mut test = SequentialTest::new(Settings::default(), vec![side(600, 6); 240]);
    test.enter(StepMargins::of_share(0.9));
    let one = Minute::new(side(540, 5), side(60, 1), 0.9);
    group.bench_function("sequential test", |bencher| {
        bencher.iter(|| black_box(test.take(black_box(&one))));
    });

    // The judges, with the cost of their entries in the journal.
    let start = Timestamp::from_second(1_800_000_000).expect("in range");
    let counts =
        |requests| Counts::of(requests, requests / 100).with_slow(Tally::exact(requests / 10));
    let sides = Sides {
        blue: counts(60),
        green: counts(540),
    };
    let bucket = Bucket::new(start, Duration::from_secs(60), sides);
    let seen = SettledBuckets::new(vec![bucket])
        .observe()
        .expect("encodes");
    let share = Percent::from_whole(90).expect("a percent");
    let progress = Progress::new(
        start + Duration::from_secs(180),
        Phase::Step(0),
        share,
        start,
    );
    group.bench_function("sequential judge", |bencher| {
        bencher.iter_batched(
            || Sequential::default().judge(),
            |mut judge| black_box(judge.take(&seen, &progress)),
            criterion::BatchSize::SmallInput,
        );
    });
    group.bench_function("limits judge", |bencher| {
        bencher.iter_batched(
            || Limits::default().judge(),
            |mut judge| black_box(judge.take(&seen, &progress)),
            criterion::BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, minute);
criterion_main!(benches);
