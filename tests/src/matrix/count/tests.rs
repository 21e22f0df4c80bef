//! The count has to see what it is there for.

use meso_domain::{Gap, GapReason};
use meso_units::{GunTick, Timestamp};

use super::*;
use crate::matrix::samples::{GUN, fired, shot};

/// Three shots were fired, and these arrived, each in a block of one journal.
struct Scene {
    arrived: Arrived,
    receiver: Receiver,
    allowed: Allowed,
}

impl Scene {
    fn new(counters: &[u32]) -> Scene {
        let mut scene = Scene {
            arrived: Arrived::default(),
            receiver: Receiver::default(),
            allowed: Allowed::default(),
        };
        for counter in counters {
            let shot = shot(*counter);
            scene.receiver.record_shot(&shot.identity);
            scene.read_by(*counter, 1);
            scene.arrived.shots.push(("room-1".to_owned(), shot));
        }
        scene
    }

    fn read_by(&mut self, counter: u32, journal: u64) {
        let readers = self.arrived.readers.entry(key_of(&shot(counter)));
        readers.or_default().push(("room-1".to_owned(), journal));
    }

    fn give_up(&mut self, first: u32, last: Option<u32>) {
        self.receiver.record_gap(&Gap {
            gun: GunSerial::parse(GUN).unwrap(),
            epoch: Epoch(5),
            first: ShotCounter(first),
            last: last.map(ShotCounter),
            state: GapState::Declared,
            reason: GapReason::Unknown,
            at: Timestamp::UNIX_EPOCH,
        });
    }

    fn count(&self) -> Count {
        let fired = [fired(1), fired(2), fired(3)];
        let logged = BTreeMap::new();
        judge(
            &fired,
            &self.arrived,
            &self.receiver,
            &logged,
            &self.allowed,
        )
    }

    /// Fired, stored, lost, duplicated, declared, unexplained.
    fn numbers(&self) -> [u64; 6] {
        let count = self.count();
        [
            count.fired,
            count.stored,
            count.lost,
            count.duplicated,
            count.declared,
            count.unexplained,
        ]
    }
}

#[test]
fn what_arrived_as_it_was_fired_is_clean_and_what_is_missing_is_lost() {
    let scene = Scene::new(&[1, 2, 3]);
    assert_eq!(scene.numbers(), [3, 3, 0, 0, 0, 0]);
    assert!(scene.count().is_clean());
    assert_eq!(Scene::new(&[1, 3]).numbers(), [3, 2, 1, 0, 0, 0]);
}

#[test]
fn a_shot_may_be_given_up_only_where_the_fault_destroyed_it() {
    let mut scene = Scene::new(&[1, 2]);
    scene.give_up(3, None);
    assert!(scene.numbers()[5] > 0, "{:?}", scene.count());
    scene.allowed.missing.insert(fired(3).key());
    assert_eq!(scene.numbers(), [3, 2, 0, 0, 1, 0]);
    assert!(scene.count().is_clean());
}

#[test]
fn a_shot_that_was_destroyed_has_to_be_named() {
    let mut scene = Scene::new(&[1, 2]);
    scene.allowed.missing.insert(fired(3).key());
    assert_eq!(scene.numbers(), [3, 2, 1, 0, 0, 0]);
}

#[test]
fn what_was_given_up_too_early_or_never_fired_is_unexplained() {
    let mut scene = Scene::new(&[1, 2, 3]);
    scene.give_up(2, Some(2));
    assert_eq!(scene.numbers(), [3, 3, 0, 0, 0, 1], "it came after all");
    let mut scene = Scene::new(&[1, 2, 3]);
    scene.give_up(4, Some(9));
    assert_eq!(scene.numbers(), [3, 3, 0, 0, 0, 1], "nobody fired it");
    assert_eq!(Scene::new(&[1, 2, 3, 4]).numbers(), [3, 3, 0, 0, 0, 1]);
}

#[test]
fn doubles_are_counted_whatever_hides_them() {
    let twice = Scene::new(&[1, 2, 3, 3]).count();
    assert_eq!(twice.duplicated, 2, "in the table and in the blocks");
    let mut scene = Scene::new(&[1, 2, 3]);
    scene.read_by(2, 1);
    assert_eq!(
        scene.numbers(),
        [3, 3, 0, 1, 0, 0],
        "two blocks of one journal"
    );
    scene = Scene::new(&[1, 2, 3]);
    scene.read_by(2, 8);
    assert_eq!(scene.numbers(), [3, 3, 0, 1, 0, 0], "two journals");
    scene.allowed.several_readers = true;
    assert!(scene.count().is_clean());
}

#[test]
fn another_value_is_unexplained_and_so_is_a_time_that_goes_back() {
    let mut scene = Scene::new(&[1, 2, 3]);
    scene.arrived.shots[1].1.gun_tick = GunTick::new(9).unwrap();
    assert_eq!(scene.numbers(), [3, 2, 0, 0, 0, 1]);
    let mut scene = Scene::new(&[1, 2, 3]);
    scene.arrived.shots[2].1.at = Timestamp::UNIX_EPOCH;
    assert_eq!(scene.numbers(), [3, 3, 0, 0, 0, 1]);
}

#[test]
fn blocks_and_ledger_have_each_other_once() {
    let mut scene = Scene::new(&[1, 2, 3]);
    scene.arrived.blocks.insert(BlockHash([1; 32]), 1);
    scene.arrived.quarantined.push(("why".to_owned(), 1, false));
    assert_eq!(scene.count().unexplained, 2, "not logged; in quarantine");
    let mut count = Count::default();
    let logged = [(BlockHash([1; 32]), 2), (BlockHash([2; 32]), 1)];
    check_ledger(&mut count, &scene.arrived, &logged.into());
    assert_eq!((count.duplicated, count.unexplained), (1, 1));
}
