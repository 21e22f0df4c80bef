//! What a person types behind `mesofleet protocol`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The protocol library: files, releases, signatures.
#[derive(Debug, Subcommand)]
pub enum ProtocolCommand {
    /// List the protocols of files, of a draft, or of the release in force.
    List(SourceArguments),
    /// Show one protocol with every limit and its source.
    Show(ShowArguments),
    /// Check protocol files; exit 1 where one has a problem. Every problem is named with its line.
    Check(CheckArguments),
    /// Compare two releases, drafts or files; exit 1 where limits differ.
    Diff(DiffArguments),
    /// Put protocol files together into a draft, ready to be signed.
    Draft(DraftArguments),
    /// Sign a draft, after it has been checked; a draft with a problem is never signed.
    Sign(SignArguments),
    /// Put a draft that enough people have signed into force on a server; it goes to the rooms
    /// when the server starts the next time.
    Release(ReleaseArguments),
    /// Make the draft of a release without some protocols of the one in force; it has to be signed
    /// and released as any other.
    Retire(RetireArguments),
    /// Keys of people who sign.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Who may sign.
    #[command(subcommand)]
    Signers(SignersCommand),
}

/// Where protocols are read from.
#[derive(Args, Debug)]
pub struct SourceArguments {
    /// Protocol files, or one draft or release (`.json`).
    #[arg(
        value_name = "FILE",
        required_unless_present = "config",
        conflicts_with = "config"
    )]
    pub files: Vec<PathBuf>,
    /// The configuration file of the server, for the release in force.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `protocol show`.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// The id of the protocol, such as `mesolift-face`.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Where it is.
    #[command(flatten)]
    pub source: SourceArguments,
}

/// Options of `protocol check`.
#[derive(Args, Debug)]
pub struct CheckArguments {
    /// The files.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Print one JSON object a file.
    #[arg(long)]
    pub json: bool,
}

/// Options of `protocol diff`.
#[derive(Args, Debug)]
pub struct DiffArguments {
    /// A protocol file, a draft or a release.
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// Another.
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Print one JSON object a difference.
    #[arg(long)]
    pub json: bool,
}

/// Options of `protocol draft`.
#[derive(Args, Debug)]
pub struct DraftArguments {
    /// The protocol and pack files.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The version of the release: higher than that in force.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub version: u32,
    /// The pack that is chosen for a topic, such as `course=taper-to-monthly`, `cancer=…`,
    /// `anticoagulants=…`, or for the course of one protocol, `course:chin-fat=chin-label`; may
    /// be given more than once.
    #[arg(long, value_name = "TOPIC=PACK")]
    pub choose: Vec<String>,
    /// Mark the release as one for demonstrations.
    #[arg(long)]
    pub demo: bool,
    /// Where the draft goes; it must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Options of `protocol sign`.
#[derive(Args, Debug)]
pub struct SignArguments {
    /// The draft; the signature is added to it.
    #[arg(value_name = "DRAFT")]
    pub draft: PathBuf,
    /// The key file of the person who signs.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Ask nothing.
    #[arg(long)]
    pub yes: bool,
}

/// Options of `protocol release`.
#[derive(Args, Debug)]
pub struct ReleaseArguments {
    /// The signed draft.
    #[arg(value_name = "DRAFT")]
    pub draft: PathBuf,
    /// The configuration file of the server.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Ask nothing.
    #[arg(long)]
    pub yes: bool,
}

/// Options of `protocol retire`.
#[derive(Args, Debug)]
pub struct RetireArguments {
    /// The ids of the protocols that go.
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// The protocol and pack files that the next release is made of, these protocols among them.
    #[arg(long = "from", value_name = "FILE", required = true, num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// The configuration file of the server, for the version and the choices in force.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where the draft goes; it must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Keys of people who sign.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Write a new random key that only its owner may read, and print the public key.
    New {
        /// The file; it must not exist.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the public key of a key file.
    Show {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Who may sign.
#[derive(Debug, Subcommand)]
pub enum SignersCommand {
    /// Show the list in force.
    Show {
        /// The configuration file of the server.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sign the text of the next list, as a person of the present one; the signature is added to a
    /// draft beside it.
    Sign {
        /// The text of the list: `version`, `signatures_needed`, `[[signers]]`.
        #[arg(value_name = "LIST")]
        list: PathBuf,
        /// The key file of the person who signs.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Where the signed list is; it is made where it does not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Put a signed list into force on a server.
    Release {
        /// The signed list.
        #[arg(value_name = "SIGNED")]
        signed: PathBuf,
        /// The configuration file of the server.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}
