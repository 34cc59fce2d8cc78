//! A policy in a browser.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::place::{Place, text};

/// The folder of the page over HTTP, as docs/deploy.md serves it.
struct Server {
    python: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut python = Command::new("python3")
            .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(python.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // Serving HTTP on 127.0.0.1 port 43215 (http://127.0.0.1:43215/) ...
        let address = line.split(['(', ')']).nth(1).unwrap().to_owned();
        Self { python, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.python.kill().unwrap();
        self.python.wait().unwrap();
    }
}

/// The title of the page after its test. On a busy machine the browser's virtual time may end before the page has loaded its files: it is then
/// opened again.
fn title(server: &Server, place: &Place) -> String {
    let mut titles = (0..10).map(|_| title_once(server, place));
    titles.find(|title| title != "CartPole").expect("the page never ends its test")
}

fn title_once(server: &Server, place: &Place) -> String {
    let output = Command::new("timeout")
        .args(["120", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg("--virtual-time-budget=60000")
        .arg(format!("--user-data-dir={}", place.0.path().join("chromium").display()))
        .arg(format!("{}?test", server.address))
        .output()
        .unwrap();
    let page = text(&output.stdout);
    let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    title.unwrap_or_else(|| panic!("{page}{}", text(&output.stderr))).to_owned()
}

/// Where there is Chromium and Rust's standard library for WebAssembly: the page does as well as the run does here, and
/// reports a damaged file.
#[test]
fn a_policy_balances_cartpole_in_a_browser() {
    let target = "wasm32-unknown-unknown";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_there = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !is_there(Command::new("chromium").arg("--version")) {
        return eprintln!("skipped: there is no chromium");
    }
    if !is_there(Command::new("rustup").args(["target", "add", target]).current_dir(root)) {
        return eprintln!("skipped: rustup cannot add {target}");
    }
    let place = Place::new();
    let build = Command::new(env!("CARGO"))
        .args(["build", "--release", "--target", target, "--target-dir"])
        .arg(root.join("target/web"))
        .current_dir(root.join("deploy/web"))
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", text(&build.stderr));
    let page = place.0.path().join("page");
    fs::create_dir(&page).unwrap();
    for file in ["index.html", "cartpole.js"] {
        fs::copy(root.join("deploy/web/page").join(file), page.join(file)).unwrap();
    }
    let built = root.join("target/web").join(target).join("release/phalanx_web.wasm");
    fs::copy(built, page.join("phalanx_web.wasm")).unwrap();
    let server = Server::start(&page);
    assert_eq!(title(&server, &place), "cannot load policy.phx: 404 File not found");

    let config = root.join("configs/cartpole.yaml");
    place.succeed(&["train", config.to_str().unwrap(), "--set", "evaluation.episodes=0"]);
    let run = place.runs().pop().unwrap().to_str().unwrap().to_owned();
    place.succeed(&["export", &run, "-o", "page/policy.phx"]);
    let json = text(&place.succeed(&["evaluate", &run, "--json"]).stdout);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let number = |key: &str| report[key].as_f64().unwrap();
    let title_of_test = title(&server, &place);
    let found: f64 = title_of_test
        .strip_prefix("return ")
        .and_then(|rest| rest.strip_suffix(" over 100 episodes"))
        .unwrap_or_else(|| panic!("{title_of_test}"))
        .parse()
        .unwrap();
    // Other episodes: means of 100 differ by chance. Gymnasium calls the task solved at 475.
    let (mean, std) = (number("return_mean"), number("return_std"));
    let bound = 0.01 * mean + 4.0 * std * (2.0_f64 / 100.0).sqrt();
    assert!((found - mean).abs() <= bound && found >= 475.0, "{found} in the browser, {mean} ± {std} here");

    let file = page.join("policy.phx");
    let mut bytes = fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let message = title(&server, &place);
    assert!(message.starts_with("not a policy file of version 1, cut off, or its checksum"), "{message}");
}
