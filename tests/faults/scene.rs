//! A server, a driver and one emulated gun that fires all the time.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use meso_domain::{Gap, GapReason, GapState};
use meso_testkit::gun::bank::{Bank, BankGun, Order};
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_tests::sandbox::{
    Comparison, Driver, DriverOptions, Programs, Sandbox, Stored, compare, wait_until,
};
use meso_units::GunSerial;

pub(crate) const GUN: &str = "GUN-0001";

/// As fast as a gun of the trade fires.
pub(crate) const FAST: Duration = Duration::from_millis(50);

/// The programs of the same profile, built once.
pub(crate) fn programs() -> Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS
        .get_or_init(|| Programs::built().expect("the programs build"))
        .clone()
}

/// A gun that fires this often.
pub(crate) fn gun(every: Duration) -> BankGun {
    BankGun::new(GunSerial::parse(GUN).unwrap(), 7, every)
}

/// What runs. It ends in this order: a gun outlives neither its folder nor its log.
pub(crate) struct Scene {
    pub(crate) bank: Bank,
    pub(crate) driver: Driver,
    pub(crate) sandbox: Sandbox,
}

impl Scene {
    /// Starts all of it; the gun's port is in the driver's folder.
    pub(crate) fn start(gun: BankGun) -> Scene {
        Scene::prepared(gun, |_| {})
    }

    /// As [`Scene::start`], with something done to the gun before there is a driver.
    pub(crate) fn prepared(gun: BankGun, prepare: impl FnOnce(&Bank)) -> Scene {
        let sandbox = Sandbox::start(programs()).unwrap();
        let options = sandbox.driver_options("room-1").unwrap();
        Scene::start_with(sandbox, options, gun, prepare)
    }

    /// As [`Scene::prepared`], with a driver that is told this.
    pub(crate) fn start_with(
        sandbox: Sandbox,
        options: DriverOptions,
        gun: BankGun,
        prepare: impl FnOnce(&Bank),
    ) -> Scene {
        let logs = sandbox.folder("logs").unwrap();
        let bank = Bank::start(&options.ports, &logs, vec![gun]).unwrap();
        prepare(&bank);
        let driver = sandbox.start_driver_with(options).unwrap();
        wait_attached(&driver, true);
        Scene {
            bank,
            driver,
            sandbox,
        }
    }

    pub(crate) fn order(&self, order: Order) -> u64 {
        self.bank.order(0, order).unwrap()
    }

    pub(crate) fn ports(&self) -> PathBuf {
        self.driver.ports().to_owned()
    }

    /// Puts the cable back into the port that it was pulled from.
    pub(crate) fn plug(&self) {
        let (folder, name) = (self.ports(), GUN.to_owned());
        self.order(Order::Plug { folder, name });
    }

    pub(crate) fn unplug(&self) {
        self.order(Order::Unplug);
        self.wait_until_attached(false);
    }

    /// Waits until the driver has the gun and the gun an epoch, or until neither is so.
    pub(crate) fn wait_until_attached(&self, is_attached: bool) {
        wait_attached(&self.driver, is_attached);
    }

    /// Waits until the journal holds everything that was fired.
    pub(crate) fn wait_for_all(&self) {
        let fired = self.order(Order::Count);
        wait_until("every shot reaches the journal", || {
            let gun = self.driver.gun(GUN);
            gun.is_some_and(|gun| u64::from(gun.journalled_counter) >= fired)
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", self.driver.log()));
    }

    /// Waits for so many more shots in the journal.
    pub(crate) fn wait_for_more(&self, count: u32) {
        wait_for_more(&self.driver, count);
    }

    pub(crate) fn epoch(&self) -> String {
        let gun = self.driver.gun(GUN).unwrap();
        gun.epoch.unwrap()
    }

    /// The newest counter that the gun wrote down, as [`Sandbox`] drivers are told to settle it.
    pub(crate) fn newest(&self) -> [(String, u64); 1] {
        let fired = read_log(&self.bank.logs()[0]).unwrap();
        [(GUN.to_owned(), fired.last().unwrap().counter.into())]
    }

    /// Stops the gun, waits until everything is stored, and reads both sides.
    pub(crate) fn finish(mut self) -> Outcome {
        self.order(Order::StopFiring);
        let fired = read_log(&self.bank.logs()[0]).unwrap();
        let newest = fired.last().map_or(0, |shot| shot.counter);
        let expected = [(GUN.to_owned(), u64::from(newest))];
        self.driver.settle(&expected).unwrap();
        self.driver.leave().unwrap();
        // Shown where the test fails.
        println!("{}", self.driver.log());
        let stored = self.sandbox.stop_and_read().unwrap();
        Outcome {
            found: compare(&fired, &stored),
            fired,
            stored,
        }
    }
}

/// What the gun fired and what the server has of it.
pub(crate) struct Outcome {
    pub(crate) fired: Vec<FiredShot>,
    pub(crate) stored: Stored,
    pub(crate) found: Comparison,
}

impl Outcome {
    /// Everything is there once, and nothing is named as missing.
    #[track_caller]
    pub(crate) fn assert_whole(&self) {
        assert!(self.found.is_whole(), "{:?}", self.found);
        assert_eq!(self.stored.gaps, Vec::<Gap>::new());
        assert_eq!(self.stored.quarantined_count, 0);
    }

    /// The epochs in which the gun has fired, in their order.
    pub(crate) fn epochs(&self) -> Vec<u64> {
        let mut epochs: Vec<u64> = self.fired.iter().map(|shot| shot.epoch).collect();
        epochs.dedup();
        epochs
    }

    /// What is missing is what one declared gap says, and nothing else is missing or too many.
    #[track_caller]
    pub(crate) fn assert_only_missing(&self, reason: GapReason) -> &Gap {
        assert_eq!((self.found.too_many, self.found.other_copies), (0, 0));
        assert!(!self.found.missing.is_empty(), "nothing is missing");
        let [gap] = &self.stored.gaps[..] else {
            panic!("not one gap: {:?}", self.stored.gaps);
        };
        assert_eq!((gap.state, gap.reason), (GapState::Declared, reason));
        let is_named = |(serial, epoch, counter): &(String, u64, u32)| {
            let is_within =
                gap.first.get() <= *counter && gap.last.is_none_or(|last| *counter <= last.get());
            *serial == gap.gun.to_string() && *epoch == gap.epoch.get() && is_within
        };
        assert!(
            self.found.missing.iter().all(is_named),
            "{gap:?} {:?}",
            self.found
        );
        gap
    }
}

pub(crate) fn wait_attached(driver: &Driver, is_attached: bool) {
    wait_until("the gun comes or goes", || {
        driver
            .gun(GUN)
            .is_some_and(|gun| gun.attached == is_attached)
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", driver.log()));
}

pub(crate) fn wait_for_more(driver: &Driver, count: u32) {
    let journalled = || {
        driver
            .gun(GUN)
            .map(|gun| (gun.epoch, gun.journalled_counter))
    };
    let before = journalled();
    wait_until("shots reach the journal", || {
        match (&before, journalled()) {
            (Some((epoch, held)), Some((now_epoch, now_held))) if *epoch == now_epoch => {
                now_held >= held + count
            }
            (_, Some((_, now_held))) => now_held >= count,
            (_, None) => false,
        }
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", driver.log()));
}
