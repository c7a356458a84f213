//! The samples of `docs/webhooks.md` verify what is really sent, and nothing else: two implementations that are not ours.

use crate::support::{Got, Receiver, Reply, SECRET, client, clock, stream};
use std::{
    io::Write,
    process::{Command, Stdio},
    sync::Arc,
};
use unisono_base::KeyId;
use unisono_hub::{Source, Watcher};
use unisono_store::{Kv, MemoryKv};
use unisono_webhook::{Endpoint, Metrics, Secret, Sender};

const DOCS: &str = include_str!("../../../../docs/webhooks.md");
/// A secret that signed nothing.
const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// A second one that signs, as in a change of secrets.
const NEW: &str = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

const PYTHON: &str = "
import json, sys
given = json.load(sys.stdin)
for case in given['cases']:
    print(str(verify(given['headers'], case['body'].encode(), case['secret'])).lower())
";
const NODE: &str = "
const given = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
for (const c of given.cases) console.log(verify(given.headers, Buffer.from(c.body), c.secret));
";

fn sample(language: &str) -> &'static str {
    let start = DOCS.split_once(&format!("```{language}\n")).expect("a sample").1;
    start.split_once("```").expect("its end").0
}

fn verdicts(program: &str, flag: &str, code: &str, got: &Got) -> Vec<String> {
    let header = |name| got.header(name).to_owned();
    let body = String::from_utf8(got.body.to_vec()).expect("text");
    let case = |body: &str, secret: &str| serde_json::json!({ "body": body, "secret": secret });
    let input = serde_json::json!({
        "headers": {
            "webhook-id": header("webhook-id"),
            "webhook-timestamp": header("webhook-timestamp"),
            "webhook-signature": header("webhook-signature"),
        },
        "cases": [case(&body, SECRET), case(&body, NEW), case(&body, OTHER), case(&body.replace("live/a", "live/b"), SECRET)],
    });
    let mut command = Command::new(program);
    command.args([flag, code]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().expect("piped").write_all(input.to_string().as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program} failed");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_documented_samples_verify_what_is_sent_and_nothing_else() {
    let mut receiver = Receiver::open(|_| Reply::Status(200)).await;
    let secrets = [SECRET, NEW].map(|text| Secret::parse(text).expect("a secret")).to_vec();
    let endpoint = Endpoint::new(&receiver.url, secrets, Vec::new(), None).expect("good");
    let store: Arc<dyn Kv> = Arc::new(MemoryKv::default());
    let sender = Sender::start(vec![endpoint], &store, &client(), clock(), Arc::new(Metrics::default()));
    let source = Source { protocol: "rtmp", accepts_pli: false };
    sender.stream_up(&stream("live/a"), &source, &KeyId::new("k1"));
    let got = receiver.next().await;
    let expected = ["true", "true", "false", "false"];
    let python = format!("{}{PYTHON}", sample("python"));
    assert_eq!(verdicts("python3", "-c", &python, &got), expected);
    let node = format!("{}{NODE}", sample("js"));
    assert_eq!(verdicts("node", "-e", &node, &got), expected);
    sender.close().await;
}
