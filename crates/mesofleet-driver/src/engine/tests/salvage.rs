//! A gun whose counter went back under an unchanged epoch.

use super::*;

fn salvaged(counter: u32) -> GunEvent {
    let GunEvent::Shot { shot, received_at } = shot_at(counter, 90_000, 7) else {
        panic!("a shot is a shot");
    };
    GunEvent::Salvaged { shot, received_at }
}

#[test]
fn what_a_broken_epoch_left_in_the_gun_is_quarantined_then_acknowledged_then_ended() {
    let mut bench = Bench::new();
    bench.attach(1, 3);
    bench.hear(vec![shot(1), shot(2), shot(3)]);
    let went_back = GunEvent::CounterWentBack {
        epoch: EPOCH,
        newest: 2,
        expected: ShotCounter(4),
    };
    let (calls, records) = bench.hear(vec![went_back, salvaged(1), salvaged(2)]);
    assert_eq!(calls, vec![], "not before everything has come");
    let gaps = gaps_of(&records);
    assert_eq!((gaps[0].first, gaps[0].last), (ShotCounter(4), None));
    assert_eq!(shots_of(&records).len(), 0, "none of them is in the record");
    let ended = GunEvent::SalvageEnded {
        epoch: EPOCH,
        newest: 2,
    };
    let (calls, _) = bench.hear(vec![ended]);
    assert_eq!(
        calls,
        vec![acknowledge(2), Call::AssignEpoch(serial(), Epoch(500))]
    );
    let view = meso_journal::JournalView::open(bench.folder.path()).unwrap();
    let kept = view.quarantine(10).unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[1].shot, Some((EPOCH, ShotCounter(2))));
    assert!(
        kept[1].reason.contains("counter went back"),
        "{:?}",
        kept[1]
    );
    assert!(!kept[1].bytes.is_empty());
    let state = bench.engine.room_state(bench.now(), false);
    assert_eq!(state.guns[0].salvaged_shots, 2);
}

#[test]
fn a_broken_epoch_without_shots_in_the_gun_just_ends() {
    let mut bench = Bench::new();
    bench.attach(1, 3);
    bench.hear(vec![shot(1)]);
    let went_back = GunEvent::CounterWentBack {
        epoch: EPOCH,
        newest: 0,
        expected: ShotCounter(2),
    };
    let ended = GunEvent::SalvageEnded {
        epoch: EPOCH,
        newest: 0,
    };
    let (calls, _) = bench.hear(vec![went_back, ended]);
    assert_eq!(calls, vec![Call::AssignEpoch(serial(), Epoch(500))]);
}

#[test]
fn a_shot_that_is_salvaged_twice_is_kept_once() {
    let mut bench = Bench::new();
    bench.attach(1, 3);
    bench.hear(vec![salvaged(1)]);
    bench.hear(vec![salvaged(1)]);
    let view = meso_journal::JournalView::open(bench.folder.path()).unwrap();
    assert_eq!(view.quarantine_count().unwrap(), 1);
}
