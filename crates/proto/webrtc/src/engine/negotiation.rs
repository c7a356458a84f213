//! Which section of an offer gets which source, now and at each new offer.

use super::{
    SenderId, Slot,
    header::{ExtensionId, ExtensionIds, PlayoutDelay},
    random,
    sdp::{
        Answer, AnswerSection, ChannelAnswer, Choice, Local, MediaAnswer, Offer, OfferedSection, SectionKind,
        choose_audio, choose_video, is_known,
    },
    sender::{Config, ResendStream, Sender},
};
use crate::{OfferError, offer::no_common_codec};
use unisono_media::{CodecConfig, Kind};

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const ABS_CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/// A track that can be sent to a viewer.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The caller's name for it. A new offer leaves a source where it is sent already.
    pub key: u32,
    /// What it is.
    pub kind: SourceKind<'a>,
    /// How long the viewer's jitter buffer should hold it; `None` leaves that to the viewer.
    pub playout_delay: Option<PlayoutDelay>,
}

/// Picture or sound.
#[derive(Clone, Copy, Debug)]
pub enum SourceKind<'a> {
    /// A picture, in the codec it has.
    Video(&'a CodecConfig),
    /// A sound, as Opus.
    Audio,
}

impl SourceKind<'_> {
    fn section(self) -> SectionKind {
        match self {
            Self::Video(_) => SectionKind::Video,
            Self::Audio => SectionKind::Audio,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Video(_) => Kind::Video,
            Self::Audio => Kind::Audio,
        }
    }

    fn choose(self, section: &OfferedSection<'_>) -> Option<Choice> {
        match self {
            Self::Video(config) => choose_video(section, config),
            Self::Audio => choose_audio(section),
        }
    }
}

/// What becomes of a section.
enum Plan {
    Rejected,
    /// Both sides could, and nothing is sent.
    Silent(Choice),
    /// The source of this index is sent.
    Sends(Choice, usize),
    Channel,
}

/// What an offer comes to.
pub(super) struct Settled {
    pub(super) answer: String,
    pub(super) slots: Vec<Slot>,
    /// The longest message the peer takes, where there is a data channel; 0: any.
    pub(super) channel: Option<Option<u32>>,
}

/// What stays the same through all offers of a session.
#[derive(Debug)]
pub(super) struct History {
    session: u64,
    version: u32,
    /// Kind and mid of each section answered so far: none of them may go or change its place (RFC 8829 §5.2.2).
    sections: Vec<(SectionKind, Box<str>)>,
}

impl Default for History {
    fn default() -> Self {
        // Positive as a signed number (RFC 8829 §5.2.1).
        Self { session: random::u64() >> 1, version: 0, sections: Vec::new() }
    }
}

impl History {
    /// Binds sources to sections: those that are sent already stay (`slots`), the others take the next free section of
    /// their kind. Slots whose section or source is gone are dropped. On an error `slots` is lost with the session or
    /// to be put back by the caller, who therefore checks with [`Self::check`] first.
    pub(super) fn settle(
        &mut self,
        offer: &Offer<'_>,
        sources: &[Source<'_>],
        slots: Vec<Slot>,
        local: Local<'_>,
    ) -> Settled {
        let plans = plan(offer, sources, &slots);
        let mut kept: Vec<Option<Slot>> = slots.into_iter().map(Some).collect();
        let (mut slots, mut sections, mut channel) = (Vec::new(), Vec::new(), None);
        let choices: Vec<_> = plans.iter().map(Plan::choice).collect();
        for ((index, section), (plan, choice)) in
            offer.sections.iter().enumerate().zip(plans.iter().zip(&choices))
        {
            let id = SenderId(index as u16);
            sections.push(match (plan, choice) {
                (Plan::Channel, _) => {
                    channel = Some(section.message_max);
                    AnswerSection::Channel(ChannelAnswer { protocol: section.protocol, mid: section.mid })
                }
                (Plan::Sends(_, source), Some(choice)) => {
                    let source = &sources[*source];
                    let before =
                        kept.iter_mut().find(|slot| slot.as_ref().is_some_and(|s| s.is(id, source, choice)));
                    let before = before.and_then(Option::take);
                    let slot = before.unwrap_or_else(|| Slot::new(id, source, section, choice, &slots));
                    let sends = Some((slot.sender.ssrc(), slot.resend_ssrc(), slot.track()));
                    slots.push(slot);
                    media(section, choice, sends, source.playout_delay.is_some())
                }
                (Plan::Silent(_), Some(choice)) => media(section, choice, None, false),
                (Plan::Rejected | Plan::Silent(_) | Plan::Sends(..), _) => AnswerSection::Rejected {
                    media: section.media,
                    protocol: section.protocol,
                    numbers: section.numbers,
                    mid: section.mid,
                },
            });
        }
        self.version += 1;
        self.sections = offer.sections.iter().map(|s| (s.kind, s.mid.unwrap_or_default().into())).collect();
        let answer = Answer { session: self.session, version: self.version, local, sections }.encode();
        Settled { answer, slots, channel }
    }

    /// Refuses an offer that takes back or reorders sections.
    pub(super) fn check(&self, offer: &Offer<'_>) -> Result<(), OfferError> {
        let is_same = |((kind, mid), section): (&(SectionKind, Box<str>), &OfferedSection<'_>)| {
            // A rejected place may be used anew (RFC 8829 §5.2.2).
            section.is_rejected || (*kind == section.kind && **mid == *section.mid.unwrap_or_default())
        };
        let keeps = self.sections.len() <= offer.sections.len();
        if keeps && self.sections.iter().zip(&offer.sections).all(is_same) {
            return Ok(());
        }
        let words =
            "a new offer must keep the sections of the one before in their places (RFC 8829 section 5.2.2)";
        Err(OfferError::Malformed(words.to_owned()))
    }
}

/// Refuses an offer in which nothing can be sent, in words; `text` is the whole of it.
pub(super) fn check_first(offer: &Offer<'_>, sources: &[Source<'_>], text: &str) -> Result<(), OfferError> {
    let sent: Vec<usize> = plan(offer, sources, &[])
        .iter()
        .filter_map(|plan| if let Plan::Sends(_, source) = plan { Some(*source) } else { None })
        .collect();
    let takes_video =
        offer.sections.iter().any(|s| s.kind == SectionKind::Video && s.receives && !s.is_rejected);
    for (index, source) in sources.iter().enumerate() {
        // Never sound alone where there is a picture that the viewer asked for.
        if let SourceKind::Video(config) = source.kind
            && takes_video
            && !sent.contains(&index)
            && !offer.sections.iter().any(|section| choose_video(section, config).is_some())
        {
            return Err(no_common_codec(config, text));
        }
    }
    if sent.is_empty() {
        return Err(OfferError::Direction(
            "a viewer must offer a=recvonly video or audio that the stream has",
        ));
    }
    Ok(())
}

fn plan(offer: &Offer<'_>, sources: &[Source<'_>], slots: &[Slot]) -> Vec<Plan> {
    let mut is_bound = vec![false; sources.len()];
    let kept: Vec<Option<(Choice, usize)>> = offer
        .sections
        .iter()
        .enumerate()
        .map(|(index, section)| {
            let slot = slots.iter().find(|slot| slot.id == SenderId(index as u16))?;
            let at = sources.iter().position(|source| source.key == slot.key)?;
            let choice = usable(offer, index).then(|| sources[at].kind.choose(section)).flatten()?;
            is_bound[at] = slot.is(slot.id, &sources[at], &choice) && section.receives;
            is_bound[at].then_some((choice, at))
        })
        .collect();
    let mut has_channel = false;
    let one = |((index, section), kept): ((usize, &OfferedSection<'_>), Option<(Choice, usize)>)| {
        if let Some((choice, source)) = kept {
            return Plan::Sends(choice, source);
        }
        if !usable(offer, index) {
            return Plan::Rejected;
        }
        if section.kind == SectionKind::Channel {
            let is_taken = section.sctp_port.is_none() || std::mem::replace(&mut has_channel, true);
            return if is_taken { Plan::Rejected } else { Plan::Channel };
        }
        let free = sources.iter().enumerate().filter(|(at, source)| {
            !is_bound[*at] && section.receives && source.kind.section() == section.kind
        });
        let next =
            free.map(|(at, source)| (at, source.kind.choose(section))).find(|(_, choice)| choice.is_some());
        if let Some((at, Some(choice))) = next {
            is_bound[at] = true;
            return Plan::Sends(choice, at);
        }
        is_known(section).map_or(Plan::Rejected, Plan::Silent)
    };
    offer.sections.iter().enumerate().zip(kept).map(one).collect()
}

impl Plan {
    fn choice(&self) -> Option<&Choice> {
        match self {
            Self::Silent(choice) | Self::Sends(choice, _) => Some(choice),
            Self::Rejected | Self::Channel => None,
        }
    }
}

fn usable(offer: &Offer<'_>, index: usize) -> bool {
    let is_ours = offer.sections.get(index).is_some_and(|s| !s.is_rejected && s.kind != SectionKind::Other);
    is_ours && offer.is_bundled(index)
}

fn media<'a>(
    section: &OfferedSection<'a>,
    choice: &'a Choice,
    sends: Option<(u32, Option<u32>, String)>,
    has_delay: bool,
) -> AnswerSection<'a> {
    let is_ours = |(_, uri): &(u8, &str)| {
        [MID, ABS_CAPTURE_TIME].contains(uri)
            || *uri == TRANSPORT_CC && choice.feedback.transport_cc
            || *uri == PLAYOUT_DELAY && has_delay
    };
    AnswerSection::Media(MediaAnswer {
        media: section.media,
        protocol: section.protocol,
        mid: section.mid,
        choice,
        extensions: section.extensions.iter().copied().filter(is_ours).collect(),
        is_reduced_size: section.is_reduced_size,
        reports_rtt: section.reports_rtt,
        sends,
    })
}

impl Slot {
    fn new(
        id: SenderId,
        source: &Source<'_>,
        section: &OfferedSection<'_>,
        choice: &Choice,
        others: &[Self],
    ) -> Self {
        let mut taken: Vec<u32> =
            others.iter().flat_map(|s| [Some(s.sender.ssrc()), s.resend_ssrc()]).flatten().collect();
        let mut ssrc = || {
            let ssrc = std::iter::repeat_with(random::u32).find(|ssrc| *ssrc != 0 && !taken.contains(ssrc));
            taken.extend(ssrc);
            ssrc.unwrap_or(1)
        };
        let extension = |uri: &str| {
            let (id, _) = section.extensions.iter().find(|(_, known)| *known == uri)?;
            ExtensionId::new(*id)
        };
        let extensions = ExtensionIds {
            mid: extension(MID),
            transport_cc: extension(TRANSPORT_CC).filter(|_| choice.feedback.transport_cc),
            abs_capture_time: extension(ABS_CAPTURE_TIME),
            playout_delay: extension(PLAYOUT_DELAY).filter(|_| source.playout_delay.is_some()),
        };
        let sender = Sender::new(Config {
            kind: source.kind.kind(),
            mid: section.mid.unwrap_or_default(),
            payload_type: choice.payload_type,
            ssrc: ssrc(),
            resend: choice.rtx.map(|payload_type| ResendStream { payload_type, ssrc: ssrc() }),
            extensions,
            playout_delay: source.playout_delay,
            random: random::u64(),
        });
        Self { id, key: source.key, payload_type: choice.payload_type, sender }
    }

    /// The same source in the same section and format.
    fn is(&self, id: SenderId, source: &Source<'_>, choice: &Choice) -> bool {
        let is_same_format = self.payload_type == choice.payload_type
            && self.sender.resend_stream().map(|resend| resend.payload_type) == choice.rtx;
        self.id == id && self.key == source.key && self.sender.kind() == source.kind.kind() && is_same_format
    }

    fn resend_ssrc(&self) -> Option<u32> {
        self.sender.resend_stream().map(|resend| resend.ssrc)
    }

    fn track(&self) -> String {
        format!("{}-{}", self.sender.kind().as_str(), self.id.0)
    }
}
