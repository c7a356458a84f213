//! The little of SDP that an answerer needs (RFC 8866, RFC 3264, RFC 8829): an offer is read into what it says about us,
//! an answer is written. Lines we do not know are ignored; what we know and cannot read is refused in words.

mod answer;
mod choice;
mod offer;

pub(crate) use answer::{
    Answer, AnswerSection, ChannelAnswer, Local, MESSAGE_MAX, MediaAnswer, STREAM_ID, candidate_lines,
};
pub(crate) use choice::{Choice, choose_audio, choose_video, is_known};
pub(crate) use offer::{Fingerprint, Hash, Offer, OfferedSection, SectionKind, Setup};
