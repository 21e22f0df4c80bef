//! Fixed little-endian fields, written and read in order.

use alloc::string::String;
use alloc::vec::Vec;

use crate::message::RejectReason;

/// The bytes of a `text16` field.
pub(crate) const TEXT_BYTES: usize = 16;

/// Appends fields to a payload.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Writer {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(self, value: u8) -> Writer {
        self.raw(&[value])
    }

    pub(crate) fn u16(self, value: u16) -> Writer {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u32(self, value: u32) -> Writer {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn i32(self, value: i32) -> Writer {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Writer {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn i64(self, value: i64) -> Writer {
        self.raw(&value.to_le_bytes())
    }

    /// Text of at most 16 bytes, padded with zeros; the caller has checked its length.
    pub(crate) fn text(self, text: &str) -> Writer {
        let mut field = [0_u8; TEXT_BYTES];
        for (place, byte) in field.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        self.raw(&field)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes fields from a payload; a missing byte is [`RejectReason::TooShort`].
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], RejectReason> {
        let missing = RejectReason::TooShort {
            length: self.bytes.len(),
        };
        let field = self
            .bytes
            .get(self.at..self.at + N)
            .ok_or(missing.clone())?;
        self.at += N;
        field.try_into().map_err(|_| missing)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, RejectReason> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, RejectReason> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, RejectReason> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, RejectReason> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, RejectReason> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, RejectReason> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, RejectReason> {
        let bytes = self.array::<TEXT_BYTES>()?;
        let length = bytes
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(TEXT_BYTES);
        let (text, padding) = bytes.split_at(length);
        let clean = !text.is_empty()
            && text
                .iter()
                .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
            && padding.iter().all(|&byte| byte == 0);
        if !clean {
            return Err(RejectReason::BadText { field });
        }
        Ok(text.iter().map(|&byte| char::from(byte)).collect())
    }

    /// Refuses bytes that no field took.
    pub(crate) fn finish(self) -> Result<(), RejectReason> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(RejectReason::TooLong {
                length: self.bytes.len(),
                length_max: self.at,
            })
        }
    }
}
