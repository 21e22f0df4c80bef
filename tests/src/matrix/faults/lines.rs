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
        act: |clinic, moments| cut(&Line::of_driver(clinic), moments),
    },
    Fault {
        name: "driver-broker-half-open",
        what: "The driver's connections hang: both sides write, nothing arrives, nobody is told.",
        setup: usual,
        act: |clinic, moments| half_open(&Line::of_driver(clinic), moments),
    },
    Fault {
        name: "driver-broker-one-way",
        what: "Nothing that the broker says reaches the driver, and then no connection works.",
        setup: usual,
        act: |clinic, moments| one_way(&Line::of_driver(clinic), Direction::ToClient, moments),
    },
    Fault {
        name: "driver-broker-slow",
        what: "The line between driver and broker carries 4 to 16 kB a second, with delays.",
        setup: usual,
        act: |clinic, moments| slow(&Line::of_driver(clinic), moments),
    },
    Fault {
        name: "ingest-broker-cut",
        what: "The ingest's connections to the broker are cut again and again.",
        setup: usual,
        act: |clinic, moments| cut(&Line::of_ingest(clinic)?, moments),
    },
    Fault {
        name: "ingest-broker-half-open",
        what: "The ingest's connections hang: both sides write, nothing arrives, nobody is told.",
        setup: usual,
        act: |clinic, moments| half_open(&Line::of_ingest(clinic)?, moments),
    },
    Fault {
        name: "ingest-broker-one-way",
        what: "Nothing that the ingest says reaches the broker, and then no connection works.",
        setup: usual,
        act: |clinic, moments| one_way(&Line::of_ingest(clinic)?, Direction::ToServer, moments),
    },
    Fault {
        name: "ingest-broker-slow",
        what: "The line between ingest and broker carries 4 to 16 kB a second, with delays.",
        setup: usual,
        act: |clinic, moments| slow(&Line::of_ingest(clinic)?, moments),
    },
    Fault {
        name: "ingest-database-cut",
        what: "The connections between ingest and influxd are cut again and again.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| cut(&Line::of_database(clinic)?, moments),
    },
    Fault {
        name: "ingest-database-half-open",
        what: "The connections between ingest and influxd hang without an end.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| half_open(&Line::of_database(clinic)?, moments),
    },
    Fault {
        name: "ingest-database-slow",
        what: "The line between ingest and influxd carries 4 to 16 kB a second, with delays.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| slow(&Line::of_database(clinic)?, moments),
    },
];

/// A line that something is done to.
struct Line<'c> {
    clinic: &'c Clinic,
    proxy: &'c TcpProxy,
    harm_before: u64,
}

impl<'c> Line<'c> {
    fn new(clinic: &'c Clinic, proxy: &'c TcpProxy) -> Line<'c> {
        Line {
            clinic,
            proxy,
            harm_before: proxy.harm_count(),
        }
    }

    fn of_driver(clinic: &'c Clinic) -> Line<'c> {
        Line::new(clinic, &clinic.driver_line)
    }

    fn of_ingest(clinic: &'c Clinic) -> anyhow::Result<Line<'c>> {
        let proxy = clinic.ingest_line.as_ref().context("there is no broker")?;
        Ok(Line::new(clinic, proxy))
    }

    fn of_database(clinic: &'c Clinic) -> anyhow::Result<Line<'c>> {
        let database = clinic.database.as_ref().context("there is no database")?;
        Ok(Line::new(clinic, &database.line))
    }

    /// A line on which nobody spoke meanwhile would prove nothing.
    fn wait_until_harmed(&self) -> anyhow::Result<()> {
        self.wait_until_harmed_by(|_| ())
    }

    fn wait_until_harmed_by(&self, again: impl Fn(&TcpProxy)) -> anyhow::Result<()> {
        let what = "somebody on the line is harmed";
        self.clinic.wait_until(what, || {
            again(self.proxy);
            self.proxy.harm_count() > self.harm_before
        })
    }
}

fn cut(line: &Line<'_>, moments: &mut Moments) -> anyhow::Result<()> {
    for _ in 0..moments.between(2, 6) {
        moments.rest(50, 900);
        line.proxy.cut();
        if moments.coin() {
            line.proxy.refuse(true);
            moments.rest(100, 1_500);
            line.proxy.refuse(false);
        }
    }
    line.wait_until_harmed_by(TcpProxy::cut)
}

fn half_open(line: &Line<'_>, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 1_500);
    if moments.coin() {
        // There may be no connection at the moment.
        return line.wait_until_harmed_by(TcpProxy::leave_half_open);
    }
    line.proxy.silence(true);
    moments.rest(500, 8_000);
    line.wait_until_harmed()?;
    line.proxy.silence(false);
    Ok(())
}

fn one_way(line: &Line<'_>, silent: Direction, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 1_500);
    line.proxy.silence_only(Some(silent));
    moments.rest(500, 8_000);
    line.wait_until_harmed()?;
    line.proxy.silence_only(None);
    Ok(())
}

fn slow(line: &Line<'_>, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 800);
    line.proxy.set_speed(Some(Speed {
        bytes_per_second: u32::try_from(moments.between(4_000, 16_000))?,
        delay: Duration::from_millis(moments.between(0, 200)),
    }));
    moments.rest(2_000, 6_000);
    line.wait_until_harmed()?;
    line.proxy.set_speed(None);
    Ok(())
}
