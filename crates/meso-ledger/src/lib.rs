//! A Merkle log with signed checkpoints and proofs; it knows bytes and hashes only.
//!
//! The tree is the one of [RFC 6962](https://www.rfc-editor.org/rfc/rfc6962#section-2.1), the
//! checkpoint the one of [C2SP](https://c2sp.org/tlog-checkpoint), its signature a
//! [C2SP signed note](https://c2sp.org/signed-note) with Ed25519, so that the tools of others can
//! check our log. What is not implemented yet: tiles, entry bundles and witness cosignatures
//! (unknown signatures on a checkpoint are read over, as the specification asks).
//!
//! It is **not** a database: appending hands back the few hashes to store, each under its
//! [`HashKey`], and proofs read them again through [`HashReader`]. It is not a sequencer either:
//! that only one writer appends is the duty of the caller, and so are randomness and clocks. It
//! does not know what an entry means.
//!
//! Read first: [`Frontier`], [`prove_inclusion`], [`Checkpoint`].
//!
//! ```
//! use meso_ledger::{Checkpoint, Frontier, LogKey, leaf_hash, prove_inclusion, verify_inclusion};
//! use std::collections::BTreeMap;
//!
//! let (mut tree, mut stored) = (Frontier::EMPTY, BTreeMap::new());
//! for entry in [b"first".as_slice(), b"second", b"third"] {
//!     stored.extend(tree.append(entry)?.hashes);
//! }
//! let key = LogKey::from_seed("example.org/log", &[7; 32])?;
//! let signed = Checkpoint::new("example.org/log", tree.size(), tree.root())?.sign(&key);
//! let trusted = Checkpoint::open(&signed, &key.verifier())?;
//! let proof = prove_inclusion(1, tree.size(), &stored)?;
//! verify_inclusion(leaf_hash(b"second"), 1, trusted.size(), &proof, trusted.root())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checkpoint;
mod error;
mod frontier;
mod hash;
mod note;
mod proof;
mod range;
mod verify;

pub use checkpoint::Checkpoint;
pub use error::{LedgerError, ReadError};
pub use frontier::{Appended, ENTRY_BYTES_MAX, Frontier, LEAVES_MAX};
pub use hash::{Hash, HashKey, HashReader, empty_root, leaf_hash, node_hash};
pub use note::{KEY_NAME_BYTES_MAX, LogKey, NOTE_BYTES_MAX, VerifierKey, sign_note};
pub use proof::{prove_consistency, prove_inclusion};
pub use verify::{PROOF_HASHES_MAX, verify_consistency, verify_inclusion};
