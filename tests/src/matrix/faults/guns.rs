//! What rooms do to guns.

use anyhow::ensure;
use meso_testkit::gun::bank::Order;
use meso_testkit::gun::log::FiredShot;

use crate::matrix::clinic::Clinic;
use crate::matrix::{Fault, Moments, usual};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "gun-unplugged",
        what: "A gun is unplugged, in the middle of a frame too, fires on, and is plugged in again.",
        setup: usual,
        act: unplugged,
    },
    Fault {
        name: "gun-reset",
        what: "A gun's firmware starts again with shots in its ring.",
        setup: usual,
        act: |clinic, moments| restarted(clinic, moments, Order::Reset),
    },
    Fault {
        name: "gun-power-cut",
        what: "The power of an unplugged gun with a volatile ring is cut: its shots are gone.",
        setup: usual,
        act: power_cut,
    },
    Fault {
        name: "gun-ring-full",
        what: "An unplugged gun fires more than its ring holds.",
        setup: |setup| setup.ring_shots_max = 32,
        act: ring_full,
    },
    Fault {
        name: "gun-hangs",
        what: "A gun's firmware hangs for one to five seconds.",
        setup: usual,
        act: |clinic, moments| {
            moments.rest(100, 1_000);
            clinic.order(0, Order::Hang(true))?;
            moments.rest(1_000, 5_000);
            clinic.order(0, Order::Hang(false)).map(drop)
        },
    },
    Fault {
        name: "gun-noisy-line",
        what: "One byte in 300 to 1,000 of a gun's line is corrupt.",
        setup: usual,
        act: |clinic, moments| {
            let one_in = u32::try_from(moments.between(300, 1_000))?;
            clinic.order(0, Order::CorruptOneIn(one_in))?;
            moments.rest(2_000, 4_000);
            clinic.wait_until("the driver reads what is corrupt", || {
                let mut guns = clinic.server.guns().into_iter();
                guns.any(|gun| gun.serial == clinic.serial(0) && gun.bad_frames > 0)
            })?;
            clinic.order(0, Order::CorruptOneIn(0)).map(drop)
        },
    },
    Fault {
        name: "gun-swapped",
        what: "Two guns are plugged into each other's ports.",
        setup: usual,
        act: swapped,
    },
    Fault {
        name: "gun-carried",
        what: "A gun is carried to another room's computer and back, firing all the time.",
        setup: |setup| setup.rooms = 2,
        act: carried,
    },
];

/// The port that a gun is plugged into at first.
fn first_port(clinic: &Clinic, gun: usize) -> String {
    clinic.serial(gun).to_owned()
}

fn unplugged(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    for _ in 0..moments.between(1, 3) {
        moments.rest(100, 800);
        let gun = usize::try_from(moments.between(0, 2))?;
        match moments.coin() {
            true => clinic.order(gun, Order::Unplug)?,
            false => clinic.order(gun, Order::UnplugInMidFrame)?,
        };
        // Half a frame lies on the line for some time before the cable is out.
        moments.rest(400, 1_500);
        clinic.plug(gun, 0, &first_port(clinic, gun))?;
    }
    Ok(())
}

fn restarted(clinic: &mut Clinic, moments: &mut Moments, how: Order) -> anyhow::Result<()> {
    for _ in 0..moments.between(1, 3) {
        moments.rest(100, 800);
        let is_plugged = moments.coin();
        if !is_plugged {
            clinic.order(0, Order::Unplug)?;
            let burst = u32::try_from(moments.between(1, 40))?;
            clinic.order(0, Order::FireBurst(burst))?;
        }
        clinic.order(0, how.clone())?;
        if !is_plugged {
            moments.rest(0, 500);
            clinic.plug(0, 0, &first_port(clinic, 0))?;
        }
    }
    Ok(())
}

/// What a gun holds and no journal has.
fn only_in_gun(clinic: &Clinic, gun: usize) -> anyhow::Result<Vec<FiredShot>> {
    let serial = clinic.serial(gun);
    // Whatever was on the wire has arrived when the driver has noticed.
    let mut known = None;
    clinic.wait_until("the driver notices", || {
        known = clinic.drivers[0].gun(serial).filter(|gun| !gun.attached);
        known.is_some()
    })?;
    let (epoch, journalled) = known.map_or((None, 0), |known| {
        let epoch = known
            .epoch
            .and_then(|text| u64::from_str_radix(&text, 16).ok());
        (epoch, known.journalled_counter)
    });
    let mut fired = clinic.fired()?;
    fired.retain(|shot| {
        let is_journalled = Some(shot.epoch) != epoch || shot.counter <= journalled;
        shot.serial == serial && !is_journalled
    });
    Ok(fired)
}

fn power_cut(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 1_000);
    clinic.order(0, Order::Unplug)?;
    clinic.order(0, Order::FireBurst(u32::try_from(moments.between(1, 30))?))?;
    // From here on it fires no more: what is destroyed is known to the shot.
    clinic.order(0, Order::StopFiring)?;
    let destroyed = only_in_gun(clinic, 0)?;
    ensure!(!destroyed.is_empty(), "the gun has nothing of its own");
    clinic.order(0, Order::CutPower)?;
    clinic
        .allowed
        .missing
        .extend(destroyed.iter().map(FiredShot::key));
    moments.rest(0, 500);
    clinic.plug(0, 0, &first_port(clinic, 0))?;
    let serial = clinic.serial(0).to_owned();
    clinic.wait_until("the gun has an epoch again", || {
        let known = clinic.drivers[0].gun(&serial);
        known.is_some_and(|known| known.attached && known.epoch.is_some())
    })?;
    moments.rest(300, 500);
    clinic.order(0, Order::FireBurst(10)).map(drop)
}

fn ring_full(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(500, 1_000);
    clinic.order(0, Order::Unplug)?;
    clinic.order(
        0,
        Order::FireBurst(u32::try_from(moments.between(40, 120))?),
    )?;
    clinic.order(0, Order::StopFiring)?;
    let held = 32;
    let mut waiting = only_in_gun(clinic, 0)?;
    waiting.truncate(waiting.len().saturating_sub(held));
    ensure!(!waiting.is_empty(), "the ring of the gun is not full");
    clinic
        .allowed
        .missing
        .extend(waiting.iter().map(FiredShot::key));
    clinic.plug(0, 0, &first_port(clinic, 0))?;
    moments.rest(300, 600);
    clinic.order(0, Order::FireBurst(5)).map(drop)
}

fn swapped(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 1_000);
    let ports = [first_port(clinic, 0), first_port(clinic, 1)];
    // Each in the port of the other, and then each in its own.
    for [first, second] in [[1, 0], [0, 1]] {
        clinic.order(0, Order::Unplug)?;
        clinic.order(1, Order::Unplug)?;
        moments.rest(0, 700);
        clinic.plug(0, 0, &ports[first])?;
        clinic.plug(1, 0, &ports[second])?;
        moments.rest(500, 1_500);
    }
    Ok(())
}

fn carried(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    // The second may read again what the first has read and could not acknowledge any more.
    clinic.allowed.several_readers = true;
    for room in [1, 0] {
        moments.rest(200, 1_000);
        clinic.order(0, Order::Unplug)?;
        moments.rest(0, 800);
        clinic.plug(0, room, &first_port(clinic, 0))?;
        clinic.wait_until("the room has the gun", || {
            let known = clinic.drivers[room].gun(clinic.serial(0));
            known.is_some_and(|known| known.attached)
        })?;
    }
    moments.rest(500, 1_000);
    Ok(())
}
