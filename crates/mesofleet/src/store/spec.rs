//! A store in one word of a command line.

use std::path::PathBuf;

use meso_store::{InfluxOptions, StorePlace};

use super::{read_token, store_place};

/// The environment variable that holds a token where no file does.
const TOKEN_VARIABLE: &str = "MESOFLEET_INFLUX_TOKEN";

/// A store as a person names it: `embedded=DIR` or `influx=URL,data=DIR,org=…,bucket=…,token-file=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSpec {
    data: Option<PathBuf>,
    influx: Option<InfluxSpec>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct InfluxSpec {
    options: InfluxOptions,
    token_file: Option<PathBuf>,
}

impl StoreSpec {
    /// Reads a store with its data folder.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and how to write it.
    pub fn parse(text: &str) -> Result<StoreSpec, String> {
        let spec = StoreSpec::read(text)?;
        match spec.data {
            Some(_) => Ok(spec),
            None => Err(format!(
                "{text:?} lacks its data folder: write embedded=DIR or influx=URL,data=DIR"
            )),
        }
    }

    /// Reads a store whose data folder is named elsewhere.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and how to write it.
    pub fn parse_without_data(text: &str) -> Result<StoreSpec, String> {
        let spec = StoreSpec::read(text)?;
        match spec.data {
            None => Ok(spec),
            Some(_) => Err(format!(
                "{text:?} names a data folder: use --data DIR for that"
            )),
        }
    }

    fn read(text: &str) -> Result<StoreSpec, String> {
        let wrong = || {
            format!(
                "{text:?} is no store: write embedded=DIR, or influx=URL and, behind commas, \
                 data=DIR, org=NAME, bucket=NAME, token-file=PATH"
            )
        };
        let folder = |text: &str| {
            (!text.is_empty())
                .then(|| PathBuf::from(text))
                .ok_or_else(wrong)
        };
        let (kind, rest) = text.split_once('=').unwrap_or((text, ""));
        match kind {
            "embedded" => Ok(StoreSpec {
                data: (!rest.is_empty()).then(|| PathBuf::from(rest)),
                influx: None,
            }),
            "influx" => {
                let mut parts = rest.split(',');
                let url = parts.next().unwrap_or_default();
                let (mut data, mut token_file) = (None, None);
                let (mut org, mut bucket) =
                    (InfluxOptions::DEFAULT_NAME, InfluxOptions::DEFAULT_NAME);
                for part in parts {
                    match part.split_once('=').ok_or_else(wrong)? {
                        ("data", value) => data = Some(folder(value)?),
                        ("token-file", value) => token_file = Some(folder(value)?),
                        ("org", value) => org = value,
                        ("bucket", value) => bucket = value,
                        _ => return Err(wrong()),
                    }
                }
                let options = InfluxOptions::new(url, org, bucket).map_err(|e| e.to_string())?;
                let influx = Some(InfluxSpec {
                    options,
                    token_file,
                });
                Ok(StoreSpec { data, influx })
            }
            _ => Err(wrong()),
        }
    }

    /// The InfluxDB, if it is one, with its token.
    ///
    /// # Errors
    ///
    /// The token cannot be read, or is none.
    pub fn influx(&self) -> anyhow::Result<Option<InfluxOptions>> {
        let Some(influx) = &self.influx else {
            return Ok(None);
        };
        let token = match (&influx.token_file, std::env::var(TOKEN_VARIABLE)) {
            (Some(path), _) => Some(read_token(path)?),
            (None, Ok(text)) => Some(meso_store::InfluxToken::new(&text)?),
            (None, Err(_)) => None,
        };
        Ok(Some(influx.options.clone().with_token(token)))
    }

    /// The data folder; the working folder where none is named.
    pub fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_default()
    }

    /// Where the store is.
    ///
    /// # Errors
    ///
    /// As [`StoreSpec::influx`].
    pub fn place(&self) -> anyhow::Result<StorePlace> {
        Ok(store_place(&self.data(), self.influx()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_in_one_word() {
        let spec = StoreSpec::parse("influx=http://127.0.0.1:8086,data=d,bucket=b").unwrap();
        let options = spec.influx.as_ref().unwrap().options.clone();
        assert_eq!((options.org(), options.bucket()), ("mesofleet", "b"));
        assert_eq!(spec.data(), PathBuf::from("d"));
        let spec = StoreSpec::parse("embedded=some/dir").unwrap();
        assert_eq!(
            spec.place().unwrap().path(),
            PathBuf::from("some/dir/fleet.sqlite")
        );
        assert!(StoreSpec::parse_without_data("embedded").is_ok());
        assert!(StoreSpec::parse_without_data("influx=http://localhost:1").is_ok());
    }

    #[test]
    fn what_is_no_store_is_told_with_how_to_write_one() {
        for wrong in [
            "",
            "sqlite=x",
            "influx",
            "influx=http://127.0.0.1:1",
            "embedded",
        ] {
            assert!(StoreSpec::parse(wrong).is_err(), "{wrong:?}");
        }
        let error = StoreSpec::parse("influx=http://localhost:1,data=d,colour=red").unwrap_err();
        assert!(error.contains("token-file=PATH"), "{error}");
        let error = StoreSpec::parse("influx=http://192.0.2.1:1,data=d").unwrap_err();
        assert!(error.contains("tunnel"), "{error}");
        assert!(StoreSpec::parse_without_data("embedded=d").is_err());
    }
}
