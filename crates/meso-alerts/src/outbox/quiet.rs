//! Hours in which soft news waits.

/// Hours of each day, by a clinic's clock, in which soft news waits; hard news never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: u16,
    to: u16,
}

impl QuietHours {
    /// Minutes of a day.
    pub const DAY_MINUTES: u16 = 24 * 60;

    /// From one minute of the day to another one, over midnight where the second is earlier; `None`
    /// where one of them is no minute of a day, or both are the same.
    pub fn new(from_minute: u16, to_minute: u16) -> Option<QuietHours> {
        let is_minute = |minute| minute < QuietHours::DAY_MINUTES;
        let fits = is_minute(from_minute) && is_minute(to_minute) && from_minute != to_minute;
        fits.then_some(QuietHours {
            from: from_minute,
            to: to_minute,
        })
    }

    /// Whether it is quiet in this minute of the day.
    pub const fn holds(self, minute: u16) -> bool {
        match self.from < self.to {
            true => self.from <= minute && minute < self.to,
            false => self.from <= minute || minute < self.to,
        }
    }
}
