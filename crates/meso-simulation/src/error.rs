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

/// What must hold whatever comes in: a state machine that panics takes its process with it.
pub(crate) const NO_PANIC: &str = "bad input never panics";

impl SimulationError {
    /// What must hold and did not.
    pub fn promise(&self) -> Option<&'static str> {
        match self {
            SimulationError::Broken { promise, .. } => Some(promise),
            SimulationError::Setup { .. } => None,
        }
    }

    /// What a panic said; where it was is on standard error already.
    pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> SimulationError {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        SimulationError::Broken {
            promise: NO_PANIC,
            detail: text.unwrap_or("a panic without words").to_owned(),
        }
    }

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
