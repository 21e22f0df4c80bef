//! The real database, and what stands between it and the ingest.

use std::path::{Path, PathBuf};

use anyhow::Context;
use meso_store::{InfluxOptions, StorePlace};
use meso_testkit::influx::{Dialect, InfluxProxy, Influxd};
use meso_testkit::tcp::TcpProxy;

/// What shots are called there.
const SHOT_MEASUREMENT: &str = "shot";
/// The bucket.
const BUCKET: &str = "mesofleet";

/// The database and what stands before it.
#[derive(Debug)]
pub struct Database {
    /// Between ingest and proxy.
    pub line: TcpProxy,
    /// Behaves as later versions, or badly.
    pub proxy: InfluxProxy,
    /// The database itself.
    pub influxd: Influxd,
}

impl Database {
    /// Starts one with its data in a folder.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Database> {
        let influxd = Influxd::start(folder)?;
        influxd.create_database(BUCKET)?;
        let proxy = InfluxProxy::start(influxd.address(), Dialect::V1)?;
        let line = TcpProxy::start(proxy.address())?;
        Ok(Database {
            line,
            proxy,
            influxd,
        })
    }

    /// Where a store is whose shots are here and whose registry is that file.
    pub(super) fn place(&self, path: PathBuf) -> anyhow::Result<StorePlace> {
        Ok(StorePlace::Influx {
            path,
            // Past the line, which may be broken.
            options: Box::new(InfluxOptions::new(&self.proxy.url(), BUCKET, BUCKET)?),
        })
    }

    /// How many points of shots it has at whatever time, whoever wrote them.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn shot_points(&self) -> anyhow::Result<u64> {
        let statement = format!("SELECT count(\"counter\") FROM \"{SHOT_MEASUREMENT}\"");
        let answer = self.influxd.query(&statement, BUCKET)?;
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .context("influxd answers nothing")?;
        let json = body.lines().find(|line| line.starts_with('{'));
        let json: serde_json::Value = serde_json::from_str(json.unwrap_or_default())?;
        let series = &json["results"][0]["series"][0];
        // Without any point there is no series.
        Ok(series["values"][0][1].as_u64().unwrap_or(0))
    }

    /// Of the server's configuration.
    pub(super) fn section(&self) -> String {
        let address = self.line.address();
        format!("[store]\nkind = \"influx\"\n[influx]\nurl = \"http://{address}\"\n")
    }
}
