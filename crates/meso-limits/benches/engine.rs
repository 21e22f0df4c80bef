//! How many shots a second the limit engine judges, and what an open session takes in memory:
//! `cargo xtask bench limits` runs it in release mode.
//!
//! 10 000 sessions are open at once, under a protocol with 20 and more rules about shots, all of
//! which compute. The shots of each session come shuffled within the engine's window, in runs of
//! 64 as record blocks bring them; the targets are for this. To compare, the same with the digest
//! that a record carries, and with sessions that change at random from shot to shot, where every
//! look into a session misses the processor's caches. Exit code 1 where a target is missed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run says so by a panic"
)]

#[path = "../tests/main/sample.rs"]
mod sample;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meso_domain::{Component, SessionEvent, Severity, Shot, Sourced};
use meso_limits::{
    Judge, Library, SegmentFacts, SessionFacts, assemble_release, rules_of_protocol,
};
use meso_units::{
    GunSerial, Micrometres, Nanolitres, NeedleCount, SegmentId, SessionId, ShotCounter, Timestamp,
};

/// Sessions that are open at once.
const SESSIONS: usize = 10_000;
/// Shots of a session in one round; all of them come in any order.
const SHOTS: u32 = 64;
/// Rounds that are measured.
const ROUNDS: u32 = 4;
/// The targets.
const SHOTS_PER_SECOND_MIN: f64 = 2_000_000.0;
const BYTES_PER_SESSION_MAX: u64 = 4_096;
const RULES_MIN: usize = 20;

const PROTOCOL: &str = r#"
[[protocols]]
id = "sample"
title = "Sample"
indication = "sample"
zones = ["cheek"]
techniques = ["nappage"]
needle_depth = { soft_min = "1 mm", soft_max = "4 mm", hard_max = "6 mm", tolerance = "10 %", source = "s" }
volume_per_point = { soft_min = "0.005 ml", soft_max = "0.02 ml", hard_max = "0.05 ml", tolerance = "10 %", source = "s" }
volume_per_trigger = { hard_max = "0.2 ml", source = "s" }
shot_rate = { soft_max = "8 per second", source = "s" }
session_volume = { soft_max = "50 ml", hard_max = "100 ml", source = "s" }
zone_volume = { soft_max = "50 ml", hard_max = "100 ml", source = "s" }
course_volume = { soft_max = "500 ml", hard_max = "1000 ml", source = "s" }
zone_shots = { soft_max = "100000 shots", source = "s" }
session_points = { soft_max = "200000 points", source = "s" }
failed_injections = { soft_max = "2 in a row", hard_max = "4 in a row", source = "s" }
dry_shots = { soft_max = "2 shots", source = "s" }
session_length = { soft_max = "20 h", hard_max = "24 h", source = "s" }
volume_variation = { soft_max = "30 %", source = "s" }
depth_variation = { soft_max = "30 %", source = "s" }
volume_drift = { soft_max = "20 %", source = "s" }
depth_drift = { soft_max = "20 %", source = "s" }
vacuum_out_of_window = { soft_max = "3 shots", source = "s" }
blocked_needles = { soft_max = "3 shots", source = "s" }
syringe_balance = { soft_max = "10 ml", source = "s" }
needle_shots = { soft_max = "100000 shots", source = "s" }
primes = { soft_max = "20 shots", source = "s" }
layers = { allowed = ["intradermal"], breach = "soft", source = "s" }
checks = { zone = { breach = "soft", source = "s" }, technique = { breach = "soft", source = "s" } }
drugs = [
    { name = "lidocaine", class = "anaesthetic", session_dose = { soft_max = "100000 mg", source = "s" }, dose_per_kilogram = { hard_max = "4500 mg/kg", source = "s" } },
]
"#;

fn session_id(number: usize) -> SessionId {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
    SessionId::from_bytes(bytes)
}

fn segment_id(number: usize) -> SegmentId {
    let mut bytes = [8; 16];
    bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
    SegmentId::from_bytes(bytes)
}

fn open(judge: &mut Judge, number: usize) {
    let mut opened = sample::sample_session("sample");
    opened.session = session_id(number);
    let mut segment = sample::sample_segment("sample");
    segment.session = session_id(number);
    segment.segment = segment_id(number);
    segment.syringe.loaded = Nanolitres::new(10_000_000).unwrap();
    segment.syringe.components = ["lidocaine", "hyaluronic acid", "vitamin c"]
        .map(|name| Component {
            name: name.to_owned(),
            concentration: "0.1 %".to_owned(),
            lot: "lot".to_owned(),
        })
        .to_vec();
    judge.session_event(&SessionEvent::Opened(opened));
    judge.session_event(&SessionEvent::SegmentOpened(segment));
    judge.set_session_facts(
        session_id(number),
        SessionFacts {
            age_years: Some(40),
            weight_g: Some(70_000),
            history: Some(Default::default()),
            ..SessionFacts::default()
        },
    );
    judge.set_segment_facts(
        segment_id(number),
        SegmentFacts {
            needle_shots_before: Some(0),
            residual: Some(Nanolitres::ZERO),
            ..SegmentFacts::default()
        },
    );
}

/// The shots of one round, in the order in which they come.
fn shots(in_runs: bool, random: &mut Random) -> Vec<Shot> {
    let mut order: Vec<(usize, u32)> = Vec::with_capacity(SESSIONS * SHOTS as usize);
    for session in 0..SESSIONS {
        let mut counters: Vec<u32> = (1..=SHOTS).collect();
        random.shuffle(&mut counters);
        order.extend(counters.into_iter().map(|counter| (session, counter)));
    }
    if !in_runs {
        random.shuffle(&mut order);
    }
    order
        .into_iter()
        .map(|(session, counter)| shot(session, counter))
        .collect()
}

fn shot(session: usize, counter: u32) -> Shot {
    let mut shot = sample::sample_shot(counter);
    let wobble = u64::from(counter % 7) * 100;
    shot.identity.gun = GunSerial::parse(&format!("GUN-{session:05}")).unwrap();
    shot.segment = Some(segment_id(session));
    shot.needle_depth.actual = Some(Sourced::sensed(
        Micrometres::new(2_000 + wobble as u32 / 4).unwrap(),
    ));
    shot.volume.actual = Some(Sourced::sensed(Nanolitres::new(9_800 + wobble).unwrap()));
    shot.needles_working = Some(Sourced::sensed(NeedleCount::new(1).unwrap()));
    shot
}

/// The resident memory of this process in bytes.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

struct Measured {
    time: Duration,
    findings: usize,
}

/// Judges rounds of shots; what changes a shot for its next round is not measured.
fn run(judge: &mut Judge, shots: &mut [Shot], with_digest: bool) -> Measured {
    let mut measured = Measured {
        time: Duration::ZERO,
        findings: 0,
    };
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        for shot in shots.iter() {
            measured.findings += match with_digest {
                true => judge.judge(shot, None).findings.len(),
                false => judge.weigh(shot, None).findings.len(),
            };
        }
        measured.time += begin.elapsed();
        for shot in shots.iter_mut() {
            shot.identity.counter = ShotCounter(shot.identity.counter.get() + SHOTS);
            shot.at = Timestamp::from_unix_ns(shot.at.unix_ns() + 500_000_000).unwrap();
        }
    }
    measured
}

fn main() -> ExitCode {
    let library = Arc::new(Library::parse(&assemble_release(1, true, &[PROTOCOL])).unwrap());
    let rules = rules_of_protocol(&library, &library.protocols()[0]);
    println!(
        "{} rules, {SESSIONS} open sessions, {SHOTS} shots of each shuffled",
        rules.len()
    );
    let mut ok = rules.len() >= RULES_MIN;
    for (name, in_runs, with_digest) in [
        ("in runs of 64 shots, findings only", true, false),
        ("shot by shot at random, findings only", false, false),
        (
            "in runs of 64 shots, with the digest of a record",
            true,
            true,
        ),
        (
            "shot by shot at random, with the digest of a record",
            false,
            true,
        ),
    ] {
        let mut random = Random(1);
        let mut shots = shots(in_runs, &mut random);
        let before = resident_bytes();
        let mut judge = Judge::new(Some(Arc::clone(&library)));
        (0..SESSIONS).for_each(|number| open(&mut judge, number));
        let measured = run(&mut judge, &mut shots, with_digest);
        let bytes = resident_bytes().saturating_sub(before) / SESSIONS as u64;
        let count = shots.len() as f64 * f64::from(ROUNDS);
        let rate = count / measured.time.as_secs_f64();
        println!(
            "{name}: {rate:.0} shots/s ({:.0} % of the target), {bytes} bytes a session, {} findings",
            100.0 * rate / SHOTS_PER_SECOND_MIN,
            measured.findings
        );
        let verdict = judge.verdict(session_id(3)).unwrap();
        let computed = verdict
            .rules
            .iter()
            .all(|rule| rule.worst.map(|worst| worst.severity) != Some(Severity::NotCheckable));
        assert!(computed, "a rule did not compute: {verdict:?}");
        assert_eq!(verdict.patient_shot_count, u64::from(SHOTS * ROUNDS));
        ok &= with_digest || !in_runs || rate >= SHOTS_PER_SECOND_MIN;
        // Memory that an earlier run gave back is used again, so the first run says most.
        ok &= bytes < BYTES_PER_SESSION_MAX;
    }
    if ok {
        ExitCode::SUCCESS
    } else {
        println!("a target is missed");
        ExitCode::FAILURE
    }
}

/// A linear congruence: a benchmark needs no better numbers, and repeats itself.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
