//! Where a broker is, and what makes us and it believe each other.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rumqttc::{TlsConfiguration, Transport};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::{BusError, platform};

/// The longest password, in bytes; a longer file is some other file.
const PASSWORD_BYTES_MAX: u64 = 4_096;

/// Where a broker is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// A name or address, an IPv6 address in brackets.
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    login: Option<Login>,
}

/// The files that make broker and client believe each other. With none of them the connection is
/// neither encrypted nor signed in, which is only for this computer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The certificates that the broker's own must be signed by, PEM. With it the connection is
    /// TLS, and the broker's certificate must name the host.
    pub ca_file: Option<PathBuf>,
    /// Certificate and private key of this client, PEM; needs [`Access::ca_file`]. Nobody but the
    /// owner may read the key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// User name, and the file of the password, which nobody but its owner may read.
    pub login: Option<(String, PathBuf)>,
}

/// A user name and its password, which no log shows.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) username: String,
    password: String,
}

impl Login {
    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// A broker by the name or address of its host, such as `localhost` or `::1`.
    pub fn new(host: &str, port: u16) -> Endpoint {
        // The client library puts host and port together without brackets.
        let host = match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => host.to_owned(),
        };
        Endpoint {
            host,
            port,
            tls: None,
            login: None,
        }
    }

    /// The same with what is in these files; they are read here, once.
    ///
    /// # Errors
    ///
    /// [`BusError::File`] for a file that cannot be read, holds something else, or is a secret that
    /// others may read.
    pub fn with_access(self, access: &Access) -> Result<Endpoint, BusError> {
        let tls = match &access.ca_file {
            None => None,
            Some(ca_file) => Some(Arc::new(client_config(ca_file, access.identity.as_ref())?)),
        };
        let login = match &access.login {
            None => None,
            Some((username, file)) => Some(Login {
                username: username.clone(),
                password: read_password(file)?,
            }),
        };
        Ok(Endpoint { tls, login, ..self })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) const fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    pub(crate) fn transport(&self) -> Transport {
        match &self.tls {
            None => Transport::Tcp,
            Some(config) => Transport::Tls(TlsConfiguration::Rustls(Arc::clone(config))),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        Endpoint::new(&address.ip().to_string(), address.port())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.tls.is_some() { " over TLS" } else { "" };
        write!(f, "{}:{}{how}", self.host, self.port)
    }
}

/// Believes the given certificates only, not those of the system: a clinic's broker is signed by
/// the clinic.
fn client_config(
    ca_file: &Path,
    identity: Option<&(PathBuf, PathBuf)>,
) -> Result<ClientConfig, BusError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(ca_file)? {
        roots
            .add(certificate)
            .map_err(|error| wrong(ca_file, &error))?;
    }
    // Named here, so that no process-wide choice of a library decides.
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(ca_file, &error))?
        .with_root_certificates(roots);
    let Some((certificate_file, key_file)) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let certificates = read_certificates(certificate_file)?;
    check_only_for_its_owner(key_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| wrong(key_file, &error))?;
    builder
        .with_client_auth_cert(certificates, key)
        .map_err(|error| wrong(certificate_file, &error))
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BusError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| wrong(file, &error))?;
    match certificates.is_empty() {
        true => Err(wrong(file, &"it holds no certificate in PEM form")),
        false => Ok(certificates),
    }
}

/// The text of a file without the line break at its end.
fn read_password(file: &Path) -> Result<String, BusError> {
    check_only_for_its_owner(file)?;
    let length = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    if length > PASSWORD_BYTES_MAX {
        let what = format!("it has {length} bytes, more than {PASSWORD_BYTES_MAX}");
        return Err(wrong(file, &what));
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(file, &error))?;
    let password = text.trim_end_matches(['\r', '\n']);
    match password.is_empty() {
        true => Err(wrong(file, &"it is empty; write the password into it")),
        false => Ok(password.to_owned()),
    }
}

fn check_only_for_its_owner(file: &Path) -> Result<(), BusError> {
    match platform::mode_for_others(file).map_err(|error| wrong(file, &error))? {
        None => Ok(()),
        Some(mode) => {
            let what = format!("others can read it (mode {mode:o}); set it to 600");
            Err(wrong(file, &what))
        }
    }
}

fn wrong(file: &Path, what: &impl ToString) -> BusError {
    BusError::File {
        file: file.to_owned(),
        detail: what.to_string(),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(folder: &tempfile::TempDir, text: &str, mode: u32) -> PathBuf {
        let path = folder.path().join("secret");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn signed_in(file: PathBuf) -> Result<Endpoint, BusError> {
        let access = Access {
            login: Some(("room-1".to_owned(), file)),
            ..Access::default()
        };
        Endpoint::new("localhost", 1883).with_access(&access)
    }

    #[test]
    fn a_password_is_read_without_its_line_break_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = signed_in(file(&folder, "quiet word\n", 0o600)).unwrap();
        assert_eq!(endpoint.login().unwrap().password(), "quiet word");
        assert!(!format!("{endpoint:?} {endpoint}").contains("quiet"));
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_and_so_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = signed_in(file(&folder, "word", 0o640)).unwrap_err();
        assert!(error.to_string().contains("640"), "{error}");
        assert!(signed_in(file(&folder, "\n", 0o600)).is_err());
        assert!(signed_in(folder.path().join("none")).is_err());
    }

    #[test]
    fn a_file_that_holds_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access {
            ca_file: Some(file(&folder, "hello", 0o600)),
            ..Access::default()
        };
        let error = Endpoint::new("localhost", 8883).with_access(&access);
        assert!(error.unwrap_err().to_string().contains("secret"));
    }
}
