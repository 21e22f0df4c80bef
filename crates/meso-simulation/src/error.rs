//! What a run can end with.

/// Why a run did not come to a good end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// Something that must always hold did not.
    #[error("{promise}: {detail}")]
    Broken {
        /// What must hold.
        promise: &'static str,
        /// Where it did not.
        detail: String,
    },
    /// The pieces could not be put together; the run says nothing.
    #[error("the simulation cannot be set up: {detail}")]
    Setup {
        /// What failed.
        detail: String,
    },
}

impl SimulationError {
    pub(crate) fn setup(error: impl std::fmt::Display) -> SimulationError {
        SimulationError::Setup {
            detail: error.to_string(),
        }
    }
}

/// Complains where something that must hold does not.
pub(crate) fn ensure(
    holds: bool,
    promise: &'static str,
    detail: impl FnOnce() -> String,
) -> Result<(), SimulationError> {
    match holds {
        true => Ok(()),
        false => Err(SimulationError::Broken {
            promise,
            detail: detail(),
        }),
    }
}
