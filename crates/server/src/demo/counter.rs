//! The burnt-in counter: 32 cells in the top tenth of a test picture, which a machine reads back from any player.
//!
//! ```text
//! cell   0 ........ 23   24 ...... 31        white = 1, black = 0, most significant bit first
//!        value           check = (b0 + b1 + b2 + 0x5A) & 0xff over the value's three bytes
//! ```

/// Cells across the picture.
pub(crate) const CELLS: usize = 32;

/// What the counter can hold: 24 bits.
const VALUE_MASK: u32 = 0x00ff_ffff;

/// The 32 bits to draw for the lower 24 bits of `value`.
pub(crate) fn encode(value: u32) -> u32 {
    let value = value & VALUE_MASK;
    value << 8 | check(value)
}

/// The value of 32 cells as read, or `None` when the check does not match (a torn or blurred picture).
#[cfg(test)]
pub(crate) fn decode(cells: u32) -> Option<u32> {
    let value = cells >> 8;
    (cells & 0xff == check(value)).then_some(value)
}

/// Reads the counter of a luma plane by sampling the centre of each cell.
#[cfg(test)]
pub(crate) fn read(luma: &[u8], width: usize, height: usize) -> Option<u32> {
    let row = &luma[height / 20 * width..][..width];
    let cells = (0..CELLS).fold(0, |bits, cell| {
        let centre = (2 * cell + 1) * width / (2 * CELLS);
        bits << 1 | u32::from(row[centre] > 128)
    });
    decode(cells)
}

fn check(value: u32) -> u32 {
    let [_, b0, b1, b2] = value.to_be_bytes();
    (u32::from(b0) + u32::from(b1) + u32::from(b2) + 0x5a) & 0xff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_follows_the_value() {
        assert_eq!(encode(0), 0x5a);
        assert_eq!(encode(0x0102_0304), 0x0203_0463, "the lower 24 bits, and 2 + 3 + 4 + 0x5a");
        assert_eq!(decode(encode(123_456)), Some(123_456));
        assert_eq!(decode(encode(123_456) ^ 1 << 9), None, "one wrong cell is noticed");
    }
}
