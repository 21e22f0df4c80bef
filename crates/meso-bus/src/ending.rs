//! What the end of a connection means.

use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;
use rumqttc::v5::{ConnectionError, StateError};

use crate::backoff::Ended;

/// In words, and for the back-off; `so_far` is what it was good for before this error.
pub(crate) fn ended_by(error: &ConnectionError, client_id: &str, so_far: Ended) -> (String, Ended) {
    let ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) = error else {
        return (error.to_string(), so_far);
    };
    match reason_code {
        DisconnectReasonCode::SessionTakenOver => {
            let reason = format!(
                "another client signed in as {client_id}; end it, or give one of them another name"
            );
            tracing::error!("{reason}");
            (reason, Ended::TakenOver)
        }
        _ => (error.to_string(), so_far),
    }
}
