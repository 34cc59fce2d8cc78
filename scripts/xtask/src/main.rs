//! Helper commands of the checkout: `cargo xtask help`.
//!
//! One file a command. Deliberately without the crates of the project and without libtorch: this program is what
//! makes libtorch available to them.

mod capi;
mod deny;
mod install;
mod mujoco;
mod peers;
mod process;
mod release;
mod results;
mod setup;
mod test;
mod train;
mod venv;
mod zoo;

use std::process::ExitCode;

use process::Failed;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  setup [--cuda]          install libtorch into .cache/ (nothing to do when it is there)
                          --cuda: with its CUDA libraries (Linux, about 8 GB of disk while it unpacks)
  setup --mujoco          install MuJoCo into .cache/ instead, for builds with `--features mujoco`
  setup --gymnasium       install a Python with Gymnasium into .cache/gymnasium/, which the tests use
  setup --runtimes        install a Python with onnxruntime, LiteRT and TensorFlow Lite Micro into .cache/runtimes/, which
                          the tests run exported models with
  train CONFIG [ARGS]...  set-up if needed, release build, then `phalanx train CONFIG ARGS...`;
                          with the environments of MuJoCo where it has been set up
  test [ARGS]...          all set-ups if needed, then the whole test suite; ARGS go to cargo nextest or cargo test
  install --prefix DIR    build the C library of policies and install it: DIR/lib, DIR/include, DIR/lib/pkgconfig
                          (not the program phalanx, which needs the libtorch of this checkout)
  deny                    check licences, sources and advisories of the dependencies (deny.toml); installs cargo-deny
  results [--only CONFIG] [--seeds N]
                          train every task with 5 seeds, or 3, evaluate, write docs/results.md (about an hour)
  peers [--suite envs|gymnasium|train|learn] [--only SETTING] [--rounds N] [--binary PHALANX]
                          measure other libraries and us in turn, write docs/benchmarks.md (about 40 minutes;
                          installs them into .cache/, about 11 GB); --binary: measure this one and write nothing
  zoo [--only PACKAGE] [--binary PHALANX]
                          put environments of third-party packages through check, bench, train, evaluate, visualize and
                          resume, write docs/environments.md (about half an hour; installs the packages into
                          .cache/zoo/, about 10 GB); --binary: try this one and write nothing

Environment: LIBTORCH (a libtorch 2.11 of your own), LIBTORCH_USE_PYTORCH=1 (the one of an installed Python torch 2.11),
MUJOCO_DYNAMIC_LINK_DIR (the folder of a libmujoco 3.17.0), PHALANX_PYTHON (a Python with Gymnasium, for the tests) and
PHALANX_RUNTIMES (a Python with the programs that run exported models) are used instead of installing one; CXX names the C++ compiler; the settings of pip (PIP_INDEX_URL, pip.conf) apply.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["setup"] => setup::ensure(false),
        ["setup", "--cuda"] => setup::ensure(true),
        ["setup", "--mujoco"] => mujoco::ensure(),
        ["setup", "--gymnasium"] => setup::gymnasium().map(|python| println!("{}", python.display())),
        ["setup", "--runtimes"] => setup::runtimes().map(|python| println!("{}", python.display())),
        ["train", config, rest @ ..] if !config.starts_with('-') => train::run(config, rest),
        ["install", "--prefix", prefix] => capi::install(prefix),
        ["deny"] => deny::check(),
        ["test", rest @ ..] => test::run_tests(rest),
        ["results", rest @ ..] => results::run(rest),
        ["peers", rest @ ..] => peers::run(rest),
        ["zoo", rest @ ..] => zoo::run(rest),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            error.downcast_ref::<Failed>().map_or(ExitCode::FAILURE, |failed| ExitCode::from(failed.code))
        }
    }
}
