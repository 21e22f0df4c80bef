//! `mesofleet store`: set up, checked, repaired, copied.

mod arguments;
pub(crate) mod command;
mod repair;
mod shown;
mod spec;

use std::path::Path;

use anyhow::Context;
use meso_config::{InfluxConfig, StoreKind};
use meso_store::{InfluxOptions, InfluxToken, StorePlace};

pub use arguments::StoreCommand;
pub use command::run;
pub use spec::StoreSpec;

/// The file of a store in its data folder.
const FILE_NAME: &str = "fleet.sqlite";

/// Where the store of a data folder is.
pub fn store_place(data_dir: &Path, influx: Option<InfluxOptions>) -> StorePlace {
    let path = data_dir.join(FILE_NAME);
    match influx {
        Some(options) => StorePlace::Influx {
            path,
            options: Box::new(options),
        },
        None => StorePlace::Embedded { path },
    }
}

/// The InfluxDB of a configuration, if its shots are to be kept in one.
///
/// # Errors
///
/// The token cannot be read, or is none.
pub fn influx_of(kind: StoreKind, config: &InfluxConfig) -> anyhow::Result<Option<InfluxOptions>> {
    if kind == StoreKind::Embedded {
        return Ok(None);
    }
    let mut options = InfluxOptions::new(&config.url, &config.org, &config.bucket)?;
    options.gzip = config.gzip;
    options.connections = config.connections.into();
    let token = config.token_file.as_deref().map(read_token).transpose()?;
    Ok(Some(options.with_token(token)))
}

fn read_token(path: &Path) -> anyhow::Result<InfluxToken> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the token in {}", path.display()))?;
    InfluxToken::new(&text).with_context(|| format!("{} holds no token", path.display()))
}
