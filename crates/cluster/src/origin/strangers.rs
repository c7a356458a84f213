//! Who has begun a link and proven nothing yet.
//!
//! Nobody is kept out by them: a newcomer always gets a place, and where there is none left the one who has said nothing for
//! longest loses his, of the newcomer's own address first. An edge proves itself within three round trips.

use parking_lot::Mutex;
use std::{collections::VecDeque, net::IpAddr, sync::Arc};
use tokio_util::sync::CancellationToken;
use unisono_net::client_of;

/// At once.
const ALL_MAX: usize = 64;
/// Of one address, or one IPv6 /64: as many edges as may stand behind it and come in the same moment.
const ADDRESS_MAX: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// Oldest first.
    places: Mutex<VecDeque<(IpAddr, CancellationToken)>>,
}

/// A stranger's place; gives it back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    all: Arc<Strangers>,
    gone: CancellationToken,
}

impl Strangers {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.places.lock().len()
    }

    /// One more.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Place {
        let (client, gone) = (client_of(from), CancellationToken::new());
        let mut places = self.places.lock();
        let of_client = places.iter().filter(|(of, _)| *of == client).count();
        let oldest = if of_client >= ADDRESS_MAX {
            places.iter().position(|(of, _)| *of == client)
        } else {
            (places.len() >= ALL_MAX).then_some(0)
        };
        if let Some((_, oldest)) = oldest.and_then(|index| places.remove(index)) {
            oldest.cancel();
        }
        places.push_back((client, gone.clone()));
        drop(places);
        Place { all: self.clone(), gone }
    }
}

impl Place {
    /// Cancelled when somebody else needs the place.
    pub(super) fn gone(&self) -> &CancellationToken {
        &self.gone
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Each place has a token of its own; what was cancelled is not listed any more.
        self.gone.cancel();
        self.all.places.lock().retain(|(_, gone)| !gone.is_cancelled());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn the_newest_always_gets_in_and_one_address_pushes_out_its_own() {
        let all = Arc::new(Strangers::default());
        let edge = all.enter(address(1));
        let flood: Vec<_> = (0..100).map(|_| all.enter(address(2))).collect();
        assert_eq!(all.count(), 1 + ADDRESS_MAX);
        assert!(!edge.gone().is_cancelled(), "not by somebody of another address");
        let is_in: Vec<_> = flood.iter().map(|place| !place.gone().is_cancelled()).collect();
        assert_eq!(is_in, [vec![false; 100 - ADDRESS_MAX], vec![true; ADDRESS_MAX]].concat());
        drop(flood);
        assert_eq!(all.count(), 1);
        let many: Vec<_> = (0..200).map(|number| all.enter(address(number))).collect();
        assert_eq!(all.count(), ALL_MAX);
        assert!(edge.gone().is_cancelled() && !many[199].gone().is_cancelled());
        drop(many);
        assert_eq!(all.count(), 0);
    }
}
