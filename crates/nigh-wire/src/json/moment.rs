//! Times and durations as text: RFC 3339 in UTC, and seconds with an `s`, exact to the nanosecond.
//!
//! One text per value: no other offset, no empty or trailing fraction, so that a key has one address.

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
/// Seconds of a day.
const DAY: u64 = 86_400;

/// `2024-05-01T12:00:00.25Z`.
pub(super) fn time_text(nanos: u64) -> String {
    let (secs, fraction) = (nanos / SECOND, nanos % SECOND);
    let (year, month, day) = date_of(secs / DAY);
    let (hour, minute, second) = (secs % DAY / 3_600, secs % 3_600 / 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}Z", fraction_text(fraction))
}

/// Nanoseconds since 1970 of a text that [`time_text`] writes.
pub(super) fn time_nanos(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (clock, fraction) = time.split_at_checked(8)?;
    let [year, month, day] = digits(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = digits(clock, ':', [2, 2, 2])?;
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_to(year, month, day)?;
    let nanos = (days * DAY + hour * 3_600 + minute * 60 + second).checked_mul(SECOND)?;
    let nanos = nanos.checked_add(fraction_nanos(fraction)?)?;
    // The 31st of a short month would come back as another day.
    (time_text(nanos) == text).then_some(nanos)
}

/// `90s`, `0.25s`.
pub(super) fn duration_text(nanos: u64) -> String {
    format!("{}{}s", nanos / SECOND, fraction_text(nanos % SECOND))
}

/// Nanoseconds of a text that [`duration_text`] writes.
pub(super) fn duration_nanos(text: &str) -> Option<u64> {
    let number = text.strip_suffix('s')?;
    let (secs, fraction) = number.split_at(number.find('.').unwrap_or(number.len()));
    if secs.is_empty() || !secs.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos = secs.parse::<u64>().ok()?.checked_mul(SECOND)?.checked_add(fraction_nanos(fraction)?)?;
    (duration_text(nanos) == text).then_some(nanos)
}

fn fraction_text(nanos: u64) -> String {
    if nanos == 0 { String::new() } else { format!(".{nanos:09}").trim_end_matches('0').to_owned() }
}

fn fraction_nanos(text: &str) -> Option<u64> {
    let Some(digits) = text.strip_prefix('.') else { return text.is_empty().then_some(0) };
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<9}").parse().ok()
}

/// Numbers of exactly these widths.
fn digits<const N: usize>(text: &str, between: char, widths: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days from 1970 to a date of the Gregorian calendar; None before 1970.
fn days_to(year: u64, month: u64, day: u64) -> Option<u64> {
    // Years start in March here, so that the leap day is the last: Hinnant, "chrono-compatible algorithms".
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

/// The inverse of [`days_to`].
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}
