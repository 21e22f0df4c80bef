//! Frames as a broken gun makes them.

use meso_link_proto::Message;
use meso_link_proto::frame::Frame;

use super::restart::decoded;

/// The frame with other bytes at `at` of its payload.
pub(super) fn patched(mut frame: Frame, at: usize, bytes: &[u8]) -> Frame {
    frame.payload[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

/// The frame of a message, as it stands on the line.
pub(super) fn frame_of(message: &Message) -> Option<Frame> {
    decoded(&message.encode(0).ok()?)
}
