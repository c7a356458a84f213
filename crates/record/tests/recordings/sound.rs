//! A stream of sound in the hub, and what the HLS door makes of it: real segments, two seconds each, when the test says so.

use crate::place::NOW;
use bytes::Bytes;
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::watch;
use unisono_base::{Doorbell, Epoch, KeyId, Span, StreamId};
use unisono_hub::{Hub, Publication, Source};
use unisono_media::{CodecConfig, Frame, OpusConfig};
use unisono_proto_hls::{Cut, Cuts, Packager, Start, Tracks, View};
use unisono_record::{Packagers, Views};

struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

pub(crate) fn stream() -> StreamId {
    StreamId::local("live/alice".parse().expect("a name"))
}

/// Somebody publishes it for as long as this is held.
pub(crate) fn publish(hub: &Hub) -> Publication {
    let source = Source { protocol: "test", accepts_pli: false };
    let seconds = NOW.unix_seconds() as u32;
    hub.publish(&stream(), KeyId::new("k"), source, seconds, Arc::new(Silent)).expect("free")
}

/// Packages sound.
pub(crate) struct Sound {
    packager: Packager,
    views: watch::Sender<Option<Arc<View>>>,
    first: u64,
    /// Segments begun.
    begun: u64,
    cuts: VecDeque<Cut>,
}

impl Sound {
    /// Its segments are numbered from `first` on.
    pub(crate) fn new(first: u64) -> Self {
        let tracks = Tracks { video: None, audio: Some(Start::Origin) };
        let packager = Packager::new(Default::default(), tracks);
        let mut sound =
            Self { packager, views: watch::Sender::default(), first, begun: 0, cuts: VecDeque::new() };
        sound.begin();
        sound
    }

    fn begin(&mut self) {
        let t = NOW + Span::from_secs(2 * (self.first + self.begun) as i64);
        let segment = self.first + self.begun;
        self.begun += 1;
        let epoch = Epoch(NOW.unix_seconds() as u32);
        self.cuts.push_back(Cut { epoch, segment, t, independent: true, discontinuities: 0 });
        let config = Arc::new(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 }));
        for packet in 0..100 {
            let t = t + Span::from_millis(20 * packet);
            // CELT fullband, one frame of 20 ms.
            let payload = Bytes::copy_from_slice(&[0xfc, packet as u8, 3]);
            self.packager.handle_frame(Arc::new(Frame::new(t, t, payload)), epoch, config.clone());
        }
        let horizon = Some(t + Span::from_secs(2));
        let cuts = Cuts { list: self.cuts.clone(), horizon, target: Some(Span::from_secs(4)) };
        self.packager.handle_cuts(&cuts).expect("packaged");
        self.publish();
    }

    /// The segment that was open is whole, and another one is open.
    pub(crate) fn segment(&mut self) {
        self.begin();
    }

    /// The stream ends with the open segment.
    pub(crate) fn end(mut self) {
        self.packager.handle_end().expect("packaged");
        self.publish();
    }

    fn publish(&mut self) {
        if let Some(view) = self.packager.poll_view() {
            self.views.send_replace(Some(view));
        }
    }
}

/// The HLS door of a node with one stream.
#[derive(Default)]
pub(crate) struct Door(Mutex<Option<watch::Receiver<Option<Arc<View>>>>>);

impl Door {
    /// From now on this is what a recorder gets.
    pub(crate) fn play(&self, sound: &Sound) {
        *self.0.lock() = Some(sound.views.subscribe());
    }
}

impl Packagers for Door {
    fn views(&self, _: &StreamId) -> Result<Views, String> {
        let receiver = self.0.lock().clone().ok_or("nothing is packaged")?;
        Ok(Views { receiver, held: Box::new(()) })
    }
}
