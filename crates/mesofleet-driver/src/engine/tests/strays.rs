//! Shots that no session has, until one claims them.

use meso_contract::room::{ClaimStepBody, StrayShotsBody};

use super::*;

fn treating_nobody() -> Bench {
    let mut bench = Bench::new();
    bench.attach(1, 1);
    bench.bring_library();
    bench.hear(vec![GunEvent::Clock(mapping(0))]);
    bench
}

/// A shot of 0.02 ml.
fn injected(counter: u32, tick_ms: u64) -> GunEvent {
    let mut event = shot_at(counter, tick_ms, 2_000);
    if let GunEvent::Shot { shot, .. } = &mut event {
        shot.measured.volume_set = Some(meso_units::Nanolitres::new(20_000).unwrap());
    }
    event
}

fn runs(bench: &Bench) -> Vec<StrayShotsBody> {
    let live = bench.engine.live(bench.now(), false);
    live.guns[0].strays.clone()
}

fn counters(bench: &Bench) -> Vec<(u32, u32)> {
    let runs = runs(bench).into_iter();
    runs.map(|run| (run.first, run.last)).collect()
}

impl Bench {
    fn claim_of(&self, session: &str, first: u32, last: u32) -> RoomStepBody {
        let state = self.engine.room_state(self.now(), false);
        RoomStepBody::Claim(ClaimStepBody {
            session: session.to_owned(),
            operator: "op-1".to_owned(),
            segment: state.sessions[0].segments[0].segment.clone(),
            gun: serial().to_string(),
            epoch: format!("{:016x}", EPOCH.get()),
            first,
            last,
            reason: "session opened too late".to_owned(),
        })
    }

    fn claim(&mut self, session: &str, first: u32, last: u32) {
        let claim = self.claim_of(session, first, last);
        self.step(&claim);
    }
}

#[test]
fn shots_without_a_session_are_offered_to_be_claimed_until_they_are() {
    let mut bench = treating_nobody();
    bench.hear(vec![shot(1), shot(2), shot(3)]);
    assert_eq!(counters(&bench), [(1, 3)]);
    assert_eq!(runs(&bench)[0].epoch, format!("{:016x}", EPOCH.get()));
    bench.now_ms = 10_000;
    let session = bench.open_session().to_string();
    bench.hear(vec![shot_at(4, 11_000, 2_000)]);
    let runs = counters(&bench);
    assert_eq!(runs.len(), 1, "a shot of the session is none of them");
    bench.now_ms = 12_000;
    bench.claim(&session, 2, 2);
    assert_eq!(counters(&bench), [(3, 3), (1, 1)]);
}

#[test]
fn a_run_says_its_volume_and_a_pause_begins_another() {
    let mut bench = treating_nobody();
    bench.hear(vec![injected(1, 1_000), injected(2, 2_000), shot(3)]);
    let first = runs(&bench)[0].clone();
    assert_eq!((first.volume_nl, first.unknown_volume_count), (40_000, 1));
    assert_eq!(first.to_ms - first.from_ms, 2_000);
    bench.hear(vec![injected(4, 123_000), injected(5, 243_001)]);
    assert_eq!(counters(&bench), [(5, 5), (1, 4)], "more than two minutes");
}

#[test]
fn they_are_offered_after_a_restart_and_what_was_claimed_is_not() {
    let mut bench = treating_nobody();
    bench.hear(vec![
        injected(1, 1_000),
        injected(2, 2_000),
        injected(3, 3_000),
    ]);
    let before = runs(&bench);
    let mut bench = bench.restart();
    assert_eq!(runs(&bench), before);
    bench.now_ms = 10_000;
    let session = bench.open_session().to_string();
    bench.now_ms = 12_000;
    bench.claim(&session, 1, 2);
    let rest = runs(&bench);
    assert_eq!((rest[0].first, rest[0].last), (3, 3));
    assert_eq!((rest[0].volume_nl, rest[0].unknown_volume_count), (0, 1));
    let kept = bench.engine.guns[&serial()].strays.value();
    let bench = bench.restart();
    assert_eq!(runs(&bench), rest);
    let mut damaged = kept;
    damaged.truncate(40);
    let mut strays = super::super::strays::Strays::default();
    strays.restore(&damaged);
    assert!(strays.bodies().is_empty(), "what is no run is left out");
}

#[test]
fn the_journal_keeps_what_is_left_with_the_very_claim_which_it_may_forget_later() {
    let mut bench = treating_nobody();
    bench.hear(vec![injected(1, 1_000), injected(2, 2_000)]);
    bench.now_ms = 10_000;
    let session = bench.open_session().to_string();
    bench.now_ms = 12_000;
    let claim = bench.claim_of(&session, 1, 1);
    let drawn = Drawn {
        ids: [[9; 16]; 2],
        salts: [[7; 32]; 2],
    };
    let taken = bench.engine.take_step(bench.now(), &claim, drawn).unwrap();
    let name = format!("strays/{}", serial());
    let mut values = taken.work.batch.values.iter();
    let (_, kept) = values.find(|(known, _)| *known == name).unwrap();
    let mut strays = super::super::strays::Strays::default();
    strays.restore(kept);
    let left: Vec<_> = strays.bodies().iter().map(|run| run.first).collect();
    assert_eq!(left, [2]);
}
