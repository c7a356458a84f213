//! The moving test picture, drawn straight into I420 planes: a gradient, two balls and a sweep that show whether
//! motion is smooth, the time and frame number for people, the counter and the flash for machines.

use super::{counter, font};
use openh264::formats::YUVSource;
use std::str::FromStr;

/// Width and height in pixels: even, 160x90 to 3840x2160, so that chroma and the counter's cells come out whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl FromStr for Size {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let words = || format!("{s:?} is not a picture size such as 640x360 (even, 160x90 to 3840x2160)");
        let (width, height) = s.split_once('x').ok_or_else(words)?;
        let side = |text: &str| text.parse::<usize>().map_err(|_| words());
        let size = Self { width: side(width)?, height: side(height)? };
        let fits = (160..=3840).contains(&size.width) && (90..=2160).contains(&size.height);
        if fits && size.width.is_multiple_of(2) && size.height.is_multiple_of(2) {
            Ok(size)
        } else {
            Err(words())
        }
    }
}

/// What one picture shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Frames since the start; moves the shapes and is written out.
    pub(crate) frame: u64,
    /// Frames per second.
    pub(crate) fps: u32,
    /// Time of day, written out as UTC.
    pub(crate) unix_ms: i64,
    /// Burnt in; the lower 24 bits count.
    pub(crate) counter: u32,
    /// The square at the bottom right is white: the tone beeps now.
    pub(crate) flash: bool,
}

/// A colour as Y, Cb, Cr (BT.601, limited range).
type Colour = [u8; 3];
const WHITE: Colour = [235, 128, 128];
const BLACK: Colour = [16, 128, 128];
const AMBER: Colour = [175, 60, 165];
const TEAL: Colour = [150, 140, 75];

/// One picture's planes, drawn anew for each frame over a background that is made once.
pub(crate) struct Picture {
    size: Size,
    planes: Vec<u8>,
    background: Vec<u8>,
}

impl Picture {
    pub(crate) fn new(size: Size) -> Self {
        let background = background(size);
        Self { size, planes: background.clone(), background }
    }

    /// Y, Cb and Cr one after the other, as `-f rawvideo -pix_fmt yuv420p` has them.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.planes
    }

    /// Draws one moment.
    pub(crate) fn draw(&mut self, moment: &Moment) {
        self.planes.copy_from_slice(&self.background);
        let Size { width, height } = self.size;
        let band = height / 10;
        let seconds = moment.frame as f64 / f64::from(moment.fps);

        let sweep = (seconds / 4.0).fract() * width as f64;
        self.rectangle(sweep as usize, band, (width / 80).max(2), height / 12, TEAL);
        let radius = height as f64 / 11.0;
        let floor = height as f64 * 0.78;
        let bounce = (seconds * 1.25).fract() * 2.0 - 1.0;
        let x = swing(seconds / 6.0) * (width as f64 * 0.7) + radius;
        self.disc(x, floor - (1.0 - bounce * bounce) * height as f64 * 0.42, radius, AMBER);
        let y = 0.3 + 0.5 * swing(seconds / 5.0);
        self.disc(width as f64 * 0.9, y * height as f64 * 0.8, radius * 0.6, TEAL);

        let scale = (height / 72).max(1);
        self.text(width / 2, height * 2 / 5, scale, &time_of_day(moment.unix_ms));
        self.text(width / 2, height * 11 / 20, scale * 3 / 5, &format!("FRAME {}", moment.frame));
        self.text(width / 2, height * 9 / 10, scale * 3 / 5, "UNISONO");

        self.counter(band, moment.counter);
        let side = height / 4;
        let flash = if moment.flash { WHITE } else { BLACK };
        self.rectangle(width - side, height - side, side, side, flash);
    }

    fn counter(&mut self, band: usize, value: u32) {
        let bits = counter::encode(value);
        let edge = |cell: usize, width: usize| cell * width / counter::CELLS;
        for cell in 0..counter::CELLS {
            let (from, to) = (edge(cell, self.size.width), edge(cell + 1, self.size.width));
            let is_set = bits >> (counter::CELLS - 1 - cell) & 1 == 1;
            self.rectangle(from, 0, to - from, band, if is_set { WHITE } else { BLACK });
        }
    }

    /// Centred at `centre_x`, top at `top`, with a dark shadow so that it reads on any ground.
    fn text(&mut self, centre_x: usize, top: usize, scale: usize, text: &str) {
        let scale = scale.max(1);
        let total = text.chars().count() * font::ADVANCE * scale;
        let left = centre_x.saturating_sub(total / 2);
        let shadow = (scale / 2).max(1);
        for (offset, colour) in [(shadow, BLACK), (0, WHITE)] {
            for (place, character) in text.chars().enumerate() {
                let x = left + place * font::ADVANCE * scale + offset;
                self.glyph(x, top + offset, scale, character, colour);
            }
        }
    }

    fn glyph(&mut self, x: usize, y: usize, scale: usize, character: char, colour: Colour) {
        for (row, bits) in font::glyph(character).into_iter().enumerate() {
            for column in (0..font::WIDTH).filter(|c| bits >> (font::WIDTH - 1 - c) & 1 == 1) {
                self.rectangle(x + column * scale, y + row * scale, scale, scale, colour);
            }
        }
    }

    fn disc(&mut self, x: f64, y: f64, radius: f64, colour: Colour) {
        let top = (y - radius).max(0.0) as usize;
        for row in top..=(y + radius).max(0.0) as usize {
            let half = (radius * radius - (row as f64 - y).powi(2)).max(0.0).sqrt();
            let left = (x - half).max(0.0) as usize;
            let right = (x + half).max(0.0) as usize;
            self.rectangle(left, row, right.saturating_sub(left), 1, colour);
        }
    }

    /// Clipped to the picture. Chroma covers every 2x2 block it touches.
    fn rectangle(&mut self, x: usize, y: usize, w: usize, h: usize, [luma, cb, cr]: Colour) {
        let Size { width, height } = self.size;
        let (right, bottom) = ((x + w).min(width), (y + h).min(height));
        if x >= right || y >= bottom {
            return;
        }
        for row in y..bottom {
            self.planes[row * width + x..row * width + right].fill(luma);
        }
        let (half_width, chroma) = (width / 2, width * height);
        for (plane, value) in [(chroma, cb), (chroma + chroma / 4, cr)] {
            for row in y / 2..bottom.div_ceil(2) {
                let line = plane + row * half_width;
                self.planes[line + x / 2..line + right.div_ceil(2)].fill(value);
            }
        }
    }
}

impl YUVSource for Picture {
    fn dimensions(&self) -> (usize, usize) {
        (self.size.width, self.size.height)
    }
    fn strides(&self) -> (usize, usize, usize) {
        (self.size.width, self.size.width / 2, self.size.width / 2)
    }
    fn y(&self) -> &[u8] {
        &self.planes[..self.size.width * self.size.height]
    }
    fn u(&self) -> &[u8] {
        let luma = self.size.width * self.size.height;
        &self.planes[luma..luma + luma / 4]
    }
    fn v(&self) -> &[u8] {
        let luma = self.size.width * self.size.height;
        &self.planes[luma + luma / 4..]
    }
}

/// Dusk: dark blue above, violet below, a little lighter to the right.
fn background(Size { width, height }: Size) -> Vec<u8> {
    let mut planes = vec![0; width * height * 3 / 2];
    let (luma, chroma) = planes.split_at_mut(width * height);
    for (at, pixel) in luma.iter_mut().enumerate() {
        let (x, y) = (at % width, at / width);
        *pixel = (40 + y * 45 / height + x * 20 / width) as u8;
    }
    let (cb, cr) = chroma.split_at_mut(width * height / 4);
    for (at, (cb, cr)) in cb.iter_mut().zip(cr).enumerate() {
        let y = at / (width / 2);
        *cb = (158 - y * 16 / height) as u8;
        *cr = (118 + y * 60 / height) as u8;
    }
    planes
}

/// 0 to 1 and back, once per unit of `phase`.
fn swing(phase: f64) -> f64 {
    1.0 - (2.0 * phase.fract() - 1.0).abs()
}

/// `HH:MM:SS.mmm` of a Unix time in milliseconds.
fn time_of_day(unix_ms: i64) -> String {
    let ms = unix_ms.rem_euclid(86_400_000);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_can_be_read_back() {
        for text in ["640x360", "320x180", "1280x720", "426x240"] {
            let size: Size = text.parse().expect("valid");
            let mut picture = Picture::new(size);
            for counter in [0, 1, 0xff_ffff, 0x5a_a55a] {
                picture.draw(&Moment { frame: 77, fps: 30, unix_ms: 0, counter, flash: false });
                assert_eq!(counter::read(picture.y(), size.width, size.height), Some(counter), "{text}");
            }
        }
    }

    #[test]
    fn the_flash_is_the_square_at_the_bottom_right() {
        let size: Size = "640x360".parse().expect("valid");
        let mut picture = Picture::new(size);
        for (flash, luma) in [(true, 235), (false, 16)] {
            picture.draw(&Moment { frame: 0, fps: 30, unix_ms: 0, counter: 0, flash });
            assert_eq!(picture.y()[315 * 640 + 595], luma);
        }
    }

    #[test]
    fn a_size_is_even_and_sane() {
        assert_eq!("640x360".parse(), Ok(Size { width: 640, height: 360 }));
        for bad in ["640", "641x360", "0x0", "9999x9999", "640xtall"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_clock_shows_utc() {
        assert_eq!(time_of_day(1_700_000_000_123), "22:13:20.123");
    }
}
