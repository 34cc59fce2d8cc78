//! Build script of every crate that makes programs or tests: they find libtorch and `MuJoCo` without `LD_LIBRARY_PATH`.
//!
//! torch-sys has the path of the libtorch that it was built against (`LIBTORCH`, a Python's, or the one of `cargo xtask setup`) and
//! passes it to the crates that depend on it directly; `MuJoCo` is in `MUJOCO_DYNAMIC_LINK_DIR`. Link arguments do not
//! reach the crates above, so each one that makes programs or tests names this file as its build script.

/// Prints what cargo passes to the linker.
pub fn main() {
    mujoco();
    // Environments cannot reach libtorch.
    if std::env::var("CARGO_PKG_NAME").as_deref() != Ok("phalanx-envs") {
        libtorch();
    }
}

fn mujoco() {
    println!("cargo::rerun-if-env-changed=MUJOCO_DYNAMIC_LINK_DIR");
    // Whatever the features of this crate: the environments below may have been built with it.
    if let Ok(lib) = std::env::var("MUJOCO_DYNAMIC_LINK_DIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    } else if std::env::var_os("CARGO_FEATURE_MUJOCO").is_some() {
        // Static ones and those of pkg-config are found anyway; where there is none, mujoco-rs reports it.
        println!(
            "cargo::warning=MUJOCO_DYNAMIC_LINK_DIR is not set: `cargo xtask setup --mujoco` installs MuJoCo"
        );
    }
}

fn libtorch() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else {
        println!("cargo::error=torch-sys names no libtorch folder; run `cargo xtask setup`");
        return;
    };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // Nothing refers to a symbol of libtorch's CUDA half: without this the linker drops it and no GPU is found.
        println!("cargo::rustc-link-arg=-Wl,--push-state,--no-as-needed,-ltorch,--pop-state");
    }
}
