//! Connections that break, hang or crawl.

use std::time::Duration;

use anyhow::Context;
use meso_testkit::tcp::{Direction, Speed, TcpProxy};

use crate::matrix::clinic::Clinic;
use crate::matrix::{Fault, Moments, usual};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "driver-broker-cut",
        what: "The driver's connections to the broker are cut again and again.",
        setup: usual,
        act: |clinic, moments| cut(&clinic.driver_line, moments),
    },
    Fault {
        name: "driver-broker-half-open",
        what: "The driver's connections hang: both sides write, nothing arrives, nobody is told.",
        setup: usual,
        act: |clinic, moments| half_open(&clinic.driver_line, moments),
    },
    Fault {
        name: "driver-broker-one-way",
        what: "Nothing that the broker says reaches the driver, and then no connection works.",
        setup: usual,
        act: |clinic, moments| one_way(&clinic.driver_line, Direction::ToClient, moments),
    },
    Fault {
        name: "driver-broker-slow",
        what: "The line between driver and broker carries 4 to 16 kB a second, with delays.",
        setup: usual,
        act: |clinic, moments| slow(&clinic.driver_line, moments),
    },
    Fault {
        name: "ingest-broker-cut",
        what: "The ingest's connections to the broker are cut again and again.",
        setup: usual,
        act: |clinic, moments| cut(ingest_line(clinic)?, moments),
    },
    Fault {
        name: "ingest-broker-half-open",
        what: "The ingest's connections hang: both sides write, nothing arrives, nobody is told.",
        setup: usual,
        act: |clinic, moments| half_open(ingest_line(clinic)?, moments),
    },
    Fault {
        name: "ingest-broker-one-way",
        what: "Nothing that the ingest says reaches the broker, and then no connection works.",
        setup: usual,
        act: |clinic, moments| one_way(ingest_line(clinic)?, Direction::ToServer, moments),
    },
    Fault {
        name: "ingest-broker-slow",
        what: "The line between ingest and broker carries 4 to 16 kB a second, with delays.",
        setup: usual,
        act: |clinic, moments| slow(ingest_line(clinic)?, moments),
    },
    Fault {
        name: "ingest-database-cut",
        what: "The connections between ingest and influxd are cut again and again.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| cut(database_line(clinic)?, moments),
    },
    Fault {
        name: "ingest-database-half-open",
        what: "The connections between ingest and influxd hang without an end.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| half_open(database_line(clinic)?, moments),
    },
    Fault {
        name: "ingest-database-slow",
        what: "The line between ingest and influxd carries 4 to 16 kB a second, with delays.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| slow(database_line(clinic)?, moments),
    },
];

fn ingest_line(clinic: &Clinic) -> anyhow::Result<&TcpProxy> {
    clinic.ingest_line.as_ref().context("there is no broker")
}

fn database_line(clinic: &Clinic) -> anyhow::Result<&TcpProxy> {
    let database = clinic.database.as_ref();
    Ok(&database.context("there is no database")?.line)
}

fn cut(line: &TcpProxy, moments: &mut Moments) -> anyhow::Result<()> {
    for _ in 0..moments.between(2, 6) {
        moments.rest(50, 900);
        line.cut();
        if moments.coin() {
            line.refuse(true);
            moments.rest(100, 1_500);
            line.refuse(false);
        }
    }
    Ok(())
}

fn half_open(line: &TcpProxy, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 1_500);
    if moments.coin() {
        line.leave_half_open();
        return Ok(());
    }
    line.silence(true);
    moments.rest(500, 8_000);
    line.silence(false);
    Ok(())
}

fn one_way(line: &TcpProxy, silent: Direction, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 1_500);
    line.silence_only(Some(silent));
    moments.rest(500, 8_000);
    line.silence_only(None);
    Ok(())
}

fn slow(line: &TcpProxy, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 800);
    line.set_speed(Some(Speed {
        bytes_per_second: u32::try_from(moments.between(4_000, 16_000))?,
        delay: Duration::from_millis(moments.between(0, 200)),
    }));
    moments.rest(2_000, 6_000);
    line.set_speed(None);
    Ok(())
}
