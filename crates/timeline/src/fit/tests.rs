use super::*;

#[test]
fn the_first_frame_is_stamped_with_its_arrival() {
    let mut fit = Fit::new();
    let now = MediaTime::from_micros(1_700_000_000_000_000);
    assert_eq!(fit.stamp(Span::from_secs(77), now), Stamp { t: now, breaks: false });
}
