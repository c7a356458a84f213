//! Known answers of the RFCs and of libsrtp 2, and what a key must never do.

use super::{
    KeyError, Keys, OpenError, Profile, Sealer, Side,
    cipher::{self, Cipher},
    keys::{self as master, Label},
};

/// RFC 7714 §16 and §17: keys count up from zero, the salt is text.
const SALT: &str = "517569642070726f2071756f";
const RTP: &str =
    "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

const PROFILES: [Profile; 3] = [Profile::AeadAes256Gcm, Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80];

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().as_chunks::<2>().0;
    digits.iter().map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// A session with these very session keys.
fn gcm(profile: Profile, index: u32) -> Sealer {
    let key: Vec<u8> = (0..profile.key_len() as u8).collect();
    let cipher = || Cipher::new(profile, &key, &[0; 20], &hex(SALT)).unwrap();
    let mut sealer = Sealer::new(profile, cipher(), cipher());
    sealer.skip_rtcp_to(index);
    sealer
}

fn seal(sealer: &Sealer, sequence: u64, packet: &[u8]) -> Vec<u8> {
    let header_len = crate::engine::header::length(packet).unwrap();
    let ssrc = u32::from_be_bytes(packet[8..12].try_into().unwrap());
    let mut out = packet[..header_len].to_vec();
    out.resize(packet.len() + sealer.profile().rtp_overhead(), 0);
    assert!(sealer.seal_rtp(ssrc, sequence, &mut out, header_len, &packet[header_len..]));
    let mut in_place = packet.to_vec();
    in_place.resize(out.len(), 0);
    assert!(sealer.seal_rtp_in_place(ssrc, sequence, &mut in_place, header_len));
    assert_eq!(in_place, out);
    out
}

#[test]
fn gcm_gives_the_answers_of_rfc_7714() {
    let check = |profile, rtp: &str, rtcp: &str| {
        assert_eq!(seal(&gcm(profile, 0), 0xf17b, &hex(RTP)), hex(rtp), "{profile:?}");
        let mut compound = hex(RTCP);
        assert!(gcm(profile, 0x5d4).seal_rtcp(&mut compound));
        assert_eq!(compound, hex(rtcp), "{profile:?}");
    };
    check(
        Profile::AeadAes128Gcm,
        "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
         899d7f27beb16a9152cf765ee4390cce",
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b\
         c84aa45896cf4d2fc5abf87245d9eade800005d4",
    );
    check(
        Profile::AeadAes256Gcm,
        "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
         7aa3db36dfffd6b0f9bb7878d7a76c13",
        "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad\
         1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
    );
}

#[test]
fn session_keys_are_those_of_rfc_3711_appendix_b_3() {
    let master =
        master::Master::new(&hex("e1f97a0d3e018be0d64fa32c06de4139"), &hex("0ec675ad498afeebb6960b3aabe6"));
    let derive = |label| master.session_key::<20>(Profile::Aes128CmSha1_80, label).unwrap().to_vec();
    assert_eq!(derive(Label::RtpEncryption)[..16], hex("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(derive(Label::RtpSalt)[..14], hex("30cbbc08863d8c85d49db34a9ae1"));
    assert_eq!(derive(Label::RtpAuthentication), hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
}

#[test]
fn the_counter_mode_stream_is_that_of_rfc_3711_appendix_b_2() {
    let (key, salt) = (hex("2b7e151628aed2a6abf7158809cf4f3c"), hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd"));
    let Cipher::Counter(mode) = Cipher::new(Profile::Aes128CmSha1_80, &key, &[0; 20], &salt).unwrap() else {
        panic!("counter mode");
    };
    let mut stream = [0; 48];
    mode.apply(cipher::Place { ssrc: 0, index: 0 }, &mut stream).unwrap();
    let expected =
        "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0";
    assert_eq!(stream.to_vec(), hex(expected));
}

/// The material whose answers by libsrtp 2 stand below.
fn material(profile: Profile) -> Vec<u8> {
    let key: Vec<u8> = (0..profile.key_len() as u32).map(|i| (7 * i + 3) as u8).collect();
    let salt: Vec<u8> = (0..profile.salt_len() as u32).map(|i| (11 * i + 5) as u8).collect();
    [&key[..], &key, &salt, &salt].concat()
}

fn keys(profile: Profile) -> Keys {
    Keys::from_dtls(profile, &material(profile), Side::Server).unwrap()
}

/// Sealed by libsrtp (pylibsrtp 1.0): four packets around the end of the first round, and two reports with index 1.
#[test]
fn libsrtp_seals_the_same() {
    let check = |profile, rtp: [&str; 4], rtcp: [&str; 2]| {
        let sealer = keys(profile).sealer().unwrap();
        for (sequence, expected) in (65_534..).zip(rtp) {
            let packet = packet(sequence, b"unisono, in unison");
            assert_eq!(seal(&sealer, sequence, &packet), hex(expected), "{profile:?} {sequence}");
        }
        for (plain, expected) in ["80c90001cafebabe", RTCP].into_iter().zip(rtcp) {
            let mut sealer = keys(profile).sealer().unwrap();
            sealer.skip_rtcp_to(1);
            let mut compound = hex(plain);
            assert!(sealer.seal_rtcp(&mut compound));
            assert_eq!(compound, hex(expected), "{profile:?}");
        }
    };
    check(
        Profile::AeadAes256Gcm,
        [
            "90e0fffedeadbeefcafebabebede000131aabb00c99a657a80cfa54eb1cf52fa2c9eff38ce51940520476d3ad34d6440fc29f657226c",
            "90e0ffffdeadbeefcafebabebede000131aabb007ab6acfe8ce6f6644218806e975268741c58221f45418ce8f2810f57174bc0144574",
            "90e00000deadbeefcafebabebede000131aabb007ab7ea65f619bb89149ef1caf3593a497e6ebb526f0ba583104c3c18ca5cb3ecf064",
            "90e00001deadbeefcafebabebede000131aabb00f4c20f74735f8c9110b16882c88841331a64b1c75f768a839e5315dc58e3e3964210",
        ],
        [
            "80c90001cafebabe92fe27f14d8111b0fbc2f59ad667958e80000001",
            "81c8000d4d617273831d81073a74b23cf1aec53e243e087619adce176d6578e3a2c4bef428d13a164cef42ba6237b11273033\
             8de2e3c801f16bc3a2c50593c0705d3ed0380000001",
        ],
    );
    check(
        Profile::AeadAes128Gcm,
        [
            "90e0fffedeadbeefcafebabebede000131aabb0001669a9471b80f7ab4721744b496b5af0643e64f1b793018223c4f0ff3cc3ea4ba99",
            "90e0ffffdeadbeefcafebabebede000131aabb00f87bf5a0239dcd17da00b5f73806ecf61f66503c22eb05abd4971e36905895fb308b",
            "90e00000deadbeefcafebabebede000131aabb009112436c617b658dd796c58a91590bfea7bff9d82d5cceb05fabb1bffaad65e91073",
            "90e00001deadbeefcafebabebede000131aabb005e05b8ee6ae9414f31851668a93b4e8f4b591e45a16499db05c25087b3d8cba8eba3",
        ],
        [
            "80c90001cafebabe998a4a46b15dcecbbc683e73a23421ee80000001",
            "81c8000d4d61727372b031a83ecc225c238b1cebbca1ea6df76cc5c0a4d32e015dd0285789c77fa705b106589599eed27c40e\
             0a82ee8ff4dc53ed7631914f033c57cd39080000001",
        ],
    );
    check(
        Profile::Aes128CmSha1_80,
        [
            "90e0fffedeadbeefcafebabebede000131aabb003a6d9aac6465dc12605ae7b8742e5f2150f2cc48741e295126099f9d",
            "90e0ffffdeadbeefcafebabebede000131aabb00459f3ae0a273ac5e3158e951d95ee73dcb8e3cdb83e22ddc92dbd818",
            "90e00000deadbeefcafebabebede000131aabb00b73ea975d5f15b97f7aa5d709d3ccf401b038b649ee4cedd9ee72548",
            "90e00001deadbeefcafebabebede000131aabb00b223bb9d08f27d5efa1db4f2702f63c89179bd90d65011d90b92752d",
        ],
        [
            "80c90001cafebabe8000000129242393f291f3dd6689",
            "81c8000d4d617273d90127cf657ec698ad4ddb3c634f2fcf32a596269a485a31c0810886b813ab2b49b1378f600ed9deb2cc\
             6023800000019e5954aba5c72f747b61",
        ],
    );
}

fn packet(sequence: u64, payload: &[u8]) -> Vec<u8> {
    let mut packet = hex("90e0");
    packet.extend((sequence as u16).to_be_bytes());
    packet.extend(hex("deadbeefcafebabebede000131aabb00"));
    packet.extend(payload);
    packet
}

/// A day of 1,000 packets a second has 1,300 rounds of sequence numbers; three of them with losses at the seams.
#[test]
fn receivers_follow_the_sequence_numbers_round_and_round() {
    for profile in PROFILES {
        let (sealer, mut opener) = (keys(profile).sealer().unwrap(), keys(profile).rtp_opener().unwrap());
        let mut plain = [0; 100];
        for sequence in (60_000..200_000).step_by(97) {
            let packet = packet(sequence, b"picture");
            let sealed = seal(&sealer, sequence, &packet);
            assert_eq!(opener.open_rtp(&sealed, &mut plain), Ok((sequence, &packet[..])));
        }
        // One that was overtaken by others is the same round's.
        let late = seal(&sealer, 199_950, &packet(199_950, b"late"));
        assert_eq!(opener.open_rtp(&late, &mut plain).map(|(sequence, _)| sequence), Ok(199_950));
    }
}

#[test]
fn reports_open_once_and_only_unchanged() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = (keys(profile).sealer().unwrap(), keys(profile).opener().unwrap());
        let mut plain = [0; 200];
        let mut sealed = hex(RTCP);
        assert!(sealer.seal_rtcp(&mut sealed));
        for byte in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[byte] ^= 1;
            assert!(opener.open_rtcp(&changed, &mut plain).is_err(), "{profile:?}: byte {byte}");
        }
        for length in 0..sealed.len() {
            assert!(opener.open_rtcp(&sealed[..length], &mut plain).is_err(), "{profile:?}: {length} bytes");
        }
        assert_eq!(opener.open_rtcp(&sealed, &mut plain[..20]), Err(OpenError::Long(sealed.len())));
        assert_eq!(opener.open_rtcp(&sealed, &mut plain), Ok(&hex(RTCP)[..]));
        let replayed = Err(OpenError::Replayed { ssrc: 0x4d61_7273, index: 0 });
        assert_eq!(opener.open_rtcp(&sealed, &mut plain), replayed);
    }
}

#[test]
fn senders_are_kept_apart_and_bounded() {
    let profile = Profile::AeadAes256Gcm;
    let mut opener = keys(profile).opener().unwrap();
    let mut plain = [0; 100];
    for ssrc in 0..=64u32 {
        let mut sealer = keys(profile).sealer().unwrap();
        let mut compound = hex("80c90001");
        compound.extend(ssrc.to_be_bytes());
        assert!(sealer.seal_rtcp(&mut compound));
        let opened = opener.open_rtcp(&compound, &mut plain).map(|_| ());
        assert_eq!(opened, if ssrc < 64 { Ok(()) } else { Err(OpenError::Sources) });
    }
}

#[test]
fn a_used_up_key_seals_nothing() {
    let mut sealer = keys(Profile::AeadAes128Gcm).sealer().unwrap();
    let mut packet = [1; 60];
    assert!(!sealer.seal_rtp(1, 1 << 48, &mut packet, 12, &[1; 32]));
    assert_eq!(packet, [0; 60], "nothing in the clear leaves");
    packet.fill(1);
    assert!(!sealer.seal_rtp(1, 1, &mut packet, 12, &[1; 33]), "no room");
    assert!(!sealer.seal_rtp_in_place(1, 1, &mut packet, 61));
    sealer.skip_rtcp_to(0x7fff_ffff);
    let mut last = hex(RTCP);
    assert!(sealer.seal_rtcp(&mut last));
    let mut beyond = hex(RTCP);
    assert!(!sealer.seal_rtcp(&mut beyond));
    assert!(beyond.is_empty());
    assert!(!sealer.seal_rtcp(&mut vec![0; 7]));
}

#[test]
fn material_of_a_wrong_length_is_refused() {
    let profile = Profile::AeadAes256Gcm;
    let error = Keys::from_dtls(profile, &[0; 56], Side::Client).err();
    assert_eq!(error, Some(KeyError::Length { profile, length: 56 }));
}
