//! What the program says to a person at its start: keys once, and ready-made lines for every way in and out.

use crate::{demo::STREAM, keys::FirstKeys, node::Doors};
use std::{
    fmt::{self, Write},
    net::{IpAddr, SocketAddr},
};

/// What a person may publish beside the test stream, whose name is taken.
const OWN_STREAM: &str = "live/me";

/// What to greet with.
pub(crate) struct Welcome<'a> {
    pub(crate) doors: &'a Doors,
    /// Present only when they were just made.
    pub(crate) keys: Option<&'a FirstKeys>,
    /// The test stream runs, so watching comes first.
    pub(crate) is_demo: bool,
    /// Where the node has what is not published here.
    pub(crate) upstream: Option<&'a str>,
    /// Nobody watches without a token.
    pub(crate) needs_token: bool,
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Unisono {}", env!("CARGO_PKG_VERSION"))?;
        let host = self.host();
        if let Some(keys) = self.keys {
            writeln!(
                f,
                "\nKeys, shown this once (only their hashes are kept; `unisono keys new` makes others):"
            )?;
            writeln!(f, "  publish key  {}", keys.publish)?;
            writeln!(f, "  admin key    {}", keys.admin)?;
        } else {
            writeln!(f, "\nKeys exist since an earlier start; `unisono keys new` makes another one.")?;
        }
        let key = self.keys.map_or("pk_...", |keys| &keys.publish);
        if self.is_demo {
            self.watch(f, &host)?;
            self.publish(f, &host, OWN_STREAM, key)?;
        } else {
            self.publish(f, &host, STREAM, key)?;
            self.watch(f, &host)?;
        }
        self.relay(f, &host)?;
        if !self.doors.reachable.is_empty() && host == "localhost" {
            let others: Vec<_> = self.doors.reachable.iter().map(IpAddr::to_string).collect();
            writeln!(f, "\nFrom other machines: {} instead of localhost.", others.join(" or "))?;
        }
        if let Some(https) = self.doors.https.or(self.doors.one_port) {
            let port = https.port();
            writeln!(
                f,
                "\nOver TLS: https and port {port} instead of http; a camera of another machine needs it."
            )?;
            if self.doors.signs_itself {
                writeln!(
                    f,
                    "The certificate is this server's own: a browser warns once. --certificate names another."
                )?;
            }
        }
        Ok(())
    }
}

impl Welcome<'_> {
    /// The watch page's URL.
    pub(crate) fn watch_url(&self) -> Option<String> {
        self.doors.http.map(|http| format!("http://{}:{}/{STREAM}", self.host(), http.port()))
    }

    /// `localhost` where that reaches us: browsers give cameras only to it and to https.
    fn host(&self) -> String {
        let bound = self.doors.http.or(self.doors.rtmp).map(|address| address.ip().to_canonical());
        match bound {
            Some(ip) if !ip.is_unspecified() && !ip.is_loopback() => match ip {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            },
            _ => "localhost".to_owned(),
        }
    }

    fn relay(&self, f: &mut fmt::Formatter<'_>, host: &str) -> fmt::Result {
        if let Some(upstream) = self.upstream {
            writeln!(f, "\nWhat is published at {upstream} can be watched here, too.")?;
        }
        let Some(relay) = self.doors.relay else { return Ok(()) };
        writeln!(f, "\nEdges, with the same relay.secrets (UDP {}):", relay.port())?;
        writeln!(f, "  unisono serve --upstream relay://{host}:{}", relay.port())
    }

    fn watch(&self, f: &mut fmt::Formatter<'_>, host: &str) -> fmt::Result {
        let Some(http) = self.doors.http else { return writeln!(f, "\nWatch: closed (http.listen is off)") };
        let base = format!("http://{host}:{}/{STREAM}", http.port());
        writeln!(f, "\nWatch")?;
        if self.needs_token {
            writeln!(
                f,
                "  with #token=... behind the page, or /t/TOKEN before the path; a token is made by"
            )?;
            writeln!(f, "  unisono token new --stream {STREAM} --allow view --allow send")?;
        }
        writeln!(f, "  page         {base}")?;
        if self.doors.webrtc.is_some() {
            writeln!(f, "  WHEP         {base}/whep")?;
        }
        writeln!(f, "  HLS          {base}/index.m3u8")?;
        writeln!(f, "  host         {base}/host   (chat, polls, auctions)")
    }

    fn publish(&self, f: &mut fmt::Formatter<'_>, host: &str, stream: &str, key: &str) -> fmt::Result {
        let (app, name) = stream.split_once('/').unwrap_or(("live", stream));
        let mut lines = String::new();
        if let Some(rtmp) = self.doors.rtmp {
            let server = format!("rtmp://{host}{}/{app}", port_unless(rtmp, 1935));
            writeln!(lines, "  OBS          Server {server}   Stream key {name}?key={key}")?;
            writeln!(
                lines,
                "               (Output, Advanced: keyframe interval 2 s, B-frames 0, for WebRTC viewers)"
            )?;
            writeln!(
                lines,
                "  ffmpeg       ffmpeg -re -i in.mp4 -c:v libx264 -tune zerolatency -g 60 -c:a aac -f flv \
                 '{server}/{name}?key={key}'"
            )?;
        }
        if let Some(rtmps) = self.doors.rtmps {
            let server = format!("rtmps://{host}:{}/{app}", rtmps.port());
            writeln!(lines, "  over TLS     Server {server}   Stream key {name}?key={key}")?;
        }
        if let (Some(http), Some(_)) = (self.doors.http, self.doors.webrtc) {
            let base = format!("http://{host}:{}/{stream}", http.port());
            writeln!(lines, "  browser      {base}/publish#key={key}")?;
            writeln!(lines, "  WHIP         {base}/whip   Bearer token {key}")?;
        }
        if lines.is_empty() {
            return writeln!(f, "\nPublish: closed (rtmp.listen and webrtc.listen are off)");
        }
        write!(f, "\nPublish\n{lines}")
    }
}

fn port_unless(address: SocketAddr, usual: u16) -> String {
    if address.port() == usual { String::new() } else { format!(":{}", address.port()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors() -> Doors {
        Doors {
            https: None,
            one_port: None,
            rtmps: None,
            signs_itself: false,
            relay: None,
            http: Some("0.0.0.0:8080".parse().expect("valid")),
            rtmp: Some("0.0.0.0:1935".parse().expect("valid")),
            webrtc: Some("0.0.0.0:8189".parse().expect("valid")),
            reachable: vec!["192.0.2.4".parse().expect("valid")],
        }
    }

    #[test]
    fn the_first_start_shows_keys_in_ready_made_lines() {
        let keys = FirstKeys { publish: "pk_1_2".to_owned(), admin: "ak_3_4".to_owned() };
        let doors = doors();
        let text =
            Welcome { doors: &doors, keys: Some(&keys), is_demo: false, upstream: None, needs_token: false }
                .to_string();
        for line in [
            "publish key  pk_1_2",
            "admin key    ak_3_4",
            "Server rtmp://localhost/live   Stream key demo?key=pk_1_2",
            "'rtmp://localhost/live/demo?key=pk_1_2'",
            "http://localhost:8080/live/demo/publish#key=pk_1_2",
            "http://localhost:8080/live/demo/whip   Bearer token pk_1_2",
            "page         http://localhost:8080/live/demo\n",
            "192.0.2.4 instead of localhost",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn later_starts_show_no_key() {
        let doors = Doors { rtmp: None, ..doors() };
        let welcome =
            Welcome { doors: &doors, keys: None, is_demo: false, upstream: None, needs_token: false };
        let text = welcome.to_string();
        assert!(
            text.contains("Keys exist") && text.contains("#key=pk_...") && !text.contains("rtmp://"),
            "{text}"
        );
        assert_eq!(welcome.watch_url().as_deref(), Some("http://localhost:8080/live/demo"));
        let guarded = Welcome { needs_token: true, ..welcome }.to_string();
        assert!(
            guarded.contains("unisono token new --stream live/demo") && !text.contains("token new"),
            "{guarded}"
        );
    }
}
