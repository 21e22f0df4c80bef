//! The broker of the configuration.

use meso_bus::{Access, Endpoint};
use meso_config::DriverConfig;

use crate::DriverError;

/// Where the broker is, with the certificates and the password that the configuration names.
///
/// # Errors
///
/// [`DriverError::Broker`] for a file that cannot be used.
pub fn broker_of(config: &DriverConfig) -> Result<Endpoint, DriverError> {
    let at = &config.broker;
    let identity = at.certificate.as_ref();
    let login = at.login.as_ref();
    let access = Access {
        ca_file: at.ca_file.clone(),
        identity: identity.map(|it| (it.certificate_file.clone(), it.key_file.clone())),
        login: login.map(|it| (it.username.clone(), it.password_file.clone())),
    };
    Ok(Endpoint::new(&at.host, at.port).with_access(&access)?)
}
