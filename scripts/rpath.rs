//! Build script of every crate that links libtorch: programs and tests find it without `LD_LIBRARY_PATH`.
//!
//! torch-sys knows which libtorch it was built against (`LIBTORCH`, a Python's, or the one of `cargo xtask setup`) and
//! tells the crates that depend on it directly. Link arguments do not reach the crates above, so each one that
//! makes programs or tests names this file as its build script.

fn main() {
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
