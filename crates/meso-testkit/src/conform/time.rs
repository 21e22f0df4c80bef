//! The four timestamps.

use meso_link_proto::Message;
use meso_link_proto::clock::DRIFT_ALLOWANCE_PPB;
use meso_link_proto::message::{TimeAnswer, TimeRequest};

use super::Seen;
use super::probe::{MS, Probe, SECOND, Stop, What, expect, fail};

/// How many exchanges are made.
const SAMPLES: u32 = 8;
/// Between two of them, in ns.
const INTERVAL: u64 = 600 * MS;
/// An answer later than this is not used, in ns.
const PATIENCE: u64 = 500 * MS;
/// How often an exchange that stayed without an answer is made anew.
const TRIES_MAX: u32 = 4;
/// A gun that is asked by nobody else should answer within this, in ns: two frames of 38 bytes
/// take 6.6 ms of the line, a status that is just going out another 6.3 ms.
const TRIP_NS_MAX: u64 = 20 * MS;

/// One exchange: when the host asked and heard, and what the gun says.
#[derive(Clone, Copy, Debug)]
struct Sample {
    sent_ns: u64,
    heard_ns: u64,
    answer: TimeAnswer,
}

fn exchange(probe: &mut Probe<'_>) -> Result<Sample, Stop> {
    for _ in 0..TRIES_MAX {
        let request = u32::from(probe.next_number());
        let sent_ns = probe.now_ns();
        let host_sent_ns = i64::try_from(sent_ns).unwrap_or(i64::MAX);
        probe.send(&Message::TimeRequest(TimeRequest {
            request,
            host_sent_ns,
        }))?;
        let heard = probe.find(PATIENCE, |heard| match &heard.what {
            What::Message(Message::TimeAnswer(answer)) if answer.request == request => {
                Some((heard.at_ns, *answer))
            }
            _ => None,
        })?;
        if let Some((heard_ns, answer)) = heard {
            expect(answer.host_sent_ns == host_sent_ns, || {
                format!(
                    "the host's time {host_sent_ns} came back as {}",
                    answer.host_sent_ns
                )
            })?;
            return Ok(Sample {
                sent_ns,
                heard_ns,
                answer,
            });
        }
    }
    fail(format!(
        "{TRIES_MAX} TIME_REQUESTs without an answer within 500 ms"
    ))
}

fn samples(probe: &mut Probe<'_>, count: u32, interval_ns: u64) -> Result<Vec<Sample>, Stop> {
    probe.greet()?;
    let mut samples = Vec::new();
    for _ in 0..count {
        samples.push(exchange(probe)?);
        probe.listen(interval_ns)?;
    }
    Ok(samples)
}

pub(super) fn stamps_make_sense(probe: &mut Probe<'_>) -> Seen {
    let samples = samples(probe, SAMPLES, INTERVAL)?;
    for sample in &samples {
        let (t2, t3) = (sample.answer.received.get(), sample.answer.sent.get());
        expect(t2 <= t3, || format!("t3 ({t3} µs) is before t2 ({t2} µs)"))?;
        let trip_us = (sample.heard_ns - sample.sent_ns) / 1_000;
        // One tick for each rounding.
        expect(t3 - t2 <= trip_us + 2, || {
            format!("it claims {} µs of a trip of {trip_us} µs", t3 - t2)
        })?;
    }
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let gun_ns = last
        .answer
        .received
        .get()
        .saturating_sub(first.answer.received.get())
        * 1_000;
    // t2 lies between t1 and t4, so this much host time passed at least and at most.
    let least_ns = last.sent_ns - first.heard_ns;
    let most_ns = last.heard_ns - first.sent_ns;
    let allowance = |ns: u64| ns / 1_000_000 * DRIFT_ALLOWANCE_PPB / 1_000 + 2_000;
    let is_sane =
        gun_ns + allowance(least_ns) >= least_ns && gun_ns <= most_ns + allowance(most_ns);
    expect(is_sane, || {
        format!(
            "the gun's clock went {} µs in {} to {} µs, more than {} ppm off",
            gun_ns / 1_000,
            least_ns / 1_000,
            most_ns / 1_000,
            DRIFT_ALLOWANCE_PPB / 1_000
        )
    })?;
    Ok(format!(
        "{SAMPLES} exchanges; {} µs of the gun in {} to {} µs of the host",
        gun_ns / 1_000,
        least_ns / 1_000,
        most_ns / 1_000
    ))
}

pub(super) fn answers_are_quick(probe: &mut Probe<'_>) -> Seen {
    let samples = samples(probe, SAMPLES, SECOND / 10)?;
    let trips = samples
        .iter()
        .map(|sample| sample.heard_ns - sample.sent_ns);
    let best_ns = trips.min().unwrap_or(u64::MAX);
    let seen = format!(
        "the shortest of {SAMPLES} trips took {} µs",
        best_ns / 1_000
    );
    expect(best_ns <= TRIP_NS_MAX, || {
        format!("{seen}, more than {} ms", TRIP_NS_MAX / MS)
    })?;
    Ok(seen)
}
